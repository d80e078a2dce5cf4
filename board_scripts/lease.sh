#!/bin/sh
# lease.sh - whose this board is: take it, renew it, take it over from somebody, give it back, show it.
#   lease.sh hold TOKEN FOR_S OWNER PURPOSE CAMPAIGN          {"held": LEASE}: it was free, or is TOKEN's and now longer
#   lease.sh steal SHOWN TOKEN FOR_S OWNER PURPOSE CAMPAIGN   {"held": LEASE}: it was still SHOWN's, and nothing runs here
#   lease.sh evict SHOWN TOKEN FOR_S OWNER PURPOSE CAMPAIGN   the same, and what runs here is cancelled first
#   lease.sh release TOKEN                                    {"released": true}, or false and whose it is: {"lease"}
#   lease.sh show                                             {"lease", "run": what has the board's run lock, "boot_id"}
# LEASE is {"token", "owner", "purpose", "campaign", "boot_id", "acquired_uptime_s", "renewed_uptime_s", "expires_uptime_s"},
# or null where there is none. Every answer has "uptime_s". An empty CAMPAIGN is none; when TOKEN renews, an empty OWNER,
# PURPOSE or CAMPAIGN stays as it was. Takes, steals and releases are written to lease.log beside the lease.
# Exit: 0 done, 2 usage, 73 can not write, 75 refused: {"reserved": LEASE}, or {"busy": "<campaign>/<run>"} for a steal
# while a run goes, 127 a tool is missing.
#
# Functions that are conditions here are predicates, or report their failure themselves.
# shellcheck source-path=SCRIPTDIR disable=SC2310
set -eu
LC_ALL=C; export LC_ALL
case $0 in /*) here=${0%/*} ;; */*) here=$PWD/${0%/*} ;; *) here=$PWD ;; esac
. "$here/lib.sh"
. "$here/lease_state.sh"

REFUSED=75 CANTCREAT=73
LONGEST_S=604800                                     # a week: nobody remembers for longer what a board was reserved for
OWNER_BYTES=120 PURPOSE_BYTES=200                    # a line on a terminal
LOG_LINES=200                                        # some weeks of a busy board

usage() { die 2 "usage: lease.sh hold TOKEN FOR_S OWNER PURPOSE CAMPAIGN | steal|evict SHOWN TOKEN FOR_S OWNER PURPOSE CAMPAIGN | release TOKEN | show"; }

check_token() {
    case $1 in '' | *[!A-Za-z0-9-]*) die 2 "not a token: letters, digits and - only" ;; *) ;; esac
    [ ${#1} -le 64 ] || die 2 "not a token: longer than 64"
}
check_for() {
    if ! is_digits "$1" || [ ${#1} -gt 9 ] || [ "$1" -lt 1 ] || [ "$1" -gt $LONGEST_S ]; then
        die 2 "not a number of seconds from 1 to $LONGEST_S: '$1'"
    fi
}

# A text as JSON. It is shown on terminals: no control characters (those of C1 and line separators too), nothing that
# turns the direction of writing.
clean() {                                            # TEXT BYTES
    clean_json=$(printf '%s' "$1" | tr -d '\000-\037\177' | utf8_only |
        sed -e "$(printf 's/\302[\200-\237]//g')" -e "$(printf 's/\342\200[\250-\256]//g')" \
            -e "$(printf 's/\342\201[\246-\251]//g')" | head -c "$2" | json_str)
    if [ "$clean_json" = null ]; then printf '""'; else printf '%s' "$clean_json"; fi
}

enter() {                                            # -s or -x
    lease_enter "$1" || die $CANTCREAT "$lease_trouble"
    lease_read
    if [ -z "$lease_boot" ] || [ -z "$lease_now" ]; then die $CANTCREAT "this board does not say its boot_id and uptime"; fi
    [ "$lease" != null ] || lease_tell
}

refuse() {
    printf '{"reserved":%s,"uptime_s":%s}\n' "$lease" "$lease_now"
    exit $REFUSED
}

# Bounded, and never at the cost of what it tells of: a log that can not be written stops nobody.
note() {                                             # EVENT LEASE
    note_log=
    if [ -f lease.log ] && [ ! -L lease.log ]; then
        note_log=$(tail -n $((LOG_LINES - 1)) lease.log 2>/dev/null | head -c 262144 |
            grep -xE -e "\\{\"event\":\"[a-z]+\",\"uid\":[0-9]+,\"epoch_s\":[0-9]+,\"uptime_s\":[0-9]+,\"lease\":$lease_shape\\}") || :
    fi
    lease_put lease.log "$note_log${note_log:+
}{\"event\":\"$1\",\"uid\":$(id -u),\"epoch_s\":$(date +%s),\"uptime_s\":$lease_now,\"lease\":$2}" || :
}

taken() {                                            # EVENT TOKEN FOR_S OWNER PURPOSE CAMPAIGN (the last three: JSON)
    lease_write "$2" "$4" "$5" "$6" "$lease_now" $((lease_now + $3)) || die $CANTCREAT "$lease_trouble"
    note "$1" "$lease"
}

renewed() {                                          # TOKEN FOR_S OWNER PURPOSE CAMPAIGN (the last three: JSON)
    renewed_owner=$3 renewed_purpose=$4 renewed_campaign=$5 renewed_end=$((lease_now + $2))
    [ "$renewed_owner" != '""' ] || renewed_owner=$(lease_json owner purpose)
    [ "$renewed_purpose" != '""' ] || renewed_purpose=$(lease_json purpose campaign)
    [ "$renewed_campaign" != null ] || renewed_campaign=$(lease_json campaign boot_id)
    # What somebody was promised for two hours does not get shorter because a run asks for ten minutes.
    [ "$renewed_end" -gt "$lease_expires" ] || renewed_end=$lease_expires
    lease_write "$1" "$renewed_owner" "$renewed_purpose" "$renewed_campaign" "$(lease_word acquired_uptime_s)" \
        "$renewed_end" || die $CANTCREAT "$lease_trouble"
}

texts() {                                            # OWNER PURPOSE CAMPAIGN, sets `owner`, `purpose`, `campaign`
    owner=$(clean "$1" $OWNER_BYTES)
    purpose=$(clean "$2" $PURPOSE_BYTES)
    campaign=null
    [ -z "$3" ] || campaign=$(clean "$3" $OWNER_BYTES)
}

hold() {                                             # TOKEN FOR_S OWNER PURPOSE CAMPAIGN
    check_token "$1"
    check_for "$2"
    texts "$3" "$4" "$5"
    enter -x
    if [ "$lease" = null ]; then
        taken take "$1" "$2" "$owner" "$purpose" "$campaign"
    elif [ "$lease_token" = "$1" ]; then
        renewed "$1" "$2" "$owner" "$purpose" "$campaign"
    else
        refuse
    fi
    printf '{"held":%s,"uptime_s":%s}\n' "$lease" "$lease_now"
}

steal() {                                            # SHOWN TOKEN FOR_S OWNER PURPOSE CAMPAIGN (verb: steal or evict)
    check_token "$1"
    check_token "$2"
    check_for "$3"
    texts "$4" "$5" "$6"
    enter -x
    # Ours already: this was asked before, and the answer got lost.
    if [ "$lease_token" != "$2" ]; then
        [ "$lease_token" = "$1" ] || refuse
        # A run takes the board under the guard that we have: none can begin between this look and the swap.
        run_now
        if [ "$verb" = evict ]; then cancel_run; fi
        if [ "$run" != null ]; then
            printf '{"busy":%s,"reserved":%s,"uptime_s":%s}\n' "$run" "$lease" "$lease_now"
            exit $REFUSED
        fi
        lost=$lease
        taken steal "$2" "$3" "$owner" "$purpose" "$campaign"
        note lose "$lost"
    fi
    printf '{"held":%s,"uptime_s":%s}\n' "$lease" "$lease_now"
}

# A run of another store is not ours to find; it stays, and is what `run` still says.
cancel_run() {
    case $run in '"'*/*'"') ;; *) return 0 ;; esac
    cancel_dir=${run#\"}
    cancel_dir=${here%/*/*}/runs/${cancel_dir%\"}
    [ -d "$cancel_dir" ] || return 0
    sh "$here/job.sh" cancel "$cancel_dir" >/dev/null 3<&- || :
    run_now
}

release() {                                          # TOKEN
    check_token "$1"
    enter -x
    released=false
    if [ "$lease_token" = "$1" ]; then
        rm -f -- lease.json 2>/dev/null || die $CANTCREAT "can not remove $PWD/lease.json"
        note release "$lease"
        released=true lease=null
        lease_tell
    fi
    printf '{"released":%s,"lease":%s,"uptime_s":%s}\n' "$released" "$lease" "$lease_now"
}

show() {
    enter -s
    run_now
    printf '{"lease":%s,"run":%s,"boot_id":"%s","uptime_s":%s}\n' "$lease" "$run" "$lease_boot" "$lease_now"
}

# Asked with a shared lock, so that those who ask do not see each other.
run_now() {                                          # sets `run`, JSON: what holds the board, or null
    run=null
    for board_lock in "${RKFLEET_BOARD_LOCK:-/run/lock/rkfleet.lock}" "${here%/*/*}/runs/board.lock"; do
        [ -r "$board_lock" ] || continue
        run_status=0
        flock -s -n -E $GUARD_LOCKED 5 5<"$board_lock" || run_status=$?
        case $run_status in
            0) continue ;;
            "$GUARD_LOCKED") ;;
            *) die $CANTCREAT "can not look at the lock $board_lock (flock: $run_status)" ;;
        esac
        first_line "$board_lock" || line=unknown     # its holder writes its name right after it got the lock
        case $line in *[!A-Za-z0-9._/-]*) line=unknown ;; *) ;; esac
        run="\"$line\""
        return 0
    done
}

main() {
    [ $# -ge 1 ] || usage
    for tool in flock mktemp; do have "$tool" || die 127 "the tool $tool is not on this board"; done
    verb=$1
    shift
    case $verb/$# in
        hold/5 | steal/6 | release/1 | show/0) "$verb" "$@" ;;
        evict/6) steal "$@" ;;
        *) usage ;;
    esac
}
main "$@"
