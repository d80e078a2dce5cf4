#!/bin/sh
# clocks_saved.sh - what the clocks were before a pin, and whose pin it is; a part of clocks.sh and job.sh, sourced by them.
#
# /run/rkfleet/clocks is root's, is written by rename before the first clock is touched, and is taken away when the last one
# is back: while it is there, something is pinned. Its first lines say which boot, who, and which lock that one holds; a pin
# is in force as long as somebody holds that lock exclusively. Of another boot it means nothing: the kernel's values are
# its own again. Who pins or puts back holds /run/rkfleet/clocks.lock, so that nobody undoes what another has just made.
#
# Functions that are conditions here are predicates, or report their failure themselves.
# shellcheck source-path=SCRIPTDIR disable=SC2310

SAVED_LOCK_S=5                                       # a pin takes 0.1 s; one that hangs in a driver is not waited for

saved_at() { saved_file=$rk_root/run/rkfleet/clocks; }

# Is there anything to put back? Cheap enough for everybody who asks for the state of a run.
saved_is_there() { saved_at; [ -e "$saved_file" ]; }

saved_read() {                                       # sets `saved_owner`, `saved_lock` and `saved_lines`
    saved_owner='' saved_lock='' saved_lines=''
    saved_at
    if [ ! -f "$saved_file" ] || [ -L "$saved_file" ]; then return 0; fi
    saved_boot='' saved_row=0
    while IFS= read -r line && [ "$saved_row" -lt 500 ]; do
        saved_row=$((saved_row + 1))
        case $line in
            'boot '*) saved_boot=${line#boot } ;;
            'owner '*) saved_owner=${line#owner } ;;
            'lock '*) saved_lock=${line#lock } ;;
            /sys/*' '*)
                # Only what the pin itself could have written there.
                case $line in *[!A-Za-z0-9/._:@\ -]* | */../*) ;; *) saved_lines="$saved_lines$line
" ;; esac ;;
            *) ;;
        esac
    done <"$saved_file"
    if [ "$saved_boot" != "$(boot_id || :)" ]; then saved_owner='' saved_lock='' saved_lines=''; fi
}

saved_in_force() {                                   # after saved_read
    [ -n "$saved_lock" ] && [ -f "$saved_lock" ] || return 1
    saved_status=0
    # Shared, so that those who ask do not see each other.
    flock -s -n -E 75 5 5<"$saved_lock" || saved_status=$?
    [ "$saved_status" = 75 ]
}

saved_left_value() {                                 # FILE, sets `left_value`: what put_back could not put back
    left_value=
    case "
${left-}" in
        *"
$1 "*) left_value=${left#*"$1 "}; left_value=${left_value%%"
"*} ;;
        *) ;;
    esac
}

saved_enter() {                                      # as root; 1 with `saved_error`
    saved_at
    saved_error=
    [ -d "${saved_file%/*}" ] || mkdir -p -- "${saved_file%/*}" 2>/dev/null || { saved_error="can not make ${saved_file%/*}"; return 1; }
    # Root does not write into somebody else's folder. -O is not in POSIX, and is in dash, ash and bash alike.
    # shellcheck disable=SC3067
    if [ -L "${saved_file%/*}" ] || ! [ -O "${saved_file%/*}" ]; then
        saved_error="${saved_file%/*} belongs to somebody else"
        return 1
    fi
    { : >>"$saved_file.lock"; } 2>/dev/null || { saved_error="can not write $saved_file.lock"; return 1; }
    exec 3<"$saved_file.lock"
    flock -x -w "$SAVED_LOCK_S" 3 || { saved_error="somebody else pins or restores, and does not end"; return 1; }
}

saved_put() {                                        # OWNER LOCK LINES; 1 with `saved_error`
    saved_error=
    saved_boot=$(boot_id) || { saved_error="the kernel does not say its boot id"; return 1; }
    # shellcheck disable=SC2034 # told by clocks.sh
    put "$saved_file" <<SAVED || { saved_error=$put_error; return 1; }
boot $saved_boot
owner $1
lock $2
$3
SAVED
}

saved_forget() {                                     # LINES that are still to be put back, or ''
    if [ -z "$1" ]; then
        rm -f -- "$saved_file"
    else
        saved_put "${saved_owner:--}" "" "$1" || :
    fi
}
