#!/bin/sh
# artifact.sh - where a model file is on this board, how one gets here, and what lies here.
#   artifact.sh find STORE SHA256|'' NAME PATH...   where it is: {"path", "size_bytes", "sha256"}; or {"path": null}
#   artifact.sh receive STORE NAME SHA256 BYTES CHUNK_BYTES LIST_SHA256 SPARE_BYTES [TOKEN]   see artifact_receive.sh
#   artifact.sh list STORE                          a line for each thing in the store: see artifact_stored.sh
#   artifact.sh remove STORE NAME|SHA256 [TOKEN]    {"removed": true or false}
# `find` takes the first PATH that is a file with this SHA256 (with '': the first that is a file), else the bytes of that
# SHA256 in the store, which get their NAME then, else the first PATH that is a file at all.
#
# STORE/sha256/<sha256> holds bytes that were verified, under the name of what they are; STORE/models/NAME is a link to
# them. So the same bytes are here once, whatever they are called. What STORE/models/.sha256 remembers of a file is its
# sha256 beside its size, mtime and inode; a file that changed is read anew, and bytes that do not fit their name go.
# Exit: 0 done, 2 usage, 65 the bytes are not those that were announced, 73 no space or no rights, 75 the board is
# reserved: {"reserved", "uptime_s"}, see lease.sh.
#
# Functions that are conditions here are commands whose failure is the answer, or they report it themselves.
# shellcheck source-path=SCRIPTDIR disable=SC2310
set -eu
LC_ALL=C; export LC_ALL
case $0 in /*) here=${0%/*} ;; */*) here=$PWD/${0%/*} ;; *) here=$PWD ;; esac
. "$here/lib.sh"                                     # die, json_str
. "$here/lease_state.sh"

RESERVED=75
LEASE_RECEIVE_S=900                                  # renewed by who pushes; a push that is killed leaves it behind

USAGE='usage: artifact.sh find STORE SHA256 NAME PATH... | receive STORE NAME SHA256 BYTES CHUNK_BYTES LIST_SHA256 SPARE_BYTES [TOKEN] | list STORE | remove STORE NAME|SHA256 [TOKEN]'

# A name that becomes a path: one component, and none of ours.
check_name() { case $1 in '' | .* | */*) die 2 "not the name of a model file: '$1'" ;; *) ;; esac; }
is_sha256() {
    [ ${#1} -eq 64 ] || return 1
    case $1 in *[!0-9a-f]*) return 1 ;; *) return 0 ;; esac
}

# stdin's sha256. coreutils of many boards know nothing of the sha256 that is built into their CPU, openssl does: five
# times faster on a chunk, but slower to start.
fast_digest=
if [ "$(openssl dgst -sha256 -r </dev/null 2>/dev/null | cut -c1-64)" = e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 ]; then fast_digest=1; fi
digest() { if [ -n "$fast_digest" ]; then openssl dgst -sha256 -r; else sha256sum; fi; }

# The record of a path has a name without slashes: the sha256 of the path itself.
record_of() { printf '%s/%s' "$1" "$(printf '%s' "$2" | sha256sum | cut -c1-32)"; }
identity() { stat -L -c '%s %.9Y %i' -- "$1"; }

remember() {                                         # RECORDS PATH SHA256
    # Only a memo: when it can not be written, the file is simply read again next time.
    mkdir -p -- "$1" 2>/dev/null || return 0
    remember_to=$(record_of "$1" "$2")
    { printf '%s %s\n' "$(identity "$2")" "$3" >"$remember_to.$$" && mv -f -- "$remember_to.$$" "$remember_to"; } 2>/dev/null ||
        rm -f -- "$remember_to.$$" 2>/dev/null || :
}

remembered() {                                       # RECORDS PATH, prints its sha256 if that is known
    remembered_record=$(record_of "$1" "$2")
    [ -r "$remembered_record" ] || return 1
    remembered_line=
    read -r remembered_line <"$remembered_record" || :
    [ "${remembered_line% *}" = "$(identity "$2")" ] || return 1
    printf '%s' "${remembered_line##* }"
}

sha256_of() {                                        # RECORDS PATH
    remembered "$1" "$2" && return 0
    sha256_new=$({ digest <"$2"; } 2>/dev/null) || return 1
    sha256_new=${sha256_new%% *}
    remember "$1" "$2" "$sha256_new"
    printf '%s' "$sha256_new"
}

answer() {                                           # PATH SHA256
    printf '{"path": %s, "size_bytes": %s, "sha256": "%s"}\n' \
        "$(printf '%s' "$1" | json_str)" "$(stat -L -c %s -- "$1")" "$2"
}

# Are the bytes of this SHA256 in the store? What lies there and is something else by now goes: somebody wrote into it.
in_store() {                                         # STORE SHA256
    [ -f "$1/sha256/$2" ] || return 1
    in_store_sha256=$(sha256_of "$1/models/.sha256" "$1/sha256/$2") || return 1
    [ "$in_store_sha256" != "$2" ] || return 0
    rm -f -- "$1/sha256/$2"
    return 1
}

# Both names are the same bytes; where there are no links of any sort, the wanted name is the only one.
give_name() {                                        # STORE SHA256 NAME
    give_name_from=$1/sha256/$2 give_name_to=$1/models/$3
    # shellcheck disable=SC3013 # -ef is not in POSIX, and is in dash, ash and bash alike
    if ! [ "$give_name_from" -ef "$give_name_to" ]; then
        give_name_part=$1/models/.$3.$$
        rm -f -- "$give_name_part"
        if ! {
            { ln -T -- "$give_name_from" "$give_name_part" || ln -s -T -- "$give_name_from" "$give_name_part"; } &&
                mv -f -T -- "$give_name_part" "$give_name_to"
        } 2>/dev/null; then
            rm -f -- "$give_name_part"
            mv -f -T -- "$give_name_from" "$give_name_to" 2>/dev/null || die 73 "can not write $give_name_to"
        fi
    fi
    remember "$1/models/.sha256" "$give_name_to" "$2"
}

find_one() {                                         # STORE SHA256|'' NAME PATH...
    find_store=$1 find_want=$2 find_name=$3 find_other='' find_other_sha256=''
    check_name "$3"
    [ -z "$2" ] || is_sha256 "$2" || die 2 "not a sha256: '$2'"
    shift 3
    for find_path in "$@"; do
        [ -f "$find_path" ] || continue
        find_sha256=$(sha256_of "$find_store/models/.sha256" "$find_path") || die 73 "can not read $find_path"
        if [ -z "$find_want" ] || [ "$find_sha256" = "$find_want" ]; then
            answer "$find_path" "$find_sha256"
            return 0
        fi
        [ -n "$find_other" ] || find_other=$find_path find_other_sha256=$find_sha256
    done
    if [ -n "$find_want" ] && in_store "$find_store" "$find_want"; then
        give_name "$find_store" "$find_want" "$find_name"
        answer "$find_store/models/$find_name" "$find_want"
    elif [ -n "$find_other" ]; then
        answer "$find_other" "$find_other_sha256"
    else
        printf '{"path": null}\n'
    fi
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

main() {
    [ $# -ge 2 ] || die 2 "$USAGE"
    main_verb=$1
    shift
    case $main_verb:$# in
        find:[4-9] | find:[1-9][0-9]) find_one "$@" ;;
        receive:[78])
            . "$here/artifact_receive.sh"
            receive "$@"
            ;;
        list:1)
            . "$here/artifact_stored.sh"
            list_store "$1"
            ;;
        remove:[23])
            . "$here/artifact_stored.sh"
            remove_stored "$@"
            ;;
        *) die 2 "$USAGE" ;;
    esac
}
main "$@"
