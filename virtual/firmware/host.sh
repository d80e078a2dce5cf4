# host.sh - show the host's programs to a board, read-only; run by `sh -c` with what comes next as arguments
# after the board's folder and the mount options of /usr. This is done in a user and mount namespace of its own,
# outside of the board's: what a less privileged namespace inherits is locked, so the board can not undo it.
set -eu
base=$1 usr_options=$2
shift 2
cd "$base/root"
mkdir -p usr etc/alternatives
mount --rbind "$base/root" "$base/root"
cd "$base/root"

# Other mounts below a folder come along as they are, and so does a folder whose own mount has flags that these
# options would drop: nothing of the host's belongs to the board's root anyway. Only /usr has to be read-only.
show() {
    mount --rbind "/$1" "$1"
    mount -o "remount,bind,ro,$usr_options" "$1" 2>/dev/null || [ "$1" != usr ]
}
show usr
for dir in bin sbin lib lib32 lib64 libx32 nix gnu; do
    if [ -L "/$dir" ]; then                         # a merged /bin is a symlink to copy, an old one a folder to show
        [ -L "$dir" ] || ln -s "$(readlink "/$dir")" "$dir"
    elif [ -d "/$dir" ]; then
        mkdir -p "$dir"
        show "$dir"
    fi
done
[ ! -d /etc/alternatives ] || show etc/alternatives
if [ -d /var/lib/dpkg ]; then                       # what is installed is what the host has: nothing can be added
    mkdir -p var/lib/dpkg
    show var/lib/dpkg
fi
if [ -e /etc/ld.so.cache ]; then
    [ -e etc/ld.so.cache ] || : >etc/ld.so.cache
    show etc/ld.so.cache
fi
exec "$@"
