#!/bin/sh
# build_image.sh - makes the disk, kernel and initrd of the test machines; the text of this file and of init.sh is the recipe.
#   build_image.sh FOLDER SUITE MIRROR                as root, in a mount namespace of its own (image.py sees to that)
# FOLDER then holds disk.raw, vmlinuz, initrd, id, id.pub and host_key.pub. The machine is Debian with systemd, sshd, dbus and
# a persistent journal; users root and rock (uid 1000, not in sudoers) both take the key `id`.
#
# What boots fast is what is not there: no udev, no network manager and no generic initrd; init.sh does their work.
set -eu
folder=$1 suite=$2 mirror=$3
recipe=${0%/*}
root=$folder/root
initrd=$folder/initrd.d

PACKAGES=systemd-sysv,libpam-systemd,dbus,openssh-server,sudo,procps,util-linux,kmod,iproute2,busybox-static
MODULES='virtio_pci virtio_blk virtio_net'            # what the kernel has not built in and a machine can not do without
DISK=2G                                               # sparse
MASKED='apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer man-db.timer
    motd-news.timer systemd-tmpfiles-clean.timer getty.target systemd-firstboot.service systemd-pstore.service
    systemd-sysusers.service systemd-sysctl.service systemd-random-seed.service systemd-modules-load.service
    systemd-update-utmp-runlevel.service systemd-tmpfiles-setup-dev.service systemd-remount-fs.service
    kmod-static-nodes.service modprobe@.service dev-hugepages.mount dev-mqueue.mount sys-kernel-debug.mount
    sys-kernel-tracing.mount sys-fs-fuse-connections.mount sys-kernel-config.mount systemd-ask-password-wall.path
    systemd-ask-password-console.path proc-sys-fs-binfmt_misc.automount'

in_root() { chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C "$@"; }

install_debian() {
    debootstrap --variant=minbase --include="$PACKAGES" "$suite" "$root" "$mirror"
}

# Unpacked and not installed: its package would make the generic initrd, which takes long to make and longer to boot.
unpack_kernel() {
    chroot "$root" apt-get update -qq
    kernel=$(in_root apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: \(linux-image-[^ ]*\)$/\1/p' | head -n 1)
    [ -n "$kernel" ] || { echo "no cloud kernel in $mirror $suite" >&2; exit 1; }
    # shellcheck disable=SC2016  # of the shell in there
    chroot "$root" sh -c 'cd /var/tmp && apt-get download -qq "$1"' - "$kernel"
    mkdir "$root/kernel.d"
    dpkg-deb -x "$root"/var/tmp/linux-image-*.deb "$root/kernel.d"
    cp "$root"/kernel.d/boot/vmlinuz-* "$folder/vmlinuz"
    version=${kernel#linux-image-}
}

make_initrd() {
    in_root depmod -b /kernel.d "$version"
    mkdir -p "$initrd/bin" "$initrd/dev" "$initrd/proc" "$initrd/root"
    cp "$root/bin/busybox" "$initrd/bin/busybox"
    # shellcheck disable=SC2086  # a list of names
    in_root modprobe -a -S "$version" -d /kernel.d --show-depends $MODULES | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' >"$folder/modules"
    number=10
    while read -r module; do
        cp "$root$module" "$initrd/$number-${module##*/}"
        number=$((number + 1))
    done <"$folder/modules"
    install -m 755 "$recipe/init.sh" "$initrd/init"
    (cd "$initrd" && find . | "$initrd/bin/busybox" cpio -o -H newc) | gzip -1 >"$folder/initrd"
}

configure() {
    ssh-keygen -q -t ed25519 -N '' -C test -f "$folder/id"
    in_root useradd --create-home --shell /bin/bash --uid 1000 rock
    for home in root home/rock; do
        mkdir -p "$root/$home/.ssh"
        cp "$folder/id.pub" "$root/$home/.ssh/authorized_keys"
        chmod -R go= "$root/$home/.ssh"
    done
    in_root chown -R rock: /home/rock
    # One kind of host key: the others only cost time.
    rm -f "$root"/etc/ssh/ssh_host_*
    ssh-keygen -q -t ed25519 -N '' -C test -f "$root/etc/ssh/ssh_host_ed25519_key"
    cp "$root/etc/ssh/ssh_host_ed25519_key.pub" "$folder/host_key.pub"
    printf '%s\n' 'HostKey /etc/ssh/ssh_host_ed25519_key' 'MaxStartups 100' >"$root/etc/ssh/sshd_config.d/test.conf"
    mkdir -p "$root/var/log/journal"
    in_root systemd-machine-id-setup
    echo machine >"$root/etc/hostname"
    : >"$root/etc/fstab"
    printf '127.0.0.1 localhost\n' >"$root/etc/hosts"
    rm -f "$root/etc/resolv.conf"
    in_root systemctl enable ssh.service
    in_root systemctl set-default multi-user.target
    # Nothing that a board's runs stand on: no terminals, no upkeep of the system, nothing that the image holds ready already.
    # shellcheck disable=SC2086  # a list of names
    in_root systemctl mask $MASKED
    mkdir -p "$root/etc/systemd/system/ssh.service.d" "$root/etc/systemd/system-generators"
    printf '[Service]\nExecStartPre=\n' >"$root/etc/systemd/system/ssh.service.d/no-second-look.conf"
    for generator in "$root"/lib/systemd/system-generators/*; do
        ln -s /dev/null "$root/etc/systemd/system-generators/${generator##*/}"
    done
}

shrink() {
    rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/* "$root"/var/cache/debconf/* "$root"/var/tmp/* "$root"/var/log/*.log \
        "$root"/var/log/apt "$root"/usr/share/doc "$root"/usr/share/man "$root"/usr/share/info "$root"/usr/share/locale \
        "$root"/usr/share/i18n "$root"/var/log/bootstrap.log "$root"/kernel.d
}

make_disk() {
    truncate -s "$DISK" "$folder/disk.raw"
    mke2fs -q -t ext4 -E lazy_itable_init=1,lazy_journal_init=1 -d "$root" "$folder/disk.raw"
}

install_debian
unpack_kernel
make_initrd
configure
shrink
make_disk
rm -rf "$root" "$initrd" "$folder/modules"
