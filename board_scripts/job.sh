#!/bin/sh
# job.sh - the only door to the runs on this board. A run is detached, and all that is known of it lies in RUN_DIR.
#   job.sh start RUN_DIR LIMIT_S [--lease TOKEN] [--memory BYTES] [--tripwire BYTES] [--clocks PROFILE] -- PROGRAM ARG...
#                                                    stdin becomes spec.json; {"started": true}, or false: was started
#                                                    before. --memory: more the run may not have, where the board can see
#                                                    to that; --tripwire: it is killed when the board has less available.
#                                                    PROFILE: of clocks.sh, as_is unless given
#   job.sh state RUN_DIR                             {"start", "end", "now": {"boot_id", "uptime_s", "run_alive"}}
#   job.sh list RUNS_DIR                             {"boot_id", "uptime_s", "runs": [{"campaign", "run", "start", "end", "run_alive"}]}
#   job.sh follow RUN_DIR OUT_OFFSET ERR_OFFSET [--files]   frames (see follow below) until the run is over
#   job.sh cancel RUN_DIR                            {"cancelled", "reason"}: when it answers, nothing of the run is alive
#   job.sh prune RUN_DIR                             {"pruned": true, "bytes"} or {"pruned": false, "reason"}: stdin lists what
#                                                    a workstation has of the run, see job_prune.sh
#   job.sh tidy RUNS_DIR                             {"tidied": N}: what dead processes left behind is gone, see job_tidy.sh
# RUN_DIR is absolute and ends in <campaign>/<run>. Exit: 0 done, 1 a process can not be killed, 2 usage, 73 can not write,
# 75 the board is busy with another run (start: {"busy"}) or reserved (start: {"reserved", "uptime_s"}, see lease.sh),
# 127 a tool is missing.
#
# Functions that are conditions here are predicates, or report their failure themselves.
# shellcheck source-path=SCRIPTDIR disable=SC2310
set -eu
LC_ALL=C; export LC_ALL
case $0 in /*) here=${0%/*} ;; */*) here=$PWD/${0%/*} ;; *) here=$PWD ;; esac
. "$here/lib.sh"
. "$here/job_state.sh"
. "$here/lease_state.sh"
. "$here/clocks_saved.sh"
. "$here/job_run.sh"
. "$here/job_clocks.sh"
. "$here/job_systemd.sh"
. "$here/job_reboot.sh"
. "$here/job_follow.sh"
. "$here/job_prune.sh"
. "$here/job_tidy.sh"

BUSY=75 CANTCREAT=73
START_FREE_KIB=${RKFLEET_START_FREE_KIB:-16384}      # a run's evidence takes 100 KiB; a disk fuller than this is about to fail
LOCKED=75                                            # our choice for `flock -E`: its own 1 could mean anything

usage() { die 2 "usage: job.sh start RUN_DIR LIMIT_S [--lease TOKEN] [--memory BYTES] [--tripwire BYTES] [--clocks PROFILE] -- PROGRAM ARG... | state RUN_DIR | list RUNS_DIR | follow RUN_DIR OUT_OFFSET ERR_OFFSET [--files] | cancel RUN_DIR | prune RUN_DIR | tidy RUNS_DIR"; }

start() {                                            # RUN_DIR LIMIT_S [OPTION]... -- PROGRAM ARG...
    [ $# -ge 4 ] || usage
    run_dir "$1"
    limit=$2 token='' memory_asked='' tripwire='' clocks=as_is
    shift 2
    while [ $# -ge 2 ] && [ "$1" != -- ]; do
        case $1 in
            --lease) token=$2 ;;
            --memory) memory_asked=$2; bytes_option "$@" ;;
            --tripwire) tripwire=$2; bytes_option "$@" ;;
            --clocks)
                clocks=$2
                case $clocks in pinned | no_dmc | as_is) ;; *) die 2 "--clocks: no profile: '$clocks' (pinned, no_dmc, as_is)" ;; esac
                ;;
            *) usage ;;
        esac
        [ -n "$2" ] || die 2 "$1 has no value"
        shift 2
    done
    if [ $# -lt 2 ] || [ "$1" != -- ]; then usage; fi
    shift
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
    check_room
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
    answer=$("launch_$way" "$dir" "$limit" "$spec" "$token" "$clocks" "$tripwire" -- "$program" "$@") || :
    # Its answer is the last thing that it says; what stands before is a complaint of some tool.
    case ${answer##*
} in
        started) printf '{"started":true}\n' ;;
        already) printf '{"started":false}\n' ;;
        'busy '*)
            printf '{"busy":%s}\n' "$(printf '%s' "${answer##*busy }" | json_str)"
            exit $BUSY
            ;;
        'reserved '*)
            answer=${answer##*
}
            answer=${answer#reserved }
            printf '{"reserved":%s,"uptime_s":%s}\n' "${answer#* }" "${answer%% *}"
            exit $BUSY
            ;;
        *)
            rm -f -- "$spec"
            start_failed "${answer:-the run ended before it began, and left no word}"
            ;;
    esac
}

bytes_option() {                                     # OPTION VALUE: nothing that the shell would read as octal
    case $2 in 0?*) ;; *) if is_digits "$2" && [ ${#2} -le 15 ]; then return 0; fi ;; esac
    die 2 "$1 is not a number of bytes: $2"
}

# A df that does not work is no reason to refuse: what does not fit will say so.
check_room() {
    room_at=$dir
    while [ ! -d "$room_at" ] && [ -n "$room_at" ]; do room_at=${room_at%/*}; done
    room_kib=$(df -Pk -- "${room_at:-/}" 2>/dev/null | awk 'NR == 2 { printf "%.0f", $4 }') || room_kib=
    if is_digits "$room_kib" && [ "$room_kib" -lt "$START_FREE_KIB" ]; then
        die $CANTCREAT "no space: a run needs $((START_FREE_KIB * 1024)) bytes, ${room_at:-/} has $((room_kib * 1024)) bytes free"
    fi
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
choose_way() {
    case ${RKFLEET_WAY:-} in
        setsid) printf 'setsid' ;;                   # for a board whose systemd makes trouble, and for tests
        *) if systemd_is_here; then printf 'systemd'; else printf 'setsid'; fi ;;
    esac
}

launch_setsid() {                                    # ARGUMENTS OF _run
    # The pipe of $(…) around this ends when the run closes it: no file to poll for, and a run that dies is noticed.
    setsid sh "$here/job.sh" _run "$@" </dev/null 2>&1 &
}

list() {                                             # RUNS_DIR
    case $1 in /*) ;; *) die 2 "RUNS_DIR is not absolute: $1" ;; esac
    clocks_leftover
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
    if ! run_lives "$dir"; then
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
    : >"$dir/.cancel" || :                           # a signal alone could be anybody's; and for who records the end
    if [ -n "$wrapper" ] && is_wrapper "$wrapper" && kill -s TERM "$wrapper" 2>/dev/null; then
        patience_s=$((GRACE_S + 5))                  # TERM, its grace, then the record: facts, kernel log, end.json
    fi
    if held "$dir/lock" "$patience_s"; then
        # A wrapper that is stopped or hangs dies here; then its guard, if there is one, ends the rest.
        [ -z "$wrapper" ] || ! is_wrapper "$wrapper" || kill -s KILL "$wrapper" 2>/dev/null || :
        if held "$dir/lock" 1; then
            sweep || :
            kill_unit "$json"
            ! held "$dir/lock" 2 || die 1 "$campaign/$run can not be killed, not even by KILL:${members:- nothing found}; the board needs a restart"
        fi
    fi
    tries=0                                          # of 0.2 s at least, until systemd has recorded the end
    while [ ! -e "$dir/end.json" ] && run_lives "$dir" 1 && [ "$tries" -lt 100 ]; do tries=$((tries + 1)); done
    rm -f -- "$dir/.cancel"
    clocks_leftover
    ended_as
    case $word in
        cancelled) ;;
        '')
            [ -e "$dir/start.json" ] || not_cancelled "it is not running"
            # Killed before it could record its end.
            board_now
            number_of limit_s "$(cat -- "$dir/start.json")"
            result=cancelled status=null signal=null began=null ended=null limit=$number tripped=
            dmesg_word="not read: the wrapper was killed" bytes=null
            case $(cat -- "$dir/start.json") in *'"way":"systemd"'*) way=systemd ;; *) way=setsid ;; esac
            put_end || die $CANTCREAT "can not write $dir/end.json: $put_error"
            ;;
        *) not_cancelled "it had ended: $word" ;;
    esac
    printf '{"cancelled":true,"reason":"asked to"}\n'
}

main() {
    [ $# -ge 2 ] || usage
    verb=$1
    shift
    case $verb in
        start | follow) "$verb" "$@" ;;
        _run) way=setsid; run_detached "$@" ;;
        _guard) guard "$@" ;;
        _unit) run_in_unit "$@" ;;
        _ended) run_ended "$@" ;;
        state | list | cancel | prune | tidy)
            [ $# -eq 1 ] || usage
            have flock || die 127 "the tool flock is not on this board (package util-linux)"
            case $verb in
                state) run_dir "$1"; clocks_leftover; state_json "$dir"; printf '\n' ;;
                *) "$verb" "$1" ;;
            esac
            ;;
        *) usage ;;
    esac
}
main "$@"
