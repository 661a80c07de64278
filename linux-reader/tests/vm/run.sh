#!/usr/bin/env bash
# Boots the image that build.sh has made, and ends as the guest's scene ends.
#
#   run.sh SCENE      bluetooth, contract, light, tag: the files scene-*.sh in guest/
#
# LIMIT is the longest that a boot may take, in seconds. A machine that does not come up, or whose
# radio's daemon dies, is started once more, which is said. Exit 77: this computer cannot.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
place=${GETTONE_VM_DIR:-${CARGO_TARGET_DIR:-$here/../../../target}/vm}
limit=${LIMIT:-180}
scene=${1:?a scene}

if command -v qemu-system-x86_64 >/dev/null; then
    qemu=(qemu-system-x86_64)
elif [ -e "$place/qemu/.done" ]; then
    system=$place/qemu
    libraries=$system/usr/lib/x86_64-linux-gnu
    export QEMU_MODULE_DIR=$libraries/qemu
    path=$system/lib/x86_64-linux-gnu:$libraries:$(find "$libraries" -mindepth 1 -maxdepth 1 -type d | tr '\n' ':')
    qemu=("$system/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2" --library-path "$path"
        "$system/usr/bin/qemu-system-x86_64"
        -L "$system/usr/share/qemu" -L "$system/usr/share/seabios")
else
    echo "SKIPPED: no qemu-system-x86_64" >&2
    exit 77
fi
[ -e "$place/initrd.gz" ] || {
    echo "no image: run build.sh first" >&2
    exit 1
}

# Emulation only: the stock kernel does not get through its decompressor under every KVM.
boot() {
    timeout "$limit" "${qemu[@]}" -accel tcg,thread=multi -smp 2 -m 768 -nodefaults \
        -no-user-config -display none -no-reboot -serial stdio \
        -kernel "$place/vmlinuz" -initrd "$place/initrd.gz" \
        -append "console=ttyS0 quiet panic=-1 random.trust_cpu=on tsc=unstable gettone.scene=$scene" \
        </dev/null 2>&1 | tr -d '\r' | tee "$place/console-$scene.log"
    status=$(sed -n 's/^vm: end rc=//p' "$place/console-$scene.log" | tail -n 1)
}

begun=$SECONDS
boot
if [ "${status:-1}" -ne 0 ]; then
    echo "vm: scene $scene ended with ${status:-no word}; RETRIED once"
    boot
fi
echo "vm: scene $scene took $((SECONDS - begun)) s"
exit "${status:-99}"
