#!/usr/bin/env bash
# Makes the image of a throw-away virtual machine: Debian's kernel, one initramfs, our programs.
#
#   build.sh NAME=PROGRAM...     programs to put into /opt of the machine, under these names
#
# Debian's files are downloaded by apt and unpacked under the target folder; nothing is installed,
# and nothing of them is ever committed. Exit 77: this computer cannot.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
place=${GETTONE_VM_DIR:-${CARGO_TARGET_DIR:-$here/../../../target}/vm}

packages="bluez bluez-test-tools dbus-daemon busybox-static i2c-tools"
modules="hci_vhci bluetooth rfcomm ecdh_generic cmac ccm drbg jitterentropy_rng ctr sha512_generic
 algif_hash algif_skcipher i2c-stub i2c-dev tcs3472"

cannot() {
    echo "SKIPPED: $*" >&2
    exit 77
}

[ "$(uname -m)" = x86_64 ] || cannot "the virtual machine is an x86_64 one"
for tool in apt-get apt-cache dpkg-deb gzip awk; do
    command -v "$tool" >/dev/null || cannot "no $tool"
done
programs=()
for program in "$@"; do
    file=$(realpath -e "${program#*=}") || exit 1
    programs+=("${program%%=*}=$file")
done
mkdir -p "$place/archives/partial" "$place/status"
place=$(realpath "$place")
cd "$place"
: >status/status

# apt as if nothing were installed: everything that is needed comes along.
fetch() {
    apt-get -o Dir::State::status="$place/status/status" -o Dir::Cache::archives="$place/$1" \
        -o Debug::NoLocking=1 -o APT::Sandbox::User=root install -y --download-only \
        --no-install-recommends "${@:2}" >>apt.log 2>&1
}

if [ "$(cat system/.done 2>/dev/null)" != "$packages" ]; then
    # shellcheck disable=SC2086
    fetch archives $packages || cannot "apt cannot fetch $packages (see $place/apt.log)"
    rm -rf system && mkdir system
    for package in archives/*.deb; do
        case $(basename "$package") in
        perl* | libperl* | tar_* | dpkg_* | passwd_* | libpam* | adduser* | debconf* | linux-image*) ;;
        *) dpkg-deb -x "$package" system ;;
        esac
    done
    echo "$packages" >system/.done
fi

# The cloud kernel has neither Bluetooth nor light sensors.
if [ ! -e kernel/.done ]; then
    image=$(apt-cache depends linux-image-amd64 | awk '/Depends:/ {print $2; exit}')
    [ -n "$image" ] || cannot "apt knows no kernel"
    (cd archives && apt-get -o APT::Sandbox::User=root download "$image" >>../apt.log 2>&1) ||
        cannot "apt cannot fetch $image"
    rm -rf kernel && mkdir kernel
    dpkg-deb --fsys-tarfile archives/"$image"_*.deb | tar -x -C kernel --wildcards \
        './boot/vmlinuz*' './lib/modules/*/modules.*' \
        './lib/modules/*/kernel/drivers/bluetooth/*' './lib/modules/*/kernel/net/bluetooth/*' \
        './lib/modules/*/kernel/net/rfkill/*' './lib/modules/*/kernel/crypto/*' \
        './lib/modules/*/kernel/arch/x86/crypto/*' './lib/modules/*/kernel/lib/*' \
        './lib/modules/*/kernel/drivers/i2c/*' './lib/modules/*/kernel/drivers/iio/*' \
        './lib/modules/*/kernel/drivers/base/regmap/*' \
        './lib/modules/*/kernel/drivers/char/hw_random/*'
    touch kernel/.done
fi

# An installed QEMU is used as it is; else one is unpacked, since installing one may remove others.
if ! command -v qemu-system-x86_64 >/dev/null && [ ! -e qemu/.done ]; then
    mkdir -p qemu-archives/partial
    fetch qemu-archives qemu-system-x86 || cannot "apt cannot fetch qemu-system-x86"
    rm -rf qemu && mkdir qemu
    for package in qemu-archives/*.deb; do dpkg-deb -x "$package" qemu; done
    touch qemu/.done
fi

version=$(basename kernel/lib/modules/*)
busybox=$place/system/bin/busybox
"$busybox" depmod -b kernel "$version" 2>/dev/null || true

root=$place/root
rm -rf "$root"
mkdir -p "$root"/{bin,dev,proc,sys,run/dbus,tmp,etc,var/lib/bluetooth,opt,lib64} \
    "$root/lib/x86_64-linux-gnu" "$root/lib/modules/$version"
cp "$busybox" "$root/bin/"
ln -s bin "$root/sbin"
for name in sh mount cat echo sleep modprobe; do ln -s busybox "$root/bin/$name"; done

loader=$place/system/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
libraries=$place/system/lib/x86_64-linux-gnu:$place/system/usr/lib/x86_64-linux-gnu
cp -L "$loader" "$root/lib64/"
add() { # a program and the libraries it is linked with
    cp -L "$1" "$root/$2/$(basename "$1")"
    "$loader" --library-path "$libraries" --list "$1" | awk '$2 == "=>" {print $3}' |
        while read -r library; do
            [ -e "$root/lib/x86_64-linux-gnu/$(basename "$library")" ] ||
                cp -L "$library" "$root/lib/x86_64-linux-gnu/"
        done
}
for program in libexec/bluetooth/bluetoothd bin/btvirt bin/btmon bin/dbus-daemon sbin/i2cset; do
    add "$place/system/usr/$program" bin
done
for program in "${programs[@]}"; do
    add "${program#*=}" opt
    strip -o "$root/opt/${program%%=*}" "${program#*=}"
    [ "$(basename "${program#*=}")" = "${program%%=*}" ] || rm "$root/opt/$(basename "${program#*=}")"
done

needs() { # the files of a module and of what it needs
    awk -v module="$1" -F'[: ]+' '{
        name = $1; sub(/.*\//, "", name); sub(/\.ko.*/, "", name); gsub(/-/, "_", name)
        wanted = module; gsub(/-/, "_", wanted)
        if (name == wanted) for (i = 1; i <= NF; i++) if ($i != "") print $i
    }' "kernel/lib/modules/$version/modules.dep"
}
{
    for module in $modules; do needs "$module"; done
    # The kernel asks for ciphers by name, so all of them come along.
    (cd "kernel/lib/modules/$version" && find kernel/crypto kernel/lib -name '*.ko*')
} | sort -u | while read -r file; do
    mkdir -p "$root/lib/modules/$version/$(dirname "$file")"
    cp "kernel/lib/modules/$version/$file" "$root/lib/modules/$version/$file"
done
"$busybox" depmod -b "$root" "$version"

cp "$here"/guest/* "$root/etc/"
mv "$root/etc/init" "$root/init"
chmod +x "$root/init"
(cd "$root" && find . | "$busybox" cpio -o -H newc 2>/dev/null) | gzip -1 >initrd.gz
cp kernel/boot/vmlinuz-* vmlinuz
echo "vm: kernel $version, image of $(($(stat -c %s initrd.gz) / 1048576)) MiB"
