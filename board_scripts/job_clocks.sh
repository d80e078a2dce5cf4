#!/bin/sh
# job_clocks.sh - the clocks of a run: pinned before it, read back after it, put back; a part of job.sh, sourced by it.
#
# Who puts them back, whoever is the first to see that the run is over:
#   wrapper   before end.json, when it lives to see that
#   guard     when the wrapper was killed
#   _ended    ExecStopPost, when all of a service was killed
#   keeper    where there is no service: a `flock` that waits for the run's lock, in a session of its own, without the
#             run's mark and locks, so that nothing that kills the run kills it. It sleeps for as long as the run lives.
#   anybody   who starts a run on this board, or asks for the state of one: see clocks_leftover
# clocks.sh sees to it that none of them undoes the pin of a later run, and a reboot does it for all of them.
#
# Functions that are conditions here are predicates, or report their failure themselves.
# shellcheck source-path=SCRIPTDIR disable=SC2310

CLOCKS_S=${RKFLEET_CLOCKS_S:-10}                      # clocks.sh takes 0.1 s; a wedged devfreq lets its writers hang

clocks_tool() {                                      # FILE VERB ARG...: its answer in FILE; bounded, on a lock of its own
    clocks_into=$1
    shift
    { : >>"$dir/.pinning" && : >"$clocks_into"; } 2>/dev/null || return 1
    bounded_lock=.pinning
    clocks_status=0
    bounded "$CLOCKS_S" sh "$here/clocks.sh" "$@" >"$clocks_into" 2>/dev/null || clocks_status=$?
    bounded_lock=.helper
    return "$clocks_status"
}

# The locks of the run and of the board are ours. The keeper first: we may be killed in the middle of a pin.
clocks_begin() {
    clocks_leftover
    keeper_pid=
    if [ "$clocks" != as_is ] && [ "$way" = setsid ]; then
        setsid flock -s "$dir/lock" sh "$here/clocks.sh" restore </dev/null >/dev/null 2>&1 4<&- 7<&- 8<&- 9<&- &
        keeper_pid=$!
    fi
    clocks_tool "$dir/.clocks" pin "$clocks" "$campaign/$run" "$dir/lock" || :
    saved_is_there || clocks_keeper_goes
}

clocks_keeper_goes() {
    [ -n "${keeper_pid-}" ] || return 0
    kill -s KILL "$keeper_pid" 2>/dev/null || :
    wait "$keeper_pid" 2>/dev/null || :              # shells tell stderr how a child was killed
    keeper_pid=
}

# Both of these are waited for by clocks_wait: meanwhile facts.sh runs, or the disk takes the logs.
clocks_read_back() {                                 # the program has just ended
    clocks_pid=
    [ -s "$dir/.clocks" ] || return 0
    clocks_tool "$dir/.clocks.end" show as_is 4<&- 7<&- 8<&- 9<&- &
    clocks_pid=$!
}

clocks_put_back() {
    clocks_pid=
    saved_is_there || return 0
    clocks_tool "$dir/.clocks.back" restore "$dir/lock" 4<&- 7<&- 8<&- 9<&- &
    clocks_pid=$!
}

clocks_wait() {                                      # it is bounded; 1 when it failed
    [ -n "$clocks_pid" ] || return 0
    while :; do
        clocks_status=0
        wait "$clocks_pid" 2>/dev/null || clocks_status=$?
        # A signal to the wrapper interrupts a wait.
        if [ "$clocks_status" -le 128 ] || ! kill -0 "$clocks_pid" 2>/dev/null; then break; fi
    done
    return "$clocks_status"
}

clocks_restore() {                                   # all at once, for who has nothing else to do meanwhile
    clocks_put_back
    if clocks_wait; then clocks_keeper_goes; fi
}

# Of a run that died without a word. Nothing is asked of sysfs when nothing is saved, which is nearly always.
clocks_leftover() {
    saved_is_there || return 0
    saved_read
    ! saved_in_force || return 0
    sh "$here/clocks.sh" restore </dev/null >/dev/null 2>&1 8<&- 9<&- || :
}

clocks_record() {                                    # clocks.json, from what was read at the three moments
    clocks_json=
    [ ! -s "$dir/.clocks" ] || clocks_json=$(clocks_joined 2>/dev/null) || clocks_json=
    case $clocks_json in
        '{'*'}') put "$dir/clocks.json" <<JSON || say "can not write clocks.json: $put_error"
$clocks_json
JSON
            ;;
        *) ;;
    esac
    rm -f -- "$dir/.clocks" "$dir/.clocks.end" "$dir/.clocks.back" "$dir/.pinning"
}

# The text of clocks.sh is safe as it is, except WHY: that is made so.
clocks_joined() {
    { printf 'at\tstart\n'; cat -- "$dir/.clocks"; printf '\nat\tend\n'; cat -- "$dir/.clocks.end"; printf '\nat\tback\n'
        cat -- "$dir/.clocks.back"; } 2>/dev/null | PROFILE=$clocks awk -F '\t' '
        function number(text) { return text ~ /^[0-9]+$/ ? text : "null" }
        function quoted(text) { gsub(/[^ -~]|["\\]/, "", text); return text == "" || text == "-" ? "null" : "\"" text "\"" }
        function values(governor, value, min, max) {
            return "{\"governor\":" quoted(governor) ",\"value\":" number(value) ",\"min\":" number(min) ",\"max\":" number(max) "}"
        }
        function seen(when, path) { return (when, path) in is ? is[when, path] : "null" }
        $1 == "at" { when = $2 }
        $1 == "clock" && when == "start" { clocks++; kind[clocks] = $2; name[clocks] = $3; at[clocks] = $4; wanted[clocks] = $5; how[clocks] = $6; why[clocks] = $7 }
        $1 == "was" && when == "start" { is["before", $2] = values($3, $4, $5, $6) }
        $1 == "is" { is[when, $2] = values($3, $4, $5, $6) }
        $1 == "time" && when == "start" { began[$2, $3] = $4 }
        $1 == "time" && when == "end" && ($2, $3) in began && $4 >= began[$2, $3] { steps[$2] = steps[$2] " " $3; spent[$2, $3] = $4 - began[$2, $3]; total[$2] += spent[$2, $3] }
        $1 == "left" && when == "back" { left = left "," quoted($2) }
        END {
            printf "{\"schema\":1,\"profile\":\"%s\",\"clocks\":[", ENVIRON["PROFILE"]
            for (i = 1; i <= clocks; i++) {
                path = at[i]
                count = split(steps[path], hz, " ")
                times = ""
                for (j = 1; j <= count; j++) if (spent[path, hz[j]] > 0) times = times ",\"" hz[j] "\":" sprintf("%.0f", spent[path, hz[j]])
                share = "null"
                if (total[path] > 0 && wanted[i] ~ /^[0-9]+$/) share = sprintf("%.4f", spent[path, wanted[i]] / total[path])
                printf "%s{\"kind\":%s,\"name\":%s,\"path\":%s,\"wanted\":%s,\"how\":%s,\"not_pinned\":%s,\"before\":%s,\"start\":%s,\"end\":%s,\"restored\":%s,\"residency_ms\":{%s},\"share_at_wanted\":%s}", \
                    (i > 1 ? "," : ""), quoted(kind[i]), quoted(name[i]), quoted(path), number(wanted[i]), quoted(how[i]), quoted(why[i]), \
                    seen("before", path), seen("start", path), seen("end", path), seen("back", path), substr(times, 2), share
            }
            printf "],\"not_restored\":[%s]}\n", substr(left, 2)
        }'
}
