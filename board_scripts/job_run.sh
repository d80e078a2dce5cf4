#!/bin/sh
# job_run.sh - the detached run: wrapper and guard, from the locks to end.json; a part of job.sh, sourced by it.
#
# Who is alive during a run, and what each holds:
#   wrapper   `job.sh _run`, leads its own session; parent of all. Locks: run (fd 8), board (fd 9), keeper (fd 7).
#   program   leads its own session; inherits fd 8 and 9, so both locks are held as long as anything of the run lives,
#             and can not go stale.
#   guard     `job.sh _guard`, own session; waits for the keeper lock, which it gets at once when the wrapper dies, and
#             not within LIMIT_S when the program takes too long. Then it kills the run. It never wakes up for less.
#   sampler   in the wrapper's session, without locks: it is no part of the measurement.
#   tripwire  the same, where one is asked for: kills the program when the board's memory runs out (tripwire.sh).
#   keeper    own session, without locks and mark; puts the clocks back when nobody else does (job_clocks.sh).
# As a systemd service (job_systemd.sh) all of them are in its cgroup, and the wrapper is its main process. systemd then
# stands behind the guard: it ends what outlives the limit by far, and records the end when the wrapper could not.
# A run is over when PROGRAM is over: what it leaves behind, even as a daemon in a session of its own, is killed, because
# it would hold the board and disturb the next measurement. Only a process that changed its session, closed its files
# and emptied its environment is not found; it does not hold a lock either.
#
# Functions that are conditions here are predicates, or report their failure themselves.
# shellcheck source-path=SCRIPTDIR disable=SC2310

FILE_BLOCKS=524288                                   # ulimit -f counts 512 bytes: 256 MiB, a demo that babbles for ever stops there
GRACE_S=5                                            # between TERM and KILL
FACTS_S=${RKFLEET_FACTS_S:-20}                       # facts.sh takes 0.1 s; a wedged NPU driver lets its readers hang
LEASE_AFTER_S=300                                    # on top of LIMIT_S: the kill, the facts after it, the pull, the next start
SAMPLE_HZ=${RKFLEET_SAMPLE_HZ:-1}                      # of sampler.sh, 1 to 10
GOING_DOWN_S=${RKFLEET_GOING_DOWN_S:-10}             # between TERM and KILL: busybox's init leaves 1, sysvinit 5
END_TRIES=20                                         # of a second, for a disk that is full when a run ends
RESERVE_BYTES=65536                                  # kept free for facts.after.json on a disk that the run fills
END_BYTES=4096                                       # the place of end.json itself, which is not given away even for a moment

answer() {
    # Whoever started us may be gone by now, and its pipe with it; the run goes on all the same.
    trap '' PIPE
    printf '%s\n' "$1" 2>/dev/null || :
    trap - PIPE
}

give_up() {                                          # ANSWER: nothing has run yet
    if [ -e "$dir/.clocks" ]; then clocks_restore; fi
    rm -f -- "$spec" "$dir/.reserve" "$dir/.helper" "$dir/.armed" "$dir/.facts" "$dir/.end" "$dir/keeper.lock" "$dir/facts.before.json" \
        "$dir/spec.json" "$dir/stdout.log" "$dir/stderr.log" "$dir/telemetry.csv" "$dir/.clocks" "$dir/.clocks.back" "$dir/.pinning" "$dir/.tripped" 2>/dev/null || :
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

# The lease is judged, and the board taken, under one guard: who steals the lease looks at the board under it, too.
take_board() {                                       # TOKEN or ''
    lease_how=-s
    [ -z "$1" ] || lease_how=-x                      # ours gets longer
    lease_status=0
    lease_enter "$lease_how" || lease_status=$?
    if [ "$lease_status" -eq 0 ]; then
        lease_read
        if ! lease_allows "$1"; then
            rm -f -- "$spec"
            answer "reserved ${lease_now:-null} $lease"
            exit 1
        fi
    elif [ "$lease_status" -eq 2 ] || [ -n "$1" ]; then
        give_up "$lease_trouble"
    fi
    take_board_lock
    [ "$lease_status" -eq 0 ] || return 0
    lease_extend $((${limit%%.*} + 1 + LEASE_AFTER_S)) || give_up "$lease_trouble"
    lease_leave
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
    exec 6<"$dir/${bounded_lock:-.helper}"
    if ! flock -x -n 6; then exec 6<&-; return 1; fi # an earlier one still hangs
    "$@" 4<&- 7<&- 8<&- 9<&- &
    bounded_pid=$!
    exec 6<&-
    if held "$dir/${bounded_lock:-.helper}" "$bounded_s"; then
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
    # Of all processes the kernel then takes this one, should it be faster than the tripwire; it asks nobody's leave.
    [ -z "$tripwire" ] || printf '1000\n' 2>/dev/null >/proc/self/oom_score_adj || :
    if ! have "$1"; then
        say "$1: not found, or not executable"
        exit 127
    fi
    exec setsid "$@"
}

run_detached() {                                     # RUN_DIR LIMIT_S SPEC TOKEN CLOCKS TRIPWIRE -- PROGRAM ARG...
    run_dir "$1"
    limit=$2 spec=$3 token=$4 clocks=$5 tripwire=$6
    shift 7
    stopped='' interrupted='' program_pid='' killer_pid=''
    trap on_signal HUP INT TERM
    take_run_lock
    take_board "$token"
    mv -f -- "$spec" "$dir/spec.json" 2>/dev/null || give_up "can not write $dir/spec.json"
    reserve_error=$({ dd if=/dev/zero of="$dir/.reserve" bs="$RESERVE_BYTES" count=1 status=none &&
        dd if=/dev/zero of="$dir/.end" bs="$END_BYTES" count=1 status=none; } 2>&1) ||
        give_up "can not write $dir: ${reserve_error##*: }"
    { : >"$dir/.helper" && : >"$dir/.armed" && : >"$dir/keeper.lock" && : >>"$dir/stdout.log" && : >>"$dir/stderr.log" &&
        printf '%s\n' "$TELEMETRY_HEADER" >"$dir/telemetry.csv"; } 2>/dev/null ||
        give_up "can not write $dir"
    exec 7<"$dir/keeper.lock"
    flock -x 7
    clocks_begin
    facts_into "$dir/facts.before.json" "$@" || give_up "can not write $dir/facts.before.json: $put_error"
    kernel_mark=$(kernel_log | tail -n 1) || kernel_mark=
    own_cgroup_bytes memory.max
    unit_word=null invocation_word=null
    if [ "$way" = systemd ]; then unit_word="\"$unit\"" invocation_word="\"$invocation\""; fi
    board_now
    began=$now_uptime
    put "$dir/start.json" <<JSON || give_up "can not write $dir/start.json: $put_error"
{"run":"$run","campaign":"$campaign","boot_id":$now_boot,"uptime_s":$now_uptime,"epoch_s":$(date +%s),"pid":$$,"way":"$way","unit":$unit_word,"invocation_id":$invocation_word,"memory_max_bytes":$bytes,"tripwire_bytes":${tripwire:-null},"limit_s":$limit,"clocks":"$clocks"}
JSON
    answer started
    exec >/dev/null 2>>"$dir/wrapper.log" || exec 2>/dev/null

    status=null
    if [ -z "$stopped" ]; then
        cd -- "$dir"
        (run_program "$@") </dev/null >>"$dir/stdout.log" 2>>"$dir/stderr.log" 7<&- &
        program_pid=$!
        watching_sh='sh'                             # bash waits without starting a program for it, see nap.sh
        ! have bash || watching_sh='bash --posix'
        setsid sh "$here/job.sh" _guard "$dir" "$limit" "$program_pid" $$ </dev/null 7<&- &
        guard_pid=$! spared=$!
        # shellcheck disable=SC2086 # two words or one
        RKFLEET_RUN="[$dir]" $watching_sh "$here/sampler.sh" "$dir" "$program_pid" "$SAMPLE_HZ" </dev/null 7<&- 8<&- 9<&- &
        sampler_pid=$!
        tripwire_pid=
        if [ -n "$tripwire" ]; then
            # shellcheck disable=SC2086
            RKFLEET_RUN="[$dir]" $watching_sh "$here/tripwire.sh" "$program_pid" "$tripwire" \
                </dev/null >"$dir/.tripped" 7<&- 8<&- 9<&- &
            tripwire_pid=$!
        fi
        if [ -n "$stopped" ] && [ -z "$killer_pid" ]; then stop_program; fi
        reap "$program_pid"
        status=$reaped was_stopped=$stopped
        board_now
        ended=$now_uptime
        # KILL, because a child that has just been forked may lose a TERM. Its own child, which waits for the keeper
        # lock, ends with us.
        kill -s KILL "$guard_pid" 2>/dev/null || :
        wait "$guard_pid" 2>/dev/null || :           # shells tell stderr how a child was killed
        kill -s TERM "$sampler_pid" 2>/dev/null || :
        wait "$sampler_pid" 2>/dev/null || :
        [ -z "$tripwire_pid" ] || kill -s TERM "$tripwire_pid" 2>/dev/null || :
        [ -z "$tripwire_pid" ] || reap "$tripwire_pid"  # one that has just killed the program still writes what it saw
        if [ -n "$killer_pid" ]; then
            kill -s KILL "$killer_pid" 2>/dev/null || :
            wait "$killer_pid" 2>/dev/null || :
        fi
        sweep "$program_pid" || say "processes are left that can not be killed:$members"
    else
        was_stopped=1 ended=$began
    fi

    own_cgroup_bytes memory.peak
    result=exit-code signal=null
    if [ "$status" != null ] && [ "$status" -gt 128 ] && [ "$status" -le 192 ]; then
        result=signal signal=$((status - 128))
    fi
    [ "$status" != 0 ] || result=success
    read_tripped
    if [ "$result" = signal ] && [ -n "$tripped" ]; then result=tripwire; fi
    if [ "$status" != null ] && killed_for_memory; then
        result=oom-kill                              # one process of it, and what the others did then is no measurement
    elif [ ! -e "$dir/.armed" ]; then
        result=timeout status=124
    fi
    if [ -n "$was_stopped" ]; then
        if going_down "$way"; then
            rm -f -- "$dir/.reserve" "$dir/.end" "$dir/.helper" "$dir/.armed" "$dir/keeper.lock" "$dir/.clocks" "$dir/.pinning" "$dir/.tripped"
            exit 0
        fi
        # A system without systemd says TERM to everybody when it goes down, and KILL a moment later; then no end is
        # recorded, because that the board started anew is what became of the run. Who lives on was meant alone.
        if [ "$way" = setsid ] && [ ! -e "$dir/.cancel" ]; then sleep "$GOING_DOWN_S" 7<&- 8<&- 9<&- || :; fi
        # The guard would have been here first: without it, systemd is who stops a run after its limit, not a person.
        if overdue; then result=timeout status=124; else result=cancelled; fi
    fi
    record_end "$@"
    # The board first: whoever sees this run's lock free may start the next run at once.
    exec 9<&-
}

# What the tripwire saw when it killed the program; sets `tripped`, JSON, empty when it did not.
read_tripped() {
    tripped=
    if [ ! -s "$dir/.tripped" ] || ! first_line "$dir/.tripped"; then return 0; fi
    tripped_hwm=${line#* }
    tripped_at=${tripped_hwm#* }
    tripped_hwm=${tripped_hwm%% *}
    is_digits "$tripped_hwm" || tripped_hwm=null
    is_number "$tripped_at" || tripped_at=null
    if is_digits "${line%% *}"; then tripped="{\"available_bytes\":${line%% *},\"highest_bytes\":$tripped_hwm,\"uptime_s\":$tripped_at}"; fi
}

# Has the run gone on for so long after its limit that its guard must be dead?
overdue() {
    [ "$began" != null ] && [ "$ended" != null ] || return 1
    [ $(($(hundredths "$ended") - $(hundredths "$began"))) -gt $(($(hundredths "$limit") + GRACE_S * 200)) ]
}

# All that is told of a run when it is over; end.json is the last that appears.
record_end() {                                       # [PROGRAM ARG...]
    kernel_log_since "${began%null}"
    rm -f -- "$dir/.reserve"
    clocks_read_back
    facts_into "$dir/facts.after.json" "$@" || say "can not write facts.after.json: $put_error"
    clocks_wait || :
    clocks_put_back
    [ -s "$dir/wrapper.log" ] || rm -f -- "$dir/wrapper.log"
    # Whoever finds end.json after a power cut relies on the logs being on the disk too.
    sync -- "$dir/stdout.log" "$dir/stderr.log" "$dir/dmesg.log" "$dir/telemetry.csv" 2>/dev/null || sync
    if clocks_wait; then clocks_keeper_goes; fi
    clocks_record
    # Without this record a run counts as lost: a disk that somebody else fills may have room again in a moment.
    end_tries=0
    until put_end; do
        end_tries=$((end_tries + 1))
        if [ "$end_tries" -gt "$END_TRIES" ]; then say "can not write end.json: $put_error"; break; fi
        sleep 1 4<&- 7<&- 8<&- 9<&- || :
    done
    # .armed says until then that this was no timeout, to whoever records the end in our place.
    rm -f -- "$dir/.helper" "$dir/.armed" "$dir/.cancel" "$dir/.tripped" "$dir/keeper.lock"
}

# stdin becomes FILE as `put` makes it, and in the blocks of RESERVED while there is one: that needs no room at all.
put_over() {                                         # RESERVED FILE
    over_text=$(cat)
    if [ -f "$1" ] && printf '%s\n' "$over_text" | dd of="$1" bs=65536 conv=notrunc status=none 2>/dev/null &&
        dd if=/dev/null of="$1" bs=1 seek=$((${#over_text} + 1)) count=0 conv=fsync status=none 2>/dev/null &&
        mv -f -- "$1" "$2" 2>/dev/null; then
        return 0
    fi
    rm -f -- "$1"
    put "$2" <<TEXT
$over_text
TEXT
}

put_end() {
    duration=null
    if [ "$began" != null ] && [ "$ended" != null ]; then duration=$(seconds_between "$began" "$ended"); fi
    board_now
    put_over "$dir/.end" "$dir/end.json" <<JSON
{"result":"$result","exit_code":$status,"signal":$signal,"boot_id":$now_boot,"uptime_s":$now_uptime,"epoch_s":$(date +%s),"duration_s":$duration,"way":"$way","limit_s":$limit,"memory_peak_bytes":$bytes,"tripwire":${tripped:-null},"dmesg":"$dmesg_word"}
JSON
}

guard() {                                            # RUN_DIR LIMIT_S PROGRAM_PID WRAPPER_PID
    # When systemd ends a service, it sends TERM to all of it: the guard is who sees to it that TERM is enough.
    trap '' TERM
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
    clocks_restore
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
