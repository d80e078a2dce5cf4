#!/bin/sh
# largest.sh - which process of a run is its largest; a part of sampler.sh and tripwire.sh, sourced after lib.sh.
# The demo appears behind a few wrappers, and it is what the memory belongs to.
#
# Functions that are conditions here are predicates: nothing in them is left to `set -e`.
# shellcheck disable=SC2310

# Fields after the name in /proc/PID/stat, the name may hold anything: state ppid pgrp session …
of_the_run() {                                       # PID LEADER
    first_line "$rk_root/proc/$1/stat" || return 1
    of_line=${line##*) }
    of_line=${of_line#* }                            # without the state
    of_line=${of_line#* }                            # without the parent
    of_group=${of_line%% *}
    of_line=${of_line#* }
    [ "$of_group" = "$2" ] || [ "${of_line%% *}" = "$2" ]
}

consider() {                                         # PID: is it the largest so far, in resident pages?
    pages=
    read -r _ pages _ <"$rk_root/proc/$1/statm" || :
    case $pages in '' | *[!0-9]*) return 0 ;; *) ;; esac
    if [ "$pages" -gt "$most" ]; then largest=$1 most=$pages; fi
}

# The descendants of LEADER, where the kernel lists the children of a process: a handful of small files.
descend() {                                          # LEADER, sets `largest`
    largest='' most=-1 queue=$1
    while [ -n "$queue" ]; do
        pid=${queue%% *}
        case $queue in *' '*) queue=${queue#* } ;; *) queue='' ;; esac
        [ -n "$pid" ] || continue
        consider "$pid"
        children=
        # Children of its first thread; a demo's threads start none.
        read -r children <"$rk_root/proc/$pid/task/$pid/children" || :
        [ -z "$children" ] || queue="$children $queue"
    done
}

# All of the board's processes: 20 ms of CPU, so not for every sample.
search() {                                           # LEADER, sets `largest`
    largest='' most=-1
    for dir in "$rk_root"/proc/[0-9]*; do
        if of_the_run "${dir##*/}" "$1"; then consider "${dir##*/}"; fi
    done
}
