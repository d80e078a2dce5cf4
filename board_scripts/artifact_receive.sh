#!/bin/sh
# artifact_receive.sh - how the bytes of a model file get here; a part of artifact.sh.
#   receive STORE NAME SHA256 BYTES CHUNK_BYTES LIST_SHA256 SPARE_BYTES [TOKEN]
# A conversation over one connection. stdin begins with the list: the sha256 of each chunk, a line each, all of them
# together with LIST_SHA256. Then this side says what it lacks, and the other one sends just that, in this order:
#   {"verified": K}                     chunk K is here, and is what the list says
#   {"bad": K}                          what arrived as chunk K is not; it is asked for again
#   {"need": [K, ...], "bytes": N}      send these chunks now
#   {"path", "size_bytes", "sha256"}    done: the last line
# Whoever listens decides how often a chunk is sent again, and hangs up.
#
# The bytes go into SHA256.part, each chunk to its place. What counts as verified was read back from that place. So the
# file is whole when each chunk is verified: the list and SHA256 were made of one reading of the file, and nothing but
# the right bytes at the right place passes. It gets its name when all of it is on the disk. A part that was left behind
# is judged in the same way, by its bytes and by nothing that somebody wrote down: what a power cut took is asked for
# again, and a swap or a bit that turned over is found.
# While one chunk is on its way the one before it is read back, and what came before is written to the disk, so that the
# connection waits for neither.
# shellcheck disable=SC2310

BLOCK_BYTES=65536                                    # dd with a buffer of 1 MiB takes twice the time: it leaves the cache
READ_AT_ONCE=2                                       # sha256sum on a small core is slower than a network
DEAD_PART_DAYS=7                                     # nobody came back for it

receive() {
    receive_store=$1 receive_name=$2 receive_sha256=$3 receive_bytes=$4 chunk_bytes=$5 receive_token=${8:-}
    check_name "$receive_name"
    if ! is_sha256 "$3" || ! is_sha256 "$6" || ! is_digits "$4" || ! is_digits "$5" || ! is_digits "$7" || [ "$5" -lt 1 ]; then
        die 2 "$USAGE"
    fi
    check_lease "$receive_token"
    mkdir -p -- "$1/sha256" "$1/models" 2>/dev/null || die 73 "can not create $1/sha256"
    receive_content=$1/sha256/$3
    if ! in_store "$1" "$3"; then
        take_part
        sweep_parts
        # Whoever had the lock may have brought it meanwhile.
        if in_store "$1" "$3"; then rm -f -- "$receive_part"; else receive_chunks "$6" "$7"; fi
    fi
    give_name "$1" "$3" "$receive_name"
    answer "$1/models/$receive_name" "$3"
}

receive_chunks() {                                   # LIST_SHA256 SPARE_BYTES
    chunk_count=$(((receive_bytes + chunk_bytes - 1) / chunk_bytes))
    chunk_list=$(dd bs=65536 count=$((chunk_count * 65)) iflag=fullblock,count_bytes status=none | tr -d '\000')
    list_sha256=$(printf '%s' "$chunk_list${chunk_list:+
}" | sha256sum)
    [ "${list_sha256%% *}" = "$1" ] || die 65 "$receive_name: the list of chunks did not arrive as it was sent"
    receive_lacks
    receive_room "$2"
    while [ -n "$chunk_missing" ]; do
        receive_need
        receive_round
    done
    [ "$(stat -c %s -- "$receive_part")" = "$receive_bytes" ] || truncate -s "$receive_bytes" -- "$receive_part"
    sync -- "$receive_part" 2>/dev/null || sync
    chmod a-w -- "$receive_part" 2>/dev/null || :    # a slip of the hand on one name would be one on all of them
    mv -f -T -- "$receive_part" "$receive_content" || die 73 "can not write $receive_content"
    sync -- "${receive_content%/*}" 2>/dev/null || sync
    remember "$receive_store/models/.sha256" "$receive_content" "$receive_sha256"
}

chunk_at() {                                         # K, sets chunk_offset and chunk_size
    chunk_offset=$(($1 * chunk_bytes))
    chunk_size=$((receive_bytes - chunk_offset))
    [ "$chunk_size" -le "$chunk_bytes" ] || chunk_size=$chunk_bytes
}

# What of the part is there, judged by its bytes; sets chunk_missing, a list with a blank before each.
receive_lacks() {
    chunk_missing='' chunk_checks=''
    lacks_size=$(stat -c %s -- "$receive_part" 2>/dev/null) || lacks_size=0
    lacks_k=0
    for lacks_want in $chunk_list; do
        chunk_at "$lacks_k"
        if [ "$lacks_size" -ge $((chunk_offset + chunk_size)) ]; then
            check_chunk "$lacks_k" "$lacks_want" quiet
        else
            chunk_missing="$chunk_missing $lacks_k"
        fi
        lacks_k=$((lacks_k + 1))
    done
    settle_checks 0
}

receive_need() {
    need_bytes
    printf '{"need": [%s], "bytes": %s}\n' "$(printf '%s' "${chunk_missing# }" | tr -s ' ' ',')" "$need_sum"
}
need_bytes() {                                       # sets need_sum
    need_sum=0
    for need_k in $chunk_missing; do
        chunk_at "$need_k"
        need_sum=$((need_sum + chunk_size))
    done
}

receive_round() {
    round_missing="$chunk_missing " round_k=0 write_pid=
    chunk_missing='' chunk_checks=''
    for round_want in $chunk_list; do
        case $round_missing in
            *" $round_k "*)
                chunk_at "$round_k"
                take_chunk
                check_chunk "$round_k" "$round_want" aloud
                write_out
                ;;
            *) ;;
        esac
        round_k=$((round_k + 1))
    done
    settle_checks 0
}

# One chunk from stdin to its place; not a byte more is read, for that is the next one's.
take_chunk() {
    take_said=$(dd of="$receive_part" bs=$BLOCK_BYTES seek="$chunk_offset" oflag=seek_bytes count="$chunk_size" \
        iflag=fullblock,count_bytes conv=notrunc 2>&1) || take_failed "$take_said"
    take_rest=$((chunk_size % BLOCK_BYTES > 0))
    case $take_said in
        "$((chunk_size / BLOCK_BYTES))+$take_rest records in"*) ;;
        *) die 65 "$receive_name: the connection ended in the middle of it" ;;
    esac
}
take_failed() {                                      # what dd said
    case $1 in
        *'No space left on device'* | *'uota exceeded'*) no_room "$chunk_size" ;;
        *) die 73 "can not write $receive_part: ${1##*: }" ;;
    esac
}

# Read a chunk back in the background, with not more than READ_AT_ONCE at a time.
check_chunk() {                                      # K SHA256 aloud|quiet
    settle_checks $((READ_AT_ONCE - 1))
    read_back "$1" "$2" "$chunk_offset" "$chunk_size" "$3" &
    chunk_checks="$chunk_checks $!:$1"
}
settle_checks() {                                    # how many may go on; adds to chunk_missing
    # shellcheck disable=SC2086 # words
    set -- "$1" $chunk_checks
    while [ $# -gt $(($1 + 1)) ]; do
        wait "${2%%:*}" || chunk_missing="$chunk_missing ${2##*:}"
        settle_left=$1
        shift 2
        set -- "$settle_left" "$@"
    done
    shift
    chunk_checks=$*
}
read_back() {                                        # K SHA256 OFFSET BYTES aloud|quiet
    read_sha256=$(dd if="$receive_part" bs=$BLOCK_BYTES skip="$3" count="$4" iflag=fullblock,skip_bytes,count_bytes \
        status=none | digest)
    if [ "${read_sha256%% *}" = "$2" ]; then
        printf '{"verified": %s}\n' "$1"
        return 0
    fi
    [ "$5" = quiet ] || printf '{"bad": %s}\n' "$1"
    return 1
}

# Begin to write what came so far, so that the last sync has little left to do. Without the lock of the part, fd 6: a
# slow disk must not keep it from whoever comes next.
write_out() {
    if [ -n "$write_pid" ] && kill -0 "$write_pid" 2>/dev/null; then return 0; fi
    { exec 6>&-; sync -d -- "$receive_part" 2>/dev/null || :; } &
    write_pid=$!
}

receive_room() {                                     # SPARE_BYTES
    need_bytes
    [ "$need_sum" -gt 0 ] || return 0
    need_sum=$((need_sum + $1))
    room_free
    if [ "$room_bytes" -lt "$need_sum" ]; then
        # What nobody is pushing now can be pushed again.
        sweep_unlocked 0
        room_free
        [ "$room_bytes" -ge "$need_sum" ] || no_room "$need_sum"
    fi
}
room_free() { room_bytes=$(df -Pk -- "$receive_store/sha256" | awk 'NR == 2 { printf "%.0f", $4 * 1024 }'); }
no_room() {                                          # BYTES
    room_free
    die 73 "no space: the model needs $1 bytes, $receive_store/sha256 has $room_bytes bytes free"
}

# A push that is alive holds the lock of its part, and so does what it has started.
take_part() {
    receive_part=$receive_content.part
    have flock || return 0
    take_evicted=
    while :; do
        { exec 6>>"$receive_part"; } 2>/dev/null || die 73 "can not write $receive_part: no space or no rights"
        if ! flock -x -n 6; then
            exec 6>&-
            if [ -z "$take_evicted" ] && evict; then
                take_evicted=1
                continue
            fi
            # Of another workstation: beside it, then, and nobody will come back for that one.
            receive_part=$receive_content.$$.part
            trap 'rm -f -- "$receive_part"' 0
            trap 'exit 129' HUP; trap 'exit 130' INT; trap 'exit 143' TERM
            continue
        fi
        # Between the two somebody may have swept it: then it is no longer the file of that name.
        # shellcheck disable=SC3013 # -ef is not in POSIX, and is in dash, ash and bash alike
        if [ "$receive_part" -ef /proc/self/fd/6 ] || [ ! -e /proc/self/fd/6 ]; then return 0; fi
    done
}

# A push that shows our token is one of ours whose connection is dead, and which does not know it yet: it ends now, or
# all that it has brought could not be used. Every process that holds its lock has the part as fd 6.
evict() {
    [ -n "$receive_token" ] || return 1
    evict_pids='' evict_ours=
    for evict_fd in /proc/[0-9]*/fd/6; do
        # shellcheck disable=SC3013
        [ "$evict_fd" -ef "$receive_part" ] || continue
        evict_pid=${evict_fd#/proc/}
        evict_pid=${evict_pid%%/*}
        evict_pids="$evict_pids $evict_pid"
        evict_word=$(tr '\000' '\n' <"/proc/$evict_pid/cmdline" 2>/dev/null | tail -n 1) || :
        [ "$evict_word" != "$receive_token" ] || evict_ours=1
    done
    [ -n "$evict_ours" ] || return 1
    # shellcheck disable=SC2086 # words
    kill -KILL $evict_pids 2>/dev/null || :
    exec 6>>"$receive_part"
    flock -x -w 10 6 || { exec 6>&-; return 1; }
    exec 6>&-
}

# Dead pushes of these bytes that went beside, of this name by older versions, and what nobody came back for.
sweep_parts() {
    for sweep_part in "$receive_content".*.part "$receive_store/models/$receive_name".*.part; do
        sweep_one "$sweep_part"
    done
    sweep_unlocked "$DEAD_PART_DAYS"
}
sweep_unlocked() {                                   # DAYS
    for sweep_part in "$receive_store"/sha256/*.part; do
        if [ "$1" -gt 0 ] && [ -z "$(find "$sweep_part" -mtime +"$(($1 - 1))" 2>/dev/null)" ]; then continue; fi
        sweep_one "$sweep_part"
    done
}
sweep_one() {                                        # PART
    if [ ! -f "$1" ] || [ "$1" = "$receive_part" ] || ! have flock; then return 0; fi
    flock -x -n "$1" rm -f -- "$1" || :
}
