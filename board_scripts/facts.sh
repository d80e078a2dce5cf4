#!/bin/sh
# facts.sh - print what this board is and how it stands now, as one JSON object on one line.
#   facts.sh [--disk PATH]... [--lib PATH]...     also `sh -s -- [OPTION]... <facts.sh`, with nothing on the board
#   facts.sh --gate RUN-FOLDER
#   facts.sh … --check STORE [--demo PATH]... [--folder DIR]... [--file SHA256/NAME]...
# --disk: total and free bytes of the file system of PATH. --lib: a runtime library, or a folder to look for them.
# --check: also what only the checks of a board ask for, under "check"; it costs a third of a second. --file: a model
# file (SHA256 may be empty), looked for in each --folder and in STORE; no file is read, only what is remembered of it.
# --gate: only what is asked before each run: memory, heat, who uses the NPU, and under "gate" whether the run's folder is
# there already, the cores that are busy and the pages of swap moved in a tenth of a second.
# Whatever can not be read is null, and "missing" has the reason under its dotted name. Changes nothing.
# Exit: 0 printed, 2 usage.
#
# It runs before and after every measurement, so it forks as little as it can: kernel files are read by the shell's
# own `read`, and functions leave their result in a variable (named in their comment) where $(…) would fork.
#
# Functions that are conditions here are predicates: nothing in them is left to `set -e`.
# shellcheck disable=SC2310
set -eu
LC_ALL=C; export LC_ALL

root=${RK_SYSROOT:-}
missing='' obj='' prefix=''

have() { command -v "$1" >/dev/null 2>&1; }

# VALUE as a JSON string in `q`.
quoted() {
    case $1 in
        *[!\ -~]* | *\"* | *\\*) q=$(printf '%s' "$1" | utf8_only | escaped) ;;
        *) q="\"$1\"" ;;
    esac
}

# What is no UTF-8 is dropped. Through UTF-16, because iconv lets code points above U+10FFFF pass from UTF-8 to UTF-8.
utf8_only() {
    if have iconv; then
        { iconv -c -f UTF-8 -t UTF-16LE || :; } 2>/dev/null | { iconv -c -f UTF-16LE -t UTF-8 || :; } 2>/dev/null
    else
        tr -d '\200-\377'
    fi
}

escaped() {
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

miss() {                                             # DOTTED-NAME REASON
    quoted "$2"
    missing="$missing,\"$1\":$q"
}

# The first line of FILE in `text`; 1 when there is none, with the reason in `why`.
peek() {
    text=
    if [ ! -e "$1" ]; then why="no file $1"; return 1; fi
    if [ ! -r "$1" ]; then why="no right to read $1"; return 1; fi
    # Not every kernel file ends with a newline, and `read` calls that a failure: what counts is what it brought.
    IFS= read -r text 2>/dev/null <"$1" || :
    [ -n "$text" ] && return 0
    why="$1 is empty or can not be read"
    return 1
}

is_digits() { case $1 in '' | *[!0-9]*) return 1 ;; *) return 0 ;; esac; }

# Digits that the shell can reckon with: it would take 010 for eight, and stops at 08 and at 2^63.
is_count() { is_digits "$1" && case $1 in 0?* | ????????????????*) return 1 ;; *) return 0 ;; esac; }

# A number as JSON writes it: no plus sign, no leading zero, no exponent.
is_number() {
    n=${1#-}
    case $n in *.*) is_digits "${n#*.}" || return 1 ;; *) ;; esac
    n=${n%%.*}
    is_digits "$n" || return 1
    case $n in 0?*) return 1 ;; *) return 0 ;; esac
}

# Fields are added to `obj`; `prefix` is the dotted name of what they belong to.
str_value() {                                        # NAME TEXT
    quoted "$2"
    obj="$obj,\"$1\":$q"
}
no_value() {                                         # NAME REASON
    miss "$prefix$1" "$2"
    obj="$obj,\"$1\":null"
}
num_value() {                                        # NAME TEXT
    if is_number "$2"; then obj="$obj,\"$1\":$2"; else no_value "$1" "not a number: $2"; fi
}
str_field() { if peek "$2"; then str_value "$1" "$text"; else no_value "$1" "$why"; fi; }
num_field() {                                        # NAME FILE [FACTOR]
    if ! peek "$2"; then
        no_value "$1" "$why"
    elif [ $# -eq 3 ] && is_count "$text"; then
        obj="$obj,\"$1\":$((text * $3))"
    else
        num_value "$1" "$text"
    fi
}
words_field() {                                      # NAME FILE [FACTOR]: with a factor they are numbers
    if ! peek "$2"; then
        no_value "$1" "$why"
        return 0
    fi
    words=
    # `read` splits at blanks and expands nothing: a * in the file stays a *.
    while [ -n "$text" ]; do
        IFS=' 	' read -r word text <<WORDS
$text
WORDS
        if [ $# -eq 2 ]; then
            quoted "$word"
            words="$words,$q"
        elif is_count "$word"; then
            words="$words,$((word * $3))"
        fi
    done
    obj="$obj,\"$1\":[${words#,}]"
}

simulated() {                                        # sets `obj`
    obj=null
    mark=
    for dir in "$root/proc/device-tree" "$root/sys/firmware/devicetree/base"; do
        [ ! -e "$dir/rkfleet-simulated" ] || mark=$dir/rkfleet-simulated
    done
    [ -n "$mark" ] || return 0
    obj='' prefix=simulated.
    # Present but unreadable still means simulated: a stand-in must never pass for a board.
    num_field time_scale "$mark/time-scale"
    obj="{${obj#,}}"
}

board() {
    obj='' prefix=board.
    tree=$root/proc/device-tree                      # the kernel's link to the other name
    [ -d "$tree/." ] || tree=$root/sys/firmware/devicetree/base
    str_field model "$tree/model"
    compatible=
    [ ! -r "$tree/compatible" ] || compatible=$(tr '\000' '\n' <"$tree/compatible")
    list=
    while IFS= read -r word; do
        [ -n "$word" ] || continue
        quoted "$word"
        list="$list,$q"
    done <<LINES
$compatible
LINES
    if [ -n "$list" ]; then
        obj="$obj,\"compatible\":[${list#,}]"
    else
        no_value compatible "no $tree/compatible"
    fi
    obj="{${obj#,}}"
}

kernel() {
    obj='' prefix=kernel.
    str_field release "$root/proc/sys/kernel/osrelease"
    str_field version "$root/proc/sys/kernel/version"
    str_value machine "$(uname -m)"
    obj="{${obj#,}}"
}

operating_system() {
    obj='' prefix=os. id='' version_id='' pretty_name=''
    os_release=$root/etc/os-release
    [ -r "$os_release" ] || os_release=$root/usr/lib/os-release
    if [ -r "$os_release" ]; then
        while IFS='=' read -r key text || [ -n "$key" ]; do
            case $text in \"*\") text=${text#\"} text=${text%\"} ;; \'*\') text=${text#\'} text=${text%\'} ;; *) ;; esac
            case $key in
                ID) id=$text ;;
                VERSION_ID) version_id=$text ;;
                PRETTY_NAME) pretty_name=$text ;;
                *) ;;
            esac
        done <"$os_release"
    fi
    if [ -n "$id" ]; then str_value id "$id"; else no_value id "no ID in $os_release"; fi
    if [ -n "$version_id" ]; then str_value version_id "$version_id"; else no_value version_id "no VERSION_ID in $os_release"; fi
    if [ -n "$pretty_name" ]; then str_value pretty_name "$pretty_name"; else no_value pretty_name "no PRETTY_NAME in $os_release"; fi
    obj="{${obj#,}}"
}

memory() {
    obj='' prefix=memory.
    total='' available='' free='' swap_total='' swap_free='' cma_total='' cma_free=''
    if [ -r "$root/proc/meminfo" ]; then
        while read -r key number _; do
            is_count "$number" || continue
            case $key in
                MemTotal:) total=$number ;;
                MemAvailable:) available=$number ;;
                MemFree:) free=$number ;;
                SwapTotal:) swap_total=$number ;;
                SwapFree:) swap_free=$number ;;
                CmaTotal:) cma_total=$number ;;
                CmaFree:) cma_free=$number ;;
                *) ;;
            esac
        done <"$root/proc/meminfo"
    fi
    kib_value total_bytes "$total" MemTotal
    kib_value available_bytes "$available" MemAvailable
    kib_value free_bytes "$free" MemFree
    kib_value swap_total_bytes "$swap_total" SwapTotal
    kib_value swap_free_bytes "$swap_free" SwapFree
    zram=0
    for size in "$root"/sys/block/zram*/disksize; do
        if peek "$size" && is_count "$text"; then zram=$((zram + text)); fi
    done
    obj="$obj,\"zram_bytes\":$zram"
    kib_value cma_total_bytes "$cma_total" CmaTotal
    kib_value cma_free_bytes "$cma_free" CmaFree
    obj="{${obj#,}}"
}
kib_value() {                                        # NAME KIB MEMINFO-KEY
    if [ -n "$2" ]; then obj="$obj,\"$1\":$(($2 * 1024))"; else no_value "$1" "no $3 in $root/proc/meminfo"; fi
}

# The fields of one devfreq device are added to `obj`; PATTERN finds its directory.
devfreq() {                                          # PATTERN
    node=
    for dir in "$root"/sys/class/devfreq/$1; do
        [ -d "$dir" ] && node=$dir && break
    done
    if [ -z "$node" ]; then
        for name in node governor cur_hz min_hz max_hz governors available_hz load; do
            no_value "$name" "no $root/sys/class/devfreq/$1: this kernel does not steer that clock"
        done
        return 0
    fi
    str_value node "${node##*/}"
    str_field governor "$node/governor"
    num_field cur_hz "$node/cur_freq"
    num_field min_hz "$node/min_freq"
    num_field max_hz "$node/max_freq"
    words_field governors "$node/available_governors"
    words_field available_hz "$node/available_frequencies" 1
    # The NPU driver itself knows the load of each core, devfreq only one number.
    if [ "$1" = '*.npu' ] && peek "$root/sys/kernel/debug/rknpu/load"; then
        str_value load "$text"
    else
        str_field load "$node/load"
    fi
}

# Version of the NPU driver; where it stands depends on how the kernel was built and on who asks.
npu() {
    obj='' prefix=npu. driver='' source=''
    for file in "$root/sys/kernel/debug/rknpu/version" "$root/proc/rknpu/version" "$root/sys/module/rknpu/version"; do
        if peek "$file"; then
            driver=$text source=$file
        elif [ "$file" = "$root/sys/kernel/debug/rknpu/version" ] && [ "$uid" != 0 ] && [ "$sudo" = true ]; then
            # debugfs is root's alone
            driver=$(sudo -n cat "$file" 2>/dev/null) && source="sudo $file" || driver=
        fi
        [ -z "$driver" ] || break
    done
    if [ -z "$driver" ]; then
        driver=$(dmesg 2>/dev/null | grep -aE 'Initialized rknpu |RKNPU driver: v|Initialized rocket ' | tail -n 1) || :
        source=dmesg
    fi
    case $driver in
        *'Initialized rocket '*) driver='' rocket=1 ;;
        *'Initialized rknpu '*) driver=${driver##*Initialized rknpu } rocket=0 ;;
        *) rocket=0 ;;
    esac
    if [ -z "$driver" ] && [ -e "$root/sys/module/rocket" ]; then rocket=1; fi
    driver=${driver##*RKNPU driver: }
    driver=${driver#v}
    driver=${driver%% *}
    if [ -n "$driver" ]; then
        str_value driver "$driver"
        str_value driver_source "$source"
    elif [ "$rocket" = 1 ]; then
        no_value driver "the mainline driver rocket is in charge of the NPU; RKLLM needs the vendor's rknpu"
        no_value driver_source "no rknpu driver"
    else
        no_value driver "not in debugfs (needs root), /proc/rknpu, /sys/module/rknpu or dmesg"
        no_value driver_source "no driver version found"
    fi
    devfreq '*.npu'
    obj="{${obj#,}}"
}

clock() {                                            # NAME PATTERN
    obj='' prefix=$1.
    devfreq "$2"
    obj="{${obj#,}}"
}

cpu() {
    list=
    for policy in "$root"/sys/devices/system/cpu/cpufreq/policy*; do
        [ -d "$policy" ] || continue
        obj='' prefix=cpu.${policy##*/}.
        str_value policy "${policy##*/}"
        # affected: the cores that are there and on; a chip with dead cores still lists them as related
        if peek "$policy/affected_cpus"; then str_value cpus "$text"; else str_field cpus "$policy/related_cpus"; fi
        str_field governor "$policy/scaling_governor"
        num_field cur_hz "$policy/scaling_cur_freq" 1000
        num_field min_hz "$policy/scaling_min_freq" 1000
        num_field max_hz "$policy/scaling_max_freq" 1000
        words_field governors "$policy/scaling_available_governors"
        words_field available_hz "$policy/scaling_available_frequencies" 1000
        list="$list,{${obj#,}}"
    done
    obj="[${list#,}]"
}

runtime() {                                          # uses `libs`, one path a line; sets `first_rkllm`
    rkllm='' rknn='' first_rkllm='' seen='
'
    while IFS= read -r lib; do
        [ -n "$lib" ] || continue
        if [ -d "$lib" ]; then
            library "$lib/librkllmrt.so"
            library "$lib/librknnrt.so"
        else
            library "$lib"
        fi
    done <<LIBS
$libs
$root/usr/lib
$root/usr/lib/aarch64-linux-gnu
$root/usr/local/lib
$root/opt/rkllm/lib
LIBS
    obj="{\"rkllm\":[${rkllm#,}],\"rknn\":[${rknn#,}]}"
}
library() {                                          # PATH
    [ -f "$1" ] && [ -r "$1" ] || return 0
    case $seen in *"
$1
"*) return 0 ;; *) seen="$seen$1
" ;; esac
    case ${1##*/} in
        *rkllm*) kind=rkllm phrase='rkllm-runtime version: ' count=$rkllm ;;
        *rknn*) kind=rknn phrase='librknnrt version: ' count=$rknn ;;
        *) return 0 ;;
    esac
    version=$(grep -aom1 "${phrase}v\\{0,1\\}[0-9][0-9A-Za-z.]*" "$1" 2>/dev/null) || :
    version=${version%%"
"*}
    version=${version#"$phrase"}
    version=${version#v}
    number=0
    while [ -n "$count" ]; do
        case $count in *'},{'*) count=${count#*\},\{} ;; *) count= ;; esac
        number=$((number + 1))
    done
    obj='' prefix=runtime.$kind.$number.
    str_value path "$1"
    if [ -n "$version" ]; then str_value version "$version"; else no_value version "no text '$phrase' in $1"; fi
    case $kind in
        rkllm)
            first_rkllm=${first_rkllm:-$1}
            rkllm="$rkllm,{${obj#,}}"
            ;;
        *) rknn="$rknn,{${obj#,}}" ;;
    esac
}

thermal() {
    zones='' cooling=''
    for zone in "$root"/sys/class/thermal/thermal_zone*; do
        [ -d "$zone" ] || continue
        obj='' prefix=thermal.${zone##*/}.
        str_field type "$zone/type"
        num_field temp_mc "$zone/temp"
        zones="$zones,{${obj#,}}"
    done
    for device in "$root"/sys/class/thermal/cooling_device*; do
        [ -d "$device" ] || continue
        obj='' prefix=thermal.${device##*/}.
        str_field type "$device/type"
        num_field cur_state "$device/cur_state"
        num_field max_state "$device/max_state"
        cooling="$cooling,{${obj#,}}"
    done
    obj="{\"zones\":[${zones#,}],\"cooling\":[${cooling#,}]}"
}

load() {
    obj='' prefix=load.
    if peek "$root/proc/loadavg"; then
        read -r m1 m5 m15 tasks _ <<LINE
$text
LINE
        num_value m1 "$m1"
        num_value m5 "$m5"
        num_value m15 "$m15"
        num_value running "${tasks%%/*}"
        num_value tasks "${tasks#*/}"
    else
        for name in m1 m5 m15 running tasks; do no_value "$name" "$why"; done
    fi
    obj="{${obj#,}}"
}

disk() {                                             # uses `disks`, one path a line
    list='' number=0
    while IFS= read -r path; do
        [ -n "$path" ] || continue
        # What is not there yet will lie in the first parent that is.
        there=$path
        while [ ! -e "$there" ] && [ "$there" != "${there%/*}" ]; do there=${there%/*}; done
        obj='' prefix=disk.$number.
        str_value path "$path"
        if sizes=$(stat -f -c '%S %b %a' -- "${there:-/}" 2>/dev/null); then
            read -r block blocks free <<LINE
$sizes
LINE
            num_value total_bytes "$((block * blocks))"
            num_value free_bytes "$((block * free))"
        else
            no_value total_bytes "stat -f ${there:-/} failed"
            no_value free_bytes "stat -f ${there:-/} failed"
        fi
        list="$list,{${obj#,}}"
        number=$((number + 1))
    done <<DISKS
$disks
DISKS
    obj="[${list#,}]"
}

# A display or a GPU has nodes of the same name. Where the kernel does not say whose a node is, it may be the NPU's.
is_npu() {                                           # DEVICE
    [ -e "$1" ] || return 1
    peek "$root/sys/class/drm/${1##*/}/device/uevent" || return 0
    case $text in DRIVER=RKNPU | DRIVER=rknpu | DRIVER=rocket) return 0 ;; DRIVER=*) return 1 ;; *) return 0 ;; esac
}

# Processes with the NPU's device open. A look through all of /proc costs most of this script's time, and is only
# taken where there is such a device.
npu_users() {
    set --
    for device in "$root"/dev/dri/renderD* "$root/dev/rknpu" "$root/dev/accel/accel0"; do
        is_npu "$device" || continue
        set -- "$@" -o -lname "${device#"$root"}"
    done
    obj='[]'
    [ $# -gt 0 ] || return 0
    shift
    as_root=
    if [ "$uid" != 0 ] && [ "$sudo" = true ]; then as_root='sudo -n'; fi
    list='' last=''
    # as_root is two words or none. find complains about processes that went away meanwhile.
    # shellcheck disable=SC2086
    found=$($as_root find "$root"/proc/[0-9]*/fd "$@" 2>/dev/null) || :
    while IFS= read -r fd; do
        pid=${fd#"$root/proc/"}
        pid=${pid%%/*}
        if ! is_digits "$pid" || [ "$pid" = "$last" ] || [ "$pid" = "$$" ]; then continue; fi
        last=$pid obj='' prefix=npu_users.$pid.
        num_value pid "$pid"
        str_field comm "$root/proc/$pid/comm"
        run=$($as_root grep -az '^RKFLEET_RUN=' "$root/proc/$pid/environ" 2>/dev/null | tr -d '\000') || :
        [ -z "$run" ] || str_value run "${run#RKFLEET_RUN=}"
        list="$list,{${obj#,}}"
    done <<FOUND
$found
FOUND
    obj="[${list#,}]"
    if [ "$uid" != 0 ] && [ "$sudo" = false ]; then
        miss npu_users "without root or sudo only the processes of this user can be looked at"
        [ -n "$list" ] || obj=null
    fi
}

who() {                                              # sets `uid` and `sudo`; the object goes to `user`
    obj='' prefix=user. uid='' name='' list=''
    ids=$(id 2>/dev/null) || :                       # uid=0(root) gid=0(root) groups=0(root),27(sudo)
    uid=${ids#uid=}
    uid=${uid%%[!0-9]*}
    case $ids in "uid=$uid("*) name=${ids#*\(} name=${name%%\)*} ;; *) name= ;; esac
    if [ -n "$name" ]; then str_value name "$name"; else no_value name "uid $uid has no name"; fi
    if [ -n "$uid" ]; then num_value uid "$uid"; else no_value uid "the command id does not work"; fi
    case $ids in *' groups='*) text=${ids#* groups=} text=${text%% context=*} ;; *) text= ;; esac
    while [ -n "$text" ]; do
        word=${text%%,*}
        case $text in *,*) text=${text#*,} ;; *) text= ;; esac
        case $word in *\(*) word=${word#*\(} word=${word%\)} ;; *) ;; esac
        quoted "$word"
        list="$list,$q"
    done
    obj="$obj,\"groups\":[${list#,}]"
    sudo=false
    if [ "$uid" = 0 ] || { have sudo && sudo -n true 2>/dev/null; }; then sudo=true; fi
    obj="$obj,\"sudo\":$sudo"
    user="{${obj#,}}"
}

tools() {
    obj=
    for tool in flock setsid stdbuf timeout sha256sum awk dd find stat; do
        if have "$tool"; then obj="$obj,\"$tool\":true"; else obj="$obj,\"$tool\":false"; fi
    done
    if [ -d "$root/run/systemd/system" ] && have systemd-run; then
        obj="$obj,\"systemd\":true"
    else
        obj="$obj,\"systemd\":false"
    fi
    obj="{${obj#,}}"
}

# What the checks ask for beyond a run's facts.
checks() {                                           # uses `store`, `demos`, `folders`, `files`
    before=$(sample)
    case $store in /*) ;; *) store=${HOME:-}/$store ;; esac
    out=
    device_rights; out="$out,\"device\":$obj"
    demo_programs; out="$out,\"demos\":$obj"
    glibc; out="$out,\"glibc\":$obj"
    model_files; out="$out,\"files\":$obj"
    background; out="$out,\"background\":$obj"
    obj="{${out#,}}"
}

device_rights() {                                    # of the user who asks, which is who runs the demo
    obj='' prefix=check.device.
    for device in "$root"/dev/dri/renderD* "$root/dev/rknpu" "$root/dev/accel/accel0"; do
        is_npu "$device" || continue
        str_value path "${device#"$root"}"
        may=
        [ ! -r "$device" ] || may=r
        [ ! -w "$device" ] || may=${may}w
        str_value may "$may"
        obj="{${obj#,}}"
        return 0
    done
    miss check.device "no /dev/dri/renderD* of the NPU, no /dev/rknpu, no /dev/accel/accel0"
    obj=null
}

demo_programs() {
    list='' number=0
    while IFS= read -r demo; do
        [ -n "$demo" ] || continue
        obj='' prefix=check.demos.$number.
        number=$((number + 1))
        str_value path "$demo"
        is=missing
        [ ! -e "$demo" ] || is=there
        if [ -f "$demo" ] && [ -x "$demo" ]; then is=executable; fi
        str_value is "$is"
        list="$list,{${obj#,}}"
    done <<DEMOS
$demos
DEMOS
    obj="[${list#,}]"
}

# The C library that is there, and the newest one that the runtime or the demo was linked against.
glibc() {                                            # uses `first_rkllm`
    obj='' prefix=check.glibc.
    version=$(getconf GNU_LIBC_VERSION 2>/dev/null) || version=
    case $version in
        glibc\ *) str_value version "${version#glibc }" ;;
        *) no_value version "getconf knows no GNU_LIBC_VERSION" ;;
    esac
    needed='' needed_by=
    while IFS= read -r file; do
        [ -f "$file" ] && [ -r "$file" ] || continue
        number=$(grep -ao 'GLIBC_2\.[0-9][0-9]*' "$file" 2>/dev/null | sed 's/.*\.//' | sort -n | tail -n 1) || :
        if is_count "$number" && [ "$number" -gt "${needed:-0}" ]; then needed=$number needed_by=$file; fi
    done <<LINKED
$first_rkllm
$demos
LINKED
    if [ -n "$needed" ]; then
        str_value needed "2.$needed"
        str_value needed_by "$needed_by"
    else
        no_value needed "neither the runtime nor the demo names a glibc"
        no_value needed_by "neither the runtime nor the demo names a glibc"
    fi
    obj="{${obj#,}}"
}

# Every copy of the files, by name in the folders and by content in the store; the sha256 as artifact.sh remembers it.
model_files() {
    list='' number=0
    while IFS= read -r file; do
        [ -n "$file" ] || continue
        name=${file#*/}
        seen='
'
        while IFS= read -r folder; do
            [ -n "$folder" ] || continue
            case $folder in /*) ;; *) folder=${HOME:-}/$folder ;; esac
            model_file "$folder/$name"
        done <<FOLDERS
$folders
$store/models
FOLDERS
        [ -z "${file%%/*}" ] || model_file "$store/sha256/${file%%/*}"
    done <<FILES
$files
FILES
    obj="[${list#,}]"
}
model_file() {                                       # PATH
    case $seen in *"
$1
"*) return 0 ;; *) seen="$seen$1
" ;; esac
    [ -f "$1" ] && identity=$(stat -L -c '%s %.9Y %i' -- "$1" 2>/dev/null) || return 0
    obj='' prefix=check.files.$number.
    number=$((number + 1))
    str_value name "$name"
    str_value path "$1"
    num_value size_bytes "${identity%% *}"
    record=$(printf '%s' "$1" | sha256sum 2>/dev/null | cut -c1-32)
    text=
    if peek "$store/models/.sha256/$record" && [ "${text% *}" = "$identity" ]; then
        str_value sha256 "${text##* }"
    else
        no_value sha256 "not computed since the file was last changed"
    fi
    list="$list,{${obj#,}}"
}

# `U UPTIME SWAPPED-PAGES`, then for each process `PID STARTED TICKS NAME`; of names only what is harmless.
sample() {
    {
        cat "$root/proc/uptime" "$root/proc/vmstat" || :
        echo processes
        cat "$root"/proc/[0-9]*/stat || :
    } 2>/dev/null | awk '
        $1 == "processes" && NF == 1 { print "U", uptime, swapped == "" ? "-" : swapped; inside = 1; next }
        !inside && NR == 1 { uptime = $1 }
        !inside && ($1 == "pswpin" || $1 == "pswpout") { swapped += $2 }
        inside && /^[0-9]+ \(.*\) / {
            n = split($0, part, ")")
            split(part[n], field, " ")
            name = $0
            sub(/^[0-9]+ \(/, "", name)
            sub(/\) [^)]*$/, "", name)
            gsub(/[^ -~]/, "?", name)
            print $1, field[20], field[12] + field[13], name
        }'
}

# Who else uses the processors, in cores: what each process has used since `before`. We and our children do not count.
background() {
    sleep 0.3 2>/dev/null || sleep 1
    after=$(sample)
    used=$(printf '%s\n%s\n' "$before" "$after" | awk -v me=$$ -v parent="${PPID:-0}" '
        $1 == "U" { turn++; uptime[turn] = $2; swapped[turn] = $3; next }
        turn == 1 { was[$1 " " $2] = $3 }
        turn == 2 && $1 != me && $1 != parent && ($1 " " $2) in was {
            ticks = $3 - was[$1 " " $2]
            processes++
            if (ticks <= 0) next
            sum += ticks
            if (ticks > most) { most = ticks; pid = $1; name = $0 }
        }
        END {
            seconds = uptime[2] - uptime[1]
            if (!processes || seconds <= 0) exit
            sub(/^[^ ]+ [^ ]+ [^ ]+ /, "", name)
            moved = swapped[1] == "-" || swapped[2] == "-" ? "-" : swapped[2] - swapped[1]
            printf "%.2f %.2f %s %d %s\n", seconds, sum / 100 / seconds, moved, pid, name
        }') || used=
    if [ -z "$used" ]; then
        miss check.background "no processes in $root/proc"
        obj=null
        return 0
    fi
    read -r seconds cores moved pid name <<USED
$used
USED
    obj='' prefix=check.background.
    num_value seconds "$seconds"
    num_value cores "$cores"
    if [ "$moved" = - ]; then no_value swapped_pages "no pswpin in $root/proc/vmstat"; else num_value swapped_pages "$moved"; fi
    if [ "$pid" -gt 0 ]; then
        num_value most_pid "$pid"
        str_value most_comm "$name"
    fi
    obj="{${obj#,}}"
}

# How busy the board is, all together: one file instead of one a process, which a check can afford and a gate can not.
# A counter that stands still (a tickless kernel may be late) is looked at again, a few times.
gate() {                                             # RUN-FOLDER
    obj='' prefix=gate.
    if [ -d "$1" ]; then obj=',"known":true'; else obj=',"known":false'; fi
    processor_ticks; busy=$busy_ticks all=$all_ticks
    pages=$(swapped)
    if [ "$all" = 0 ] && [ -z "$pages" ]; then
        no_value cores "no ticks in $root/proc/stat"
        no_value swapped_pages "no pswpin in $root/proc/vmstat"
        obj="{${obj#,}}"
        return 0
    fi
    for _ in 1 2 3 4 5; do
        sleep 0.1 2>/dev/null || sleep 1
        processor_ticks
        [ "$all_ticks" = "$all" ] || break
        [ "$all" != 0 ] || break
    done
    if [ "$all_ticks" -gt "$all" ]; then
        hundredths=$(((busy_ticks - busy) * 100 * processors / (all_ticks - all)))
        obj="$obj,\"cores\":$((hundredths / 100)).$((hundredths / 10 % 10))$((hundredths % 10))"
    else
        no_value cores "the ticks in $root/proc/stat stand still"
    fi
    later=$(swapped)
    if [ -n "$pages" ] && [ -n "$later" ]; then
        num_value swapped_pages "$((later - pages))"
    else
        no_value swapped_pages "no pswpin in $root/proc/vmstat"
    fi
    obj="{${obj#,}}"
}

processor_ticks() {                                  # sets `busy_ticks`, `all_ticks` and `processors`
    busy_ticks=0 all_ticks=0 processors=0
    [ -r "$root/proc/stat" ] || return 0
    while read -r word usr nice system idle iowait irq softirq steal _; do
        case $word in cpu*) ;; *) break ;; esac
        if [ "$word" != cpu ]; then
            processors=$((processors + 1))
            continue
        fi
        for word in "$usr" "$nice" "$system" "$idle" "$iowait" "$irq" "$softirq" "${steal:-0}"; do
            is_count "$word" || return 0
        done
        busy_ticks=$((usr + nice + system + irq + softirq + ${steal:-0}))
        all_ticks=$((busy_ticks + idle + iowait))
    done <"$root/proc/stat"
}

swapped() {
    [ -r "$root/proc/vmstat" ] || return 0
    moved=''
    while read -r word pages _; do
        case $word in
            pswpin | pswpout) ! is_count "$pages" || moved=$((${moved:-0} + pages)) ;;
            *) ;;
        esac
    done <<VMSTAT
$(grep '^pswp' "$root/proc/vmstat")
VMSTAT
    printf '%s' "$moved"
}

main() {
    disks='' libs='' store='' demos='' folders='' files='' run_folder=''
    while [ $# -gt 0 ]; do
        case ${1-}:$# in
            --disk:1 | --lib:1 | --check:1 | --demo:1 | --folder:1 | --file:1 | --gate:1)
                printf 'facts.sh: %s needs a path\n' "$1" >&2
                exit 2
                ;;
            --disk:*) disks="$disks$2
" ;;
            --lib:*) libs="$libs$2
" ;;
            --check:*) store=$2 ;;
            --gate:*) run_folder=$2 ;;
            --demo:*) demos="$demos$2
" ;;
            --folder:*) folders="$folders$2
" ;;
            --file:*) files="$files$2
" ;;
            *)
                printf 'facts.sh: unknown option %s\nusage: facts.sh [--disk PATH]... [--lib PATH]... [--check STORE …] [--gate RUN-FOLDER]\n' "$1" >&2
                exit 2
                ;;
        esac
        shift 2
    done
    out='{"schema":1'
    obj='' prefix=''
    # Side by side, so that uptime and wall clock belong to the same moment.
    num_value epoch_s "$(date +%s)"
    if peek "$root/proc/uptime"; then num_value uptime_s "${text%% *}"; else no_value uptime_s "$why"; fi
    str_field boot_id "$root/proc/sys/kernel/random/boot_id"
    str_field hostname "$root/proc/sys/kernel/hostname"
    out="$out$obj"
    who
    if [ -n "$run_folder" ]; then
        gate "$run_folder"; out="$out,\"gate\":$obj"
        memory; out="$out,\"memory\":$obj"
        thermal; out="$out,\"thermal\":$obj"
        npu_users; out="$out,\"npu_users\":$obj,\"user\":$user"
        printf '%s,"missing":{%s}}\n' "$out" "${missing#,}"
        return 0
    fi
    simulated; out="$out,\"simulated\":$obj"
    board; out="$out,\"board\":$obj"
    kernel; out="$out,\"kernel\":$obj"
    operating_system; out="$out,\"os\":$obj"
    memory; out="$out,\"memory\":$obj"
    npu; out="$out,\"npu\":$obj"
    clock dmc dmc; out="$out,\"dmc\":$obj"
    clock gpu '*.gpu'; out="$out,\"gpu\":$obj"
    cpu; out="$out,\"cpu\":$obj"
    runtime; out="$out,\"runtime\":$obj"
    thermal; out="$out,\"thermal\":$obj"
    load; out="$out,\"load\":$obj"
    disk; out="$out,\"disk\":$obj"
    npu_users; out="$out,\"npu_users\":$obj"
    tools; out="$out,\"user\":$user,\"tools\":$obj"
    if [ -n "$store" ]; then
        facts=$out
        checks
        out="$facts,\"check\":$obj"
    fi
    printf '%s,"missing":{%s}}\n' "$out" "${missing#,}"
}
# The script may itself be standard input: nothing that it starts may read from there.
main "$@" </dev/null
