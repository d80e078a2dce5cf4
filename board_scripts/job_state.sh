#!/bin/sh
# job_state.sh - where a run lies on this board, who holds its locks, which processes are its own; a part of job.sh.
# Sourced by it after lib.sh; prints nothing by itself.
#
# Functions that are conditions here are predicates, or report their failure themselves.
# shellcheck source-path=SCRIPTDIR disable=SC2310

safe_name() {
    case $1 in '' | [!A-Za-z0-9]* | *[!A-Za-z0-9._-]*) return 1 ;; *) [ ${#1} -le 121 ] ;; esac
}

run_dir() {                                          # sets `dir`, `campaign`, `run`
    dir=$1
    case $dir in /*) ;; *) die 2 "RUN_DIR is not absolute: $dir" ;; esac
    case $dir/ in */../* | */./* | *//*) die 2 "RUN_DIR has '.', '..' or an empty name in it: $dir" ;; *) ;; esac
    run=${dir##*/}
    campaign=${dir%/*}
    campaign=${campaign##*/}
    safe_name "$run" || die 2 "not a name for a run: '$run' (letters, digits, . _ -, a letter or digit first)"
    safe_name "$campaign" || die 2 "not a name for a campaign: '$campaign' (letters, digits, . _ -, a letter or digit first)"
    [ ! -L "$dir" ] || die 2 "RUN_DIR is a symbolic link: $dir"
}

# A file that we wrote, as JSON in `json`; null when it is not there or is not whole.
json_in() {
    json=null
    first_line "$1" || return 0
    case $line in '{'*'}') json=$line ;; *) ;; esac
}

# "NAME":NUMBER of an object of ours in `number`.
number_of() {                                        # NAME JSON
    number=
    case $2 in *"\"$1\":"*) number=${2#*"\"$1\":"} number=${number%%[!0-9.]*} ;; *) ;; esac
}

board_now() {                                        # sets `now_boot` and `now_uptime`, both JSON
    now_boot=null now_uptime=null
    if first_line "$rk_root/proc/sys/kernel/random/boot_id"; then
        case $line in *[!0-9A-Za-z-]*) ;; *) now_boot="\"$line\"" ;; esac
    fi
    if first_line "$rk_root/proc/uptime" && is_number "${line%% *}"; then now_uptime=${line%% *}; fi
}

# Does somebody hold FILE exclusively? Asked with a shared lock, so that those who ask do not see each other.
# The caller's fd is only opened for reading: asking never creates a lock.
held() {                                             # FILE [SECONDS]: 0 held (all that time), 1 free
    [ -e "$1" ] || return 1
    held_status=0
    if [ "${2:-0}" != 0 ]; then
        flock -s -w "$2" -E $LOCKED 5 5<"$1" || held_status=$?
    else
        flock -s -n -E $LOCKED 5 5<"$1" || held_status=$?
    fi
    case $held_status in
        0) return 1 ;;
        "$LOCKED") return 0 ;;
        *) die $CANTCREAT "can not look at the lock $1 (flock: $held_status)" ;;
    esac
}

# Is anything of the run alive, or about to record its end? Its lock says so, and in the moments between the death of a
# wrapper and its end record systemd does, which is only asked then. A board that goes down gives no more answers.
run_lives() {                                        # DIR [SECONDS]: 0 alive (all that time), 1 over
    if held "$1/lock" "${2:-0}"; then return 0; fi
    if [ -e "$1/end.json" ] || [ ! -e "$1/start.json" ]; then return 1; fi
    json_in "$1/start.json"
    case $json in *"\"boot_id\":\"$(boot_id)\""*) ;; *) return 1 ;; esac
    lives_way=setsid
    case $json in *'"way":"systemd"'*) lives_way=systemd ;; *) ;; esac
    unit_lives "$json" || going_down "$lives_way" || return 1
    [ "${2:-0}" = 0 ] || sleep 0.2
}

# `start` before the lock and `end` after it: the other way round a run that begins or ends in between looks lost.
read_state() {                                       # DIR, sets `start`, `alive`, `end`
    json_in "$1/start.json"; start=$json
    alive=false
    if run_lives "$1"; then alive=true; fi
    json_in "$1/end.json"; end=$json
}

state_json() {                                       # DIR
    read_state "$1"
    board_now
    printf '{"start":%s,"end":%s,"now":{"boot_id":%s,"uptime_s":%s,"run_alive":%s}}' \
        "$start" "$end" "$now_boot" "$now_uptime" "$alive"
}

# Processes are looked up in the real /proc, whatever RK_SYSROOT says: they are really running.
# By session and group of the program, by the run's lock on fd 8, by the mark in their environment. Wrapper and guard
# hold that lock, too: not ourselves, and not who is in `spared`.
# -ef is not in POSIX, and is in dash, ash and bash alike.
# shellcheck disable=SC3013
spared=
find_members() {                                     # LEADER (or nothing), sets `members`
    members=
    for proc in /proc/[0-9]*; do
        pid=${proc#/proc/}
        case " $$ $spared " in *" $pid "*) continue ;; *) ;; esac
        first_line "$proc/stat" || continue
        fields=${line##*) }                          # state ppid pgrp session …; the name before may hold anything
        case $fields in Z* | X*) continue ;; *) ;; esac
        fields=${fields#* * }
        group=${fields%% *}
        fields=${fields#* }
        if [ "$group" = "${1:-none}" ] || [ "${fields%% *}" = "${1:-none}" ] || [ "$proc/fd/8" -ef "$dir/lock" ]; then
            members="$members $pid"
        fi
    done
    # shellcheck disable=SC2013 # these names have no blanks
    for proc in $(grep -lsF -e "RKFLEET_RUN=[$dir]" /proc/[0-9]*/environ 8<&- 9<&-); do
        proc=${proc%/environ}
        members="$members ${proc#/proc/}"
    done
}

signal_run() {                                       # SIGNAL LEADER
    # The group first: that works even where /proc does not show processes.
    kill -s "$1" -- "-$2" 2>/dev/null || :
    find_members "$2"
    for pid in $members; do kill -s "$1" "$pid" 2>/dev/null || :; done
}

sweep() {                                            # LEADER (or nothing): nothing of the run is alive afterwards
    [ $# -eq 0 ] || kill -s KILL -- "-$1" 2>/dev/null || :
    sweep_round=0
    while find_members "$@" && [ -n "$members" ]; do
        for pid in $members; do kill -s KILL "$pid" 2>/dev/null || :; done
        sweep_round=$((sweep_round + 1))
        # What waits in a driver does not die of KILL. It keeps the locks, which is the truth.
        [ "$sweep_round" -lt 40 ] || return 1
        sleep 0.05
    done
}
