#!/bin/sh
# telemetry.sh RUN_DIR PID - about once a second one line of CSV into RUN_DIR/telemetry.csv, until PID is gone.
# PID leads the run's session; rss and vmhwm are those of its largest process. A field that can not be read is empty.
# npu_load is in percent, the cores separated by a slash. Prints nothing. Exit: 0 PID is gone, 2 usage, 143 stopped.
#
# It runs beside a measurement, so a sample costs one fork (sleep): everything else is the shell's own `read`.
#
# Functions that are conditions here are predicates: nothing in them is left to `set -e`.
# shellcheck source-path=SCRIPTDIR disable=SC2310
set -eu
LC_ALL=C; export LC_ALL
. "${0%/*}/lib.sh"                                   # die, first_line, rk_root, TELEMETRY_HEADER

RESCAN_SAMPLES=30                                    # without /proc/PID/task/PID/children (CONFIG_PROC_CHILDREN)

# Fields after the name in /proc/PID/stat, the name may hold anything: state ppid pgrp session …
of_the_run() {                                       # PID LEADER
    first_line "$rk_root/proc/$1/stat" || return 1
    of_line=${line##*) }
    of_line=${of_line#* }                            # without the state
    of_line=${of_line#* }                            # without the parent
    of_group=${of_line%% *}
    of_line=${of_line#* }
    [ "$of_group" = "$2" ] || [ "${of_line%% *}" = "$2" ]
}

# Resident pages of PID in `pages`.
resident() {
    first_line "$rk_root/proc/$1/statm" || return 1
    pages=${line#* }
    pages=${pages%% *}
    case $pages in '' | *[!0-9]*) return 1 ;; *) return 0 ;; esac
}

consider() {                                         # PID: is it the largest so far?
    if resident "$1" && [ "$pages" -gt "$most" ]; then largest=$1 most=$pages; fi
}

# The descendants of LEADER, where the kernel lists the children of a process: a handful of small files.
descend() {                                          # LEADER, sets `largest`
    largest='' most=-1 queue=$1
    while [ -n "$queue" ]; do
        pid=${queue%% *}
        case $queue in *' '*) queue=${queue#* } ;; *) queue='' ;; esac
        [ -n "$pid" ] || continue
        consider "$pid"
        # Children of its first thread; a demo's threads start none.
        if first_line "$rk_root/proc/$pid/task/$pid/children"; then queue="$line $queue"; fi
    done
}

# All of the board's processes: 20 ms of CPU, so not for every sample.
search() {                                           # LEADER, sets `largest`
    largest='' most=-1
    for dir in "$rk_root"/proc/[0-9]*; do
        if of_the_run "${dir##*/}" "$1"; then consider "${dir##*/}"; fi
    done
}

memory_of() {                                        # PID, sets `rss` and `hwm`
    rss='' hwm=''
    [ -r "$rk_root/proc/$1/status" ] || return 0
    while read -r key number _; do
        case $key in
            VmHWM:) hwm=$number ;;
            VmRSS:) rss=$number; break ;;
            *) ;;
        esac
    done 2>/dev/null <"$rk_root/proc/$1/status" || :
    case $hwm in '' | *[!0-9]*) hwm='' ;; *) hwm=$((hwm * 1024)) ;; esac
    case $rss in '' | *[!0-9]*) rss='' ;; *) rss=$((rss * 1024)) ;; esac
}

available() {                                        # sets `memavail`
    memavail=
    [ -r "$rk_root/proc/meminfo" ] || return 0
    while read -r key number _; do
        [ "$key" = MemAvailable: ] || continue
        case $number in '' | *[!0-9]*) ;; *) memavail=$((number * 1024)) ;; esac
        break
    done <"$rk_root/proc/meminfo"
}

# A number from a kernel file in `value`, times FACTOR; empty when there is none.
number_in() {                                        # FILE [FACTOR]
    value=
    first_line "$1" || return 0
    case ${line#-} in '' | *[!0-9]*) ;; *) value=$((line * ${2:-1})) ;; esac
}

# "NPU load:  Core0: 12%, Core1:  0%, Core2:   %," (debugfs) or "12@1000000000Hz" (devfreq) -> 12/0/0 or 12
npu_load() {                                         # sets `load`
    load=
    if first_line "$rk_root/sys/kernel/debug/rknpu/load"; then
        line=${line#*load:}
        while :; do
            case $line in *%*) ;; *) break ;; esac
            part=${line%%%*}
            part=${part##*[!0-9]}                    # some C libraries print a zero as blanks
            load="$load/${part:-0}"
            line=${line#*%}
        done
        load=${load#/}
    elif [ -n "$npu" ] && first_line "$npu/load"; then
        load=${line%%@*}
        case $load in *[!0-9]*) load= ;; *) ;; esac
    fi
}

thermal_zone() {                                     # TYPE, sets `zone`
    for zone in "$rk_root"/sys/class/thermal/thermal_zone*; do
        if first_line "$zone/type" && [ "$line" = "$1" ]; then return 0; fi
    done
    zone=/nowhere
}

main() {
    if [ $# -ne 2 ] || [ ! -d "$1" ]; then die 2 "usage: telemetry.sh RUN_DIR PID"; fi
    case $2 in '' | *[!0-9]*) die 2 "usage: telemetry.sh RUN_DIR PID" ;; *) ;; esac
    leader=$2 nap=''
    trap '[ -z "$nap" ] || kill "$nap" 2>/dev/null; exit 143' HUP INT TERM
    npu=
    for dir in "$rk_root"/sys/class/devfreq/*.npu; do [ -d "$dir" ] && npu=$dir && break; done
    dmc=$rk_root/sys/class/devfreq/dmc cpus=$rk_root/sys/devices/system/cpu/cpufreq
    thermal_zone soc-thermal; soc=$zone
    thermal_zone npu-thermal; npu_zone=$zone
    exec >"$1/telemetry.csv"
    printf '%s\n' "$TELEMETRY_HEADER"
    largest='' sample=0
    while kill -0 "$leader" 2>/dev/null; do
        # The demo appears behind a few wrappers: look often at first, later only now and then, or when it is gone.
        if [ -e "$rk_root/proc/$leader/task/$leader/children" ]; then
            descend "$leader"
        elif [ "$sample" -lt 5 ] || [ $((sample % RESCAN_SAMPLES)) -eq 0 ] || [ ! -e "$rk_root/proc/${largest:-gone}" ]; then
            search "$leader"
        fi
        sample=$((sample + 1))
        uptime=
        if first_line "$rk_root/proc/uptime"; then uptime=${line%% *}; fi
        available
        rss='' hwm=''
        [ -z "$largest" ] || memory_of "$largest"
        number_in "$npu/cur_freq"; npu_hz=$value
        number_in "$dmc/cur_freq"; dmc_hz=$value
        number_in "$cpus/policy0/scaling_cur_freq" 1000; cpu0_hz=$value
        number_in "$cpus/policy4/scaling_cur_freq" 1000; cpu4_hz=$value
        number_in "$cpus/policy6/scaling_cur_freq" 1000; cpu6_hz=$value
        number_in "$soc/temp"; soc_mc=$value
        number_in "$npu_zone/temp"; npu_mc=$value
        npu_load
        # A full disk must not end the run that this only watches.
        printf '%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s\n' "$uptime" "$memavail" "$rss" "$hwm" "$npu_hz" "$dmc_hz" \
            "$cpu0_hz" "$cpu4_hz" "$cpu6_hz" "$soc_mc" "$npu_mc" "$load" 2>/dev/null || :
        # In the background, because a shell hears a signal only after the command that it waits for in front.
        sleep 1 &
        nap=$!
        wait "$nap" 2>/dev/null || :                 # shells tell stderr how a child was killed
    done
}
main "$@"
