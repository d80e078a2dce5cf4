#!/bin/sh
# run_text_benchmark.sh - ask one question of llm_demo (runtime 1.1.0 or later) and end it properly.
#   run_text_benchmark.sh --demo PATH --model PATH --max-new-tokens N --max-context N --prompt TEXT --limit S [--lib DIR]...
# stdout and stderr are the demo's own; complaints of this script go to stderr as `run_text_benchmark.sh: …`.
# Exit: the demo's (124: stopped after S seconds; 128+n: killed by signal n); 2 usage; 127 demo, model or a tool is missing.
#
# shellcheck source-path=SCRIPTDIR disable=SC2310
set -eu
LC_ALL=C; export LC_ALL
. "${0%/*}/lib.sh"                                   # die, have, is_digits

USAGE="usage: run_text_benchmark.sh --demo PATH --model PATH --max-new-tokens N --max-context N --prompt TEXT --limit S [--lib DIR]..."

# The demo reads lines: a digit picks one of its presets, `exit` and `clear` are orders, <image> is the other demo's,
# and a second line would be a second question. None of that is a prompt that can be measured.
check_prompt() {
    case $1 in
        *'
'*) die 2 "the prompt has more than one line" ;;
        *'<image>'*) die 2 "the prompt asks for an image: <image> is for the vision demo" ;;
        *) ;;
    esac
    bare=$(printf '%s' "$1" | tr -d ' \t\r')
    case $bare in
        '') die 2 "the prompt is empty" ;;
        exit | clear) die 2 "the prompt '$bare' is an order to the demo" ;;
        *[!0-9]*) ;;
        *) die 2 "the prompt '$bare' is a number: the demo would take it for one of its presets" ;;
    esac
}

count() {                                            # OPTION VALUE
    is_digits "$2" || die 2 "$1: '$2' is not a whole number"
    case $2 in 0*) die 2 "$1: '$2' is not a whole number above zero" ;; *) ;; esac
}

# -S and -H are not in POSIX, and are in dash, ash and bash alike.
# shellcheck disable=SC3045
raise_limits() {
    # The demo keeps embeddings on its stack, and the runtime opens many files; both limits are small by default.
    ulimit -S -s unlimited 2>/dev/null || ulimit -S -s "$(ulimit -H -s)" 2>/dev/null || :
    ulimit -S -n "$(ulimit -H -n)" 2>/dev/null || :
}

main() {
    demo='' model='' new='' context='' prompt='' limit='' libs=''
    while [ $# -gt 0 ]; do
        [ $# -ge 2 ] || die 2 "$1: no value
$USAGE"
        case $1 in
            --demo) demo=$2 ;;
            --model) model=$2 ;;
            --max-new-tokens) count "$1" "$2"; new=$2 ;;
            --max-context) count "$1" "$2"; context=$2 ;;
            --prompt) check_prompt "$2"; prompt=$2 ;;
            --limit) count "$1" "$2"; limit=$2 ;;
            --lib) libs=$libs${libs:+:}$2 ;;
            *) die 2 "unknown option $1
$USAGE" ;;
        esac
        shift 2
    done
    for needed in "$demo" "$model" "$new" "$context" "$prompt" "$limit"; do
        [ -n "$needed" ] || die 2 "$USAGE"
    done
    for tool in timeout stdbuf; do
        have "$tool" || die 127 "the tool $tool is not on this board"
    done
    if [ ! -f "$demo" ] || [ ! -x "$demo" ]; then die 127 "no demo that can be run at $demo"; fi
    if [ ! -f "$model" ] || [ ! -r "$model" ]; then die 127 "no model that can be read at $model"; fi
    # With a slash in it, or it would be looked for in PATH, and its libraries in the wrong place.
    case $demo in */*) ;; *) demo=./$demo ;; esac
    folder=${demo%/*}
    LD_LIBRARY_PATH=$libs${libs:+:}${folder:-/}/lib:${folder:-/}
    RKLLM_LOG_LEVEL=1
    export LD_LIBRARY_PATH RKLLM_LOG_LEVEL
    raise_limits
    # Line-buffered, because a demo that is killed takes its buffer with it; `exit`, because at the end of its input
    # it would answer empty prompts for ever. In the background, so that a signal to this script reaches it at once:
    # `timeout` puts itself and the demo in a process group of their own.
    demo_pid='' stopped=''
    trap 'stopped=1; [ -z "$demo_pid" ] || kill -TERM "$demo_pid" 2>/dev/null || :' HUP INT TERM
    printf '%s\nexit\n' "$prompt" | timeout -k 5 "$limit" stdbuf -oL -eL "$demo" "$model" "$new" "$context" &
    demo_pid=$!
    # A signal in the moment before its number was known.
    [ -z "$stopped" ] || kill -TERM "$demo_pid" 2>/dev/null || :
    status=0
    # Without stderr, which is the demo's alone: dash tells it how a child was killed.
    wait "$demo_pid" 2>/dev/null || status=$?
    # A signal ends `wait` early; the demo is asked to go, and its own status is what counts.
    while kill -0 "$demo_pid" 2>/dev/null; do
        status=0
        wait "$demo_pid" 2>/dev/null || status=$?
    done
    exit "$status"
}
main "$@"
