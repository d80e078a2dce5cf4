"""The one table of what can go wrong, in the order that decides between the files of one run.

A class is one entry: how it is recognised, what it means and what to do next. Nothing else in the project has to be
touched for a new one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from analysis.parse.signs import FailureClass, Sign, details, sign

_SHELL_DIED = r"(?: \(core dumped\)| \(吐核\)|（吐核）|\(核心已转储\)| \(核心已转储\))?\s*\Z"

FAILURES: tuple[FailureClass, ...] = (
    FailureClass(
        "glibc_too_old",
        "the board's root file system is older than the demo or the library needs",
        "install a newer image, or a build of the runtime made for this one; `ldd --version` shows what is there",
        (sign("glibc_", r"[\d.]+' not found"), sign("glibcxx_")),
    ),
    FailureClass(
        "missing_lib",
        "the loader did not find a shared library",
        "set LD_LIBRARY_PATH to the folder that holds librkllmrt.so and librknnrt.so",
        (sign("error while loading shared libraries"),),
    ),
    FailureClass(
        "no_npu_device",
        "the NPU's device could not be opened",
        "check that the vendor's rknpu driver is loaded, that the user is in the groups video and render, and that a "
        "container was given /dev/dri",
        (
            sign("failed to open rknpu module"),
            sign("failed to open rknn device"),
            sign("get device properties failed"),
            sign("device is not available"),
        ),
    ),
    FailureClass(
        "rocket_driver",
        "a mainline kernel with the rocket driver runs here, which RKLLM can not use",
        "boot a vendor kernel (5.10 or 6.1) with the rknpu driver",
        (
            sign("[drm] initialized rocket"),
            sign("/dev/accel/accel0"),
        ),
    ),
    FailureClass(
        "platform_unknown",
        "the runtime could not tell which chip it runs on",
        "make /proc/device-tree/compatible readable (container), or boot a vendor kernel",
        (sign("query platform error!"),),
    ),
    FailureClass(
        "platform_unsupported",
        "the model was converted for another chip",
        "convert it with the target platform of this board, or take the artifact that was",
        (
            sign("platform error: must be either rk3588"),
            sign("this rknn model is for rk", r"\d+, but current platform is"),
            sign("target_platform ", r".*not match"),
        ),
    ),
    FailureClass(
        "model_invalid",
        "no model this runtime can read: a git-LFS pointer, a copy cut short, or made for a newer runtime",
        "compare size and sha256 with the catalogue (`invoke push` does), then toolkit and runtime versions",
        (sign("invalid ", r"(?:rknn llm )?model magic|rkllm model!|magic characters"),),
    ),
    FailureClass(
        "model_too_old",
        "the model was converted with a toolkit older than this runtime reads",
        "convert it again with the toolkit of the runtime's version",
        (sign("model version is too old"),),
    ),
    FailureClass(
        "context_over_limit",
        "more context was asked for than the model was converted with",
        "lower max_context_len to the model's max_context_limit, or convert with a larger one",
        (sign("max_context[", r"\d+\] must be less than the model's max_context_limit\[\d+\]"),),
        details=details(
            requested=r"max_context\[(\d+)\] must be",
            limit=r"max_context_limit\[(\d+)\]",
        ),
    ),
    FailureClass(
        "prompt_too_long",
        "the prompt does not fit into the context",
        "shorten the prompt, or raise max_context_len up to the model's limit",
        (sign("prompt ", r"gather than max context|.*exceed"),),
    ),
    FailureClass(
        "cpu_mask_mismatch",
        "fewer CPUs are online or allowed than the runtime was told to use",
        "bring all cores online, take taskset or cpuset away, or set enabled_cpus_num and the mask to what is there",
        (
            sign("number of enabled cpus must be greater"),
            sign("mismatch between enabled cpus mask and expected count"),
        ),
    ),
    FailureClass(
        "fd_limit",
        "the process ran out of file descriptors while it allocated NPU memory",
        "raise the limit with `ulimit -n 10240` and run it again",
        (
            sign("too many open files"),
            sign("errno: ", r"24\b"),
        ),
        takes_over=("npu_malloc",),
    ),
    FailureClass(
        "npu_malloc",
        "NPU memory could not be allocated: errno 12 is RAM, errno 14 the driver or its 4 GiB address space",
        "errno 12: a smaller model or context; errno 14: driver 0.9.7 or newer, and no other process on the NPU",
        (
            sign("failed to malloc npu memory, size: ", r"\d+(?=\D)"),
            sign("failed to allocate handle, ret: ", r"-?\d+, errno: \d+(?=\D)"),
        ),
        details=details(alloc_bytes=r"failed to malloc npu memory, size: (\d+)(?=\D)"),
    ),
    FailureClass(
        "iova_exhausted",
        "the NPU's 4 GiB address space is full",
        "end other processes on the NPU, update the driver to 0.9.7 or newer, or take a smaller model",
        (
            sign("failed to allocate iova: -12"),
            sign("rknpu_gem_get_pages: dma map ", r"\d+ fail"),
        ),
        details=details(alloc_bytes=r"dma map (\d+) fail"),
    ),
    FailureClass(
        "npu_submit_failed",
        "the NPU lost a job, so the numbers of this run are invalid whatever the exit code says",
        "look at dmesg around this time, then at the power supply and the driver's version; run it again",
        (sign("failed to submit!"),),
    ),
    FailureClass(
        "matmul_failed",
        "the NPU could not finish a matrix product, so answer and numbers are invalid",
        "update the rknpu driver (0.8.2 and 0.9.2 are known for it), or look for a lost job in dmesg",
        (sign("matmul(", r"\w+\) run failed"),),
    ),
    FailureClass(
        "api_misuse_kv_range",
        "the program gave rkllm_clear_kv_cache a range that is not allowed in its state",
        "correct the program: start_pos and end_pos only with keep_history 0 and a paused generation",
        (sign("start_pos and end_pos are only valid"),),
    ),
    FailureClass(
        "abort",
        "the process ended itself: no host memory, a bad model, or freed twice after a failed start",
        "read the line before it for the cause, check free memory and the model's sha256",
        (
            sign("ggml_calloc: failed", own=r"ggml_calloc: failed"),
            sign(
                "ggml_assert",
                own=r"\S*:\d+: GGML_ASSERT\(|GGML_ASSERT: ",
                glued=r":\d+: GGML_ASSERT\(",
            ),
            sign(
                "double free",
                own=r"(?:free\(\): )?double free (?:or corruption|detected)",
            ),
            sign("terminate called", own=r"terminate called (?:after|without|recursively)"),
            sign("aborted", r"\b", at_start=True, own=r"Aborted" + _SHELL_DIED),
        ),
        exit_codes=(134,),
    ),
    FailureClass(
        "segfault",
        "the process touched memory that is not its own",
        "vision demo: `ulimit -s unlimited`; imgenc with several outputs: use the demo; else one init in a process",
        (
            sign("segmentation fault", at_start=True, own="Segmentation fault" + _SHELL_DIED),
            sign("段错误", at_start=True, own="段错误" + _SHELL_DIED),
            sign("speicherzugriffsfehler", at_start=True, own=r"Speicherzugriffsfehler\b"),
        ),
        exit_codes=(139,),
    ),
    FailureClass(
        "oom_kill",
        "the kernel killed the process because memory ran out",
        "take a smaller model or context, free memory on the board, or use one with more RAM",
        (
            sign("killed", r"\s*\Z", at_start=True, own=r"Killed\s*\Z"),
            sign("killed", r" process \d+"),
            sign("out of memory: kill", r"(?:ed)? process \d+"),
            sign("lowmemorykiller", r"\s*:? kill"),
            sign("已杀死", r"\s*\Z", at_start=True, own=r"已杀死\s*\Z"),
        ),
        exit_codes=(137,),
        details=details(
            pid=r"Kill(?:ed)? process (\d+)",
            process=r"Kill(?:ed)? process \d+,? \((.*?)\)",
            anon_rss_kb=r"anon-rss:(\d+)kB",
        ),
    ),
    FailureClass(
        "oom_task_table",
        "the kernel listed all processes as it does when memory runs out; who was killed is not in the log",
        "read the whole dmesg for `Killed process`, and the end of the run's own log",
        (sign("]  ", r"\s*\d+\s+\d+(?:\s+\d+){4,9}\s+-?\d+\s+\S"),),
        yields_to=("oom_kill",),
        at_least=2,
    ),
    FailureClass(
        "opencl_missing",
        "the model wants the GPU and there is no OpenCL library",
        "install the Mali OpenCL library, or set use_gpu to false",
        (
            sign("cannot load clgetplatformids"),
            sign("libopencl"),
        ),
    ),
    FailureClass(
        "init_failed",
        "the model did not load, and the reason is not in this log",
        "run it again with stderr kept (2>err.log): the cause is printed there",
        (sign("rkllm init ", r"failed"), sign("rkllm_init ", r"failed")),
        last_resort=True,
    ),
    FailureClass(
        "npu_timeout",
        "the NPU did not finish a job in time and was reset",
        "check power supply, cooling and NPU clock, update the driver, run it again",
        (
            sign("rknpu: job timeout"),
            sign("rknpu", r".*soft reset", cue="soft reset"),
            sign("failed to wait job", r".*ret = 0\b"),
        ),
    ),
    FailureClass(
        "npu_job_abort",
        "the process was killed by a signal while it was on the NPU: a consequence, not a cause",
        "look for who killed it: the time limit, a person, or the OOM killer",
        (
            sign("rknpu: job abort", r".*ret: ?-512"),
            sign("rknpu", r".*ret = -512\b", cue="ret = -512"),
            sign("failed to wait job", r".*ret = -512\b"),
        ),
    ),
    FailureClass(
        "interrupted_by_user",
        "a person pressed Ctrl-C",
        "run it again and let it end",
        (
            sign("程序即将退出", glued=r"程序即将退出"),
            sign("^c", r"\s*\Z", glued=r"\^C\s*\Z"),
        ),
        run_exit_codes=(2, 130),  # the demos' own handler ends with 2
    ),
    FailureClass(
        "sigpipe",
        "whoever read the demo's output went away",
        "write the output to a file, and read the file",
        exit_codes=(141,),
    ),
    FailureClass(
        "timeout_or_stdin",
        "it was stopped at its time limit without a table: still at work, or waiting for a prompt",
        "end the prompts with a line `exit`, and give large models and cold caches a longer limit",
        exit_codes=(124,),
        needs_no_table=True,
    ),
    FailureClass(
        "program_missing",
        "the demo, or the loader it needs, is not on the board",
        "check the demo's path in the inventory and that it was built for this architecture",
        run_exit_codes=(127,),
    ),
)

BY_NAME: dict[str, FailureClass] = {failure.name: failure for failure in FAILURES}
RANK: dict[str, int] = {failure.name: rank for rank, failure in enumerate(FAILURES)}


def signs_by_cue() -> dict[str, tuple[tuple[FailureClass, Sign], ...]]:
    """All signs under the literal that leads to them."""
    found: dict[str, list[tuple[FailureClass, Sign]]] = {}
    for failure in FAILURES:
        for one in failure.signs:
            found.setdefault(one.cue, []).append((failure, one))
    return {cue: tuple(pairs) for cue, pairs in found.items()}


def by_exit_code(code: int | None, *, has_table: bool, has_error_line: bool, of_a_run: bool = False) -> str | None:
    """The class that an exit code alone gives."""
    for failure in FAILURES:
        codes = (*failure.exit_codes, *failure.run_exit_codes) if of_a_run else failure.exit_codes
        if code in codes and not (failure.needs_no_table and (has_table or has_error_line)):
            return failure.name
    return None


def root_between_files(names: Iterable[str]) -> Iterator[str]:
    """Classes of several files, which share no order: the table's decides, last resorts come last or not at all."""
    ordered = sorted(set(names), key=lambda name: RANK[name])
    firm = [name for name in ordered if not BY_NAME[name].last_resort]
    return iter(firm or ordered)
