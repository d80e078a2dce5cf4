#!/bin/sh
# nap.sh - waiting beside a measurement; a part of sampler.sh and tripwire.sh, sourced after lib.sh.
#
# To start sleep(1) costs more CPU than everything else in a turn of their loops. bash and busybox can wait by
# themselves, in a `read` that times out; other shells start it. A signal that is trapped ends a nap either way, so the
# trap of who sources this calls `nap_over`.

nap_pid=''

# A pipe for a moment: once it is open, its name can go. In the run's folder, where every name is evidence, only when
# there is no other place. 1: it can not be made.
make_pipe() {                                        # sets `pipe_folder`, with a `pipe` in it
    pipe_folder=$(mktemp -d "${TMPDIR:-/tmp}/rkfleet.XXXXXX" 2>/dev/null) ||
        pipe_folder=$(mktemp -d "$PWD/.pipe.XXXXXX" 2>/dev/null) || return 1
    mkfifo "$pipe_folder/pipe" || { drop_pipe; return 1; }
}
drop_pipe() { rm -rf "$pipe_folder" || rm -rf "$pipe_folder"; }  # what ends all of a run may have taken the first one along

# Opens a pipe that nobody ever writes into as file descriptor 8. Without one it is sleep: a tripwire watches anyway.
nap_begin() {                                        # sets `nap_timed`
    nap_timed='' nap_status=0
    make_pipe || return 0
    nap_timed=yes
    exec 8<>"$pipe_folder/pipe"
    drop_pipe
    # Who does not know -t says so with 2, or with an end; the others with what a time-out is to them.
    # shellcheck disable=SC3045
    (read -r -t 0.01 _ <&8) 2>/dev/null || nap_status=$?
    [ "$nap_status" -ne 2 ] || nap_timed=
}

nap_knows_fractions() { [ -n "$nap_timed" ] || sleep 0.01; }

nap() {                                              # SECONDS; 1: it can not wait, and a loop would eat a CPU
    if [ -n "$nap_timed" ]; then
        # shellcheck disable=SC3045
        read -r -t "$1" _ <&8 || :
        return 0
    fi
    # In the background, because a shell hears a signal only after the command that it waits for in front.
    sleep "$1" 5>&- 8<&- &
    nap_pid=$!
    [ -z "$stopped" ] || nap_over
    nap_status=0
    wait "$nap_pid" || nap_status=$?
    [ "$nap_status" -eq 0 ] || [ "$nap_status" -gt 127 ]  # killed is one thing
}

nap_over() { [ -z "$nap_pid" ] || kill "$nap_pid" || :; }
