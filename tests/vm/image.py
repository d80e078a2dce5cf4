"""The disk of the test machines: built once, kept in the user's cache under the hash of its recipe.

A folder of the cache is complete or not there: it is built under another name, by one process at a time, and renamed.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import os
import platform
import shutil
import subprocess
from pathlib import Path

RECIPE = (Path(__file__).with_name("build_image.sh"), Path(__file__).with_name("init.sh"))
BUILD_LIMIT_S = 900.0  # some 70 s; a slow mirror takes longer
TOOLS = {  # program: Debian package
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-img": "qemu-utils",
    "debootstrap": "debootstrap",
    "mke2fs": "e2fsprogs",
    "unshare": "util-linux",
    "ssh-keygen": "openssh-client",
}
PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"  # where debootstrap and mke2fs are


class NoMachines(Exception):
    """Test machines can not be had here; the text says why and what would help."""


def cache() -> Path:
    """Where images are kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rkfleet-vm"


def image() -> Path:
    """The folder of the image: disk.raw, vmlinuz, initrd, id, host_key.pub. Builds it when it is not there."""
    suite, mirror = _debian()
    recipe = b"".join(path.read_bytes() for path in RECIPE) + suite.encode()
    folder = cache() / hashlib.sha256(recipe).hexdigest()[:16]
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            _build(folder, suite, mirror)
    return folder


def missing() -> str:
    """Why no machine can run here, as one line; empty when one can."""
    packages = sorted({package for tool, package in TOOLS.items() if not shutil.which(tool, path=PATH)})
    if packages:
        return f"missing packages: apt-get install {' '.join(packages)}"
    if platform.machine() != "x86_64":
        return f"the test machines are x86_64, this one is {platform.machine()}"
    try:
        suite, _ = _debian()
    except NoMachines as reason:
        return str(reason)
    if os.getuid() != 0 and not any(cache().glob("*/disk.raw")):
        return f"the image of the test machines ({suite}) is not built yet, and only root can: make test-vm"
    return ""


def _build(folder: Path, suite: str, mirror: str) -> None:
    if os.getuid() != 0:
        raise NoMachines("only root can build the image of the test machines: make test-vm")
    half = folder.with_suffix(".half")
    shutil.rmtree(half, ignore_errors=True)  # of a build that was killed: we have the lock
    half.mkdir(mode=0o755)
    # What debootstrap mounts and starts ends with it, also when it is killed.
    apart = ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc"]
    log = half / "build.log"
    with log.open("wb") as out:
        done = subprocess.run(
            [*apart, "sh", str(RECIPE[0]), str(half), suite, mirror],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PATH": PATH, **_proxy()},
            timeout=BUILD_LIMIT_S,
            check=False,
        )
    if done.returncode != 0:
        last = (log.read_text(errors="replace").splitlines() or [""])[-1]
        raise NoMachines(f"the image of the test machines could not be built from {mirror}: {last} (see {log})")
    half.rename(folder)


@functools.cache
def _debian() -> tuple[str, str]:
    """The suite and the mirror that this machine itself is installed from."""
    release = platform.freedesktop_os_release()
    suite = release.get("VERSION_CODENAME", "")
    if release.get("ID") != "debian" or not suite:
        raise NoMachines(f"the test machines are built from Debian's own packages, this is {release.get('NAME')}")
    if not shutil.which("apt-get"):
        raise NoMachines("apt-get is missing")
    fields = "$(REPO_URI) $(RELEASE) $(COMPONENT)"
    targets = _output("apt-get", "indextargets", "--format", fields, "Identifier: Packages")
    for line in targets.splitlines():
        mirror, _, rest = line.partition(" ")
        if rest == f"{suite} main":
            return suite, mirror
    raise NoMachines(f"apt knows no mirror with main of {suite}")


def _proxy() -> dict[str, str]:
    """debootstrap does not ask apt for its proxy."""
    told = _output("apt-config", "dump", "--format", "%v", "Acquire::http::Proxy").strip()
    return {"http_proxy": told} if told and "http_proxy" not in os.environ else {}


def _output(*argv: str) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60).stdout
