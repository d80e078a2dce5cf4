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
. "${0%/*}/demo.sh"                                  # shared_option, given, prepare_demo, ask

USAGE="usage: run_text_benchmark.sh --demo PATH --model PATH --max-new-tokens N --max-context N --prompt TEXT --limit S [--lib DIR]..."

main() {
    demo='' model='' new='' context='' prompt='' limit='' libs=''
    while [ $# -gt 0 ]; do
        [ $# -ge 2 ] || die 2 "$1: no value
$USAGE"
        shared_option "$1" "$2" || die 2 "unknown option $1
$USAGE"
        shift 2
    done
    given "$demo" "$model" "$new" "$context" "$prompt" "$limit"
    case $prompt in *'<image>'*) die 2 "the prompt asks for an image: <image> is for the vision demo" ;; *) ;; esac
    prepare_demo
    ask "$model" "$new" "$context"
}
main "$@"
