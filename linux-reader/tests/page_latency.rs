//! How long the result page holds up an answer to the machine; run by hand, figures only.

use gettone_core::board::Outcome;
use gettone_core::id::{JournalEpoch, Rseq};
use gettone_reader::{Ending, ResultPage};
use std::time::{Duration, Instant};

#[test]
#[ignore = "a measurement, not a claim: run with --ignored --nocapture"]
fn result_page_write_latency() {
    const WRITES: u64 = 10_000;
    let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory on disk");
    let page = ResultPage::open(&place.path().join("result")).expect("a file");
    let mut times: Vec<Duration> = (0..WRITES)
        .map(|rseq| {
            let ending = Ending {
                epoch: JournalEpoch::from_bytes([1; 8]),
                rseq: Rseq::new(rseq),
                outcome: Outcome::Delivered,
                after: Duration::from_secs(1),
            };
            let began = Instant::now();
            page.write(&ending).expect("room");
            began.elapsed()
        })
        .collect();
    times.sort_unstable();
    let at = |per_mille: usize| times[times.len() * per_mille / 1_000];
    println!(
        "{{\"writes\": {WRITES}, \"p50_ns\": {}, \"p99_ns\": {}, \"max_ns\": {}}}",
        at(500).as_nanos(),
        at(990).as_nanos(),
        times[times.len() - 1].as_nanos()
    );
}
