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
ROOM_ANSWER_S = 1.0  # less is not worth asking once more: a board that refused would be told as one that is silent
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
BLOCK_BYTES = 2**20  # of a file, kept in memory while it is read or sent
CHUNK_BYTES = 16 * 2**20  # what a push sends again when it was cut or spoilt: 0.14 s of 1 GbE, 1 s of a poor Wi-Fi link
PUSH_TRIES = 3  # of a chunk that arrived wrong, and of a conversation that made no sense; a broken cable does worse
PUSH_SILENCE_S = 180.0  # without a byte out or a word in: two chunks on their way to an SD card at 1 MB/s take 40
PUSH_TICK_S = 0.5  # how soon a push that stands still notices that a person pressed Ctrl-C
PUSH_FREE_BYTES = 16 * 2**20  # left free on a board by a push; without as much, no run begins there

# Runs (fleet/job.py, fleet/bench.py)
START_S = 30.0  # job.sh start returns when start.json is there
CANCEL_S = 60.0  # TERM, 5 s, KILL, and the end record
SILENCE_S = 20.0  # job.sh follow says something every 5 s at least
LIMIT_GRACE_S = 120.0  # after a run's own limit: the kill, the facts after it, the pull, one reconnection
PULL_S = 300.0  # the evidence of one ended run
PULL_TRIES = 3  # a byte that went wrong on the way does not go wrong again, a broken file on the board does
AWAY_S = 300.0  # a board that says nothing for so long is given up; a reboot with a check of an SD card takes 60
DROPS = 8  # of the connection in a row, without anything done between them, until a board is given up: some 4 minutes
DROP_PAUSE_S = 1.0  # after the first of them, twice as long after each other one, up to a minute
RECOVERIES = 2  # of one board in one campaign; a board that needs more is broken
PRUNE_S = 60.0  # sha256 of one run's evidence, 512 MiB at most, on an A55 core
LIST_BYTES = 16 * 2**20  # the list of runs: 30,000 of them
LOG_LIMIT_BYTES = 300 * 2**20  # of one log; the board's own limit is 256 MiB
SCRIPTS_FREE_BYTES = 2**20  # on a board, before the scripts are unpacked: 150 KiB; little, for pruning needs them too
COLLECT_FREE_BYTES = 64 * 2**20  # free space without which no campaign begins; a run's evidence is some 100 KiB

# Checks of a board (fleet/checks/): from which value on one warns, and from which it fails
GOOD_DRIVER = (0, 9, 8)  # the newest that airockchip/rknn-llm ships, and the one that model cards ask for
FIRST_RUNTIME = (1, 1, 1)  # that needs OLDEST_DRIVER; the ones before it ask for the next line
FIRST_DRIVER = (0, 9, 6)
VENDOR_KERNELS = ("5.10.", "6.1.")  # the only ones that the vendor's rknpu driver was seen in
LEAST_RKNN = 2  # major version of librknnrt that loads what rknn-toolkit2 2.x converts; all vision encoders are that
WARM_MC = 65_000  # 20 K below where RK3588 throttles: a run of some minutes may use them up
HOT_MC = 80_000  # 5 K below the passive trip point (85 °C): a run gets there within seconds
COOLERS = ("cpufreq", "devfreq")  # cooling devices that slow a clock down; a fan at work is none
SWAP_USED_BYTES = 256 * 2**20  # in swap: the board was short of memory; below it is what a desktop parks at boot
LEAST_AVAILABLE_BYTES = 2**30  # the smallest model of the catalogue (0.6B) has 0.8 GiB resident, and the system grows
AVAILABLE_SHARE = 0.5  # of RAM; a board at rest has more than 0.9 of it available
LOW_DISK_BYTES = 2**30  # some 10,000 runs of 100 KiB, or a third of a small model; fails below PUSH_FREE_BYTES
BUSY_WARN_CORES = 0.2  # of eight: the 2.5 % above which sbc-bench calls a board busy
BUSY_FAIL_CORES = 0.5  # half a core for somebody else: more than any service of a board at rest
CLOCK_WARN_S = 60.0  # apart: journals can not be laid beside each other any more
CLOCK_FAIL_S = 3600.0  # a clock that was never set; certificates do not hold, and a reboot is explained by wrong lines

# Gates before each run (fleet/gates.py); a suite may say otherwise
GATE_TOLERANCE_K = 2.0  # above the set point: a sensor's noise is 1, and a chip leaks some 1 % more power in 2
GATE_WAIT_S = 300.0  # of the workstation's time: five time constants of a board with a heatsink
GATE_SETTLED_S = 30.0  # a board that cools by less than this in so long is as cool as it gets: sensors step by 0.9 K,
GATE_SETTLED_K = 1.0  # and with a time constant of a minute it has 2 K to go at the most
GATE_FREE_MIB = 1024  # as LEAST_AVAILABLE_BYTES
GATE_SWAP_PAGES = 0  # moved in a tenth of a second: a single one says that memory is short
GATE_POLLS_S = (0.25, 5.0)  # the first pause, doubled up to the last: a quick look for what is over in a moment

# Leases (fleet/one_board.py, fleet/reservations.py)
LEASE_S = 900.0  # taken and renewed for so long; what a killed workstation leaves behind is free after it
RELEASE_S = 10.0  # for giving a board back; one that is away forgets its lease by itself
LEASE_RENEW_S = 120.0  # between two renewals while a file is on its way
RESERVE_LONGEST_S = 7 * 86400  # for a person; the board's own limit is the same

# Recovery of a board that does not come back (fleet/recovery.py, fleet/power.py)
RECOVER_WAIT_S = 120.0  # a start with a check of the SD card takes 40 to 60
RECOVER_PAUSE_S = 2.0  # between two looks; short beside a start, and no load for sshd
RECOVER_ASK_S = 15.0  # one look: connecting has 10 of its own, the question itself takes a moment
POWER_OFF_S = 5.0  # off before on: the capacitors of a 12 V supply hold an idle board for 2 to 3
POWER_LIMIT_S = 30.0  # one power command; a switch with a web page answers within 5
POWER_PRINTED_BYTES = 2000  # kept of what a power command prints

# What bench asks for unless told otherwise
REPEATS = 3  # measured runs a cell, on top of the warm-up
MAX_NEW_TOKENS = 128  # long enough for a steady speed, short enough for three core counts before lunch
VISION_CORES = 3  # of the encoder, a run-time argument: what the demos' own documents use
MAX_CONTEXT_LEN = 4096  # what the two reports and most artifacts were made with
CLOCKS = "pinned"  # on demand the same board does 15 tok/s or 21; published numbers are at full clocks
RUN_LIMIT_S = 600  # without a prediction: a 4B model on one core loads in 60 s and makes 128 tokens in 60 more
LIMIT_SHARE = 2.0  # of the longest that a run is predicted to take: from an SD card, with governors on demand
LEAST_LIMIT_S = 120  # the models that take seconds; a busy board may need as long for facts and a cold start
MEMORY_SHARE = 1.25  # of the most that a run is predicted to need; 8 GB tables were never off by more
TRIPWIRE_BYTES = 256 * 2**20  # below the 384 MiB of reserve, which a probe may use; 180 MB may come between two looks
ATTACH_S = 24 * 3600.0  # a person who follows a run gives up before this does

# Converting a model (fleet/recipe.py), as the vendor's examples do
OPTIMIZATION_LEVEL = 1  # quantization that looks for better weights; slower to convert, no slower on a board
QUANTIZATION = "normal"  # of w8a8; gdq and grq are for 4 bits
CONTEXT_STEP = 32  # tokens; max_context is a multiple of it
LONGEST_CONTEXT = 16384  # tokens that the toolkit takes as max_context

# What `invoke models` judges by without a board: MemTotal of an 8 GB board, less 2 GiB of a desktop and services
NOMINAL_TOTAL_BYTES = 8110608 * 1024
NOMINAL_AVAILABLE_BYTES = NOMINAL_TOTAL_BYTES - 2 * 2**30
NOMINAL_RUNTIME = "1.2.3"
OLDEST_DRIVER = (0, 9, 7)  # below it every runtime from 1.1.1 on warns, and large allocations fail

# Provisioning (fleet/provision.py, fleet/provisioning/)
PROVISION_S = 3600.0  # a whole playbook on all boards: a bare Debian on an SD card with a slow mirror takes 20 minutes
PROVISION_COMMAND_S = 1800.0  # one command of a step: building a demo on the board, dpkg on an SD card
PROVISION_STOP_S = 20.0  # after Ctrl-C, for commands that are under way to end; then their connections are cut
PROVISION_LEAVE_S = 15.0  # and for giving the boards back after that
PROVISION_OUTPUT_BYTES = 8 * 2**20  # of one command; a list of 3000 Debian packages is 0.5 MiB
PROVISION_SHOWN_CHARS = 20_000  # of one step's diff; a file that is longer is not read on a screen

# A night (fleet/nightly/)
NIGHT_S = 12 * 3600.0  # after which one without --until is over, and what was killed in it is not gone on with
NIGHT_BATCH = 2  # cells that are interleaved before the next: a night that is cut short leaves no more half done
NIGHT_RUN_S = 300.0  # room for a run that nobody can predict: a 4B model on one core takes 150
NIGHT_BETWEEN_S = 30.0  # beside a run's own time: its facts, a gate that closes for a moment, its evidence
NIGHT_HISTORY = 60  # nights back that are read to judge one: twice the longest baseline, and a month of being away
CANARY_REPEATS = 3  # on top of the warm-up: a median that one unlucky run does not move
CANARY_NEW_TOKENS = 32  # a few seconds, and enough for a steady speed
CANARY_RETURNS = 1  # nights in a row that a bad board must pass: what was unplugged is back when it is plugged in
NOTIFY_S = 30.0  # for all who are told, in a process of its own: a mail server that hangs costs no night
