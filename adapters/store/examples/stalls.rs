//! What work beside the journal costs its appends: the same appends with nothing beside them, with
//! the store's own filling of the next segment, with small segments that are archived and used
//! again, and with a filling that writes all at once and syncs at its end. Rounds of each kind take turns.
//!
//! ```text
//! cargo run --release -p gettone-store --example stalls -- DIRECTORY [SECONDS]
//! ```

use gettone_core::port::{Frames, Seq, Store};
use gettone_store::{File, FileSettings, Upkeep};
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const SEGMENT_BYTES: u64 = 256 * 1024 * 1024;
const ROUNDS: usize = 3;
const FRAME_BYTES: usize = 8 * 1024;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Beside {
    Nothing,
    PacedFilling,
    Archiving,
    FillingAtOnce,
}

type Fault = Box<dyn core::error::Error>;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let Some(dir) = args.next() else {
        eprintln!("usage: stalls DIRECTORY [SECONDS]; it needs some gigabytes there for a while");
        return ExitCode::from(2);
    };
    let seconds = args.next().and_then(|seconds| seconds.parse().ok());
    match measure(Path::new(&dir), Duration::from_secs(seconds.unwrap_or(3))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("stalls: {fault}");
            ExitCode::FAILURE
        }
    }
}

fn measure(dir: &Path, span: Duration) -> Result<(), Fault> {
    let kinds = [
        ("nothing beside", Beside::Nothing),
        ("paced filling", Beside::PacedFilling),
        ("archiving", Beside::Archiving),
        ("filling at once", Beside::FillingAtOnce),
    ];
    let mut times: [Vec<Duration>; 4] = Default::default();
    // Nothing is removed before the end: a file system may take its time to give back room.
    let dir = dir.join("stalls");
    for number in 0..ROUNDS {
        for (times, (_, beside)) in times.iter_mut().zip(kinds) {
            round(&dir, (beside, number), span, times)?;
        }
    }
    std::fs::remove_dir_all(dir)?;
    println!("{ROUNDS} rounds of {span:?} each, appends of {FRAME_BYTES} bytes one after another");
    println!(
        "{:<16} {:>8} {:>9} {:>9} {:>9} {:>9}",
        "", "appends", "p50", "p99", "p99.9", "max"
    );
    for (times, (name, _)) in times.iter_mut().zip(kinds) {
        times.sort_unstable();
        let at = |part: f64| {
            let at = (times.len() as f64 * part) as usize;
            let time = times.get(at.min(times.len().saturating_sub(1)));
            format!("{:.2} ms", time.map_or(0.0, Duration::as_secs_f64) * 1e3)
        };
        println!(
            "{name:<16} {:>8} {:>9} {:>9} {:>9} {:>9}",
            times.len(),
            at(0.5),
            at(0.99),
            at(0.999),
            at(1.0)
        );
    }
    Ok(())
}

fn round(
    dir: &Path,
    round: (Beside, usize),
    span: Duration,
    times: &mut Vec<Duration>,
) -> Result<(), Fault> {
    let (beside, number) = round;
    let dir = &dir.join(match beside {
        Beside::Archiving => "small",
        Beside::Nothing | Beside::PacedFilling | Beside::FillingAtOnce => "large",
    });
    let segment_bytes = match beside {
        Beside::Archiving => SEGMENT_BYTES / 16,
        Beside::Nothing | Beside::PacedFilling | Beside::FillingAtOnce => SEGMENT_BYTES,
    };
    let settings = |upkeep| FileSettings {
        segment_bytes,
        upkeep,
        ..FileSettings::default()
    };
    // Whatever is measured writes into a segment that was filled before.
    File::open(dir, settings(Upkeep::ByHand))?.tend()?;
    let mut store = File::open(
        dir,
        settings(match beside {
            Beside::PacedFilling | Beside::Archiving => Upkeep::Beside,
            Beside::Nothing | Beside::FillingAtOnce => Upkeep::ByHand,
        }),
    )?;
    let is_over = AtomicBool::new(false);
    let path = dir.join(format!("filled-{number}"));
    std::thread::scope(|scope| -> Result<(), Fault> {
        let filling = (beside == Beside::FillingAtOnce)
            .then(|| scope.spawn(|| fill_at_once(&path, &is_over)));
        let written = append_for(&mut store, span, times);
        is_over.store(true, Ordering::Release);
        if let Some(filling) = filling {
            filling.join().map_err(|_| "the filling is gone")??;
        }
        written
    })?;
    Ok(())
}

fn append_for(store: &mut File, span: Duration, times: &mut Vec<Duration>) -> Result<(), Fault> {
    let mut frames = Frames::default();
    // As compressible as records are: about by half.
    let bytes: Vec<u8> = (0..FRAME_BYTES as u64)
        .map(|at| match at % 2 {
            0 => (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8,
            _ => 0,
        })
        .collect();
    frames.push(&bytes);
    let begun = Instant::now();
    let mut next: Seq = store.next();
    while begun.elapsed() < span {
        let at = Instant::now();
        store.append(next, &frames)?;
        times.push(at.elapsed());
        next = next.after(1);
    }
    Ok(())
}

fn fill_at_once(path: &Path, is_over: &AtomicBool) -> std::io::Result<()> {
    for number in 0.. {
        if is_over.load(Ordering::Acquire) {
            break;
        }
        let mut file = std::fs::File::create(path.with_extension(number.to_string()))?;
        let zeros = vec![0; 1024 * 1024];
        for _ in 0..SEGMENT_BYTES / 1024 / 1024 {
            file.write_all(&zeros)?;
        }
        file.sync_all()?;
    }
    Ok(())
}
