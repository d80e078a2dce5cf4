#!/bin/sh
# sampler_read.sh - one line of telemetry for each line on stdin; a part of sampler.sh, sourced after lib.sh.
#
# One awk for the whole run, because it takes a file in one piece: a shell's `read` takes a system call for each byte.
# It starts nothing, and a file that is not there or can not be read leaves its field empty. What moves slowly is read
# once a second, what costs much every SWAP_S, and all of it in the first and the last line.

SWAP_S=30                                            # vmstat: only the first and the last must be there

# stdin: "PID" of the process to look at, and "PID last" at the end. FILE…: one column each.
read_samples() {                                     # HZ LOAD_FILE FILE…; the shell that calls it becomes the awk
    # mawk waits for a whole buffer otherwise. The others have other words after -W, or none.
    case $(awk -W version </dev/null 2>&1) in
        mawk*) awk_now="-W interactive" ;;
        *) awk_now= ;;
    esac
    # shellcheck disable=SC2086 # two words or none
    exec awk $awk_now '
        function first(file,    line) {
            line = ""
            getline line <file
            close(file)
            return line
        }
        function whole(text) { return text ~ /^(0|[1-9][0-9]*)$/ }
        function bytes(kilobytes) { return whole(kilobytes) ? sprintf("%.0f", kilobytes * 1024) : "" }
        # "Core0: 12%, Core1:  0%, Core2:   %," (debugfs) or "12@1000000000Hz" (devfreq) -> 12/0/0 or 12
        function load(file,    text, parts, count, row, core) {
            if (file == "") return ""
            text = first(file)
            if (file !~ /\/rknpu\/load$/) {
                sub(/@.*/, "", text)
                return whole(text) ? text : ""
            }
            sub(/^.*load:/, "", text)
            count = split(text, parts, "%")
            row = ""
            for (core = 1; core < count; core++) {
                match(parts[core], /[0-9]*$/)        # some C libraries print a zero as blanks
                row = row (core > 1 ? "/" : "") (RLENGTH > 0 ? substr(parts[core], RSTART) : 0)
            }
            return row
        }
        BEGIN {
            root = ARGV[1]; swap_s = ARGV[2]; hz = ARGV[3]; load_file = ARGV[4]
            for (i = 5; i < ARGC; i++) columns[i] = ARGV[i]
            last_column = ARGC - 1
            ARGC = 1                                 # they are no input
        }
        {
            all = NR == 1 || $2 == "last"
            rss = hwm = ""
            file = root "/proc/" $1 "/status"
            while ($1 != "" && (getline line <file) > 0) {
                split(line, word)
                if (word[1] == "VmHWM:") hwm = bytes(word[2])
                if (word[1] == "VmRSS:") { rss = bytes(word[2]); break }
            }
            close(file)
            uptime = first(root "/proc/uptime")
            sub(/ .*/, "", uptime)
            if (uptime !~ /^[0-9.]+$/) uptime = ""
            available = free = ""
            file = root "/proc/meminfo"
            while ((getline line <file) > 0) {
                split(line, word)
                if (word[1] == "MemAvailable:") available = bytes(word[2])
                if (word[1] == "SwapFree:") { free = bytes(word[2]); break }
            }
            close(file)
            in_pages = out_pages = ""
            if (all || (NR - 1) % (hz * swap_s) == 0) {
                file = root "/proc/vmstat"
                while ((getline line <file) > 0) {
                    split(line, word)
                    if (word[1] == "pswpin" && whole(word[2])) in_pages = word[2]
                    if (word[1] == "pswpout") { if (whole(word[2])) out_pages = word[2]; break }
                }
                close(file)
            }
            row = uptime "," hz "," available "," free "," rss "," hwm "," in_pages "," out_pages "," load(load_file)
            heat = all || (NR - 1) % hz == 0
            for (i = 5; i <= last_column; i++) {
                value = heat || columns[i] ~ /_freq$/ ? first(columns[i]) : ""
                if (value !~ /^-?[0-9]+$/) value = ""
                if (value != "" && columns[i] ~ /\/scaling_cur_freq$/) value = value "000"
                row = row "," value
            }
            print row
            fflush()
        }
    ' "$rk_root" "$SWAP_S" "$@"
}
