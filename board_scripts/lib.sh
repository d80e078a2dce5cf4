#!/bin/sh
# lib.sh - what the board scripts share; sourced by them from their own folder, prints nothing by itself.
# Kernel files are read under ${RK_SYSROOT:-}. Whoever sources it sets `set -eu` and LC_ALL=C first: bytes are bytes.

rk_root=${RK_SYSROOT:-}
# shellcheck disable=SC2034 # read by sampler.sh, and by job.sh: a run that is over at once has these columns, too
TELEMETRY_HEADER=uptime_s,samples_per_s,memavail_bytes,swapfree_bytes,rss_bytes,vmhwm_bytes,pswpin_pages,pswpout_pages,npu_load
# What was taken away from group and others stays so; what a lax umask would give them is not given.
umask go-w

# Not even a complaint that nobody can take down ends a script: on a full disk that would be a run without an end.
say() { printf '%s: %s\n' "${0##*/}" "$*" >&2 || :; }

die() {                                              # STATUS MESSAGE…
    die_status=$1
    shift
    say "$@"
    exit "$die_status"
}

have() { command -v "$1" >/dev/null 2>&1; }

# The first line of a file, without a fork for it; 1 when it can not be read or is empty. Not every kernel file ends
# with a newline, and `read` calls that a failure: what counts is what it brought.
first_line() {                                       # FILE, sets `line`
    line=
    [ -r "$1" ] || return 1
    IFS= read -r line 2>/dev/null <"$1" || :
    [ -n "$line" ]
}

peek() { first_line "$1" || return 0; printf '%s\n' "$line"; }

# stdin as a JSON string; null when there is nothing. NUL bytes and what is no UTF-8 are dropped, the rest is kept.
json_str() {
    json_str_text=$(tr -d '\000')
    case $json_str_text in
        '') printf 'null' ;;
        *[!\ -~]* | *\"* | *\\*) printf '%s' "$json_str_text" | utf8_only | json_escape ;;
        *) printf '"%s"' "$json_str_text" ;;
    esac
}

# stdin as a JSON number when it is one, else null.
json_num() {
    json_num_text=$(tr -d '\000')
    if is_number "$json_num_text"; then printf '%s' "$json_num_text"; else printf 'null'; fi
}

is_digits() { case $1 in '' | *[!0-9]*) return 1 ;; *) return 0 ;; esac; }

# Is this text a number as JSON writes it (no plus sign, no leading zero, no exponent)?
is_number() {
    is_number_text=${1#-}
    case $is_number_text in *.*) is_digits "${is_number_text#*.}" || return 1 ;; *) ;; esac
    is_number_text=${is_number_text%%.*}
    is_digits "$is_number_text" || return 1
    case $is_number_text in 0?*) return 1 ;; *) return 0 ;; esac
}

# Through UTF-16, because iconv lets code points above U+10FFFF pass from UTF-8 to UTF-8.
utf8_only() {
    if have iconv; then
        { iconv -c -f UTF-8 -t UTF-16LE || :; } 2>/dev/null | { iconv -c -f UTF-16LE -t UTF-8 || :; } 2>/dev/null
    else
        tr -d '\200-\377'
    fi
}

json_escape() {
    awk '
        BEGIN {
            for (i = 1; i < 32; i++) code[sprintf("%c", i)] = sprintf("\\u%04x", i)
            code["\\"] = "\\\\"; code["\""] = "\\\""; code["\t"] = "\\t"; code["\r"] = "\\r"
            printf "\""
        }
        NR > 1 { printf "\\n" }
        {
            for (i = 1; i <= length($0); i++) {
                c = substr($0, i, 1)
                printf "%s", (c in code) ? code[c] : c
            }
        }
        END { printf "\"" }'
}

# stdin, a file or a here-document and no pipe (`put_error` would be lost in it), becomes FILE: whole or not at all, and on the disk before it has its name. On failure `put_error` says why.
put() {                                              # FILE
    put_tmp=${1%/*}/.${1##*/}.$$
    if put_error=$(dd of="$put_tmp" bs=65536 conv=fsync status=none 2>&1) &&
        put_error=$(mv -f -- "$put_tmp" "$1" 2>&1); then
        return 0
    fi
    rm -f -- "$put_tmp" 2>/dev/null || :
    put_error=${put_error##*: }
    return 1
}

boot_id() { first_line "$rk_root/proc/sys/kernel/random/boot_id" && printf '%s' "$line"; }

# Seconds since the boot as the kernel writes them; the only clock on a board that nobody sets.
uptime_s() { first_line "$rk_root/proc/uptime" && printf '%s' "${line%% *}"; }

# The difference of two uptimes, exact to the kernel's hundredths. (The shell has no fractions; a 1 in front keeps
# it from reading 08 as octal.)
seconds_between() {                                  # FROM TO
    seconds_cs=$(($(hundredths "$2") - $(hundredths "$1")))
    [ "$seconds_cs" -ge 0 ] || seconds_cs=0
    printf '%d.%02d' $((seconds_cs / 100)) $((seconds_cs % 100))
}
hundredths() {
    case $1 in *.*) hundredths_of=${1#*.}00 ;; *) hundredths_of=00 ;; esac
    while [ ${#hundredths_of} -gt 2 ]; do hundredths_of=${hundredths_of%?}; done
    printf '%d' $((${1%%.*} * 100 + 1$hundredths_of - 100))
}
