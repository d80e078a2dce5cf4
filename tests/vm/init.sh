#!/bin/busybox sh
# init.sh - the first program of a test machine: drivers, the address, the disk; then systemd. Runs in the initrd, under busybox.
# The address is that of QEMU's user network, so nothing has to ask for one.
busybox mount -t devtmpfs dev /dev
busybox mount -t proc proc /proc
for module in /[0-9][0-9]-*.ko; do busybox insmod "$module"; done
busybox ip link set lo up
busybox ip address add 10.0.2.15/24 dev eth0
busybox ip link set eth0 up
busybox ip route add default via 10.0.2.2
busybox mount -t ext4 -o rw,errors=panic /dev/vda /root
busybox mount --move /dev /root/dev
busybox umount /proc
exec busybox switch_root /root /sbin/init
