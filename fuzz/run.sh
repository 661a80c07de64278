#!/usr/bin/env bash
# Fuzzes targets for some seconds each, as many at a time as there are cores. Needs a stable Rust and a C++
# compiler, and neither a nightly nor cargo-fuzz: the flags are those that cargo-fuzz gives without a sanitizer.
# (Nothing here is `unsafe`; an address sanitizer would watch libraries alone.)
#
#   fuzz/run.sh                   every target for 10 s
#   fuzz/run.sh SECONDS           every target for so long
#   fuzz/run.sh SECONDS NAME...   these targets
#
# What is found lies in fuzz/artifacts and is named at the end; the corpus grows in fuzz/corpus. Both are
# nobody else's business and not committed; what is worth keeping goes to fuzz/seeds.
set -uo pipefail
cd "$(dirname "$0")"

seconds=${1:-10}
shift || true
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
    for file in src/bin/*.rs; do targets+=("$(basename "$file" .rs)"); done
fi
case $seconds in
'' | *[!0-9]*)
    echo "fuzz/run.sh [SECONDS [NAME...]]: $seconds is no number of seconds" >&2
    exit 2
    ;;
esac
for name in "${targets[@]}"; do
    if [ ! -f "src/bin/$name.rs" ]; then
        echo "no target named $name; there are: $(cd src/bin && echo *.rs)" >&2
        exit 2
    fi
done

# A triple makes these flags the program's alone: build scripts stay as they are.
triple=$(rustc -vV | sed -n 's/^host: //p')
flags="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4"
flags+=" -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table"
flags+=" -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 -Cdebug-assertions"
RUSTFLAGS=$flags cargo build --quiet --release --locked --bins --target "$triple" || exit 1
programs=${CARGO_TARGET_DIR:-target}/$triple/release

one() {
    local name=$1
    mkdir -p "corpus/$name" artifacts
    # -timeout: no input may take longer; a hang is a finding. -len_control: long tapes from the start.
    "$programs/$name" "corpus/$name" "seeds/$name" -max_total_time="$seconds" -max_len=1024 \
        -len_control=20 -timeout=20 -rss_limit_mb=1024 -print_final_stats=1 \
        -artifact_prefix="artifacts/$name-" >"artifacts/$name.log" 2>&1
    local status=$?
    local runs
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "artifacts/$name.log" | tail -n 1)
    if [ $status -eq 0 ]; then
        echo "$name: ${runs:-0} runs in $seconds s, nothing found"
    else
        grep -aE 'panicked at|assertion|ERROR: libFuzzer|Test unit written' -A 2 "artifacts/$name.log" | head -20
        echo "$name: FOUND SOMETHING; see fuzz/artifacts/$name.log"
    fi
    return $status
}

failed=0
cores=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)
at_work=0
for name in "${targets[@]}"; do
    if [ "$at_work" -ge "$cores" ]; then
        wait -n || failed=1
        at_work=$((at_work - 1))
    fi
    one "$name" &
    at_work=$((at_work + 1))
done
while [ "$at_work" -gt 0 ]; do
    wait -n || failed=1
    at_work=$((at_work - 1))
done
exit $failed
