#!/bin/sh
# job_reboot.sh - what this board's own logs say of a boot that ended under a run; a part of job.sh, sourced by it.
#
# RUN_DIR/reboot.log is written once, when the first collector comes by, and kept for the others. It is text in sections:
#   == NAME: WORD ==         WORD is "ok", "ok, from before the run", or why the section is empty
# Nothing here may keep a collector waiting: a board that has just come back may well hang again, so every source has a
# time, a size and a way to be missing. 248 KiB in all, and of each source the newest end.
#
# Functions that are conditions here are predicates, or report their failure themselves.
# shellcheck source-path=SCRIPTDIR disable=SC2310

REBOOT_S=8                                           # a source; the journal of a slow SD card takes 3
REBOOT_LAST_BYTES=8192 REBOOT_JOURNAL_BYTES=81920 REBOOT_KERNEL_BYTES=57344 REBOOT_KMSG_BYTES=24576
REBOOT_PSTORE_BYTES=10240 REBOOT_PSTORE_FILES=8

# Did the boot of this run end before the run did? Sets `run_boot`.
cut_by_a_reboot() {
    [ ! -e "$dir/end.json" ] || return 1
    json_in "$dir/start.json"
    case $json in *'"boot_id":"'*) ;; *) return 1 ;; esac
    run_boot=${json#*'"boot_id":"'} run_boot=${run_boot%%\"*}
    case $run_boot in '' | *[!0-9A-Za-z-]*) return 1 ;; *) ;; esac
    board_now
    [ "$now_boot" != null ] && [ "$now_boot" != "\"$run_boot\"" ] && ! run_lives "$dir"
}

explain_reboot() {                                   # after cut_by_a_reboot; in a subshell, for its traps
    [ ! -e "$dir/reboot.log" ] || return 0
    # Never as root into a folder that another user owns.
    [ "$(stat -c %u -- "$dir")" = "$(id -u)" ] || return 0
    scratch=$(mktemp -d "${TMPDIR:-/tmp}/rkfleet.XXXXXX" 2>/dev/null) || scratch=$(mktemp -d "$dir/.reboot.XXXXXX") || return 0
    trap 'rm -rf -- "$scratch"' 0
    trap 'exit 129' HUP; trap 'exit 130' INT; trap 'exit 143' TERM
    reboot_sections
    reboot_new=$dir/.reboot.log.new.$$
    # A hard link, because it does not replace what another collector has already taken along.
    if put "$reboot_new" <"$scratch/log"; then
        ln -- "$reboot_new" "$dir/reboot.log" 2>/dev/null || [ -e "$dir/reboot.log" ] || mv -f -- "$reboot_new" "$dir/reboot.log"
        rm -f -- "$reboot_new"
    else
        say "can not write $dir/reboot.log: $put_error"
    fi
}

reboot_sections() {
    printf '== boots: ok ==\nof the run: %s\nnow: %s, up %s s\n' "$run_boot" "${now_boot%\"}" "$now_uptime" | tr -d '"' >"$scratch/log"
    sudo_works=
    if [ "$(id -u)" != 0 ] && have sudo && within sudo -n true && [ "$source_status" = 0 ]; then sudo_works=1; fi

    if have last; then
        source_of 'last -x -F, UTC' "$REBOOT_LAST_BYTES" env TZ=UTC0 timeout -s KILL "$REBOOT_S" last -x -F -n 60
    else
        no_source 'last -x -F, UTC' "no such program"
    fi
    reboot_id=$(printf '%s' "$run_boot" | tr -d -)
    if ! have journalctl; then
        no_source journal "no such program"
    elif [ ! -d "$rk_root/var/log/journal" ]; then
        no_source journal "not kept over a restart, there is no /var/log/journal"
    else
        source_of journal "$REBOOT_JOURNAL_BYTES" as_root journalctl -b "$reboot_id" -n 300 -o short-monotonic --no-pager
        source_of kernel "$REBOOT_KERNEL_BYTES" as_root journalctl -k -b "$reboot_id" -n 300 -o short-monotonic --no-pager
    fi
    pstore_sections 'ok' -newer "$dir/start.json"
    pstore_sections 'ok, from before the run' ! -newer "$dir/start.json"
    if [ -e "$rk_root/proc/last_kmsg" ]; then
        source_of last_kmsg "$REBOOT_KMSG_BYTES" as_root cat -- "$rk_root/proc/last_kmsg"
    else
        no_source last_kmsg "no such file"
    fi
}

# What the kernel saved of its last words, newest first; an old crash is shown, and marked as such.
pstore_sections() {                                  # WORD FIND_CONDITION...
    pstore_word=$1
    shift
    within as_root find "$rk_root/sys/fs/pstore" "$rk_root/var/lib/systemd/pstore" -type f "$@" -exec ls -t '{}' + || :
    cp -- "$scratch/out" "$scratch/pstore"
    pstore_count=0
    while IFS= read -r pstore_file && [ "$pstore_count" -lt "$REBOOT_PSTORE_FILES" ]; do
        source_of "pstore ${pstore_file#"$rk_root"}" "$REBOOT_PSTORE_BYTES" as_root cat -- "$pstore_file"
        pstore_count=$((pstore_count + 1))
    done <"$scratch/pstore"
    if [ "$pstore_count" -eq 0 ] && [ "$pstore_word" = ok ]; then no_source pstore "nothing of this run or later"; fi
}

as_root() {
    if [ -n "$sudo_works" ]; then sudo -n timeout -s KILL "$REBOOT_S" "$@"; else timeout -s KILL "$REBOOT_S" "$@"; fi
}

# COMMAND for REBOOT_S at most; its output in $scratch/out, its complaints in $scratch/err, its `source_status`.
# What hangs in the kernel does not die of KILL: its lock is waited for and not itself.
within() {                                           # COMMAND...
    printf '{"alive":true,"uptime_s":%s}\n' "$now_uptime"
    rm -f -- "$scratch/lock" "$scratch/out" "$scratch/err" "$scratch/status"
    : >"$scratch/lock" && : >"$scratch/out" && : >"$scratch/err"
    exec 6<"$scratch/lock"
    flock -x 6
    # Not in place of the subshell: sudo closes what it inherits.
    (
        {
            within_status=0
            "$@" 2>"$scratch/err" || within_status=$?
            printf '%s\n' "$within_status" >"$scratch/status"
        } | tail -c "$REBOOT_JOURNAL_BYTES" >"$scratch/out"
    ) </dev/null >/dev/null 2>&1 &
    within_pid=$!
    exec 6<&-
    if held "$scratch/lock" $((REBOOT_S + 1)); then
        kill -s KILL "$within_pid" 2>/dev/null || :
        return 1
    fi
    wait "$within_pid" 2>/dev/null || :
    source_status=$(peek "$scratch/status")
    [ "$source_status" != 137 ]                      # 128 + KILL: by `timeout`
}

source_of() {                                        # NAME BYTES COMMAND...
    source_name=$1 source_bytes=$2
    shift 2
    if ! within "$@"; then
        no_source "$source_name" "no answer within $REBOOT_S s"
    elif [ -s "$scratch/out" ]; then
        source_word=ok
        case $source_name in 'pstore '*) source_word=$pstore_word ;; *) ;; esac
        header "$source_name" "$source_word"
        # No line of a log may look like a header.
        tail -c "$source_bytes" -- "$scratch/out" | tr -d '\000' | sed 's/^==/ =/' >>"$scratch/log"
        printf '\n' >>"$scratch/log"
    else
        source_word=$(head -n 1 -- "$scratch/err")
        no_source "$source_name" "${source_word:-empty}"
    fi
}

no_source() { header "$1" "$2"; }                    # NAME WHY

header() {                                           # NAME WORD
    printf '== %s: %s ==\n' "$1" "$2" | tr -cd '\n -~' | cut -c1-300 >>"$scratch/log"
}
