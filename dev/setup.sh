#!/bin/sh
# setup.sh - bring this machine to where `make demo` (setup.sh run), `make test` (setup.sh test) or `make test-vm` (setup.sh vm,
# which builds the disk of the test machines, too) works, and leave it there.
# Makes .venv from the locked requirements; Debian packages are installed when root, else named. Exit: 0 ready, 1 something is missing.
set -eu
cd -- "${0%/*}/.."

say() { printf 'setup: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# The first Python that is new enough, by the names under which distributions ship it.
find_python() {
    for find_name in "${PYTHON:-python3}" python3.14 python3.13 python3.12 python3.11 python3; do
        if command -v "$find_name" >/dev/null && "$find_name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$find_name"
            return 0
        fi
    done
    printf ''
}

# Each line: a program that is needed, and the Debian package that has it.
needed() {
    printf '%s\n' 'ssh openssh-client' 'flock util-linux' 'unshare util-linux' 'awk mawk'
    [ "$1" = run ] || printf '%s\n' '/usr/sbin/sshd openssh-server' 'busybox busybox' 'dash dash' \
        'chromium chromium'
    [ "$1" != vm ] || printf '%s\n' 'qemu-system-x86_64 qemu-system-x86' 'qemu-img qemu-utils' '/usr/sbin/debootstrap debootstrap' \
        '/usr/sbin/mke2fs e2fsprogs'
}

install_packages() {                                 # run|test|benchmark|vm
    install_missing=$(needed "$1" | while read -r program package; do
        command -v "$program" >/dev/null || printf '%s ' "$package"
    done)
    "$python" -c 'import ensurepip, venv' 2>/dev/null || install_missing="$install_missing python3-venv"
    [ -n "$install_missing" ] || return 0
    # shellcheck disable=SC2086  # a list of package names, one word each
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        say "installing: $install_missing"
        # A server that comes with a package must not start by being installed.
        { apt-get update -qq && DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends $install_missing; } \
            >/dev/null || die "apt-get could not install: $install_missing"
    else
        die "missing packages; run: sudo apt-get install $install_missing"
    fi
}

install_python() {                                   # run|test|benchmark
    install_lock=requirements/$1.txt
    install_stamp=.venv/.installed-$(cksum <"$install_lock" | cut -d' ' -f1)
    [ ! -e "$install_stamp" ] || return 0
    [ -x .venv/bin/python ] || "$python" -m venv .venv || die "python -m venv failed"
    say "installing the Python packages of $install_lock"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement "$install_lock" 2>.venv/pip.log ||
        { tail -n 20 .venv/pip.log >&2; die "pip could not install $install_lock"; }
    : >"$install_stamp"
}

main() {
    case ${1:-} in run | test | benchmark | vm) ;; *) die "usage: setup.sh run|test|benchmark|vm" ;; esac
    python=$(find_python)
    [ -n "$python" ] || die "Python 3.11 or newer is needed; name it with PYTHON=…"
    install_packages "$1"
    case $1 in
        vm)
            install_python test
            .venv/bin/python -m tests.vm >/dev/null || exit 1
            ;;
        *) install_python "$1" ;;
    esac
}
main "$@"
