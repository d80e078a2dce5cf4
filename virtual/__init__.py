"""Virtual boards: software stand-ins for RK3588 boards, so that everything else can be tried on a laptop.

A virtual board is one process that owns a port, a disk and, while it is switched on, one set of Linux namespaces.
Outside there is a real SSH server on loopback; inside there is a small Linux of the board's own, with the host's
programs read-only below it. The demo inside is a thin client of the board process, which does the talking from a
physics of its own.

    __main__ → lifecycle ─→ board ─┬─ boot         one boot, from power on to power off
               └─ control ─→ ┆     │  ├─ isolation   the namespaces: power on, enter, power off
                  listener ──┘     │  ├─ rootfs      what is on the board's disk when it leaves the factory
                                   │  ├─ machine     clocks, temperatures, memory; sysfs and procfs show them
                                   │  └─ npu         the device a demo opens; demo is what it then hears
                                   ├─ wire         the port: every byte passes here, and can be held, slowed, cut
                                   ├─ ssh          the SSH server behind it; corruption turns a bit over in there
                                   ├─ faults       what can befall a board at any moment
                                   ├─ small_disk   a home that can be full
                                   └─ truth        what really happened, where nothing on the board can see it

Nothing here is imported by ``fleet`` or ``analysis``, and nothing of theirs is imported here: a stand-in that
shares code with what it stands in for proves nothing.
"""
