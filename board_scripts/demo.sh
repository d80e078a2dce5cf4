#!/bin/sh
# demo.sh - how a vendor's demo is driven; a part of run_text_benchmark.sh and run_vlm_benchmark.sh.
# Of the caller: lib.sh, USAGE, and the options in demo, model, new, context, prompt, limit, libs.
# shellcheck disable=SC2154
set -eu

# Takes OPTION VALUE where it is one that all demos have; 1 when it is another one.
shared_option() {
    case $1 in
        --demo) demo=$2 ;;
        --model) model=$2 ;;
        --max-new-tokens) count "$1" "$2"; new=$2 ;;
        --max-context) count "$1" "$2"; context=$2 ;;
        --prompt) check_line "$2"; prompt=$2 ;;
        --limit) count "$1" "$2"; limit=$2 ;;
        --lib) libs=$libs${libs:+:}$2 ;;
        *) return 1 ;;
    esac
}

count() {                                            # OPTION VALUE
    is_digits "$2" || die 2 "$1: '$2' is not a whole number"
    case $2 in 0*) die 2 "$1: '$2' is not a whole number above zero" ;; *) ;; esac
}

# The demo reads lines: a digit picks one of its presets, `exit` and `clear` are orders, and a second line would be a
# second question. None of that is a prompt that can be measured.
check_line() {
    case $1 in
        *'
'*) die 2 "the prompt has more than one line" ;;
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

given() {                                            # VALUE… none of which may be empty
    for needed do
        [ -n "$needed" ] || die 2 "$USAGE"
    done
}

readable() {                                         # WHAT FILE
    if [ ! -f "$2" ] || [ ! -r "$2" ]; then die 127 "no $1 that can be read at $2"; fi
}

# Tools, files and the environment; sets `demo` and `folder`, its folder.
prepare_demo() {
    for tool in timeout stdbuf; do
        have "$tool" || die 127 "the tool $tool is not on this board"
    done
    if [ ! -f "$demo" ] || [ ! -x "$demo" ]; then die 127 "no demo that can be run at $demo"; fi
    readable model "$model"
    # With a slash in it, or it would be looked for in PATH, and its libraries in the wrong place.
    case $demo in */*) ;; *) demo=./$demo ;; esac
    folder=${demo%/*}
    LD_LIBRARY_PATH=$libs${libs:+:}${folder:-/}/lib:${folder:-/}
    RKLLM_LOG_LEVEL=1
    export LD_LIBRARY_PATH RKLLM_LOG_LEVEL
    raise_limits
}

# -S and -H are not in POSIX, and are in dash, ash and bash alike.
# shellcheck disable=SC3045
raise_limits() {
    # The demo keeps embeddings on its stack, and the runtime opens many files; both limits are small by default.
    ulimit -S -s unlimited 2>/dev/null || ulimit -S -s "$(ulimit -H -s)" 2>/dev/null || :
    ulimit -S -n "$(ulimit -H -n)" 2>/dev/null || :
}

# Ask the prompt and leave with the demo's exit code, by becoming `timeout`: a shell that waits for it can lose a TERM
# between two of its own steps (bash does), and whoever stops a run would then wait for the limit.
# Line-buffered, because a demo that is killed takes its buffer with it; `exit`, because at the end of its input
# it would answer empty prompts for ever.
ask() {                                              # ARGUMENT… of the demo
    exec timeout -k 5 "$limit" stdbuf -oL -eL "$demo" "$@" <<EOF
$prompt
exit
EOF
}
