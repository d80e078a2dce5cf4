#!/bin/sh
# job.sh - the only door to the runs on this board. A run is detached, and all that is known of it lies in RUN_DIR.
#   job.sh start RUN_DIR LIMIT_S -- PROGRAM ARG...   stdin becomes spec.json; {"started": true}, or false: was started before
#   job.sh state RUN_DIR                             {"start", "end", "now": {"boot_id", "uptime_s", "run_alive"}}
#   job.sh list RUNS_DIR                             {"boot_id", "uptime_s", "runs": [{"campaign", "run", "start", "end", "run_alive"}]}
#   job.sh follow RUN_DIR OUT_OFFSET ERR_OFFSET [--files]   frames (see follow below) until the run is over
#   job.sh cancel RUN_DIR                            {"cancelled", "reason"}: when it answers, nothing of the run is alive
#   job.sh rm RUN_DIR                                {"removed"}: a run that is over
# RUN_DIR is absolute and ends in <campaign>/<run>. Exit: 0 done, 1 a process can not be killed, 2 usage, 73 can not write,
# 75 the board is busy with another run (start: {"busy"}) or this run still lives (rm), 127 a tool is missing.
#
# Who is alive during a run, and what each holds:
#   wrapper   `job.sh _run`, leads its own session; parent of all. Locks: run (fd 8), board (fd 9), keeper (fd 7).
#   program   leads its own session; inherits fd 8 and 9, so both locks are held as long as anything of the run lives,
#             and can not go stale.
#   guard     `job.sh _guard`, own session; waits for the keeper lock, which it gets at once when the wrapper dies, and
#             not within LIMIT_S when the program takes too long. Then it kills the run. It never wakes up for less.
#   telemetry in the wrapper's session, without locks: it is no part of the measurement.
# A run is over when PROGRAM is over: what it leaves behind, even as a daemon in a session of its own, is killed, because
# it would hold the board and disturb the next measurement. Only a process that changed its session, closed its files
# and emptied its environment is not found; it does not hold a lock either.
#
# Functions that are conditions here are predicates, or report their failure themselves.
# shellcheck source-path=SCRIPTDIR disable=SC2310
set -eu
LC_ALL=C; export LC_ALL
case $0 in /*) here=${0%/*} ;; */*) here=$PWD/${0%/*} ;; *) here=$PWD ;; esac
. "$here/lib.sh"

FILE_BLOCKS=524288                                   # ulimit -f counts 512 bytes: 256 MiB, a demo that babbles for ever stops there
GRACE_S=5                                            # between TERM and KILL
FACTS_S=20                                           # facts.sh takes 0.1 s; a wedged NPU driver lets its readers hang
RESERVE_BYTES=65536                                  # kept free for end.json and facts.after.json on a disk that the run fills
FRAME_BYTES=1048576
BUSY=75 CANTCREAT=73
LOCKED=75                                            # our choice for `flock -E`: its own 1 could mean anything

usage() { die 2 "usage: job.sh start RUN_DIR LIMIT_S -- PROGRAM ARG... | state RUN_DIR | list RUNS_DIR | follow RUN_DIR OUT_OFFSET ERR_OFFSET [--files] | cancel RUN_DIR | rm RUN_DIR"; }

# ------------------------------------------------------------------------------------------------ names and places

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

# ----------------------------------------------------------------------------------------------------------- locks

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

# `start` before the lock and `end` after it: the other way round a run that begins or ends in between looks lost.
read_state() {                                       # DIR, sets `start`, `alive`, `end`
    json_in "$1/start.json"; start=$json
    alive=false
    if held "$1/lock"; then alive=true; fi
    json_in "$1/end.json"; end=$json
}

state_json() {                                       # DIR
    read_state "$1"
    board_now
    printf '{"start":%s,"end":%s,"now":{"boot_id":%s,"uptime_s":%s,"run_alive":%s}}' \
        "$start" "$end" "$now_boot" "$now_uptime" "$alive"
}

# ------------------------------------------------------------------------------------- the processes of a run

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

# ----------------------------------------------------------------------------------------------------------- start

start() {                                            # RUN_DIR LIMIT_S -- PROGRAM ARG...
    if [ $# -lt 4 ] || [ "$3" != -- ]; then usage; fi
    run_dir "$1"
    limit=$2
    shift 3
    if ! is_number "$limit" || [ "${limit#-}" != "$limit" ] || [ ${#limit} -gt 9 ]; then die 2 "LIMIT_S is not a number of seconds: $limit"; fi
    case $limit in *[1-9]*) ;; *) die 2 "LIMIT_S is zero" ;; esac
    for tool in flock setsid; do have "$tool" || die 127 "the tool $tool is not on this board (package util-linux)"; done
    program=$1
    shift
    # The program runs in RUN_DIR, so that a core file lies with its run.
    case $program in /*) ;; */*) program=$PWD/$program ;; *) ;; esac

    if [ -e "$dir/start.json" ] || [ -e "$dir/end.json" ]; then
        printf '{"started":false}\n'
        return 0
    fi
    mkdir_error=$(mkdir -p -- "$dir" 2>&1) || die $CANTCREAT "can not create $dir: ${mkdir_error##*: }"
    owner=$(stat -c %u -- "$dir")
    if [ "$owner" != 0 ] && [ "$(id -u)" = 0 ]; then
        die $CANTCREAT "$dir belongs to user $owner: root does not write into somebody else's folder"
    fi
    # Under its own name until the run has its lock: of two starts only one may name spec.json.
    spec=$dir/.spec.$$
    trap 'rm -f -- "$spec"' 0
    trap 'exit 129' HUP; trap 'exit 130' INT; trap 'exit 143' TERM
    put "$spec" || start_failed "can not write $dir/spec.json: $put_error"
    whole_json "$spec" || start_failed "spec.json on stdin is not one whole JSON object"
    trap - 0 HUP INT TERM                            # from here on the run owns it

    way=$(choose_way)
    answer=$("launch_$way" "$dir" "$limit" "$spec" -- "$program" "$@") || :
    # Its answer is the last thing that it says; what stands before is a complaint of some tool.
    case ${answer##*
} in
        started) printf '{"started":true}\n' ;;
        already) printf '{"started":false}\n' ;;
        'busy '*)
            printf '{"busy":%s}\n' "$(printf '%s' "${answer##*busy }" | json_str)"
            exit $BUSY
            ;;
        *)
            rm -f -- "$spec"
            start_failed "${answer:-the run ended before it began, and left no word}"
            ;;
    esac
}

start_failed() {                                     # MESSAGE: no half files, and no empty folders either
    rm -f -- "$spec"
    rmdir -- "$dir" "${dir%/*}" 2>/dev/null || :
    die $CANTCREAT "$1"
}

# A connection that drops ends stdin like a complete message does. Braces outside of strings must match.
whole_json() {                                       # FILE
    awk '
        { text = text $0 " " }
        END {
            gsub(/\\./, "", text)
            gsub(/"[^"]*"/, "", text)
            if (text !~ /^[ \t\r]*[{].*[}][ \t\r]*$/ || text ~ /"/) exit 1
            opened = gsub(/[{]/, "", text)
            exit gsub(/[}]/, "", text) != opened
        }' "$1"
}

# How to detach. launch_WAY prints the answer of `job.sh _run`, which must outlive the caller and its session.
choose_way() { printf 'setsid'; }

launch_setsid() {                                    # ARGUMENTS OF _run
    # The pipe of $(…) around this ends when the run closes it: no file to poll for, and a run that dies is noticed.
    setsid sh "$here/job.sh" _run "$@" </dev/null 2>&1 &
}

# ----------------------------------------------------------------------------------- the detached run (internal)

answer() {
    # Whoever started us may be gone by now, and its pipe with it; the run goes on all the same.
    trap '' PIPE
    printf '%s\n' "$1" 2>/dev/null || :
    trap - PIPE
}

give_up() {                                          # ANSWER: nothing has run yet
    rm -f -- "$spec" "$dir/.reserve" "$dir/.helper" "$dir/.armed" "$dir/.facts" "$dir/keeper.lock" "$dir/facts.before.json" \
        "$dir/spec.json" "$dir/stdout.log" "$dir/stderr.log" "$dir/telemetry.csv" 2>/dev/null || :
    answer "$1"
    exit 1
}

take_run_lock() {
    { : >>"$dir/lock"; } 2>/dev/null || give_up "can not write $dir/lock"
    # On another fd while it only wants the lock: who has it on fd 8 is taken for a part of the run, and killed with it.
    exec 4<"$dir/lock"
    lock_tries=0
    # Those who only ask hold it shared for a moment, and of several starts one has it: wait a little, never long.
    until flock -x -w 0.2 -E $LOCKED 4; do
        if [ -e "$dir/start.json" ]; then rm -f -- "$spec"; answer already; exit 0; fi
        lock_tries=$((lock_tries + 1))
        if [ "$lock_tries" -ge 50 ]; then rm -f -- "$spec"; answer "can not get the lock $dir/lock, and nothing has started"; exit 1; fi
    done
    exec 8<&4 4<&-
    if [ -e "$dir/start.json" ] || [ -e "$dir/end.json" ]; then rm -f -- "$spec"; answer already; exit 0; fi
}

take_board_lock() {                                  # sets `board_lock`
    board_lock=${RKFLEET_BOARD_LOCK:-/run/lock/rkfleet.lock}
    make_board_lock
    if [ ! -r "$board_lock" ]; then
        board_lock=${dir%/*/*}/board.lock
        make_board_lock
    fi
    [ -r "$board_lock" ] || give_up "can not write $board_lock"
    exec 9<"$board_lock"
    if ! flock -x -w 0.3 -E $LOCKED 9; then
        # The holder writes its name right after it got the lock.
        first_line "$board_lock" || { sleep 0.2; first_line "$board_lock" || line=unknown; }
        rm -f -- "$spec"
        answer "busy $line"
        exit 1
    fi
    # Into the lock itself: in a sticky folder nobody may replace another user's file. Without O_CREAT, because the
    # kernel refuses that (fs.protected_regular) for another user's file even to root.
    printf '%s/%s\n' "$campaign" "$run" | dd of="$board_lock" conv=nocreat status=none 2>/dev/null || :
}
make_board_lock() {                                  # for every user of the board; never through a link (O_EXCL)
    [ -e "$board_lock" ] || (umask 0; set -C; : >"$board_lock") 2>/dev/null || :
}

# COMMAND, but not longer than SECONDS, even when it can not be killed: its lock is waited for, not itself.
bounded() {                                          # SECONDS COMMAND...
    bounded_s=$1
    shift
    exec 6<"$dir/.helper"
    if ! flock -x -n 6; then exec 6<&-; return 1; fi # an earlier one still hangs
    "$@" 7<&- 8<&- 9<&- &
    bounded_pid=$!
    exec 6<&-
    if held "$dir/.helper" "$bounded_s"; then
        kill -s KILL "$bounded_pid" 2>/dev/null || :
        return 1
    fi
    wait "$bounded_pid"
}

facts_into() {                                       # FILE PROGRAM ARG...
    facts_file=$1
    shift
    # The libraries that the program was told to use are those that count.
    facts_count=$# facts_last=
    while [ "$facts_count" -gt 0 ]; do
        case $facts_last in
            --lib) set -- "$@" --lib "$1" ;;
            --demo) set -- "$@" --lib "${1%/*}/lib" --lib "${1%/*}" ;;
            *) ;;
        esac
        facts_last=$1 facts_count=$((facts_count - 1))
        shift
    done
    bounded "$FACTS_S" sh "$here/facts.sh" --disk "$dir" "$@" >"$dir/.facts" 2>/dev/null || :
    json_in "$dir/.facts"
    [ "$json" != null ] || json="{\"schema\":1,\"missing\":{\"facts\":\"facts.sh gave no answer within $FACTS_S s\"}}"
    rm -f -- "$dir/.facts"
    put "$facts_file" <<JSON
$json
JSON
}

kernel_log() { dmesg 2>/dev/null || { have sudo && sudo -n dmesg 2>/dev/null; }; }

# What the kernel said since `kernel_mark`, its last line before the run: its clock drifts from /proc/uptime, so times
# only help when the line is gone. Sets `dmesg_word`.
kernel_log_since() {                                 # UPTIME_S
    dmesg_word=ok
    : >"$dir/dmesg.log" 2>/dev/null || { dmesg_word="no space for dmesg.log"; return 0; }
    if ! kernel_log >"$dir/.dmesg"; then
        dmesg_word="dmesg is not permitted or does not work"
    elif ! KERNEL_MARK=$kernel_mark awk -v since="$1" '
        BEGIN { mark = ENVIRON["KERNEL_MARK"] }
        { all[NR] = $0; if (mark != "" && $0 == mark) from = NR }
        END {
            if (!from && mark != "")                 # the ring went round: by the time then, or all of it
                for (i = NR; i > 0; i--) {
                    if (match(all[i], /^\[ *[0-9]+\.[0-9]+\]/) && substr(all[i], 2, RLENGTH - 2) + 0 < since - 1) { from = i; break }
                }
            for (i = from + 1; i <= NR; i++) print all[i]
        }' "$dir/.dmesg" >"$dir/dmesg.log" 2>/dev/null; then
        dmesg_word="can not write dmesg.log"
    fi
    rm -f -- "$dir/.dmesg"
}

on_signal() {
    stopped=1 interrupted=1
    [ -z "$program_pid" ] || stop_program
}

# TERM now, KILL after the grace; in the background, the wrapper goes on waiting. Ends by itself when the wrapper ends.
stop_program() {
    signal_run TERM "$program_pid"
    { ! held "$dir/keeper.lock" "$GRACE_S" || signal_run KILL "$program_pid"; } 7<&- 8<&- 9<&- &
    killer_pid=$!
}

# The status of a child in `reaped`; signals to the wrapper interrupt `wait`, and then it is asked again.
reap() {                                             # PID
    reaped=0
    wait "$1" 2>/dev/null || reaped=$?
    while [ -n "$interrupted" ]; do
        interrupted='' reap_again=0
        wait "$1" 2>/dev/null || reap_again=$?
        [ "$reap_again" -eq 127 ] || reaped=$reap_again  # 127: it was collected the first time
    done
}

run_program() {                                      # PROGRAM ARG...: in a subshell that becomes it
    # shellcheck disable=SC3045 # ulimit -f is in POSIX
    ulimit -f "$FILE_BLOCKS" 2>/dev/null || :
    RKFLEET_RUN="[$dir]"
    export RKFLEET_RUN
    if ! have "$1"; then
        say "$1: not found, or not executable"
        exit 127
    fi
    exec setsid "$@"
}

run_detached() {                                     # RUN_DIR LIMIT_S SPEC -- PROGRAM ARG...
    run_dir "$1"
    limit=$2 spec=$3
    shift 4
    stopped='' interrupted='' program_pid='' killer_pid=''
    trap on_signal HUP INT TERM
    take_run_lock
    take_board_lock
    mv -f -- "$spec" "$dir/spec.json" 2>/dev/null || give_up "can not write $dir/spec.json"
    reserve_error=$(dd if=/dev/zero of="$dir/.reserve" bs="$RESERVE_BYTES" count=1 status=none 2>&1) ||
        give_up "can not write $dir: ${reserve_error##*: }"
    { : >"$dir/.helper" && : >"$dir/.armed" && : >"$dir/keeper.lock" && : >>"$dir/stdout.log" && : >>"$dir/stderr.log" &&
        printf '%s\n' "$TELEMETRY_HEADER" >"$dir/telemetry.csv"; } 2>/dev/null ||
        give_up "can not write $dir"
    exec 7<"$dir/keeper.lock"
    flock -x 7
    facts_into "$dir/facts.before.json" "$@" || give_up "can not write $dir/facts.before.json: $put_error"
    kernel_mark=$(kernel_log | tail -n 1) || kernel_mark=
    board_now
    began=$now_uptime
    put "$dir/start.json" <<JSON || give_up "can not write $dir/start.json: $put_error"
{"run":"$run","campaign":"$campaign","boot_id":$now_boot,"uptime_s":$now_uptime,"epoch_s":$(date +%s),"pid":$$,"way":"setsid","limit_s":$limit}
JSON
    answer started
    exec >/dev/null 2>>"$dir/wrapper.log" || exec 2>/dev/null

    status=null
    if [ -z "$stopped" ]; then
        cd -- "$dir"
        (run_program "$@") </dev/null >>"$dir/stdout.log" 2>>"$dir/stderr.log" 7<&- &
        program_pid=$!
        setsid sh "$here/job.sh" _guard "$dir" "$limit" "$program_pid" $$ </dev/null 7<&- &
        guard_pid=$! spared=$!
        RKFLEET_RUN="[$dir]" sh "$here/telemetry.sh" "$dir" "$program_pid" </dev/null 7<&- 8<&- 9<&- &
        telemetry_pid=$!
        if [ -n "$stopped" ] && [ -z "$killer_pid" ]; then stop_program; fi
        reap "$program_pid"
        status=$reaped was_stopped=$stopped
        board_now
        ended=$now_uptime
        # KILL, because a child that has just been forked may lose a TERM. Its own child, which waits for the keeper
        # lock, ends with us.
        kill -s KILL "$guard_pid" 2>/dev/null || :
        wait "$guard_pid" 2>/dev/null || :           # shells tell stderr how a child was killed
        kill -s TERM "$telemetry_pid" 2>/dev/null || :
        wait "$telemetry_pid" 2>/dev/null || :
        if [ -n "$killer_pid" ]; then
            kill -s KILL "$killer_pid" 2>/dev/null || :
            wait "$killer_pid" 2>/dev/null || :
        fi
        sweep "$program_pid" || say "processes are left that can not be killed:$members"
    else
        was_stopped=1 ended=$began
    fi

    result=exit-code signal=null
    if [ "$status" != null ] && [ "$status" -gt 128 ] && [ "$status" -le 192 ]; then
        result=signal signal=$((status - 128))
    fi
    [ "$status" != 0 ] || result=success
    if [ ! -e "$dir/.armed" ]; then result=timeout status=124; fi
    [ -z "$was_stopped" ] || result=cancelled
    kernel_log_since "${began%null}"
    rm -f -- "$dir/.reserve"
    facts_into "$dir/facts.after.json" "$@" || say "can not write facts.after.json: $put_error"
    rm -f -- "$dir/.helper" "$dir/.armed" "$dir/keeper.lock"
    [ -s "$dir/wrapper.log" ] || rm -f -- "$dir/wrapper.log"
    # Whoever finds end.json after a power cut relies on the logs being on the disk too.
    sync -- "$dir/stdout.log" "$dir/stderr.log" "$dir/dmesg.log" "$dir/telemetry.csv" 2>/dev/null || sync
    put_end || say "can not write end.json: $put_error"
    # The board first: whoever sees this run's lock free may start the next run at once.
    exec 9<&-
}

put_end() {
    duration=null
    if [ "$began" != null ] && [ "$ended" != null ]; then duration=$(seconds_between "$began" "$ended"); fi
    board_now
    put "$dir/end.json" <<JSON
{"result":"$result","exit_code":$status,"signal":$signal,"boot_id":$now_boot,"uptime_s":$now_uptime,"epoch_s":$(date +%s),"duration_s":$duration,"way":"setsid","limit_s":$limit,"dmesg":"$dmesg_word"}
JSON
}

guard() {                                            # RUN_DIR LIMIT_S PROGRAM_PID WRAPPER_PID
    run_dir "$1"
    spared=$4
    exec 5<"$dir/keeper.lock"
    if ! wrapper_ends "$2"; then
        # The word for the wrapper that this is a timeout: taking a file away works on a full disk, too.
        rm -f -- "$dir/.armed"
        signal_run TERM "$3"
        if ! wrapper_ends "$GRACE_S"; then
            signal_run KILL "$3"
            until wrapper_ends 86400; do :; done
        fi
    fi
    # The wrapper is gone without sending us away, and nobody else would ever end this run: no status to record.
    sweep "$3" || :
}
wrapper_ends() {                                     # SECONDS: 1 when it still lives then
    while :; do
        wrapper_status=0
        flock -s -w "$1" -E $LOCKED 5 8<&- 9<&- || wrapper_status=$?
        case $wrapper_status in
            0) return 0 ;;
            "$LOCKED") return 1 ;;
            *) sleep 1 ;;                            # somebody killed it: that says nothing about the wrapper
        esac
    done
}

# ---------------------------------------------------------------------------------------- looking at and ending runs

list() {                                             # RUNS_DIR
    case $1 in /*) ;; *) die 2 "RUNS_DIR is not absolute: $1" ;; esac
    board_now
    rows=
    if [ -d "$1" ]; then
        cd -- "$1"
        # By the time at which each got its spec.json: names of campaigns need not sort by time.
        # shellcheck disable=SC2012 # names that ls would garble are no names of ours and are skipped
        while IFS= read -r spec; do
            list_run=${spec%/spec.json}
            campaign=${list_run%%/*}
            list_run=${list_run#*/}
            if ! safe_name "$campaign" || ! safe_name "$list_run"; then continue; fi
            if [ -e "$campaign/$list_run/end.json" ]; then
                json_in "$campaign/$list_run/start.json"; start=$json
                json_in "$campaign/$list_run/end.json"; end=$json
                alive=false                          # end.json is a run's last act
            else
                read_state "$campaign/$list_run"
            fi
            rows="$rows,{\"campaign\":\"$campaign\",\"run\":\"$list_run\",\"start\":$start,\"end\":$end,\"run_alive\":$alive}"
        done <<SPECS
$(ls -1tr -- */*/spec.json 2>/dev/null)
SPECS
    fi
    printf '{"boot_id":%s,"uptime_s":%s,"runs":[%s]}\n' "$now_boot" "$now_uptime" "${rows#,}"
}

# Frames: a JSON header on one line, then as many bytes as its "bytes" says. First the new bytes of stdout.log and
# stderr.log, from the given offsets on, as they come; when the run is over the other files with their sha256 (--files),
# the sha256 of the whole logs, and last {"done": true, "state": …}.
follow() {                                           # RUN_DIR OUT_OFFSET ERR_OFFSET [--files]
    if [ $# -lt 3 ] || [ $# -gt 4 ]; then usage; fi
    case ${4-} in '' | --files) ;; *) usage ;; esac
    run_dir "$1"
    if ! is_number "$2" || ! is_digits "$2" || ! is_number "$3" || ! is_digits "$3"; then die 2 "an offset is not a number of bytes: $2 $3"; fi
    out_offset=$2 err_offset=$3 with_files=${4-}
    quiet_s=0 over=
    if [ -e "$dir/end.json" ] || ! held "$dir/lock"; then over=1; fi
    while :; do
        # Whether it is over was asked before the sizes are: what comes now is all there will be.
        sent=
        send_new stdout.log "$out_offset"; out_offset=$offset
        send_new stderr.log "$err_offset"; err_offset=$offset
        [ -z "$over" ] || break
        if [ -n "$sent" ]; then quiet_s=0; else quiet_s=$((quiet_s + 1)); fi
        if [ "$quiet_s" -ge 5 ]; then
            board_now
            printf '{"alive":true,"uptime_s":%s}\n' "$now_uptime"
            quiet_s=0
        fi
        # A second at most, and not a moment longer than the run.
        if [ -e "$dir/end.json" ] || ! held "$dir/lock" 1; then over=1; fi
    done
    if [ -d "$dir" ]; then send_rest; fi
    printf '{"done":true,"state":%s}\n' "$(state_json "$dir")"
}

send_new() {                                         # LOG OFFSET, sets `offset`, and `sent` if there was anything
    offset=$2
    [ -e "$dir/$1" ] || return 0
    size=$(stat -c %s -- "$dir/$1")
    while [ "$offset" -lt "$size" ]; do
        piece=$((size - offset))
        [ "$piece" -le "$FRAME_BYTES" ] || piece=$FRAME_BYTES
        printf '{"file":"%s","offset":%s,"bytes":%s}\n' "$1" "$offset" "$piece"
        tail -c "+$((offset + 1))" -- "$dir/$1" 2>/dev/null | head -c "$piece"
        offset=$((offset + piece)) sent=1
    done
}

send_rest() {
    cd -- "$dir"
    set --
    if [ -n "$with_files" ]; then
        set -- spec.json start.json end.json facts.before.json facts.after.json dmesg.log telemetry.csv
    fi
    count=$#
    set -- "$@" stdout.log stderr.log
    count=$#
    while [ "$count" -gt 0 ]; do                     # keep those that are there, in this order
        [ ! -f "$1" ] || set -- "$@" "$1"
        shift
        count=$((count - 1))
    done
    [ $# -gt 0 ] || return 0
    sums=$(sha256sum -- "$@") || die $CANTCREAT "can not read the files of $dir"
    while read -r sum name; do
        size=$(stat -c %s -- "$name")
        case $name in
            stdout.log | stderr.log)
                printf '{"file":"%s","offset":%s,"bytes":0,"size":%s,"sha256":"%s"}\n' "$name" "$size" "$size" "$sum"
                ;;
            *)
                printf '{"file":"%s","offset":0,"bytes":%s,"sha256":"%s"}\n' "$name" "$size" "$sum"
                head -c "$size" -- "$name"
                ;;
        esac
    done <<SUMS
$sums
SUMS
}

not_cancelled() { printf '{"cancelled":false,"reason":"%s"}\n' "$1"; exit 0; }

ended_as() {                                         # sets `word` from end.json, empty when there is none
    json_in "$dir/end.json"
    word=
    case $json in *'"result":"'*) word=${json#*'"result":"'} word=${word%%\"*} ;; *) ;; esac
}

# Is PID the wrapper of this run, and not a stranger with its number? Where /proc shows nothing, believe start.json.
# shellcheck disable=SC3013 # -ef: see find_members
is_wrapper() { [ "/proc/$1/fd/8" -ef "$dir/lock" ] || { [ ! -e /proc/self/fd ] && kill -0 "$1" 2>/dev/null; }; }

cancel() {                                           # RUN_DIR
    run_dir "$1"
    [ -d "$dir" ] || not_cancelled "there is no such run"
    if ! held "$dir/lock"; then
        ended_as
        [ -z "$word" ] || not_cancelled "it had ended: $word"
        not_cancelled "it is not running"
    fi
    # It has its lock a moment before its start.json; nothing is measured yet, so asking often disturbs nobody.
    tries=0
    while [ ! -e "$dir/start.json" ] && held "$dir/lock" 0.1 && [ "$tries" -lt 300 ]; do tries=$((tries + 1)); done
    json_in "$dir/start.json"
    number_of pid "$json"
    wrapper=$number
    patience_s=0
    if [ -n "$wrapper" ] && is_wrapper "$wrapper" && kill -s TERM "$wrapper" 2>/dev/null; then
        patience_s=$((GRACE_S + 5))                  # TERM, its grace, then the record: facts, kernel log, end.json
    fi
    if held "$dir/lock" "$patience_s"; then
        # A wrapper that is stopped or hangs dies here; then its guard, if there is one, ends the rest.
        [ -z "$wrapper" ] || ! is_wrapper "$wrapper" || kill -s KILL "$wrapper" 2>/dev/null || :
        if held "$dir/lock" 1; then
            sweep || :
            ! held "$dir/lock" 2 || die 1 "$campaign/$run can not be killed, not even by KILL:${members:- nothing found}; the board needs a restart"
        fi
    fi
    ended_as
    case $word in
        cancelled) ;;
        '')
            [ -e "$dir/start.json" ] || not_cancelled "it is not running"
            # Killed before it could record its end.
            board_now
            number_of limit_s "$(cat -- "$dir/start.json")"
            result=cancelled status=null signal=null began=null ended=null limit=$number
            dmesg_word="not read: the wrapper was killed"
            put_end || die $CANTCREAT "can not write $dir/end.json: $put_error"
            ;;
        *) not_cancelled "it had ended: $word" ;;
    esac
    printf '{"cancelled":true,"reason":"asked to"}\n'
}

remove() {                                           # RUN_DIR
    run_dir "$1"
    if [ ! -d "$dir" ]; then
        printf '{"removed":false}\n'
        return 0
    fi
    if [ -e "$dir/lock" ]; then
        exec 4<"$dir/lock"
        flock -x -w 1 -E $LOCKED 4 || die $BUSY "$campaign/$run is still running; nothing was removed"
    fi
    rm -rf -- "$dir" || die $CANTCREAT "can not remove $dir"
    rmdir -- "${dir%/*}" 2>/dev/null || :
    printf '{"removed":true}\n'
}

main() {
    [ $# -ge 2 ] || usage
    verb=$1
    shift
    case $verb in
        start | follow) "$verb" "$@" ;;
        _run) run_detached "$@" ;;
        _guard) guard "$@" ;;
        state | list | cancel | rm)
            [ $# -eq 1 ] || usage
            have flock || die 127 "the tool flock is not on this board (package util-linux)"
            case $verb in
                state) run_dir "$1"; state_json "$dir"; printf '\n' ;;
                rm) remove "$1" ;;
                *) "$verb" "$1" ;;
            esac
            ;;
        *) usage ;;
    esac
}
main "$@"
