#!/bin/sh
# held_demo.sh - the demo of a test machine: counts its executions on the disk, and holds the N-th as long as /run/demo-hold.N is there,
# which no boot outlives.
# While it is held it writes, so that a log is never at rest; 251 bytes a time, so that a size in whole blocks is a disk's doing.
state=/var/lib/demo
printf '%s\n' "${RKFLEET_RUN:-nobody}" >>"$state/executions"
sync "$state/executions"
number=$(wc -l <"$state/executions")
count=0
while [ -e "/run/demo-hold.$number" ]; do
    count=$((count + 1))
    printf '%-250s\n' "held for the ${count}th time"
    sleep 0.1
done
exec "${0%/*}/demo_of_a_run" "$@"
