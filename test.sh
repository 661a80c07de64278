#!/usr/bin/env bash
# Everything a fresh machine needs, then every check and test.
#
#   ./test.sh            every group
#   ./test.sh NAME...    these groups: format lint rust docs example bench instructions postgres browser
#                        deploy bluez supply
#   ./test.sh long NAME [FROM..TO]
#                        a long campaign: simulation (seeds; a million unless told), cuts (how many; 10^8),
#                        hostile (seeds; 100,000), kill (how many; 2,000), mdb (seconds of each fuzz target; an
#                        hour), light (runs; 100,000)
#
# A group that cannot run says so loudly; when CI is set, that is a failure.
set -uo pipefail
cd "$(dirname "$0")"

groups=(format lint rust docs example bench instructions postgres browser deploy bluez supply)
passed=0 failed=0 skipped=0
failures=()

say() { printf '\n== %s\n' "$*"; }

# lists: brings apt's lists up to date, once.
updated=no
lists() {
    if [ "$updated" = no ] && [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
        apt-get update -qq && updated=yes
    fi
}

# need COMMAND PACKAGE...: installs the packages when the command is not there. 77 when it cannot.
need() {
    local command=$1
    shift
    if command -v "$command" >/dev/null; then return 0; fi
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        echo "NOT RUN: no $command; install it (Debian: apt-get install $*), then run this again" >&2
        return 77
    fi
    say "installing $*"
    lists
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null || return 77
}

# What the build needs beside Rust: a C compiler and linker (mimalloc, SQLite, libdbus), nothing else.
prepare() { need cc gcc libc6-dev || exit 1; }

run_format() { cargo fmt --all --check && cargo fmt --manifest-path fuzz/Cargo.toml --check; }

# The fuzz targets are a workspace of their own, and would otherwise be found stale by the next campaign.
run_lint() {
    cargo clippy --workspace --all-targets --locked --profile release -- -D warnings || return 1
    # libFuzzer, which the fuzz targets are linked with, is C++.
    need c++ g++ || return 77
    CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}/fuzz cargo clippy --manifest-path fuzz/Cargo.toml \
        --all-targets --locked --profile release -- -D warnings
}

# Tests run optimised: one profile builds programs, example and tests, and simulations stay quick.
run_rust() {
    if cargo nextest --version >/dev/null 2>&1; then
        cargo nextest run --workspace --locked --cargo-profile release --no-fail-fast
    else
        cargo test --workspace --locked --release --no-fail-fast --lib --bins --tests
    fi
}

# The seeds of the fuzz targets as plain tests: no fuzzer and no C++ is needed for them.
run_fuzz() { cargo test --manifest-path fuzz/Cargo.toml --locked --release; }

run_docs() {
    cargo test --workspace --locked --release --doc &&
        RUSTDOCFLAGS="-D warnings" cargo doc --workspace --locked --no-deps --quiet --release
}

# The programs as the tests were built: without `--tests` the features of their dependencies would be
# others, and most of it compiled once more.
programs() { cargo build --release --locked --workspace --bins --tests --examples; }

run_example() {
    programs || return 1
    local examples=${CARGO_TARGET_DIR:-target}/release/examples
    local out
    out=$(mktemp)
    "$examples/first_vend" >"$out" 2>&1
    local status=$?
    cat "$out"
    local last
    last=$(tail -n 1 "$out")
    rm -f "$out"
    [ "$status" -eq 0 ] && [ "$last" = "audit: balanced" ] &&
        "$examples/embed" &&
        cargo test --workspace --release --locked --example custom_store
}

# A stopwatch that does not run is worth nothing; its figures are not judged here.
run_bench() {
    programs || return 1
    local benches=${CARGO_TARGET_DIR:-target}/release/gettone-benches
    "$benches" floor --seconds 1 --json &&
        "$benches" settle --in-flight 64 --seconds 1 --store memory --json &&
        "$benches" settle --in-flight 64 --seconds 1 --store file --json &&
        "$benches" open-loop --rate 1000 --seconds 1 --json &&
        "$benches" recover --vends 10000 --json &&
        "$benches" memory --json
}

# Instructions of one vend, against the numbers in benches/instructions.toml.
run_instructions() {
    need valgrind valgrind || return 77
    programs && "${CARGO_TARGET_DIR:-target}/release/gettone-benches" instructions
}

# The journal and the gateway's tables in PostgreSQL, on real servers that the tests start.
run_postgres() {
    if ! ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; then need initdb postgresql-15 || return 77; fi
    if cargo nextest --version >/dev/null 2>&1; then
        cargo nextest run --workspace --locked --cargo-profile release --no-fail-fast \
            --run-ignored only --test-threads 2 \
            -E 'package(gettone-store) & binary(postgres) | package(gettone-gateway) & test(postgres)
                | package(gettone) & (binary(postgres) | test(shard::postgres))'
    else
        cargo test --release --locked -p gettone-store --features postgres --test postgres -- --ignored \
            && cargo test --release --locked -p gettone-gateway --lib postgres -- --ignored \
            && cargo test --release --locked -p gettone-gateway --test api postgres -- --ignored \
            && cargo test --release --locked -p gettone --test postgres -- --ignored \
            && cargo test --release --locked -p gettone --lib shard::postgres -- --ignored
    fi
}

advisories=../shared/advisory-db.tar.xz
auditor='' auditor_log=''

# Begins to build cargo-audit where it is missing; groups that wait more than they compute run meanwhile.
begin_auditor() {
    [ -z "$auditor" ] && [ -f "$advisories" ] && ! command -v cargo-audit >/dev/null || return 0
    auditor_log=$(mktemp)
    nice -n 10 cargo install --quiet --locked --debug cargo-audit --version 0.22.2 --no-default-features \
        >"$auditor_log" 2>&1 &
    auditor=$!
}

# Security advisories, offline, from the copy that lies beside the project.
run_supply() {
    if [ ! -f "$advisories" ]; then
        echo "NOT RUN: $advisories is not there, so nobody looked for security advisories" >&2
        return 77
    fi
    begin_auditor
    if [ -n "$auditor" ]; then
        say "installing cargo-audit"
        wait "$auditor"
        local built=$?
        cat "$auditor_log"
        rm -f "$auditor_log"
        [ $built -eq 0 ] || return 1
    fi
    local dir
    dir=$(mktemp -d)
    tar -xf "$advisories" -C "$dir" && cargo audit --no-fetch --stale --db "$dir" --deny warnings
    local status=$?
    rm -rf "$dir"
    return $status
}

# The reader's package, unit and policies, in a Debian root of its own.
run_deploy() {
    need debootstrap debootstrap systemd binutils python3 dpkg || return 77
    lists
    programs && linux-reader/deploy/test.sh
}

# The reader on real BlueZ and a real sensor driver, in a small virtual machine.
run_bluez() {
    lists
    linux-reader/tests/vm/test.sh
}

# The pages in a real browser.
run_browser() {
    need chromium chromium || return 77
    if cargo nextest --version >/dev/null 2>&1; then
        # The workspace's own build of it; one browser at a time. The emulated radio drops an answer
        # when the machine stalls: such a trial has a second try, and is reported as flaky.
        cargo nextest run --workspace --locked --cargo-profile release --no-fail-fast \
            --run-ignored only -E 'package(gettone-examples) & binary(browser)' --test-threads 1 --retries 1
    else
        cargo test --release --locked -p gettone-examples --test browser -- --ignored
    fi
}

if [ "${1:-}" = long ]; then
    prepare
    case "${2:-}" in
    simulation) GETTONE_TAPE_ONLY=1 GETTONE_SEEDS=${3:-0..1000000} exec cargo test -p gettone --release --locked --lib \
        sim::nothing_is_lost -- --nocapture ;;
    cuts) GETTONE_CUTS=${3:-100000000} exec cargo test -p gettone --release --locked --lib \
        sim::a_cut_at_any -- --nocapture ;;
    cuts-again) GETTONE_CUTS=${3:-10000000} exec cargo test -p gettone --release --locked --lib \
        sim::cuts_again -- --nocapture ;;
    mdb) GETTONE_FUZZ_SECONDS=${3:-3600} exec cargo test -p gettone-mdb --features link --release --locked \
        --test mutation -- --nocapture ;;
    hostile) GETTONE_SEEDS=${3:-0..100000} exec cargo test -p gettone-examples --release --locked --test hostile \
        whatever -- --nocapture ;;
    light) exec cargo run --release --locked -p gettone-benches -- light stray --runs "${3:-100000}" ;;
    power) GETTONE_POWER_CUTS=${3:-100000000} exec cargo test -p gettone-reader --release --locked --test power \
        nothing_is_lost -- --nocapture ;;
    fuzz)
        need c++ g++ || exit 1
        exec fuzz/run.sh "${3:-3600}"
        ;;
    kill) GETTONE_KILLS=${3:-2000} exec cargo test -p gettone --release --locked --test kill \
        what_a_killed -- --nocapture ;;
    *)
        echo "long campaigns: simulation [FROM..TO], cuts [COUNT], cuts-again [COUNT], kill [COUNT], power [CUTS], hostile [FROM..TO], fuzz [SECONDS], mdb [SECONDS], light [RUNS]" >&2
        exit 2
        ;;
    esac
fi

# Run when it is named: what it builds is a workspace of its own, and the same bytes go through the tests above.
named=(fuzz)

if [ $# -gt 0 ]; then
    for name in "$@"; do
        case " ${groups[*]} ${named[*]} " in
        *" $name "*) ;;
        *)
            echo "no group named $name; there are: ${groups[*]} ${named[*]}" >&2
            exit 2
            ;;
        esac
    done
    groups=("$@")
fi

prepare
# Nobody reads a backtrace's lines there, and building without them is quicker.
[ -z "${CI:-}" ] || export CARGO_PROFILE_RELEASE_DEBUG=${CARGO_PROFILE_RELEASE_DEBUG:-none}
begun=$SECONDS
for group in "${groups[@]}"; do
    say "$group"
    started=$SECONDS
    case " ${groups[*]} " in
    *" supply "*) case $group in postgres | browser | deploy | bluez) begin_auditor ;; esac ;;
    esac
    "run_$group"
    status=$?
    if [ $status -eq 0 ]; then
        passed=$((passed + 1))
    elif [ $status -eq 77 ] && [ -z "${CI:-}" ]; then
        skipped=$((skipped + 1))
    else
        failed=$((failed + 1))
        failures+=("$group")
    fi
    echo "-- $group: $((SECONDS - started)) s"
done

say "groups in $((SECONDS - begun)) s${failures[*]:+; FAILED: ${failures[*]}}"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
