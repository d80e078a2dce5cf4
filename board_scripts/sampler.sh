#!/bin/sh
# sampler.sh RUN_DIR PID [HZ] - HZ times a second (1 to 10, default 1) a line of CSV into RUN_DIR/telemetry.csv, until
# PID is gone or TERM, and then one more. PID leads the run's session; rss and vmhwm are those of its largest process.
# After the columns of TELEMETRY_HEADER, which every board has, come those that this board has, as found at the start:
#   NAME_hz       clock of each cpufreq policy (cpu0, cpu4 …) and of each devfreq device (npu, dmc, gpu …)
#   NAME_mc       temperature of each thermal zone, in thousandths of a degree, by the zone's type without "-thermal"
#   NAME_state    state of each cooling device, by its type; 0 does nothing
# npu_load is in percent, the cores separated by a slash. A field that was not or could not be read is empty. What moves
# slowly or costs much is not read each time: temperatures and cooling states once a second, vmhwm when rss has grown
# and every HWM_S, swap every SWAP_S; and all of it in the first and the last line. samples_per_s is what HZ became: a
# sleep that knows no fractions leaves 1.
# Prints nothing. Exit: 0 PID is gone, 2 usage, 143 stopped.
#
# It runs beside a measurement, so a sample costs one fork (sleep): everything else is the shell's own `read`. That takes
# a system call a byte in most shells, so short files are cheap and the end of a long one is not.
#
# Functions that are conditions here are predicates: nothing in them is left to `set -e`.
# shellcheck source-path=SCRIPTDIR disable=SC2310
set -eu
LC_ALL=C; export LC_ALL
. "${0%/*}/lib.sh"                                   # die, first_line, rk_root, TELEMETRY_HEADER
. "${0%/*}/largest.sh"                               # descend, search, bytes_of

SEARCH_SAMPLES=30                                    # without /proc/PID/task/PID/children (CONFIG_PROC_CHILDREN)
DESCEND_SAMPLES=5                                    # with it
HWM_S=5                                              # a peak between two samples leaves no other trace
SWAP_S=30                                            # counters since the boot: only the first and the last must be there
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

# What /proc/PID/status says stands behind 500 bytes of other things, what statm says behind ten.
memory_of() {                                        # PID, sets `rss` and `hwm`
    rss='' hwm='' pages=
    [ -n "$1" ] || return 0
    if [ -z "$hwm_now" ] && [ "$1" = "$hwm_pid" ]; then
        read -r _ pages _ <"$rk_root/proc/$1/statm" || :
        case $pages in '' | 0?* | *[!0-9]*) return 0 ;; *) rss=$((pages * page_bytes)) ;; esac
        [ "$rss" -gt "$hwm_rss" ] || return 0
    fi
    while read -r key number _; do
        case $key in
            VmHWM:) hwm=$number ;;
            VmRSS:) rss=$number; break ;;
            *) ;;
        esac
    done <"$rk_root/proc/$1/status" || :
    bytes_of "$hwm"; hwm=$value
    bytes_of "$rss"; rss=$value
    hwm_pid=$1 hwm_rss=${rss:-0}
}

available() {                                        # sets `memavail`, and with `swap_now` `swapfree`
    memavail='' swapfree=''
    while read -r key number _; do
        case $key in
            MemAvailable:) memavail=$number; [ -n "$swap_now" ] || break ;;
            SwapFree:) swapfree=$number; break ;;
            *) ;;
        esac
    done <"$rk_root/proc/meminfo" || :
    bytes_of "$memavail"; memavail=$value
    bytes_of "$swapfree"; swapfree=$value
}

swapped() {                                          # sets `pswpin` and `pswpout`, counted since the boot
    pswpin='' pswpout=''
    [ -n "$swap_now" ] || return 0
    while read -r key number; do
        case $key in
            pswpin) pswpin=$number ;;
            pswpout) pswpout=$number; break ;;
            *) ;;
        esac
    done <"$rk_root/proc/vmstat" || :
    case $pswpin in *[!0-9]*) pswpin= ;; *) ;; esac
    case $pswpout in *[!0-9]*) pswpout= ;; *) ;; esac
}

# "NPU load:  Core0: 12%, Core1:  0%, Core2:   %," (debugfs) or "12@1000000000Hz" (devfreq) -> 12/0/0 or 12
npu_load() {                                         # sets `load`
    load='' text=''
    [ -n "$load_file" ] || return 0
    read -r text <"$load_file" || :
    case $load_file in
        */rknpu/load)
            text=${text#*load:}
            while :; do
                case $text in *%*) ;; *) break ;; esac
                part=${text%%%*}
                part=${part##*[!0-9]}                # some C libraries print a zero as blanks
                load="$load/${part:-0}"
                text=${text#*%}
            done
            load=${load#/}
            ;;
        *)
            load=${text%%@*}
            case $load in *[!0-9]*) load= ;; *) ;; esac
            ;;
    esac
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

take() {                                             # FILE…: one sample, one line
    memory_of "$largest"
    uptime=
    read -r uptime _ <"$rk_root/proc/uptime" || :
    case $uptime in *[!0-9.]*) uptime= ;; *) ;; esac
    available
    swapped
    npu_load
    row=$uptime,$hz,$memavail,$swapfree,$rss,$hwm,$pswpin,$pswpout,$load
    for file; do
        value=
        case $file in
            *_freq) read -r value <"$file" || : ;;
            *) [ -z "$heat_now" ] || read -r value <"$file" || : ;;
        esac
        case ${value#-} in '' | *[!0-9]*) value= ;; *) ;; esac
        case $file in
            */scaling_cur_freq) row=$row,${value:+${value}000} ;;
            *) row=$row,$value ;;
        esac
    done
    # A full disk must not end the run that this only watches.
    printf '%s\n' "$row" || :
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
    leader=$2 nap='' stopped=''
    trap 'stopped=1; [ -z "$nap" ] || kill "$nap" || :' HUP INT TERM
    exec >"$1/telemetry.csv" 2>/dev/null             # shells tell of every file that is not there
    if [ "$hz" -gt 1 ] && ! sleep 0.01; then hz=1 nap_s=1; fi

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

    page_bytes=$(getconf PAGESIZE) || page_bytes=
    is_digits "$page_bytes" || page_bytes=4096
    largest='' sample=0 look_samples=1 hwm_pid='' hwm_rss=0
    while [ -z "$stopped" ] && kill -0 "$leader"; do
        choose "$leader"
        heat_now='' hwm_now='' swap_now=''
        [ $((sample % hz)) -ne 0 ] || heat_now=1
        [ $((sample % (hz * HWM_S))) -ne 0 ] || hwm_now=1
        [ $((sample % (hz * SWAP_S))) -ne 0 ] || swap_now=1
        take "$@"
        sample=$((sample + 1))
        # In the background, because a shell hears a signal only after the command that it waits for in front.
        sleep "$nap_s" &
        nap=$!
        [ -z "$stopped" ] || kill "$nap" || :
        nap_status=0
        wait "$nap" || nap_status=$?
        # Killed is one thing; a sleep that can not sleep would make this loop eat a CPU beside the measurement.
        if [ "$nap_status" -ne 0 ] && [ "$nap_status" -le 127 ]; then exit 1; fi
    done
    heat_now=1 hwm_now=1 swap_now=1
    take "$@"
    [ -z "$stopped" ] || exit 143
}
main "$@"
