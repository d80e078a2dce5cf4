"""Knobs of the fleet driver: value, unit, and why that value. Nothing else in the package holds a tunable
number.
"""

from __future__ import annotations

# Connection (fleet/ssh/connection.py and the modules below it)
CONNECT_S = 10.0  # TCP, banner, key exchange and login together; a busy RK3588 answers within 2
OPEN_S = 10.0  # one more channel on a connection that is there; nothing has run on the board until then
CONNECT_TRIES = 3  # sshd drops newcomers at random when many log in at once (MaxStartups 10:30:100)
CONNECT_PAUSE_S = 0.3  # before the second try; doubled for the third, plus up to as much at random
DEAD_PEER_S = 20.0  # TCP gives up on a board that was powered off; longer than a Wi-Fi hand-over
MAX_CHANNELS = 8  # at once on one connection; OpenSSH's MaxSessions is 10
ROOM_PAUSE_S = 0.05  # until sshd is asked again for a channel: it counts one that ended a moment longer than we do
KILL_AFTER_S = 2  # between TERM and KILL on the board, whole seconds: busybox knows no others
GRACE_S = 4.0  # after a deadline, for the board's word: 1 for whole seconds, 2 for KILL_AFTER_S, 1 for the way
MAX_BYTES = 2**20  # kept of each output stream of a command; the rest is read and dropped
STDERR_TAIL_BYTES = 64 * 1024  # kept of stderr while stdout is streamed

# Boards and commands on them
BOARDS_AT_ONCE = 32  # threads; each costs one connection and hardly any CPU
COMMAND_S = 30.0  # a small command of ours on a board whose SD card is busy
FACTS_S = 30.0  # the facts script reads some 100 files; sudo may be slow where DNS is
PREPARE_S = 60.0  # the store and the scripts
HASH_S = 900.0  # sha256 of an 8 GiB model on an A55 core and an SD card at 25 MB/s, with room
PUSH_S = 4 * 3600.0  # 8 GiB over a poor Wi-Fi link

# Runs (fleet/job.py, fleet/bench.py)
START_S = 30.0  # job.sh start returns when start.json is there
CANCEL_S = 60.0  # TERM, 5 s, KILL, and the end record
SILENCE_S = 20.0  # job.sh follow says something every 5 s at least
LIMIT_GRACE_S = 120.0  # after a run's own limit: the kill, the facts after it, the pull, one reconnection
PULL_S = 300.0  # the evidence of one ended run
LIST_BYTES = 16 * 2**20  # the list of runs: 30,000 of them
LOG_LIMIT_BYTES = 300 * 2**20  # of one log; the board's own limit is 256 MiB
COLLECT_FREE_BYTES = 64 * 2**20  # free space without which no campaign begins; a run's evidence is some 100 KiB

# What bench asks for unless told otherwise
REPEATS = 3  # measured runs a cell, on top of the warm-up
MAX_NEW_TOKENS = 128  # long enough for a steady speed, short enough for three core counts before lunch
MAX_CONTEXT_LEN = 4096  # what the two reports and most artifacts were made with
RUN_LIMIT_S = 600  # a 4B model on one core loads in 60 s and makes 128 tokens in 60 more
ATTACH_S = 24 * 3600.0  # a person who follows a run gives up before this does
