"""The NPU's kernel side: is the vendor's driver there, new enough, and may our user open its device."""

from __future__ import annotations

from fleet import defaults
from fleet.checks.check import Check, Finding, Subject, dotted, parts


def rocket(board: Subject) -> bool:
    """Is the NPU in the hands of mainline's driver."""
    return board.text("npu.driver") is None and "rocket" in board.why("npu.driver")


class NpuDriver(Check):
    """RKLLM talks to the vendor's ``rknpu`` and to nothing else."""

    name = "npu-driver"
    reads = "the version in debugfs, `/proc/rknpu` or `/sys/module/rknpu`, else the kernel's log"
    rule = "the vendor's rknpu driver is loaded; unknown where only root could see it"
    action = "boot an image with the vendor's kernel, and look for RKNPU in its `dmesg`"

    def judge(self, board: Subject) -> Finding:
        driver = board.text("npu.driver")
        if driver is not None:
            return self.ok(f"rknpu {driver}")
        if "npu" not in board.facts:
            return self.unknown(board.why("npu"))
        if rocket(board) or board.is_root:
            return self.fail(f"no rknpu driver: {board.why('npu.driver')}")
        return self.unknown(board.why("npu.driver"), f"let {board.entry.user} use sudo without a password")


class DriverVersion(Check):
    """An old driver refuses large allocations, long after the runtime has warned of it."""

    name = "driver-version"
    reads = "the driver's version, and that of the RKLLM runtime"
    rule = "at least 0.9.7, for runtimes before 1.1.1 at least 0.9.6; below 0.9.8 is a warning"
    action = "update the board's kernel: the driver comes with it"

    def judge(self, board: Subject) -> Finding:
        said = board.text("npu.driver")
        driver = parts(said)
        if driver is None:
            return self.unknown("no driver version is known" if said is None else f"{said!r} is no version")
        libraries = board.rows("runtime.rkllm")
        text = str(libraries[0].get("version")) if libraries else None
        runtime = parts(text)
        old = runtime is not None and runtime < defaults.FIRST_RUNTIME
        need = defaults.FIRST_DRIVER if old else defaults.OLDEST_DRIVER
        whose = f"runtime {text} needs {dotted(need)}" if runtime else f"runtimes need {dotted(need)}"
        if driver < need:
            return self.fail(f"driver {said}, and {whose}")
        if driver < defaults.GOOD_DRIVER:
            return self.warn(f"driver {said}; the vendor ships {dotted(defaults.GOOD_DRIVER)} with its runtimes")
        return self.ok(f"driver {said}; {whose}")


class Kernel(Check):
    """Mainline drives the NPU too, with a driver that RKLLM can not use."""

    name = "kernel"
    reads = "the kernel's release, and whether mainline's rocket driver is loaded"
    rule = "a vendor kernel (5.10 or 6.1) without rocket; any other release is a warning"
    action = "boot an image with the vendor's kernel 5.10 or 6.1"

    def judge(self, board: Subject) -> Finding:
        release = board.text("kernel.release")
        if rocket(board):
            return self.fail(f"kernel {release or '?'} with the mainline driver rocket")
        if release is None:
            return self.unknown(board.why("kernel.release"))
        if not release.startswith(defaults.VENDOR_KERNELS):
            return self.warn(f"kernel {release}: the vendor's are 5.10 and 6.1")
        return self.ok(f"kernel {release}")


class NpuDevice(Check):
    """The demo opens the device as our user does."""

    name = "npu-device"
    reads = "`/dev/dri/renderD*` of the NPU, or `/dev/rknpu`, and the rights of our user"
    rule = "there is a device, and our user may read and write it"
    action = "as root: `usermod -aG video,render USER`, and log in anew; in a container, pass the device in"

    def judge(self, board: Subject) -> Finding:
        path, may = board.text("check.device.path"), board.get("check.device.may")
        if path is None or not isinstance(may, str):
            why = board.why("check.device")
            return self.fail(why) if why.startswith("no /dev") else self.unknown(why)
        user = board.text("user.name") or board.entry.user
        if "accel" in path:
            return self.fail(f"the only device is {path}, which is mainline's", Kernel.action)
        if set(may) != {"r", "w"}:
            groups = board.get("user.groups")
            listed = ", ".join(map(str, groups)) if isinstance(groups, list) and groups else "none"
            rights = {"r": "read and not write", "w": "write and not read"}.get(may, "neither read nor write")
            return self.fail(f"{user} may {rights} {path} (groups: {listed})", self.action.replace("USER", user))
        return self.ok(f"{user} may use {path}")
