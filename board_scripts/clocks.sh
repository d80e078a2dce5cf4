#!/bin/sh
# clocks.sh - pins the clocks of this board, shows them, and puts them back as they were.
#   clocks.sh show PROFILE              reads everything, changes nothing
#   clocks.sh pin PROFILE OWNER LOCK    saves what is there, pins, reads back; in force while somebody holds the file LOCK
#                                       (flock). OWNER is a name for people.
#   clocks.sh restore [LOCK]            puts back what the pin of LOCK had found; without LOCK that of one nobody holds
#   clocks.sh set PROFILE               pins until the next boot and saves nothing: for a service at start-up. A run that
#                                       pins later puts back what this had made.
# PROFILE: pinned   NPU, DRAM and every CPU policy at the highest frequency that this board offers, idle states above 0 off
#          no_dmc   the same without the DRAM
#          as_is    nothing
# Frequencies are found, never assumed: `userspace` with the frequency where there is that governor, else `performance`.
# Lines on stdout, fields separated by a tab, `-` for nothing; frequencies in Hz, of an idle state 1 is off and there is no governor:
#   profile PROFILE                         first
#   clock  KIND NAME PATH WANTED HOW WHY    KIND: npu dmc cpu idle; WHY it was to be pinned and is not
#   was    PATH GOVERNOR VALUE MIN MAX      before (pin)
#   is     PATH GOVERNOR VALUE MIN MAX      now
#   time   PATH HZ MS                       the kernel's count of time at each frequency
#   left   FILE VALUE                       can not be put back (restore)
# Not root: one `sudo -n` for all of it. Without that right, and on what is no Rockchip board, nothing is pinned, and WHY
# says so. Exit: 0 done, 1 something is not pinned (set) or not put back (restore), 2 usage, 73 it can not save,
# 75 somebody else's pin is in force (set).
#
# What was there is saved in /run, which does not outlive a boot, as sysfs does not; see clocks_saved.sh.
# Functions that are conditions here are predicates, or report their failure themselves.
# shellcheck source-path=SCRIPTDIR disable=SC2310
set -eu
LC_ALL=C; export LC_ALL
case $0 in /*) here=${0%/*} ;; */*) here=$PWD/${0%/*} ;; *) here=$PWD ;; esac
. "$here/lib.sh"
. "$here/clocks_saved.sh"

BUSY=75 CANTCREAT=73
SETTLE_QUICK=20 SETTLE_SLOW=20                        # looks, 20 and then 100 ms apart: firmware changes a clock a moment
                                                     # after it was asked, on a busy board a second after
MOST=120                                             # clocks and idle states; an RK3588 has 5 and 8 or 16
TAB='	'

usage() { die 2 "usage: clocks.sh show PROFILE | pin PROFILE OWNER LOCK | restore [LOCK] | set PROFILE"; }

# ---------------------------------------------------------------------------------------------------------- reading

# Values are data: a number, or a word, of a length that makes sense; anything else is nothing.
is_count() { is_digits "$1" && case $1 in 0?* | ?????????????*) return 1 ;; *) return 0 ;; esac; }
hz_in() {                                            # FILE [FACTOR], sets `hz`; empty when there is none
    hz=
    if first_line "$1" && is_count "$line"; then hz=$((line * ${2:-1})); fi
}
word_in() {                                          # FILE, sets `word`; empty when there is none
    word=
    first_line "$1" || return 0
    case $line in *[!A-Za-z0-9_.-]* | ????????????????????????????????*) ;; *) word=$line ;; esac
}

find_clocks() {                                      # sets `clocks`: KIND NAME PATH a line
    clocks='' found=0
    for node in "$rk_root"/sys/class/devfreq/*.npu; do add_clock npu "${node##*/}" "$node"; done
    add_clock dmc dmc "$rk_root/sys/class/devfreq/dmc"
    for node in "$rk_root"/sys/devices/system/cpu/cpufreq/policy*; do add_clock cpu "${node##*/}" "$node"; done
    for node in "$rk_root"/sys/devices/system/cpu/cpu[0-9]*/cpuidle/state[1-9]*; do
        name=${node%/cpuidle/*}
        add_clock idle "${name##*/}/${node##*/}" "$node"
    done
}
add_clock() {                                        # KIND NAME DIRECTORY
    [ -d "$3" ] && [ "$found" -lt "$MOST" ] || return 0
    case $2 in *[!A-Za-z0-9/._:@-]*) return 0 ;; *) ;; esac
    found=$((found + 1))
    clocks="$clocks$1 $2 ${3#"$rk_root"}
"
}

files_of() {                                         # KIND: where its files are, and in which unit
    unit=1 f_governor=governor f_value=cur_freq f_min=min_freq f_max=max_freq f_set=userspace/set_freq
    f_list=available_frequencies f_governors=available_governors
    [ "$1" = cpu ] || return 0
    unit=1000 f_governor=scaling_governor f_value=scaling_cur_freq f_min=scaling_min_freq f_max=scaling_max_freq
    f_set=scaling_setspeed f_list=scaling_available_frequencies f_governors=scaling_available_governors
}

look() {                                             # KIND PATH, sets `governor`, `value`, `min`, `max`
    if [ "$1" = idle ]; then
        hz_in "$rk_root$2/disable"; governor='' value=$hz min='' max=''
        return 0
    fi
    files_of "$1"
    word_in "$rk_root$2/$f_governor"; governor=$word
    hz_in "$rk_root$2/$f_value" "$unit"; value=$hz
    hz_in "$rk_root$2/$f_min" "$unit"; min=$hz
    hz_in "$rk_root$2/$f_max" "$unit"; max=$hz
}

tell() {                                             # WORD PATH, after look
    printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$1" "$2" "${governor:--}" "${value:--}" "${min:--}" "${max:--}"
}

tell_all() {                                         # WORD
    while read -r kind _ path; do
        [ -n "$path" ] || continue
        look "$kind" "$path"
        tell "$1" "$path"
    done <<CLOCKS
$clocks
CLOCKS
}

# cpufreq: "KHZ TICKS" of 10 ms; devfreq: a row for each frequency with the time in its last column, `*` where it is now.
tell_times() {
    printf '%s' "$clocks" | RK_ROOT=$rk_root awk '
        function told(hz, ms) { if (hz ~ /^[1-9][0-9]*$/ && ms ~ /^[0-9]+$/ && length(hz ms) < 30) print "time\t" path "\t" hz "\t" ms + 0 }
        $1 != "idle" {
            path = $3
            file = ENVIRON["RK_ROOT"] path ($1 == "cpu" ? "/stats/time_in_state" : "/trans_stat")
            for (rows = 0; rows < 80 && (getline line < file) > 0; rows++) {
                if ($1 == "cpu") {
                    if (split(line, part, " ") == 2) told(part[1] "000", part[2] "0")
                } else if (line ~ /^[* ]*[0-9]+ *:/) {
                    sub(/^[* ]+/, "", line)
                    hz = line; sub(/ *:.*/, "", hz)
                    sub(/[ \t\r]+$/, "", line); sub(/.*[: \t]/, "", line)
                    told(hz, line)
                }
            }
            close(file)
        }'
}

highest() {                                          # KIND PATH, sets `top`, Hz; empty when the board names none
    top=
    files_of "$1"
    if first_line "$rk_root$2/$f_list"; then
        rest=$line
        case $rest in ????????????????????????????????*) rest=$(printf '%.4000s' "$rest") ;; *) ;; esac
        set -f
        for step in $rest; do
            if is_count "$step" && { [ -z "$top" ] || [ "$step" -gt "$top" ]; }; then top=$step; fi
        done
        set +f
        [ -z "$top" ] || top=$((top * unit))
    fi
    # Where only a part of the list can be reached, or there is no list.
    case $1 in cpu) hz_in "$rk_root$2/cpuinfo_max_freq" 1000 ;; *) hz=''; [ -n "$top" ] || hz_in "$rk_root$2/max_freq" ;; esac
    if [ -n "$hz" ] && { [ -z "$top" ] || [ "$hz" -lt "$top" ]; }; then top=$hz; fi
}

wants() {                                            # PROFILE KIND
    case $1/$2 in
        as_is/* | no_dmc/dmc) return 1 ;;
        *) return 0 ;;
    esac
}

# ---------------------------------------------------------------------------------------------------------- pinning

put_value() {                                        # FILE VALUE; never makes a file
    [ -f "$1" ] && { printf '%s\n' "$2" >"$1"; } 2>/dev/null
}

has_governor() { first_line "$rk_root$1/$f_governors" && case " $line " in *" $2 "*) return 0 ;; *) return 1 ;; esac; }

set_governor() {                                     # PATH GOVERNOR
    has_governor "$1" "$2" || return 1
    put_value "$rk_root$1/$f_governor" "$2" || return 1
    word_in "$rk_root$1/$f_governor"
    [ "$word" = "$2" ]
}

# Is anything being cooled right now? Then a limit that is read may be heat's, and putting it back would keep it for good.
is_cooled() {
    for node in "$rk_root"/sys/class/thermal/cooling_device*; do
        if word_in "$node/type"; then case $word in *fan*) continue ;; *) ;; esac; fi
        hz_in "$node/cur_state"
        [ "${hz:-0}" = 0 ] || return 0
    done
    return 1
}

# What is there goes to `saved`, FILE and VALUE a line, in the order in which it has to be put back: limits before what
# they limit. What an earlier pin left unrestored is what was there.
save() {                                             # KIND PATH
    if [ "$1" = idle ]; then
        save_one "$2/disable" "$value"
        return 0
    fi
    save_one "$2/$f_min" "${min:+$((min / unit))}"
    [ -n "$cooled" ] || save_one "$2/$f_max" "${max:+$((max / unit))}"
    save_one "$2/$f_governor" "$governor"
    if [ "$governor" = userspace ]; then
        hz_in "$rk_root$2/$f_set"
        save_one "$2/$f_set" "$hz"
    fi
}
save_one() {                                         # FILE VALUE
    saved_left_value "$1"
    saved_was=${left_value:-$2}
    [ -z "$saved_was" ] || saved="$saved$1 $saved_was
"
}

pin_one() {                                          # KIND PATH, sets `how`, or `why`
    how='' why=''
    if [ "$1" = idle ]; then
        if put_value "$rk_root$2/disable" 1; then how=disable; else why="can not write $2/disable"; fi
        return 0
    fi
    highest "$1" "$2"
    if [ -z "$top" ]; then why="it names no frequency"; return 0; fi
    top_units=$((top / unit))
    hz_in "$rk_root$2/$f_max"
    if [ -z "$cooled" ] && [ -n "$hz" ] && [ "$hz" -lt "$top_units" ]; then put_value "$rk_root$2/$f_max" "$top_units" || :; fi
    if set_governor "$2" userspace && put_value "$rk_root$2/$f_set" "$top_units"; then
        how=userspace
    elif set_governor "$2" performance; then
        how=performance
        put_value "$rk_root$2/$f_min" "$top_units" || :
    elif put_value "$rk_root$2/$f_min" "$top_units"; then
        how=min_freq
    else
        why="no governor userspace or performance, and $f_min can not be written"
    fi
}

# A firmware that takes a moment is waited for; one that does something else is what the lines then show.
settle() {                                           # WANTED UNIT FILE a line
    settle_tries=0
    while [ "$settle_tries" -lt $((SETTLE_QUICK + SETTLE_SLOW)) ]; do
        settled=1
        while read -r wanted unit path; do
            [ -n "$path" ] || continue
            hz_in "$rk_root$path" "$unit"
            [ "$hz" = "$wanted" ] || settled=
        done <<LINES
$1
LINES
        [ -z "$settled" ] || return 0
        settle_tries=$((settle_tries + 1))
        if [ "$settle_tries" -le "$SETTLE_QUICK" ]; then sleep 0.02; else sleep 0.1; fi
    done
}

clock_line() {                                       # KIND NAME PATH WANTED HOW WHY, added to `lines`
    lines="${lines}clock$TAB$1$TAB$2$TAB$3$TAB${4:--}$TAB${5:--}$TAB${6:--}
"
}

# What this kernel does not have can not be pinned either.
absent_lines() {                                     # PROFILE WHY-NOTHING-IS-PINNED
    case $clocks in *'npu '*) ;; *) ! wants "$1" npu || clock_line npu - - - - "no devfreq node *.npu: this kernel does not steer that clock" ;; esac
    case $clocks in *'dmc '*) ;; *) ! wants "$1" dmc || clock_line dmc - - - - "no devfreq node dmc: the bootloader or kernel does not steer the DRAM" ;; esac
    case $clocks in *'cpu '*) ;; *) ! wants "$1" cpu || clock_line cpu - - - - "no cpufreq policy: this kernel does not steer the CPUs" ;; esac
}

untouched() {                                        # PROFILE WHY: shows everything, WHY with what was to be pinned
    lines=
    while read -r kind name path; do
        [ -n "$path" ] || continue
        wanted='' reason=''
        if wants "$1" "$kind"; then
            reason=$2 wanted=1
            if [ "$kind" != idle ]; then highest "$kind" "$path"; wanted=$top; fi
        fi
        clock_line "$kind" "$name" "$path" "$wanted" - "$reason"
    done <<CLOCKS
$clocks
CLOCKS
    absent_lines "$1"
    printf 'profile\t%s\n%s' "$1" "$lines"
    [ "$verb" = show ] || tell_all was
    tell_all is
    tell_times
}

is_rockchip() {
    for node in "$rk_root/sys/firmware/devicetree/base/compatible" "$rk_root/proc/device-tree/compatible"; do
        if [ -r "$node" ]; then grep -qa 'rockchip,' "$node"; return; fi
    done
    return 1
}

# As root, the lock of all pins held: `saved` first, then the files.
pin_all() {                                          # PROFILE [OWNER LOCK]
    cooled=
    if is_cooled; then cooled=1; fi
    saved=''
    before=
    while read -r kind _ path; do
        [ -n "$path" ] || continue
        look "$kind" "$path"
        before="${before}was$TAB$path$TAB${governor:--}$TAB${value:--}$TAB${min:--}$TAB${max:--}
"
        if wants "$1" "$kind"; then save "$kind" "$path"; fi
    done <<CLOCKS
$clocks
CLOCKS
    if [ $# -gt 1 ] && ! saved_put "$2" "$3" "$saved"; then
        untouched "$1" "nothing was pinned: what was there can not be saved ($saved_error)"
        return 0
    fi
    lines='' unsettled=''
    while read -r kind name path; do
        [ -n "$path" ] || continue
        how='' why='' wanted=''
        if wants "$1" "$kind"; then
            pin_one "$kind" "$path"
            if [ "$kind" = idle ]; then
                wanted=1
            else
                wanted=$top
                [ -z "$how" ] || unsettled="$unsettled$top $unit $path/$f_value
"
            fi
        fi
        clock_line "$kind" "$name" "$path" "$wanted" "$how" "$why"
    done <<CLOCKS
$clocks
CLOCKS
    absent_lines "$1"
    settle "$unsettled"
    printf 'profile\t%s\n%s%s' "$1" "$before" "$lines"
    tell_all is
    tell_times
}

# ---------------------------------------------------------------------------------------------------------- verbs

show() {                                             # PROFILE
    find_clocks
    untouched "$1" -
}

pin() {                                              # PROFILE OWNER LOCK
    find_clocks
    case $2$3 in *[!\ -~]*) untouched "$1" "the name of the run's lock has characters that can not be saved"; return 0 ;; *) ;; esac
    if [ "$1" = as_is ]; then untouched "$1" -; return 0; fi
    if ! is_rockchip; then untouched "$1" "this is no Rockchip board: nothing is written here"; return 0; fi
    if [ "$(id -u)" != 0 ]; then
        if answer=$(as_root pin "$@") && [ -n "$answer" ]; then
            printf '%s\n' "$answer"
        else
            untouched "$1" "no right to write: this user is not root, and sudo asks for a password"
        fi
        return 0
    fi
    if ! saved_enter; then untouched "$1" "nothing was pinned: $saved_error"; return 0; fi
    saved_read
    if [ -n "$saved_lock" ] && [ "$saved_lock" != "$3" ] && saved_in_force; then
        untouched "$1" "the clocks are pinned by $saved_owner, which is alive"
        return 0
    fi
    put_back >/dev/null || :                         # of one that is dead
    pin_all "$@"
}

pin_for_good() {                                     # PROFILE
    find_clocks
    is_rockchip || die 1 "this is no Rockchip board: nothing is written here"
    if [ "$(id -u)" != 0 ]; then as_root set "$@"; return; fi
    saved_enter || die $CANTCREAT "$saved_error"
    saved_read
    ! saved_in_force || die $BUSY "the clocks are pinned by $saved_owner, which is alive"
    put_back >/dev/null || :
    set_lines=$(pin_all "$1")
    printf '%s\n' "$set_lines"
    # In the last column of a clock: why not.
    printf '%s\n' "$set_lines" | awk -F '\t' '$1 == "clock" && $7 != "-" { failed = 1 } END { exit failed }'
}

restore() {                                          # [LOCK]
    saved_read
    [ -n "$saved_lines" ] || return 0
    if [ $# -gt 0 ]; then
        [ "$1" = "$saved_lock" ] || return 0
    else
        ! saved_in_force || return 0
    fi
    if [ "$(id -u)" != 0 ]; then as_root restore "$@"; return; fi
    saved_enter || die $CANTCREAT "$saved_error"
    saved_read                                       # another may have been first, and a run have pinned since
    if [ -z "$saved_lines" ]; then return 0; fi
    if [ $# -gt 0 ]; then
        [ "$1" = "$saved_lock" ] || return 0
    else
        ! saved_in_force || return 0
    fi
    back_status=0
    put_back || back_status=1
    find_clocks
    tell_all is
    return "$back_status"
}

# Writes `saved_lines` where they are from; what can not be put back stays saved, for the next one to try.
put_back() {
    [ -n "$saved_lines" ] || return 0
    left=
    while read -r file was; do
        [ -n "$was" ] || continue
        word_in "$rk_root$file"
        [ "$word" != "$was" ] || continue            # a limit that is written is a wish of its own to the kernel
        put_value "$rk_root$file" "$was" || :
        word_in "$rk_root$file"
        if [ "$word" != "$was" ]; then
            printf 'left\t%s\t%s\n' "$file" "$was"
            left="$left$file $was
"
        fi
    done <<SAVED
$saved_lines
SAVED
    saved_forget "$left"
    [ -z "$left" ]
}

# One sudo for everything. Not `exec`: sudo closes what it inherits, and our caller waits for a lock that we hold.
as_root() {                                          # VERB ARG...
    have sudo || return 1
    sudo -n -- env RK_SYSROOT="$rk_root" sh "$here/clocks.sh" "$@" 2>/dev/null
}

main() {
    [ $# -ge 1 ] || usage
    verb=$1
    shift
    case $verb in
        show | set | pin)
            case ${1-} in pinned | no_dmc | as_is) ;; *) die 2 "no profile: '${1-}' (pinned, no_dmc, as_is)" ;; esac ;;
        *) ;;
    esac
    case $verb:$# in
        show:1) show "$1" ;;
        pin:3) pin "$@" ;;
        set:1) pin_for_good "$1" ;;
        restore:0 | restore:1) restore "$@" ;;
        *) usage ;;
    esac
}
main "$@"
