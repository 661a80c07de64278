#!/usr/bin/env bash
# Tests what installs the reader: unit, policy, rules, and the package's whole life in a Debian root.
#
#   test.sh [--binary FILE]
#
# Needs root, and the tools named below; without one of them nothing is tested and it ends with 77.
# The Debian root is made once and kept under the target folder.
set -uo pipefail
cd "$(dirname "$0")/../.."

target=${CARGO_TARGET_DIR:-$PWD/target}
binary=$target/release/gettone-reader
[ "${1:-}" = --binary ] && binary=$2
from=linux-reader/deploy
exposure_max=2.0

for tool in systemd-analyze systemd-sysusers systemd-tmpfiles debootstrap dpkg-deb readelf strip python3; do
    if ! command -v "$tool" >/dev/null && [ ! -x "/usr/sbin/$tool" ]; then
        echo "NOT RUN: there is no $tool (apt-get install systemd debootstrap dpkg binutils python3)" >&2
        exit 77
    fi
done
if [ "$(id -u)" -ne 0 ]; then
    echo "NOT RUN: a Debian root cannot be made without root" >&2
    exit 77
fi
if [ ! -f "$binary" ]; then
    echo "NOT RUN: there is no $binary (cargo build --release -p gettone-reader)" >&2
    exit 77
fi

passed=0 failed=0
scratch=$(mktemp -d)
root=
clean() {
    if [ -n "$root" ]; then
        for place in sys proc; do mountpoint -q "$root/$place" && umount "$root/$place"; done
        mountpoint -q "$root" && umount "$root"
    fi
    mountpoint -q "$scratch/layers" && umount "$scratch/layers"
    rm -rf --one-file-system "$scratch"
}
trap clean EXIT

# check CLAIM COMMAND...: the claim holds when the command succeeds.
check() {
    local claim=$1
    shift
    if "$@" >"$scratch/said" 2>&1; then
        passed=$((passed + 1))
        echo "ok    $claim"
    else
        failed=$((failed + 1))
        echo "FAIL  $claim"
        sed 's/^/      /' "$scratch/said" | tail -n 20
    fi
}
not() { ! "$@"; }

# -- the unit

exposure() {
    systemd-analyze security --offline=true "$1" | sed -n 's/.*Overall exposure level for [^:]*: \([0-9.]*\).*/\1/p'
}
is_tight() {
    local found
    found=$(exposure "$1")
    echo "exposure $found"
    python3 -c 'import sys; sys.exit(not float(sys.argv[1]) <= float(sys.argv[2]))' "$found" "$exposure_max"
}
# The command itself is not installed here.
verify() {
    sed 's|^ExecStart=.*|ExecStart=/bin/true|' "$1" >"$scratch/$(basename "$1")"
    local said
    said=$(systemd-analyze verify --man=no "$scratch/$(basename "$1")" 2>&1)
    echo "$said"
    [ -z "$said" ]
}
mkdir "$scratch/loose" "$scratch/wrong"
grep -v '^Protect\|^Restrict\|^CapabilityBoundingSet\|^SystemCall' $from/gettone-reader.service >"$scratch/loose/gettone-reader.service"
sed 's/^WatchdogSec=.*/WatchdogSec=soon/' $from/gettone-reader.service >"$scratch/wrong/gettone-reader.service"
check "the unit is well formed" verify $from/gettone-reader.service
check "a malformed unit is found out" not verify "$scratch/wrong/gettone-reader.service"
check "the unit's exposure is at most $exposure_max" is_tight $from/gettone-reader.service
check "a unit with its fences down is found out" not is_tight "$scratch/loose/gettone-reader.service"
for script in postinst prerm postrm; do check "$script is a good script" sh -n $from/$script; done

# -- users and folders

mkdir -p "$scratch/image/etc" "$scratch/image/var/lib"
echo 'root:x:0:0::/root:/bin/sh' >"$scratch/image/etc/passwd"
printf 'root:x:0:\ndialout:x:20:\n' >"$scratch/image/etc/group"
makes_user() {
    systemd-sysusers --root="$scratch/image" "$PWD/$from/gettone-reader.sysusers" &&
        grep -q '^gettone:' "$scratch/image/etc/passwd" &&
        grep -q '^dialout:.*gettone' "$scratch/image/etc/group"
}
makes_folder() {
    systemd-tmpfiles --root="$scratch/image" --create "$PWD/$from/gettone-reader.tmpfiles" &&
        [ "$(stat -c %a "$scratch/image/var/lib/gettone")" = 700 ]
}
check "an image gets its user and groups" makes_user
check "an image gets its state folder, closed to others" makes_folder

# -- the package

deb=$($from/deb.sh --binary "$binary" --out "$scratch/out")
twin=$($from/deb.sh --binary "$binary" --out "$scratch/twin")
check "the package is built" test -f "$deb"
check "two builds are the same, byte for byte" cmp "$deb" "$twin"
is_lean() { [ "$(stat -c %s "$deb")" -le 8388608 ]; }
check "the package is at most 8 MiB" is_lean

# -- a Debian root

base=$target/deploy-base
if [ ! -f "$base/.complete" ]; then
    rm -rf --one-file-system "$base"
    mkdir -p "$(dirname "$base")"
    if ! debootstrap --variant=minbase --include=dbus,udev bookworm "$base" >"$scratch/said" 2>&1; then
        tail -n 5 "$scratch/said" >&2
        echo "NOT RUN: no Debian root could be made (no network?)" >&2
        exit 77
    fi
    touch "$base/.complete"
fi
root=$scratch/layers/root
mkdir "$scratch/layers"
mount -t tmpfs tmpfs "$scratch/layers" && mkdir "$scratch/layers/upper" "$scratch/layers/work" "$root"
if ! mount -t overlay overlay -o "lowerdir=$base,upperdir=$scratch/layers/upper,workdir=$scratch/layers/work" "$root" 2>/dev/null; then
    umount "$scratch/layers"
    root=$scratch/root
    cp -a "$base" "$root"
fi
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"

inside() { chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C "$@"; }
# As the service's user, with no way to become another.
as_reader() { inside setpriv --reuid=gettone --regid=gettone --init-groups --no-new-privs "$@"; }
files() { (cd "$root" && find . -xdev \( -path ./dev -o -path ./proc -o -path ./sys -o -path ./var/lib/dpkg -o -path ./var/log -o -path ./var/cache -o -path ./tmp -o -path ./run \) -prune -o -print | sort); }
cp "$deb" "$root/tmp/reader.deb"
install_deb() { inside dpkg --install /tmp/reader.deb; }
config=/etc/gettone/reader.toml

files >"$scratch/before"
check "it installs" install_deb
check "its files are as they were packed" inside dpkg --verify gettone-reader
check "nothing of it is missing from the dependencies" inside /usr/bin/gettone-reader --version
check "it has its user, without a shell" sh -c "chroot '$root' getent passwd gettone | grep -q nologin"
check "the state folder is its own" test "$(inside stat -c '%U %a' /var/lib/gettone)" = "gettone 700"
command_of() { sed -n 's/^ExecStart=\([^ ]*\).*/\1/p' "$root/usr/lib/systemd/system/gettone-reader.service"; }
check "the installed unit finds its command" test -x "$root$(command_of)"
policy() {
    cat >"$root/tmp/bus.conf" <<BUS
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path=/tmp/bus</listen><include>$1</include></busconfig>
BUS
    local pid
    pid=$(inside dbus-daemon --config-file=/tmp/bus.conf --fork --print-pid) || return 1
    kill "$pid"
    [ -n "$pid" ]
}
policy_path=/usr/share/dbus-1/system.d/gettone-reader.conf
echo '<busconfig><policy user="gettone"><allow send="x"/></policy></busconfig>' >"$root/tmp/wrong.conf"
check "a bus takes its policy" policy $policy_path
check "a bus does not take a wrong policy" not policy /tmp/wrong.conf
# udev says of a wrong line which file and line it is in.
rules() {
    local said
    said=$(inside udevadm test /class/mem/null 2>&1 | grep "$1:[0-9]")
    echo "$said"
    [ -z "$said" ]
}
echo 'SUBSYSTEM=="tty", NOTHING=="x"' >"$root/usr/lib/udev/rules.d/61-wrong.rules"
check "udev takes its rules" rules 60-gettone-reader.rules
check "udev complains of a wrong rule" not rules 61-wrong.rules
rm "$root/usr/lib/udev/rules.d/61-wrong.rules"

check "its own configuration waits for the machine's number" \
    sh -c "chroot '$root' gettone-reader config check 2>&1 | grep -q 'machine is missing'"
check "the service's user makes the board's key" as_reader gettone-reader enrol
check "root does not make files in the reader's folder" not inside gettone-reader enrol
check "the key is readable by its owner only" test "$(inside stat -c '%U %a' /var/lib/gettone/key)" = "gettone 600"
key=$(sha256sum <"$root/var/lib/gettone/key")
echo 'machine = 17' >"$root/etc/gettone/reader.d/10-machine.toml"
sed -i 's/^language = .*/language = "it"/' "$root$config"
check "an edited configuration is good" as_reader gettone-reader config check
# It has no server yet: that is what the packaged program says, once the launcher has become it.
check "the launcher becomes the packaged program" \
    sh -c "chroot '$root' setpriv --reuid=gettone --regid=gettone --init-groups gettone-reader launch 2>&1 | grep -q 'has no \[\[server\]\]'"
check "the self-test runs as the service's user" \
    sh -c "chroot '$root' setpriv --reuid=gettone --regid=gettone --init-groups gettone-reader self-test | grep -q '^ok    state'"
inside rm -f /tmp/self-test
check "it installs again" install_deb
check "installing again keeps the configuration" grep -q '^language = "it"' "$root$config"
check "installing again keeps the key" test "$(sha256sum <"$root/var/lib/gettone/key")" = "$key"
check "it is removed" inside dpkg --remove gettone-reader
check "removing leaves the configuration" grep -q '^language = "it"' "$root$config"
check "removing leaves the key" test -f "$root/var/lib/gettone/key"
check "it comes back as it was" install_deb
check "coming back keeps the configuration" grep -q '^language = "it"' "$root$config"
purges() {
    inside dpkg --purge gettone-reader >"$scratch/purged" 2>&1 &&
        grep -q "key and journal are deleted" "$scratch/purged"
}
check "purging says that the keys are gone" purges
leaves_nothing() {
    files | sed '/^\.\/etc\/\(passwd\|shadow\|group\|gshadow\)-\{0,1\}$/d' >"$scratch/after"
    sed '/^\.\/etc\/\(passwd\|shadow\|group\|gshadow\)-\{0,1\}$/d' "$scratch/before" | diff - "$scratch/after"
}
check "purging leaves nothing" leaves_nothing
check "purging leaves no user" not inside getent passwd gettone

echo "$passed checks passed, $failed failed"
[ "$failed" -eq 0 ]
