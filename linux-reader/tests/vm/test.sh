#!/usr/bin/env bash
# Real Bluetooth and real light, in a virtual machine: builds, makes the image, plays every scene.
#
#   test.sh [SCENE...]      contract, bluetooth, light, tag; all of them when none is named
#
# Exit 77 when this computer cannot; under CI that is a failure.
set -uo pipefail
cd "$(dirname "$0")/../../.."
vm=linux-reader/tests/vm
target=${CARGO_TARGET_DIR:-$PWD/target}
scenes=("$@")
[ $# -gt 0 ] || scenes=(contract bluetooth light tag)

# With the features that the workspace is built with, so that nothing is compiled twice.
features=gettone-examples/bluez,gettone-ble/bluez,gettone-ble/vendored-dbus,gettone-ble/local
cargo build --release --locked --workspace --features "$features" --example bluetooth || exit 1
built=$(cargo test --release --locked --workspace --features "$features" --test contract --test bus \
    --no-run --message-format=json)
suite() { # PACKAGE NAME: the program of these tests
    sed -n "/adapters\\/$1\\/tests/s/.*\"executable\":\"\\([^\"]*\\/$2-[^\"]*\\)\".*/\\1/p" <<<"$built" | tail -n 1
}
contract=$(suite ble contract) tag=$(suite display bus)
[ -n "$contract" ] && [ -n "$tag" ] || exit 1

"$vm/build.sh" contract="$contract" tag="$tag" bluetooth="$target/release/examples/bluetooth"
status=$?
passed=0 failed=0
if [ $status -eq 0 ]; then
    for scene in "${scenes[@]}"; do
        "$vm/run.sh" "$scene"
        status=$?
        [ $status -ne 77 ] || break
        if [ $status -eq 0 ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
    done
fi
if [ $status -eq 77 ]; then
    echo "SKIPPED: no virtual machine here, so nothing was tried on a real Bluetooth stack" >&2
    [ -z "${CI:-}" ] || exit 1
    exit 77
fi
echo "scenes: $passed passed, $failed failed"
[ $status -eq 0 ] && [ $failed -eq 0 ]
