# init.sh - first process of a virtual board; read by `sh -s` as root of fresh user, mount, pid, uts, ipc, net
# and time namespaces, after host.sh. Arguments: the board's folder, its name, size of a tmpfs for the home or
# "disk". Builds the root, moves into it, says "ready", and then lives as long as its standard input.
# No main(): the shell has to have read all of it from a pipe before `exec` gives that pipe away.
set -eu
base=$1 name=$2 home_size=$3
umask 022
root=$base/root
cd "$root"
mkdir -p proc sys dev etc run tmp home root opt var/tmp var/log mnt media srv .old
mount --rbind "$root" "$root"
cd "$root"

[ ! -d usr/local ] || mount --bind "$base/usr-local" usr/local
mount -t proc -o nosuid,nodev,noexec proc proc
for file in meminfo loadavg stat vmstat version cpuinfo cmdline sys/kernel/osrelease sys/kernel/version sys/kernel/random/boot_id; do
    [ ! -e "proc/$file" ] || mount --bind "$base/proc/$file" "proc/$file"
done
mount --rbind "$base/sys" sys
# A host with a device tree of its own offers this entry; elsewhere /sys/firmware/devicetree/base is the only one.
[ ! -d proc/device-tree/. ] || mount --bind "$base/sys/firmware/devicetree/base" proc/device-tree

mount -t tmpfs -o mode=755,nosuid,size=1m tmpfs dev
for node in null zero full random urandom tty; do
    : >"dev/$node"
    mount --bind "/dev/$node" "dev/$node"
done
mkdir dev/pts dev/shm dev/dri
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts dev/pts
mount -t tmpfs -o mode=1777,nosuid,nodev,size=64m tmpfs dev/shm
mount --bind "$base/bus" dev/dri
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
ln -s /proc/self/fd/0 dev/stdin
ln -s /proc/self/fd/1 dev/stdout
ln -s /proc/self/fd/2 dev/stderr

mount -t tmpfs -o mode=755,nosuid,nodev,size=64m tmpfs run
mkdir -m 1777 run/lock
mount -t tmpfs -o mode=1777,nosuid,nodev,size=1g tmpfs tmp
[ "$home_size" = disk ] || mount -t tmpfs -o "mode=700,nosuid,nodev,size=$home_size" tmpfs root
hostname "$name" 2>/dev/null || :

pivot_root . .old
umount -l /.old
rmdir /.old 2>/dev/null || :
cd /root
# No init system: what is to be done at each start stands where such systems have it.
[ ! -x /etc/rc.local ] || setsid /etc/rc.local </dev/null >/var/log/rc.local.log 2>&1 &
echo ready
exec >/dev/null 2>&1
# Orphans of the board end up here and must not stay as zombies; cat alone would not wait for them.
if env --ignore-signal=CHLD true 2>/dev/null; then
    exec env -i --ignore-signal=CHLD cat
fi
exec 3<&0
cat <&3 3<&- &
wait
