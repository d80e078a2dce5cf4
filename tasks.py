"""The command line: ``invoke --list`` is its table of contents, and so is this page; the verbs are in ``verbs/``."""

from verbs.boards import add, boards, trust
from verbs.checks import check
from verbs.compare import compare
from verbs.explain import explain
from verbs.health import health
from verbs.leases import release, reserve, who
from verbs.measure import bench, demo
from verbs.models import models
from verbs.nightly import nightly
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
    "compare",
    "demo",
    "explain",
    "health",
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
