#!/bin/sh
# lock.sh - write requirements/*.txt anew from pyproject.toml: exact versions and hashes, for every platform, naming no index.
# Needs uv (https://docs.astral.sh/uv). Exit: uv's.
set -eu
cd -- "${0%/*}/.."
lock() {                                             # FILE [UV OPTION...]
    lock_file=requirements/$1.txt
    shift
    uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
        --no-header --no-annotate pyproject.toml "$@" --output-file "$lock_file"
}
main() {
    lock run
    lock test --group test --constraint requirements/run.txt
    lock benchmark --group test --group benchmark --constraint requirements/test.txt
    lock notify --group notify --constraint requirements/run.txt
}
main "$@"
