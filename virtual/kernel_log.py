"""What the board's kernel says: a few lines at boot, and the ones an evaluator looks for afterwards."""

from __future__ import annotations

from virtual.config import BoardConfig
from virtual.machine import Machine
from virtual.rootfs import KERNEL_RELEASE, KERNEL_VERSION
from virtual.sysfs import MODEL

DRIVER_DATES = {"0.9.8": "20240828", "0.9.7": "20240424", "0.9.6": "20240322", "0.9.3": "20231121"}


def boot_lines(machine: Machine, config: BoardConfig) -> list[tuple[float, str]]:
    """Seconds since power on, and the line."""
    driver = config.driver_shown
    date = DRIVER_DATES.get(driver, "20240828")
    total_kb = machine.total_bytes // 1024
    npu = "RKNPU fdab0000.npu:"
    return [
        (0.0, f"Linux version {KERNEL_RELEASE} {KERNEL_VERSION}"),
        (0.0, f"Machine model: {MODEL}"),
        (0.000021, f"Memory: {total_kb - 212_000}K/{total_kb}K available"),
        (1.204417, "rockchip-dmc dmc: leakage=31"),
        (2.918330, f"{npu} Adding to iommu group 0"),
        (2.918472, f"{npu} RKNPU: rknpu iommu is enabled, using iommu mode"),
        (2.923101, f"{npu} can't request region for resource [mem 0xfdab0000-0xfdabffff]"),
        (2.925214, f"[drm] Initialized rknpu {driver} {date} for fdab0000.npu on minor 1"),
        (3.310552, "EXT4-fs (mmcblk0p2): mounted filesystem with ordered data mode. Quota mode: none."),
        (14.660873, "rk_gmac-dwmac fe1c0000.ethernet eth0: Link is Up - 1Gbps/Full - flow control rx/tx"),
    ]


def oom_lines(
    pid: int, resident_bytes: float, machine: Machine, name: str = "llm_demo", score_adj: int = 0
) -> list[str]:
    """An out-of-memory kill of a demo, in the kernel's words."""
    rss_pages = int(resident_bytes // 4096)
    total_kb = int(resident_bytes * 1.3 // 1024)
    anon_kb = int(resident_bytes * 0.08 // 1024)
    shmem_kb = int(resident_bytes // 1024) - anon_kb
    tables = rss_pages * 8
    ended = f"pgtables:{tables // 1024}kB oom_score_adj:{score_adj}"
    row = f"{total_kb // 4:8d} {rss_pages:8d} {tables:8d}        0         {score_adj:5d}"
    sizes = f"total-vm:{total_kb}kB, anon-rss:{anon_kb}kB, file-rss:4096kB, shmem-rss:{shmem_kb}kB"
    return [
        f"{name} invoked oom-killer: gfp_mask=0x140dca(GFP_HIGHUSER_MOVABLE|__GFP_COMP|__GFP_ZERO), order=0",
        f"Mem-Info: free:{machine.available_bytes // 4096} free_pcp:63 free_cma:0",
        "Tasks state (memory values in pages):",
        "[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name",
        f"[{1:7d}]     0 {1:5d}     4102      903    69632        0             0 init",
        f"[{pid:7d}]     0 {pid:5d} {row} {name}",
        f"oom-kill:constraint=CONSTRAINT_NONE,global_oom,task_memcg=/,task={name},pid={pid},uid=0",
        f"Out of memory: Killed process {pid} ({name}) {sizes}, UID:0 {ended}",
    ]
