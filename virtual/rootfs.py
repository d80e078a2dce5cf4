"""What is on a board's disk when it leaves the factory: one tar archive, unpacked inside the board.

It is unpacked by the board's own ``tar`` in its own namespaces, so it can not be led outside by a symlink, and
files belong to the board's root. It happens at the first boot, and again when these contents change; otherwise
the disk keeps whatever was done to it.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

from virtual.config import BoardConfig
from virtual.isolation import login_shell
from virtual.layouts import LAYOUTS, Arguments

KERNEL_RELEASE = "6.1.99-vendor-rk35xx"
KERNEL_VERSION = "#1 SMP PREEMPT Wed Mar 12 09:14:22 UTC 2025"
RKNN_VERSION = "2.3.2 (429f97ae6b@2025-04-09T09:09:27)"
_FIRMWARE = Path(__file__).with_name("firmware")

DEMO = "llm_demo"
_PROGRAMS = {
    "usr/local/bin/dmesg": "dmesg",
    "usr/local/bin/uname": "uname",
}
# Sentences that the binary of the vendor's multimodal demo has in it since a version; nothing executes them here.
_WORDS = {
    Arguments.PLAIN: "",
    Arguments.CORES: "",
    Arguments.MARKERS: "# [Warning] Using default img_start/img_end/img_content\n",
    Arguments.PLATFORM: "# [Warning] Using default img_start/img_end/img_content\n# Error: Unknown platform: \n",
}


def factory_archive(name: str, config: BoardConfig) -> bytes:
    """The tar archive of all factory files; equal bytes for equal arguments."""
    shell = login_shell()
    texts = {
        "etc/passwd": f"root:x:0:0:root:/root:{shell}\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
        "etc/group": "root:x:0:\nsudo:x:27:\nvideo:x:44:\nrender:x:105:\nnogroup:x:65534:\n",
        "etc/hostname": f"{name}\n",
        "etc/hosts": f"127.0.0.1 localhost\n127.0.1.1 {name}\n",
        "etc/os-release": (
            'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nNAME="Debian GNU/Linux"\nVERSION_ID="12"\n'
            'VERSION="12 (bookworm)"\nVERSION_CODENAME=bookworm\nID=debian\n'
        ),
        "etc/debian_version": "12.11\n",
        "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
        "etc/shells": "/bin/sh\n/bin/bash\n",
        "etc/profile": "PS1='\\u@\\h:\\w# '\n",
        "etc/motd": "A virtual RK3588 board. Every number here is simulated.\n",
        "root/.profile": "umask 022\n",
    }
    files = {path: text.encode() for path, text in texts.items()}
    files |= {path: (_FIRMWARE / source).read_bytes() for path, source in _PROGRAMS.items()}
    modes = dict.fromkeys(_PROGRAMS, 0o755)
    if not config.bare:
        shipped = vendor_files(config.runtime)
        files |= {f"opt/rkllm/{'' if name == DEMO else 'lib/'}{name}": data for name, data in shipped.items()}
        # No release of the runtime has these: they are built from examples, and somebody has done that here.
        client = (_FIRMWARE / DEMO).read_bytes()
        files["opt/rkllm/demo"] = client + _WORDS[LAYOUTS[config.runtime].arguments].encode()
        files["opt/rkllm/VLM_NPU"] = client
        modes |= dict.fromkeys((f"opt/rkllm/{DEMO}", "opt/rkllm/demo", "opt/rkllm/VLM_NPU"), 0o755)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path, content in sorted(files.items()):
            member = tarfile.TarInfo(path)
            member.size = len(content)
            member.mode = modes.get(path, 0o644)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def vendor_files(runtime: str) -> dict[str, bytes]:
    """What stands in for the files of a vendor's release: by name, the demo and the libraries."""
    return {
        DEMO: (_FIRMWARE / DEMO).read_bytes(),
        "librkllmrt.so": _library("rkllm-runtime version: ", runtime).encode(),
        "librknnrt.so": _library("librknnrt version: ", RKNN_VERSION).encode(),
    }


def archive_id(archive: bytes) -> str:
    return hashlib.sha256(archive).hexdigest()


def _library(label: str, version: str) -> str:
    """A stand-in library: nothing can load it, and who looks for a version string in it finds one."""
    return f"\x7fSTANDIN\0rkfleet virtual board: no code in here\0GLIBC_2.17\0{label}{version}\0{version}\0"
