#!/bin/sh
# job_follow.sh - sends a run to whoever asks for it, while it goes on and when it is over; a part of job.sh, sourced by it.
#
# Functions that are conditions here are predicates, or report their failure themselves.
# shellcheck source-path=SCRIPTDIR disable=SC2310

FRAME_BYTES=1048576

# Frames: a JSON header on one line, then as many bytes as its "bytes" says. First the new bytes of stdout.log and
# stderr.log, from the given offsets on, as they come; when the run is over the other files with their sha256 (--files),
# the sha256 of the whole logs, and last {"done": true, "state": …}. {"alive": true} in between says that it goes on.
follow() {                                           # RUN_DIR OUT_OFFSET ERR_OFFSET [--files]
    if [ $# -lt 3 ] || [ $# -gt 4 ]; then usage; fi
    case ${4-} in '' | --files) ;; *) usage ;; esac
    run_dir "$1"
    if ! is_number "$2" || ! is_digits "$2" || ! is_number "$3" || ! is_digits "$3"; then die 2 "an offset is not a number of bytes: $2 $3"; fi
    out_offset=$2 err_offset=$3 with_files=${4-}
    quiet_s=0 over=
    if [ -e "$dir/end.json" ] || ! run_lives "$dir"; then over=1; fi
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
        if [ -e "$dir/end.json" ] || ! run_lives "$dir" 1; then over=1; fi
    done
    # Whatever becomes of the explanation, the run itself must get through.
    if [ -n "$with_files" ] && cut_by_a_reboot; then (explain_reboot) || :; fi
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
        set -- spec.json start.json end.json facts.before.json facts.after.json dmesg.log telemetry.csv clocks.json reboot.log
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
