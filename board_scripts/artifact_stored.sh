#!/bin/sh
# artifact_stored.sh - what lies in the store of model files, and how it goes; a part of artifact.sh.
#   list_store STORE         {"name", "size_bytes", "sha256" or null} for each name in STORE/models, {"sha256", "size_bytes"}
#                            for all bytes in STORE/sha256, {"part", "size_bytes"} for what has not arrived as a whole
#   remove_stored STORE NAME|SHA256 [TOKEN]
# A NAME goes with its bytes, unless these have another name too; a SHA256 goes with all its names, and unfinished bytes
# of it go as well. Nothing outside of STORE is ever listed or removed. Nothing is read for its sha256 here: a name whose
# sha256 nobody remembers has none.
# shellcheck disable=SC2310

list_store() {                                       # STORE
    for list_path in "$1"/models/*; do
        if [ ! -f "$list_path" ] && [ ! -L "$list_path" ]; then continue; fi
        list_sha256=$(remembered "$1/models/.sha256" "$list_path" 2>/dev/null) || list_sha256=
        printf '{"name": %s, "size_bytes": %s, "sha256": %s}\n' "$(printf '%s' "${list_path##*/}" | json_str)" \
            "$(stat -L -c %s -- "$list_path" 2>/dev/null || printf 0)" "$(printf '%s' "$list_sha256" | json_str)"
    done
    for list_path in "$1"/sha256/*; do
        list_name=${list_path##*/}
        if [ ! -f "$list_path" ]; then continue; fi
        case $list_name in
            *.part) list_key=part list_name=${list_name%%.*} ;;
            *) list_key=sha256 ;;
        esac
        is_sha256 "$list_name" || continue
        # Of a part, what it takes: it may have holes.
        list_bytes=$(stat -c %s -- "$list_path")
        [ "$list_key" != part ] || list_bytes=$(($(stat -c %b -- "$list_path") * 512))
        printf '{"%s": "%s", "size_bytes": %s}\n' "$list_key" "$list_name" "$list_bytes"
    done
}

remove_stored() {                                    # STORE NAME|SHA256 [TOKEN]
    check_lease "${3:-}"
    remove_what=false
    if is_sha256 "$2"; then
        for remove_name in "$1"/models/*; do
            # shellcheck disable=SC3013 # -ef is not in POSIX, and is in dash, ash and bash alike
            if [ "$remove_name" -ef "$1/sha256/$2" ]; then remove_name "$1" "${remove_name##*/}"; fi
        done
        remove_bytes "$1" "$2"
    else
        check_name "$2"
        remove_sha256=
        for remove_bytes in "$1"/sha256/*; do
            # shellcheck disable=SC3013
            if [ "$remove_bytes" -ef "$1/models/$2" ]; then remove_sha256=${remove_bytes##*/}; fi
        done
        remove_name "$1" "$2"
        if [ -n "$remove_sha256" ] && is_sha256 "$remove_sha256"; then
            for remove_other in "$1"/models/*; do
                # shellcheck disable=SC3013
                if [ "$remove_other" -ef "$1/sha256/$remove_sha256" ]; then remove_sha256=; break; fi
            done
            [ -z "$remove_sha256" ] || remove_bytes "$1" "$remove_sha256"
        fi
    fi
    printf '{"removed": %s}\n' "$remove_what"
}
remove_name() {                                      # STORE NAME
    if [ ! -e "$1/models/$2" ] && [ ! -L "$1/models/$2" ]; then return 0; fi
    rm -f -- "$1/models/$2" || die 73 "can not remove $1/models/$2"
    rm -f -- "$(record_of "$1/models/.sha256" "$1/models/$2")"
    remove_what=true
}
remove_bytes() {                                     # STORE SHA256
    for remove_one in "$1/sha256/$2" "$1/sha256/$2.part" "$1/sha256/$2".*.part; do
        [ -f "$remove_one" ] || continue
        # What is on its way now is somebody's.
        case $remove_one in
            *.part) ! have flock || flock -x -n "$remove_one" true || continue ;;
            *) ;;
        esac
        rm -f -- "$remove_one" || die 73 "can not remove $remove_one"
        remove_what=true
    done
    rm -f -- "$(record_of "$1/models/.sha256" "$1/sha256/$2")"
}
