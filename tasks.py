"""The command line: ``invoke --list`` is its table of contents, and so is this page; the verbs are in ``verbs/``."""

from verbs.boards import add, boards, trust
from verbs.checks import check
from verbs.leases import release, reserve, who
from verbs.measure import bench, demo, nightly
from verbs.models import models
from verbs.provision import provision
from verbs.push import push
from verbs.report import report
from verbs.results import collect, import_, parse
from verbs.runs import attach, cancel, status

__all__ = [
    "add",
    "attach",
    "bench",
    "boards",
    "cancel",
    "check",
    "collect",
    "demo",
    "import_",
    "models",
    "nightly",
    "parse",
    "provision",
    "push",
    "release",
    "report",
    "reserve",
    "status",
    "trust",
    "who",
]
