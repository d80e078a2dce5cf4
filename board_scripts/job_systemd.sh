#!/bin/sh
# job_systemd.sh - a run as a transient systemd service, where the board has systemd and root; a part of job.sh.
# Sourced by it after job_state.sh. The wrapper is the same in both ways (job_run.sh); what the service adds is a limit on
# memory, a kill that nothing escapes, and somebody who records the end when the wrapper can not.
#
# From `job.sh start`, which runs as the run's user, to the end:
#   launch_systemd   asks PID 1 for a service, as root; when that fails it starts the run by setsid. It sends environment
#                    and arguments in a file, because a service begins with an environment of its own and reads `$` in
#                    its arguments, and hears the run's answer through a named pipe.
#   run_in_unit      `job.sh _unit`: the service's process; takes that environment, and is the wrapper from there on.
#   run_ended        `job.sh _ended`: ExecStopPost, after everything else of the service is dead; writes end.json when the
#                    wrapper did not. It runs as the run's user too: root never writes into a folder of somebody else.
# Between a dead wrapper and run_ended the run's lock is free and the run is not over: see unit_lives.
#
# Functions that are conditions here are predicates, or report their failure themselves.
# shellcheck source-path=SCRIPTDIR disable=SC2310

# What the demo allocates on top of what is free lets the kernel kill sshd or worse; 384 MiB keep a board usable.
MEMORY_RESERVE_BYTES=402653184
MEMORY_LEAST_BYTES=268435456                         # below it the wrapper and facts.sh would be what dies
# After LIMIT_S the guard needs its grace (5) and a sweep (2). The service's clock also counts facts before and after
# (20 each, if a driver hangs), the wait for locks (10) and the disk: below that, systemd would cut off a good record.
BACKSTOP_S=75
STOP_S=45                                            # the wrapper's grace, sweep and facts when systemd asks it to end
LAUNCH_TRIES=100                                     # of 0.1 s, while an earlier service of the same run is on its way out

systemd_is_here() {
    [ -d "$rk_root/run/systemd/system" ] && have systemd-run && have systemctl && have mkfifo || return 1
    [ "$(id -u)" = 0 ] || have sudo
}

privileged() {                                          # COMMAND...; never asks for a password
    if [ "$(id -u)" = 0 ]; then "$@"; else have sudo && sudo -n -- "$@"; fi
}

# The same run has the same name, and one name has one service. Sets `unit`.
unit_of() {                                          # RUN_DIR
    unit=$(printf '%s' "$1" | sha256sum)
    unit=rkfleet-${1##*/}-$(printf '%.12s' "$unit").service
}

# ---------------------------------------------------------------------------------------------------------- the launch

launch_systemd() {                                   # ARGUMENTS OF _run
    # systemd 252 writes a service down with quotes and backslashes as they are, and misreads them at the next
    # `systemctl daemon-reload`: the end of this run would not be recorded.
    shell=$(command -v sh)
    case $1$here$shell in *[!A-Za-z0-9/._@:+,=~-]*) launch_setsid "$@"; return 0 ;; *) ;; esac
    parcel=$1/.launch.$$ fifo=$1/.answer.$$
    unit_of "$1"
    own_umask=$(umask)
    if ! (umask 077; pack "$@" >"$parcel" && mkfifo "$fifo") 2>/dev/null; then
        rm -f -- "$parcel" "$fifo"
        launch_setsid "$@"
        return 0
    fi
    # Open for reading and writing, so that nobody waits for nobody; and for reading, to see the last writer go.
    # shellcheck disable=SC2094
    exec 3<>"$fifo" 4<"$fifo"
    launch_tries=0
    until trouble=$(ask_for_service "$1" "$2" 2>&1 3<&- 4<&-); do
        case $trouble in
            *already*)                               # "was already loaded", "already exists": another start of this run
                if [ -e "$1/start.json" ]; then
                    rm -f -- "$parcel" "$fifo" "$3"
                    printf 'already\n'
                    return 0
                fi
                launch_tries=$((launch_tries + 1))
                ;;
            *) launch_tries=$LAUNCH_TRIES ;;         # no rights, no D-Bus, a systemd that does not know a property
        esac
        if [ "$launch_tries" -ge "$LAUNCH_TRIES" ]; then
            # Should the service come up after all: without the parcel it does nothing, and the locks decide.
            rm -f -- "$parcel" "$fifo"
            exec 3<&- 4<&-
            launch_setsid "$@"
            return 0
        fi
        sleep 0.1
    done
    # A line says that the service has its parcel, and the pipe open. From then on the end of the pipe means something.
    read -r _ <&3 || :
    exec 3<&-
    cat <&4
}

# What a process inherits from its starter, and the arguments, as text for `.`; words stay data.
pack() {                                             # WORD...
    export -p
    printf 'umask %s\n' "$own_umask"
    for letter in c l n s; do                        # core files, locked memory, open files, stack: services differ
        # shellcheck disable=SC3045 # dash, ash and bash have all four
        printf 'ulimit -S -%s %s 2>/dev/null || :\n' "$letter" "$(ulimit -S -"$letter")"
    done
    printf 'set --'
    for word in "$@"; do
        quoted=
        while :; do
            case $word in *\'*) ;; *) break ;; esac
            quoted="$quoted${word%%\'*}'\\''"
            word=${word#*\'}
        done
        printf " '%s'" "$quoted$word"
    done
    printf '\n'
}

ask_for_service() {                                  # RUN_DIR LIMIT_S
    # Not OOMPolicy=kill, which takes the wrapper along. run_ended would have to record the end in a cgroup that is still
    # full of the dying, where the kernel kills it, too; and a systemd that hears of the first kill only then kills it as
    # well (service_notify_cgroup_oom_event in its core/service.c). So only the largest process dies: the demo.
    set -- "$1" "$2" --unit="$unit" --description="rkfleet run ${1##*/}" --collect --quiet --no-ask-password \
        --service-type=exec -p RuntimeMaxSec=$((${2%%.*} + 1 + BACKSTOP_S)) -p TimeoutStopSec="$STOP_S" \
        -p KillMode=control-group -p OOMPolicy=continue -p User="$(id -u)" -p Group="$(id -g)" \
        -p WorkingDirectory="$1" -p StandardInput=null \
        -p ExecStopPost="$shell $here/job.sh _ended $1 $$" -- "$shell" "$here/job.sh" _unit "$1" $$
    shift 2
    memory_to_spare
    [ -z "$memory" ] || set -- -p MemoryMax="$memory" "$@"
    privileged systemd-run "$@" </dev/null
}

memory_to_spare() {                                  # sets `memory`, bytes: what is free, or less if less was asked for
    memory='' memory_reserve=$MEMORY_RESERVE_BYTES
    # What is to be told apart from a kill must come before it: the tripwire, then this limit, then the kernel's own.
    [ -z "$tripwire" ] || memory_reserve=$((tripwire / 2))
    while read -r name number _; do
        [ "$name" != MemAvailable: ] || memory=$((number * 1024 - memory_reserve))
    done 2>/dev/null <"$rk_root/proc/meminfo" || :
    if [ -n "$memory_asked" ] && { [ -z "$memory" ] || [ "$memory_asked" -lt "$memory" ]; }; then memory=$memory_asked; fi
    if [ -n "$memory" ] && [ "$memory" -lt "$MEMORY_LEAST_BYTES" ]; then memory=$MEMORY_LEAST_BYTES; fi
}

# ---------------------------------------------------------------------------------------------------------- the service

run_in_unit() {                                      # RUN_DIR TOKEN
    run_dir "$1"
    parcel=$dir/.launch.$2 fifo=$dir/.answer.$2
    if [ ! -p "$fifo" ] || [ ! -f "$parcel" ]; then exit 0; fi   # its starter has given up on us
    exec 1<>"$fifo" 2>&1
    unit_of "$dir"
    way=systemd invocation=${INVOCATION_ID-}
    for name in $(env | sed -n 's/^\([A-Za-z_][A-Za-z0-9_]*\)=.*/\1/p'); do unset "$name"; done
    # shellcheck source=/dev/null
    . "$parcel"
    rm -f -- "$parcel" "$fifo"
    printf '\n'
    rk_root=${RK_SYSROOT:-}
    run_detached "$@"
}

# Where the service's own cgroup is, in `cgroup_path`; 1 where there is none: no service, or cgroups of version 1.
own_cgroup_path() {
    [ "$way" = systemd ] && first_line "$rk_root/proc/self/cgroup" || return 1
    case $line in 0::/*) cgroup_path=$rk_root/sys/fs/cgroup${line#0::} ;; *) return 1 ;; esac
}

own_cgroup_bytes() {                                 # NAME, sets `bytes`, JSON; null also where the kernel is too old
    bytes=null
    if own_cgroup_path && first_line "$cgroup_path/$1" && is_digits "$line"; then bytes=$line; fi
}

# Has the kernel killed a process of the service for lack of memory? It counts before it kills.
killed_for_memory() {
    own_cgroup_path || return 1
    while read -r name number; do
        if [ "$name" = oom_kill ]; then [ "$number" != 0 ]; return; fi
    done 2>/dev/null <"$cgroup_path/memory.events"
    return 1
}

# Is the system going down? Then no end is recorded: that the board started anew is what became of the run.
# On its way down the bus is among the first to go: then nobody answers, which a system that could start a service does
# at no other time.
going_down() {                                       # WAY of the run
    [ -d "$rk_root/run/systemd/system" ] && have systemctl || return 1
    case $(systemctl is-system-running 2>/dev/null || :) in
        stopping) return 0 ;;
        '' | unknown | offline) [ "$1" = systemd ] ;;
        *) return 1 ;;
    esac
}

# ---------------------------------------------------------------------------------------------------------- the end

# Is the service of a run of this boot still there, to record its end?
unit_lives() {                                       # START (JSON)
    case $1 in *'"way":"systemd"'*) ;; *) return 1 ;; esac
    unit=${1#*'"unit":"'}
    case $(systemctl show -p ActiveState --value -- "${unit%%\"*}" 2>/dev/null) in
        active | reloading | activating | deactivating) return 0 ;;
        *) return 1 ;;
    esac
}

kill_unit() {                                        # START (JSON): reaches what belongs to another user, too
    case $1 in *'"way":"systemd"'*) ;; *) return 0 ;; esac
    unit=${1#*'"unit":"'}
    privileged systemctl kill -s KILL -- "${unit%%\"*}" >/dev/null 2>&1 || :
}

run_ended() {                                        # RUN_DIR TOKEN, and SERVICE_RESULT EXIT_CODE EXIT_STATUS of systemd
    case $1 in */*) [ -d "$1" ] || exit 0 ;; *) usage ;; esac
    run_dir "$1"
    # Its starter waits for a word, and the service died before it had one.
    if [ -p "$dir/.answer.$2" ]; then printf '\n' 1<>"$dir/.answer.$2"; fi
    rm -f -- "$dir/.answer.$2" "$dir/.launch.$2"
    # Before anything may end this: the pin of one that died before its start.json, or at its very end.
    if [ ! -e "$dir/start.json" ] || [ -e "$dir/end.json" ]; then clocks_leftover; fi
    json_in "$dir/start.json"
    # Not our run: another start of it was first, or this one never began.
    case $json in *"\"invocation_id\":\"${INVOCATION_ID:-none}\""*) ;; *) exit 0 ;; esac
    if [ -e "$dir/end.json" ] || going_down systemd; then exit 0; fi
    # Held until the record is there, so that those who follow wait for it. On fd 4: whoever has it on 8 gets killed.
    exec 4<"$dir/lock"
    flock -x -w 2 4 || :
    number_of uptime_s "$json"; began=${number:-null}
    number_of limit_s "$json"; limit=$number
    clocks=as_is
    case $json in *'"clocks":"pinned"'*) clocks=pinned ;; *'"clocks":"no_dmc"'*) clocks=no_dmc ;; *) ;; esac
    board_now
    ended=$now_uptime way=systemd
    unit_of "$dir"
    service_result
    read_tripped
    if [ "$result" = signal ] && [ -n "$tripped" ]; then result=tripwire status=137; fi
    own_cgroup_bytes memory.peak
    kernel_mark='a line that the kernel never wrote'  # the wrapper knew it; without it the time decides
    record_end
}

# What became of the program, from what systemd says of the service; sets `result`, `status`, `signal`.
service_result() {
    status=null signal=null
    result=${SERVICE_RESULT:-unknown}
    case $result in *[!a-z-]*) result=unknown ;; *) ;; esac
    case ${EXIT_CODE-}/${EXIT_STATUS-} in
        killed/KILL | dumped/KILL) signal=9 ;;
        killed/TERM) signal=15 ;;
        *) ;;
    esac
    if [ "$result" = signal ] && killed_for_memory; then result=oom-kill; fi
    if [ -e "$dir/.cancel" ]; then
        result=cancelled
    elif [ "$result" = oom-kill ]; then
        status=137 signal=9
    elif [ ! -e "$dir/.armed" ] || overdue; then
        result=timeout status=124
    else
        case $result/${EXIT_CODE-} in
            timeout/* | success/killed) result=cancelled ;;   # `systemctl stop`, before its time was up
            *) ;;
        esac
    fi
}
