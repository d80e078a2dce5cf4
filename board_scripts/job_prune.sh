#!/bin/sh
# job_prune.sh - takes a run off this board when a workstation has proven that it has all of it; a part of job.sh.
#
# The proof is the list of what the workstation has, as sha256sum prints it; the board computes its own sums again now. A
# run goes only when it is over and each of its evidence files is on the list with exactly that sum. A list that a dropped
# connection cut short lacks a file, and so proves nothing.
#
# Functions that are conditions here are predicates, or report their failure themselves.
# shellcheck source-path=SCRIPTDIR disable=SC2310

EVIDENCE='spec.json start.json end.json facts.before.json facts.after.json dmesg.log telemetry.csv clocks.json reboot.log stdout.log stderr.log'

prune() {                                            # RUN_DIR, the list on stdin
    run_dir "$1"
    listed="
$(cat)
"
    sweep_pruned
    [ -d "$dir" ] || not_pruned "it is not on the board"
    [ -f "$dir/lock" ] || not_pruned "it never started"
    ! run_lives "$dir" || not_pruned "it is still running"
    # Shared, and on another fd than a run's own: nothing can begin in it meanwhile, and nobody takes us for the run.
    exec 4<"$dir/lock"
    flock -s -w 1 -E $LOCKED 4 || not_pruned "it is still running"
    if [ ! -e "$dir/start.json" ] && [ ! -e "$dir/end.json" ]; then not_pruned "it never started"; fi
    cd -- "$dir"
    # shellcheck disable=SC2086 # a list of names without blanks
    for name in $EVIDENCE; do
        [ -e "$name" ] || continue
        sum=
        [ ! -f "$name" ] || sum=$(sha256sum -- "$name" 2>/dev/null) || sum=
        [ -n "$sum" ] || not_pruned "$name can not be read on the board"
        case $listed in
            *"
${sum%% *}  $name
"*) ;;
            *" $name
"*) not_pruned "$name is another one on the board" ;;
            *) not_pruned "$name is not listed" ;;
        esac
    done
    cd /
    pruned_kib=$(du -sk -- "$dir" 2>/dev/null) || pruned_kib=0
    # Away from its name first: a half removed run would look like one that was lost.
    mv -- "$dir" "${dir%/*}/.pruned.$run.$$" 2>/dev/null || not_pruned "it can not be moved"
    sweep_pruned
    rmdir -- "${dir%/*}" 2>/dev/null || :
    printf '{"pruned":true,"bytes":%.0f}\n' "$((${pruned_kib%%[!0-9]*} * 1024))"
}

# Also what a power cut left half removed.
sweep_pruned() {
    for pruned_dir in "${dir%/*}"/.pruned.*; do
        [ ! -d "$pruned_dir" ] || rm -rf -- "$pruned_dir" || say "can not remove $pruned_dir"
    done
}

not_pruned() { printf '{"pruned":false,"reason":"%s"}\n' "$1"; exit 0; }
