#!/bin/sh
# tripwire.sh PID BYTES - ends a run before the kernel has to: looks at MemAvailable ten times a second until PID is gone,
# and when it is below BYTES, stops PID and its group where they are, reads what the largest of them had, and kills them.
# Prints before it kills, and only then, a line: MemAvailable and VmHWM in bytes ("-" when not known), and the uptime in
# seconds.
# Exit: 0 PID is gone, 1 it can not wait, 2 usage, 3 killed, 143 asked to end.
#
# It reads one file and nothing of the NPU, whose driver may hang its readers: see sampler.sh for those.
#
# Functions that are conditions here are predicates: nothing in them is left to `set -e`.
# shellcheck source-path=SCRIPTDIR disable=SC2310
set -eu
LC_ALL=C; export LC_ALL
. "${0%/*}/lib.sh"                                   # die, first_line, is_digits, rk_root, uptime_s
. "${0%/*}/largest.sh"                               # search
. "${0%/*}/nap.sh"                                   # nap_begin, nap_knows_fractions, nap, nap_over

TRIPPED=3
NAP_S=0.1                                            # a file in the page cache comes in at 1.8 GB/s: 180 MB between two looks

# "123" of kilobytes in bytes; anything else is unknown. A leading zero would be read as octal.
bytes_of() {                                         # KILOBYTES, sets `value`
    case $1 in '' | 0?* | *[!0-9]*) value= ;; *) value=$(($1 * 1024)) ;; esac
}

available() {                                        # sets `value`, bytes; empty when not known
    value=
    while read -r key number _; do
        case $key in MemAvailable:) bytes_of "$number"; break ;; *) ;; esac
    done <"$rk_root/proc/meminfo" || :
}

signal_group() {                                     # SIGNAL PID: before its setsid it has no group of its own
    kill -s "$1" -- "-$2" || kill -s "$1" "$2" || :
}

trip() {                                             # PID AVAILABLE
    signal_group STOP "$1"                           # what is stopped asks for no more memory, so that there is time to look
    hwm=
    search "$1"
    while read -r key number _; do
        case $key in VmHWM:) bytes_of "$number"; hwm=$value; break ;; *) ;; esac
    done <"$rk_root/proc/${largest:-gone}/status" || :
    # Before the KILL: whoever sees the run end may end us, and reads what we left.
    printf '%s %s %s\n' "$2" "${hwm:--}" "$(uptime_s || printf '%s' -)" || :
    signal_group KILL "$1"
    exit "$TRIPPED"
}

main() {
    if [ $# -ne 2 ] || ! is_digits "$1" || ! is_digits "$2"; then die 2 "usage: tripwire.sh PID BYTES"; fi
    stopped=''
    trap 'stopped=1; nap_over' HUP INT TERM
    exec 2>/dev/null                                 # shells tell of every process that is gone, or was killed
    nap_begin
    nap_knows_fractions || NAP_S=1
    while [ -z "$stopped" ] && kill -0 "$1"; do
        available
        if [ -n "$value" ] && [ "$value" -lt "$2" ]; then trip "$1" "$value"; fi
        nap "$NAP_S" || exit 1
    done
    [ -z "$stopped" ] || exit 143
}
main "$@"
