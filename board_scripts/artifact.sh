#!/bin/sh
# artifact.sh - where a model file is on this board, and how one gets here.
#   artifact.sh find RECORDS PATH...            the first PATH that is a file: {"path", "size_bytes", "sha256"}; or {"path": null}
#   artifact.sh receive RECORDS PATH SHA256 BYTES [TOKEN]   stdin becomes PATH when it has this length and sha256
# A file's sha256 is computed once and kept in RECORDS beside its size, mtime and inode; a file that changed is read anew.
# Exit: 0 done, 2 usage, 65 the bytes are not those that were announced, 73 no space or no rights, 75 the board is
# reserved: {"reserved", "uptime_s"}, see lease.sh; nothing half stays behind.
#
# Functions that are conditions here are commands whose failure is the answer, or they report it themselves.
# shellcheck source-path=SCRIPTDIR disable=SC2310
set -eu
LC_ALL=C; export LC_ALL
case $0 in /*) here=${0%/*} ;; */*) here=$PWD/${0%/*} ;; *) here=$PWD ;; esac
. "$here/lib.sh"                                     # die, json_str
. "$here/lease_state.sh"

RESERVED=75
LEASE_RECEIVE_S=900                                  # 8 GiB at 10 MB/s, and then the next command

# The record of a path has a name without slashes: the sha256 of the path itself.
record_of() { printf '%s/%s' "$1" "$(printf '%s' "$2" | sha256sum | cut -c1-32)"; }
identity() { stat -L -c '%s %Y %i' -- "$1"; }

remember() {                                         # RECORDS PATH SHA256
    # Only a memo: when it can not be written, the file is simply read again next time.
    mkdir -p -- "$1" 2>/dev/null || return 0
    remember_to=$(record_of "$1" "$2")
    { printf '%s %s\n' "$(identity "$2")" "$3" >"$remember_to.$$" && mv -f -- "$remember_to.$$" "$remember_to"; } 2>/dev/null ||
        rm -f -- "$remember_to.$$" 2>/dev/null || :
}

sha256_of() {                                        # RECORDS PATH
    sha256_record=$(record_of "$1" "$2")
    if [ -r "$sha256_record" ]; then
        read -r sha256_line <"$sha256_record" || :
        if [ "${sha256_line% *}" = "$(identity "$2")" ]; then
            printf '%s' "${sha256_line##* }"
            return 0
        fi
    fi
    sha256_new=$(sha256sum -- "$2") || return 1
    sha256_new=${sha256_new#\\}                      # sha256sum marks names with a backslash or newline so
    sha256_new=${sha256_new%% *}
    remember "$1" "$2" "$sha256_new"
    printf '%s' "$sha256_new"
}

find_one() {                                         # RECORDS PATH...
    find_records=$1
    shift
    for find_path in "$@"; do
        [ -f "$find_path" ] || continue
        find_sha256=$(sha256_of "$find_records" "$find_path") || die 73 "can not read $find_path"
        printf '{"path": %s, "size_bytes": %s, "sha256": "%s"}\n' \
            "$(printf '%s' "$find_path" | json_str)" "$(stat -L -c %s -- "$find_path")" "$find_sha256"
        return 0
    done
    printf '{"path": null}\n'
}

# Who pushes loads the disk and the CPU of a board that somebody else may be measuring on.
check_lease() {                                      # TOKEN or ''
    check_how=-s
    [ -z "$1" ] || check_how=-x                      # ours gets longer
    check_status=0
    lease_enter "$check_how" || check_status=$?
    if [ "$check_status" -ne 0 ]; then
        if [ "$check_status" -eq 2 ] || [ -n "$1" ]; then die 73 "$lease_trouble"; fi
        return 0
    fi
    lease_read
    if ! lease_allows "$1"; then
        printf '{"reserved":%s,"uptime_s":%s}\n' "$lease" "${lease_now:-null}"
        exit $RESERVED
    fi
    if [ -n "$1" ]; then lease_extend $LEASE_RECEIVE_S || die 73 "$lease_trouble"; fi
    lease_leave
}

# A push that is alive holds the lock of its part; what a killed one left goes, and its bytes are free again.
sweep_parts() {                                      # PATH
    have flock || return 0
    for sweep_part in "$1".*.part; do
        [ ! -f "$sweep_part" ] || flock -x -n "$sweep_part" rm -f -- "$sweep_part" || :
    done
}
take_part() {                                        # RECORDS PATH SHA256
    have flock || return 0
    while :; do
        { exec 6>>"$receive_part"; } 2>/dev/null || die 73 "can not write $receive_part: no space or no rights"
        if ! flock -x -n 6; then
            # Of a push whose connection is dead and does not know it yet, or of another workstation: beside it, then.
            receive_part=$2.$3.$$.part
            continue
        fi
        # Between the two somebody may have swept it: then it is no longer the file of that name.
        # shellcheck disable=SC3013 # -ef is not in POSIX, and is in dash, ash and bash alike
        if [ "$receive_part" -ef /proc/self/fd/6 ] || [ ! -e /proc/self/fd/6 ]; then return 0; fi
    done
}

receive() {                                          # RECORDS PATH SHA256 BYTES [TOKEN]
    check_lease "${5:-}"
    mkdir -p -- "${2%/*}" 2>/dev/null || die 73 "can not create ${2%/*}"
    receive_part=$2.$3.part
    sweep_parts "$2"
    take_part "$1" "$2" "$3"
    trap 'rm -f -- "$receive_part"' 0
    trap 'exit 129' HUP; trap 'exit 130' INT; trap 'exit 143' TERM
    receive_free=$(df -Pk -- "${2%/*}" | awk 'NR == 2 { printf "%.0f", $4 * 1024 }')
    [ "$receive_free" -ge "$4" ] || die 73 "no space: $4 bytes do not fit, ${2%/*} has $receive_free bytes free"
    dd of="$receive_part" bs=1048576 conv=fsync 2>/dev/null || die 73 "can not write $receive_part: no space or no rights"
    receive_bytes=$(stat -c %s -- "$receive_part")
    [ "$receive_bytes" = "$4" ] || die 65 "$2: $receive_bytes of $4 bytes arrived"
    receive_sha256=$(sha256sum <"$receive_part")
    [ "${receive_sha256%% *}" = "$3" ] || die 65 "$2: arrived with sha256 ${receive_sha256%% *}, not $3"
    mv -f -- "$receive_part" "$2"
    remember "$1" "$2" "$3"
    printf '{"path": %s, "size_bytes": %s, "sha256": "%s"}\n' "$(printf '%s' "$2" | json_str)" "$4" "$3"
}

main() {
    [ $# -ge 3 ] || die 2 "usage: artifact.sh find RECORDS PATH... | receive RECORDS PATH SHA256 BYTES [TOKEN]"
    main_verb=$1
    shift
    case $main_verb in
        find) find_one "$@" ;;
        receive)
            if [ $# -ne 4 ] && [ $# -ne 5 ]; then die 2 "usage: artifact.sh receive RECORDS PATH SHA256 BYTES [TOKEN]"; fi
            receive "$@"
            ;;
        *) die 2 "unknown verb $main_verb" ;;
    esac
}
main "$@"
