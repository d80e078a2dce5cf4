#!/bin/sh
# job_tidy.sh - takes away what dead starts, runs and pushes left lying in the store; a part of job.sh, sourced by it.
#
# After a power cut nobody comes back for these. What is evidence stays, and so does a run's lock, because two files of one
# name would be two locks. A file that is named after its process goes when that process is gone, an artifact's part when
# nobody holds its lock, and what a run needed only while it went goes under the lock of that run.
#
# Functions that are conditions here are predicates, or report their failure themselves.
# shellcheck source-path=SCRIPTDIR disable=SC2310

tidy() {                                             # RUNS_DIR
    case $1 in /*) ;; *) die 2 "RUNS_DIR is not absolute: $1" ;; esac
    tidied=0
    for dir in "$1"/*/*/; do
        dir=${dir%/}
        if [ -d "$dir" ] && [ ! -L "$dir" ]; then tidy_run; fi
    done
    for path in "${1%/*}"/scripts/*.*; do
        # An unpacking is `sh … STORE VERSION`; its folder is VERSION.PID.
        tidy_version=${path##*/}
        if [ -d "$path" ] && ! is_at_work "${path##*.}" "${tidy_version%%.*}"; then tidy_away "$path"; fi
    done
    # A part of sha256/ whose name has no number in it waits for the push that goes on with it.
    for path in "${1%/*}"/models/*.part "${1%/*}"/sha256/*.*.part; do
        [ ! -f "$path" ] || ! flock -x -n -E $LOCKED "$path" rm -f -- "$path" 2>/dev/null || tidied=$((tidied + 1))
    done
    printf '{"tidied":%s}\n' "$tidied"
}

tidy_run() {                                         # of `dir`
    for path in "$dir"/.[!.]* "$dir"/..?* "$dir/keeper.lock"; do
        [ ! -e "$path" ] || break
    done
    [ -e "$path" ] || return 0
    if [ -e "$dir/lock" ]; then
        ! run_lives "$dir" || return 0
        # On another fd than a run's own, or we would be taken for the run.
        exec 4<"$dir/lock"
        if ! flock -x -n -E $LOCKED 4; then exec 4<&-; return 0; fi
    fi
    for path in "$dir"/.[!.]* "$dir"/..?* "$dir/keeper.lock"; do
        [ -e "$path" ] || continue
        case ${path##*/} in
            .reserve | .end | .helper | .armed | .facts | .dmesg | .cancel | .clocks | .clocks.end | .clocks.back | .pinning | .tripped | keeper.lock) tidy_away "$path" ;;
            .*.*) is_at_work "${path##*.}" "$dir" || tidy_away "$path" ;;
            *) ;;
        esac
    done
    exec 4<&-
}

tidy_away() {                                        # PATH
    if rm -rf -- "$1" 2>/dev/null; then tidied=$((tidied + 1)); else say "can not remove $1"; fi
}

# Is there a process of this number that has this word on its command line? A stranger may have got the number later.
is_at_work() {                                       # PID WORD
    if ! is_digits "$1" || [ "$1" = $$ ]; then return 1; fi
    if [ -r "/proc/$1/cmdline" ]; then
        tr '\000' ' ' <"/proc/$1/cmdline" 2>/dev/null | grep -qF -e "$2"
    else
        kill -0 "$1" 2>/dev/null
    fi
}
