#!/usr/bin/env bash
# Packs the reader as a Debian package; prints where it lies.
#
#   deb.sh [--binary FILE] [--out FOLDER]
#
# FILE is target/release/gettone-reader when left out, FOLDER is target/deb. A binary for another
# kind of board is packed alike: its machine is read from the file.
set -euo pipefail
cd "$(dirname "$0")/../.."

target=${CARGO_TARGET_DIR:-target}
binary=$target/release/gettone-reader
out=$target/deb
while [ $# -gt 0 ]; do
    case $1 in
    --binary) binary=$2 ;;
    --out) out=$2 ;;
    *)
        sed -n '2,7s/^# \{0,1\}//p' "$0" >&2
        exit 2
        ;;
    esac
    shift 2
done
[ -f "$binary" ] || {
    echo "there is no $binary: cargo build --release -p gettone-reader" >&2
    exit 1
}

elf=$(readelf -h "$binary" | sed -n 's/^ *Machine: *//p')
bits=$(readelf -h "$binary" | sed -n 's/^ *Class: *//p')
case "$bits $elf" in
*X86-64) arch=amd64 tools= ;;
*AArch64) arch=arm64 tools=aarch64-linux-gnu- ;;
"ELF32 ARM") arch=armhf tools=arm-linux-gnueabihf- ;;
"ELF64 RISC-V") arch=riscv64 tools=riscv64-linux-gnu- ;;
*)
    echo "no Debian architecture is known for $bits $elf" >&2
    exit 1
    ;;
esac
strip=${tools}strip
command -v "$strip" >/dev/null || strip=strip

version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
glibc=$(readelf -W --version-info "$binary" | grep -o 'GLIBC_2\.[0-9]*' | sort -Vu | tail -n 1)
# A packager may link the system's libdbus in place of the one that is built in.
dbus=$(readelf -d "$binary" | grep -q 'NEEDED.*libdbus-1' && echo ', libdbus-1-3' || true)
epoch=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"
from=linux-reader/deploy
put() { install -D -m "$1" "$2" "$root$3"; }

put 755 "$binary" /usr/bin/gettone-reader
"$strip" --strip-all "$root/usr/bin/gettone-reader"
put 644 $from/gettone-reader.service /usr/lib/systemd/system/gettone-reader.service
put 644 $from/gettone-reader.dbus.conf /usr/share/dbus-1/system.d/gettone-reader.conf
put 644 $from/60-gettone-reader.rules /usr/lib/udev/rules.d/60-gettone-reader.rules
put 644 $from/gettone-reader.sysusers /usr/lib/sysusers.d/gettone-reader.conf
put 644 $from/gettone-reader.tmpfiles /usr/lib/tmpfiles.d/gettone-reader.conf
put 644 $from/reader.toml /etc/gettone/reader.toml
put 644 docs/install.md /usr/share/doc/gettone-reader/install.md
put 644 $from/road.conf /usr/share/doc/gettone-reader/road.conf
put 644 $from/copyright /usr/share/doc/gettone-reader/copyright
install -d -m 755 "$root/etc/gettone/reader.d"
for script in postinst prerm postrm; do put 755 $from/$script /DEBIAN/$script; done
echo /etc/gettone/reader.toml >"$root/DEBIAN/conffiles"
size=$(du -sk --exclude=DEBIAN "$root" | cut -f1)
cat >"$root/DEBIAN/control" <<CONTROL
Package: gettone-reader
Version: $version
Architecture: $arch
Maintainer: The Gettone maintainers <maintainers@gettone.invalid>
Installed-Size: $size
Depends: adduser, libc6 (>= ${glibc#GLIBC_}), libgcc-s1$dbus
Recommends: bluez, dbus, udev
Section: misc
Priority: optional
Description: reader board of a vending machine
 Sees a phone's light code, opens an encrypted Bluetooth link to that phone only, and speaks MDB to
 the machine. It needs no network.
CONTROL
(cd "$root" && find . -path ./DEBIAN -prune -o -type f -printf '%P\0' | sort -z | xargs -0 md5sum) \
    >"$root.sums"
mv "$root.sums" "$root/DEBIAN/md5sums"
chmod 644 "$root"/DEBIAN/{control,conffiles,md5sums}
find "$root" -newermt "@$epoch" -exec touch -h -d "@$epoch" {} +

mkdir -p "$out"
deb=$out/gettone-reader_${version}_$arch.deb
SOURCE_DATE_EPOCH=$epoch dpkg-deb --root-owner-group -Zxz --build "$root" "$deb" >/dev/null
echo "$deb"
