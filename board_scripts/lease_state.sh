#!/bin/sh
# lease_state.sh - whose this board is: the lease, read, judged and written; a part of lease.sh, job.sh and artifact.sh.
# Sourced by them after lib.sh; prints nothing by itself. The caller has set `here`, the folder of the scripts.
#
# The lease is one line of JSON in `lease.json`. It counts while its boot_id is this boot's and its end, in seconds of
# uptime, is to come; anything else in that file is no lease. The clock on the wall is never asked: boards have no
# battery, and theirs jumps.
#
# Every user of the board must be able to put a lease in the place of another, so its folder is open to all (0777) and
# not sticky. What lies in it may have been planted: the folder itself is locked, not a file that somebody could
# replace; files are made under names that nobody can guess (O_EXCL) and written through the fd that made them; a
# link is not read, and renaming does not follow one; what was read counts only if it has exactly the shape of ours.
#
# Functions that are conditions here are predicates, or report their failure themselves.
# shellcheck source-path=SCRIPTDIR disable=SC2310

GUARD_S=20                                           # what is done under it takes 0.1 s, with a start 0.4 s; thirty may come at once
GUARD_LOCKED=75                                      # our choice for `flock -E`: its own 1 could mean anything
LEASE_BYTES=4096                                     # our own are shorter than 1 KiB

lease_string='"([^"\\[:cntrl:]]|\\["\\])*"'
lease_number='[0-9]{1,12}'
lease_shape="\\{\"token\":\"[A-Za-z0-9-]{1,64}\",\"owner\":$lease_string,\"purpose\":$lease_string,\"campaign\":(null|$lease_string),\"boot_id\":\"[0-9A-Za-z-]{1,64}\",\"acquired_uptime_s\":$lease_number,\"renewed_uptime_s\":$lease_number,\"expires_uptime_s\":$lease_number\\}"

# Into the folder of the lease, with its guard: shared (-s) to read and rely on it, exclusive (-x) to change it. The
# guard is fd 3, and leaving closes it. 1: there can be no lease on this board; 2: the guard can not be had.
lease_enter() {                                      # -s or -x, sets `lease_trouble`
    lease_from=$PWD
    lease_trouble="the tool flock is not on this board (package util-linux)"
    have flock || return 1
    lease_trouble="no folder for leases can be made on this board"
    lease_into "${RKFLEET_LEASE:-/run/lock/rkfleet}" || lease_into "${here%/*/*}/lease" || return 1
    exec 3<.
    lease_status=0
    flock "$1" -w "$GUARD_S" -E $GUARD_LOCKED 3 || lease_status=$?
    if [ "$lease_status" -ne 0 ]; then
        lease_trouble="the guard of the lease in $PWD could not be had within $GUARD_S s (flock: $lease_status)"
        lease_leave
        return 2
    fi
    # Made under the exclusive guard alone: what is there now was left by somebody who was killed.
    [ "$1" != -x ] || rm -f -- .lease.* 2>/dev/null || :
}

lease_into() {                                       # FOLDER
    [ -d "$1" ] || (umask 0; mkdir -- "$1") 2>/dev/null || :
    cd -P -- "$1" 2>/dev/null || return 1
    # Judged from inside, so that nobody can change it under us: where everybody may do everything, a link that led
    # here gains nobody anything.
    case $(stat -c %a . 2>/dev/null) in
        777 | 2777) ;;
        *) cd -- "$lease_from" 2>/dev/null || cd /; return 1 ;;
    esac
}

lease_leave() {
    exec 3<&-
    cd -- "$lease_from" 2>/dev/null || cd /
}

# What counts now. All of it is empty, and `lease` null, when there is no lease, or none that counts.
lease_read() {                                       # sets `lease`, `lease_token`, `lease_expires`, `lease_boot`, `lease_now`
    lease=null lease_token='' lease_expires='' lease_boot='' lease_now=''
    if first_line "$rk_root/proc/sys/kernel/random/boot_id"; then
        case $line in *[!0-9A-Za-z-]*) ;; *) lease_boot=$line ;; esac
    fi
    if first_line "$rk_root/proc/uptime" && is_digits "${line%%[. ]*}"; then lease_now=${line%%[. ]*}; fi
    if [ -z "$lease_boot" ] || [ -z "$lease_now" ]; then return 0; fi
    if [ ! -f lease.json ] || [ -L lease.json ]; then return 0; fi
    lease_line=$(head -c "$LEASE_BYTES" lease.json 2>/dev/null | tr -d '\000') || :
    case $lease_line in
        *'
'*) return 0 ;;
        *[!\ -~]*) [ "$(printf '%s' "$lease_line" | utf8_only)" = "$lease_line" ] || return 0 ;;
        *) ;;
    esac
    printf '%s\n' "$lease_line" | grep -qxE -e "$lease_shape" || return 0
    [ "$(lease_word boot_id)" = "$lease_boot" ] || return 0
    lease_end=${lease_line##*:}
    lease_end=${lease_end%\}}
    [ "$lease_now" -lt "$lease_end" ] || return 0
    lease=$lease_line lease_expires=$lease_end lease_token=$(lease_word token)
}

# The value of a key that has nothing in it to escape; a quote within a text has a backslash before it, so `"KEY":`
# stands once.
lease_word() {                                       # KEY
    lease_rest=${lease_line#*"\"$1\":"}
    lease_rest=${lease_rest#\"}
    printf '%s' "${lease_rest%%[!0-9A-Za-z-]*}"
}

# The value of a key as the JSON that it is there.
lease_json() {                                       # KEY NEXT_KEY
    lease_rest=${lease_line#*"\"$1\":"}
    printf '%s' "${lease_rest%%",\"$2\":"*}"
}

# May whoever shows TOKEN use the board? Without one: is the board nobody's? A token that was given must be the one:
# its holder may have slept while the lease ended or was stolen.
lease_allows() {                                     # TOKEN or '' (after lease_read)
    if [ -n "$1" ]; then [ "$lease_token" = "$1" ]; else [ "$lease" = null ]; fi
}

lease_write() {                                      # TOKEN OWNER PURPOSE CAMPAIGN ACQUIRED EXPIRES: texts are JSON already
    lease_line="{\"token\":\"$1\",\"owner\":$2,\"purpose\":$3,\"campaign\":$4,\"boot_id\":\"$lease_boot\",\"acquired_uptime_s\":$5,\"renewed_uptime_s\":$lease_now,\"expires_uptime_s\":$6}"
    lease_put lease.json "$lease_line" || return 1
    lease=$lease_line lease_token=$1 lease_expires=$6
    lease_tell
}

lease_extend() {                                     # SECONDS from now at least; the end never comes nearer
    if [ "$lease" = null ] || [ $((lease_now + $1)) -le "$lease_expires" ]; then return 0; fi
    lease_write "$lease_token" "$(lease_json owner purpose)" "$(lease_json purpose campaign)" \
        "$(lease_json campaign boot_id)" "$(lease_word acquired_uptime_s)" $((lease_now + $1))
}

lease_put() {                                        # FILE TEXT
    lease_part=$(mktemp -u .lease.XXXXXXXXXXXX) || return 1
    # Readable for all whatever the umask says; set -C is O_EXCL, and dd syncs what the shell has opened for it.
    if (umask 022; set -C; printf '%s\n' "$2" | dd bs=65536 conv=fsync status=none >"$lease_part") 2>/dev/null &&
        mv -f -T -- "$lease_part" "$1" 2>/dev/null; then
        return 0
    fi
    rm -f -- "$lease_part" 2>/dev/null || :
    lease_trouble="can not write $PWD/$1"
    return 1
}

# Who logs in sees whose the board is (pam_motd); only root can say so there.
lease_tell() {                                       # after lease_read or lease_write, under the guard
    lease_motd=/run/motd.d
    [ -z "${RKFLEET_LEASE:-}" ] || lease_motd=$RKFLEET_LEASE.motd.d
    if [ "$lease" = null ]; then
        if [ -e "$lease_motd/rkfleet" ] && [ "$(id -u)" = 0 ]; then rm -f -- "$lease_motd/rkfleet"; fi
        return 0
    fi
    [ "$(id -u)" = 0 ] || return 0
    lease_until=$(($(date +%s) + lease_expires - lease_now))
    lease_until=$(date -d "@$lease_until" '+%Y-%m-%d %H:%M') || return 0
    mkdir -p -- "$lease_motd" 2>/dev/null || return 0
    put "$lease_motd/rkfleet" <<MOTD || :
This board is reserved by $(lease_json owner purpose | lease_plain) until $lease_until (time of this board).
For: $(lease_json purpose campaign | lease_plain)
Ask them before you load the NPU.
MOTD
}
lease_plain() { sed -e 's/^"//' -e 's/"$//' -e 's/\\\(["\\]\)/\1/g'; }
