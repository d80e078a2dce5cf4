"""Brings boards to a playbook's state: the child process in which pyinfra runs, and our own operations.

    fleet.provision ── request ──▶ __main__ → runner ─┬─ allowed      which operations there are
                    ◀── events ───                    ├─ connector    pyinfra's commands and files, over Board
              a JSON line each; stdin                 ├─ steps        one step on one board
              closed means stop                       └─ operations/  what pyinfra lacks, with facts

pyinfra decides what is to be done (facts, idempotence, diffs); every byte to a board goes through
``fleet.ssh.connection.Board``. So its rules hold here too: our known_hosts alone, deadlines that also hold on a frozen
peer, keys and jumps as for every other verb. pyinfra's own SSH connector is never used. It switches between boards
with gevent, unpatched; what waits for a board waits in a native thread.
"""
