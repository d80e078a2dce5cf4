#!/bin/sh
# sampler.sh RUN_DIR PID [HZ] - HZ times a second (1 to 10, default 1) a line of CSV into RUN_DIR/telemetry.csv, until
# PID is gone or TERM, and then one more. PID leads the run's session; rss and vmhwm are those of its largest process.
# After the columns of TELEMETRY_HEADER, which every board has, come those that this board has, as found at the start:
#   NAME_hz       clock of each cpufreq policy (cpu0, cpu4 …) and of each devfreq device (npu, dmc, gpu …)
#   NAME_mc       temperature of each thermal zone, in thousandths of a degree, by the zone's type without "-thermal"
#   NAME_state    state of each cooling device, by its type; 0 does nothing
# npu_load is in percent, the cores separated by a slash. A field that was not or could not be read is empty. What moves
# slowly or costs much is not read each time: temperatures and cooling states once a second, swap counters every SWAP_S;
# and all of it in the first and the last line. samples_per_s is what HZ became: a sleep that knows no fractions leaves 1.
# Prints nothing. Exit: 0 PID is gone, 1 it can not go on (no space, no sleep), 2 usage, 143 stopped.
#
# It runs beside a measurement, so no sample may start a program. This shell waits and says when; one awk reads and
# writes (sampler_read.sh). See nap.sh for where waiting starts one.
#
# Functions that are conditions here are predicates: nothing in them is left to `set -e`.
# shellcheck source-path=SCRIPTDIR disable=SC2310
set -eu
LC_ALL=C; export LC_ALL
. "${0%/*}/lib.sh"                                   # die, first_line, rk_root, TELEMETRY_HEADER
. "${0%/*}/largest.sh"                               # descend, search
. "${0%/*}/nap.sh"                                   # make_pipe, drop_pipe, nap_begin, nap_knows_fractions, nap, nap_over
. "${0%/*}/sampler_read.sh"                          # read_samples

SEARCH_SAMPLES=30                                    # without /proc/PID/task/PID/children (CONFIG_PROC_CHILDREN)
DESCEND_SAMPLES=5                                    # with it
NAME_CHARS=40

# The demo appears behind a few wrappers: look often at first, later only now and then, or when it is gone.
choose() {                                           # LEADER, sets `largest`
    if [ "$sample" -ge 5 ] && [ $((sample % look_samples)) -ne 0 ] && [ -e "$rk_root/proc/${largest:-gone}/statm" ]; then
        return 0
    fi
    if [ -e "$rk_root/proc/$1/task/$1/children" ]; then
        look_samples=$((DESCEND_SAMPLES * hz))
        descend "$1"
    else
        look_samples=$((SEARCH_SAMPLES * hz))
        search "$1"
    fi
}

# The kernel's names come from a device tree that anybody may have written: what could part columns, begin a formula or
# be no text at all becomes an underscore.
add_column() {                                       # NAME SUFFIX
    name='' rest=$1
    while [ -n "$rest" ] && [ "${#name}" -lt "$NAME_CHARS" ]; do
        after=${rest#?}
        char=${rest%"$after"}
        case $char in [A-Za-z0-9._-]) name=$name$char ;; *) name=${name}_ ;; esac
        rest=$after
    done
    case $name in [A-Za-z0-9]*) ;; *) name=x$name ;; esac
    column=$name$2 again=1
    while :; do
        case ,$header, in *",$column,"*) ;; *) break ;; esac
        again=$((again + 1))
        column=$name.$again$2
    done
    header=$header,$column
}

main() {
    if [ $# -lt 2 ] || [ $# -gt 3 ] || [ ! -d "$1" ]; then die 2 "usage: sampler.sh RUN_DIR PID [HZ]"; fi
    case $2 in '' | *[!0-9]*) die 2 "usage: sampler.sh RUN_DIR PID [HZ]" ;; *) ;; esac
    case ${3:-1} in
        1) hz=1 nap_s=1 ;;
        2) hz=2 nap_s=0.5 ;;
        3) hz=3 nap_s=0.333 ;;
        4) hz=4 nap_s=0.25 ;;
        5) hz=5 nap_s=0.2 ;;
        6) hz=6 nap_s=0.167 ;;
        7) hz=7 nap_s=0.143 ;;
        8) hz=8 nap_s=0.125 ;;
        9) hz=9 nap_s=0.111 ;;
        10) hz=10 nap_s=0.1 ;;
        *) die 2 "HZ is a whole number from 1 to 10, not $3" ;;
    esac
    leader=$2 stopped=''
    trap 'stopped=1; nap_over' HUP INT TERM
    trap '' PIPE
    exec >"$1/telemetry.csv"
    exec 3>&2 2>/dev/null                            # shells tell of every file that is not there, and of who was killed
    nap_begin
    if ! make_pipe; then
        # A TERM for all of the run may have met mkfifo before it met us.
        [ -z "$stopped" ] || exit 143
        die 1 "can not make a pipe in ${TMPDIR:-/tmp} or $PWD" 2>&3
    fi
    exec 3>&-
    if [ "$hz" -gt 1 ] && ! nap_knows_fractions; then hz=1 nap_s=1; fi

    load_file=$rk_root/sys/kernel/debug/rknpu/load header=$TELEMETRY_HEADER
    if [ ! -r "$load_file" ]; then
        load_file=
        for file in "$rk_root"/sys/class/devfreq/*npu/load; do [ ! -r "$file" ] || load_file=$file; done
    fi
    set --
    for file in "$rk_root"/sys/devices/system/cpu/cpufreq/policy*/scaling_cur_freq; do
        [ -r "$file" ] || continue
        name=${file%/*}
        add_column "cpu${name##*/policy}" _hz
        set -- "$@" "$file"
    done
    for file in "$rk_root"/sys/class/devfreq/*/cur_freq; do
        [ -r "$file" ] || continue
        name=${file%/*}
        name=${name##*/}                             # fdab0000.npu
        add_column "${name##*.}" _hz
        set -- "$@" "$file"
    done
    for file in "$rk_root"/sys/class/thermal/thermal_zone*/temp; do
        if [ -r "$file" ] && first_line "${file%/*}/type"; then
            add_column "${line%-thermal}" _mc
            set -- "$@" "$file"
        fi
    done
    for file in "$rk_root"/sys/class/thermal/cooling_device*/cur_state; do
        if [ -r "$file" ] && first_line "${file%/*}/type"; then
            add_column "$line" _state
            set -- "$@" "$file"
        fi
    done
    printf '%s\n' "$header" || :

    # Both ends are open before there is a reader: one that opened it by itself would wait for ever for a writer that
    # was killed in between.
    exec 7<>"$pipe_folder/pipe"
    exec 5>"$pipe_folder/pipe"
    exec 6<"$pipe_folder/pipe" 7<&-
    drop_pipe
    read_samples "$hz" "$load_file" "$@" <&6 5>&- 6<&- 8<&- &
    reader=$!
    exec 6<&-
    largest='' sample=0 look_samples=1 status=0
    while [ -z "$stopped" ] && kill -0 "$leader"; do
        choose "$leader"
        printf '%s\n' "$largest" >&5 || { status=1; break; }
        sample=$((sample + 1))
        nap "$nap_s" || { status=1; break; }
    done
    trap '' HUP INT TERM                             # the last line is written in any case
    printf '%s last\n' "${largest:-0}" >&5 || :
    exec 5>&-
    wait "$reader" || status=1
    [ -z "$stopped" ] || exit 143
    exit "$status"
}
main "$@"
