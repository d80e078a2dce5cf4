#!/bin/sh
# run_vlm_benchmark.sh - ask a multimodal demo one question about one image and end it properly.
#   run_vlm_benchmark.sh --demo PATH --model RKLLM --encoder RKNN --image FILE --max-new-tokens N --max-context N
#       --vision-cores 1|2|3 --prompt TEXT --limit S [--kind official|vlm_npu] [--demo-version N.N.N]
#       [--image-start MARK --image-end MARK --image-content MARK] [--lib DIR]...
# official: `demo` of the vendor's multimodal example, whose arguments differ by version. The version is that of
#   --demo-version; else of the demo's own words (1.2.2 and 1.3.0 brought new ones); else of librkllmrt.so beside it.
#   Where none of them tells, it is not run (exit 2): with another version's arguments it would do something else.
# vlm_npu: Qengineering's VLM_NPU, which runs the encoder on 3 cores, whatever it is asked.
# stdout and stderr are the demo's own; complaints of this script, and one line that says which arguments were chosen
# and why, go to stderr as `run_vlm_benchmark.sh: …`.
# Exit: the demo's (124: stopped after S seconds; 128+n: killed by signal n); 2 usage; 127 something is missing.
#
# shellcheck source-path=SCRIPTDIR disable=SC2310
set -eu
LC_ALL=C; export LC_ALL
. "${0%/*}/lib.sh"                                   # die, have, is_digits, say
. "${0%/*}/demo.sh"                                  # shared_option, given, prepare_demo, ask, readable

USAGE="usage: run_vlm_benchmark.sh --demo PATH --model RKLLM --encoder RKNN --image FILE --max-new-tokens N --max-context N --vision-cores 1|2|3 --prompt TEXT --limit S [--kind official|vlm_npu] [--demo-version N.N.N] [--image-start MARK --image-end MARK --image-content MARK] [--lib DIR]..."
PLATFORM=rk3588

# Sets `version` and `because`.
find_version() {
    if [ -n "$version" ]; then
        because="as told"
        return 0
    fi
    because="by its own words"
    # These sentences came with a version; a later one has those of an earlier.
    if grep -aqF 'Unknown platform' "$demo"; then
        version=1.3.0
    elif grep -aqF 'Using default img_start' "$demo"; then
        version=1.2.2
    else
        because="by its library"
        version=$(library_version) || die 2 "nobody knows which version $demo is of: no librkllmrt.so with a version lies in $LD_LIBRARY_PATH; say it with --demo-version"
        # Without those words it is older than them, however new the library: 1.2.1 is the last such demo.
        case $version in 1.1.* | 1.2.[01] | 1.2.[01][!0-9]*) ;; *)
            because="by its library $version and the words that it lacks"
            version=1.2.1
            ;;
        esac
    fi
}

# The runtime's version as its library has it in a text; 1 where there is none. (The first that the loader would find.)
library_version() {
    library_rest=$LD_LIBRARY_PATH:
    while [ -n "$library_rest" ]; do
        library=${library_rest%%:*}/librkllmrt.so
        library_rest=${library_rest#*:}
        [ -r "$library" ] || continue
        library_text=$(grep -aom1 'rkllm-runtime version: v\{0,1\}[0-9][0-9A-Za-z.]*' "$library") || return 1
        library_text=${library_text%%"
"*}
        library_text=${library_text##* }
        printf '%s\n' "${library_text#v}"
        return 0
    done
    return 1
}

# Which arguments a demo of $version takes: `plain`, `cores`, `markers` or `platform`, as `list`.
find_list() {
    case $version in
        [0-9]*.[0-9]*.[0-9]*) ;;
        *) die 2 "--demo-version: '$version' is not a version such as 1.2.3" ;;
    esac
    case $version in
        0.* | 1.0.* | 1.1.[0-3] | 1.1.[0-3][!0-9]*) die 2 "there is no multimodal demo of $version: 1.1.4 is the first" ;;
        1.1.* | 1.2.0 | 1.2.0[!0-9]*) list=plain ;;
        1.2.1 | 1.2.1[!0-9]*) list=cores ;;
        1.2.*) list=markers ;;
        *) list=platform ;;                          # 1.3.0 and, until somebody sees otherwise, what follows
    esac
}

main() {
    demo='' model='' new='' context='' prompt='' limit='' libs=''
    encoder='' image='' vision_cores='' kind=official version='' start='' end='' content=''
    while [ $# -gt 0 ]; do
        [ $# -ge 2 ] || die 2 "$1: no value
$USAGE"
        case $1 in
            --encoder) encoder=$2 ;;
            --image) image=$2 ;;
            --vision-cores) vision_cores=$2 ;;
            --kind) kind=$2 ;;
            --demo-version) version=$2 ;;
            --image-start) start=$2 ;;
            --image-end) end=$2 ;;
            --image-content) content=$2 ;;
            *) shared_option "$1" "$2" || die 2 "unknown option $1
$USAGE" ;;
        esac
        shift 2
    done
    given "$demo" "$model" "$new" "$context" "$prompt" "$limit" "$encoder" "$image" "$vision_cores"
    case $vision_cores in [123]) ;; *) die 2 "--vision-cores: '$vision_cores' is not 1, 2 or 3" ;; esac
    case $prompt in *'<image>'*) ;; *) die 2 "the prompt has no <image>: the demo would answer it without looking at the image" ;; esac
    case "$start,$end,$content" in ,, | ?*,?*,?*) ;; *) die 2 "--image-start, --image-end and --image-content go together" ;; esac
    prepare_demo
    readable encoder "$encoder"
    readable image "$image"                          # the demo ends by an exception where it can not
    case $kind in
        official) ;;
        vlm_npu)
            [ "$vision_cores" = 3 ] || die 2 "--vision-cores: VLM_NPU takes no core count; it uses 3"
            say "VLM_NPU, the encoder on 3 cores"
            ask "$image" "$encoder" "$model" "$new" "$context"
            ;;
        *) die 2 "--kind: '$kind' is neither official nor vlm_npu" ;;
    esac
    find_version
    find_list
    if [ "$list" = plain ] && [ "$vision_cores" != 3 ]; then
        die 2 "--vision-cores: the demo of $version takes no core count for the encoder"
    fi
    set -- "$image" "$encoder" "$model" "$new" "$context"
    [ "$list" = plain ] || set -- "$@" "$vision_cores"
    [ "$list" != platform ] || set -- "$@" "$PLATFORM"
    case $list in
        markers | platform) [ -z "$start" ] || set -- "$@" "$start" "$end" "$content" ;;
        *) ;;
    esac
    say "demo $version $because: $*"
    ask "$@"
}
main "$@"
