//! What a shelf costs: a first snapshot of many entities, a later one of a few of them, the first
//! and every other entity taken out again, and the memory that all of it takes.
//!
//! ```text
//! cargo run --release -p gettone-store --example shelves -- DIRECTORY [ENTITIES]
//! ```

use gettone_core::port::{Frames, Key, Kind, Seq, Shelf, Store};
use gettone_store::{File, FileSettings, Upkeep};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

/// What a wallet with a few sales takes.
const ENTITY_BYTES: usize = 250;

type Fault = Box<dyn core::error::Error>;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let Some(dir) = args.next() else {
        eprintln!("usage: shelves DIRECTORY [ENTITIES]");
        return ExitCode::from(2);
    };
    let entities = args.next().and_then(|entities| entities.parse().ok());
    match measure(
        &Path::new(&dir).join("shelves"),
        entities.unwrap_or(1_000_000),
    ) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("shelves: {fault}");
            ExitCode::FAILURE
        }
    }
}

fn measure(dir: &Path, entities: u64) -> Result<(), Fault> {
    let mut store = open(dir)?;
    let mut frames = Frames::default();
    frames.push(b"one");
    store.append(Seq::FIRST, &frames)?;
    let shelf = shelf(&store)?;
    println!("{entities} entities of {ENTITY_BYTES} bytes");
    let few = entities / 100;
    timed("first snapshot, in order", || {
        snapshot(shelf.as_ref(), 0..entities)
    })?;
    shelf.clear()?;
    timed("first snapshot, in no order", || {
        snapshot(shelf.as_ref(), (0..entities).map(|at| at * 7919 % entities))
    })?;
    timed("snapshot of 1 in 100, anywhere", || {
        snapshot(shelf.as_ref(), (0..few).map(|at| at * 104_729 % entities))
    })?;
    drop((store, shelf));
    let store = timed("open the store again", || open(dir))?;
    let shelf = timed("its shelf, and the cuts", || {
        let shelf = self::shelf(&store)?;
        shelf.cuts()?;
        Ok(shelf)
    })?;
    timed("the first entity", || load(shelf.as_ref(), 1..2))?;
    timed("10,000 others, anywhere", || {
        load(
            shelf.as_ref(),
            (0..10_000).map(|at| at * 999_983 % entities),
        )
    })?;
    println!(
        "{:<32} {:>9.1} MiB",
        "on disk",
        size(dir)? as f64 / 1_048_576.0
    );
    for line in std::fs::read_to_string("/proc/self/status")?.lines() {
        if line.starts_with("VmHWM") || line.starts_with("VmRSS") {
            println!("{line}");
        }
    }
    drop((store, shelf));
    std::fs::remove_dir_all(dir)?;
    Ok(())
}

fn open(dir: &Path) -> Result<File, Fault> {
    let settings = FileSettings {
        upkeep: Upkeep::ByHand,
        ..FileSettings::default()
    };
    Ok(File::open(dir, settings)?)
}

fn shelf(store: &File) -> Result<Arc<dyn Shelf>, Fault> {
    Ok(store.shelf().ok_or("a file store has a shelf")?)
}

fn snapshot(shelf: &dyn Shelf, numbers: impl Iterator<Item = u64>) -> Result<(), Fault> {
    let mut next = shelf.begin()?;
    for number in numbers {
        let mut bytes = [7; ENTITY_BYTES];
        bytes[..8].copy_from_slice(&number.to_le_bytes());
        next.put(Key::new(Kind::Wallet, number), &bytes)?;
    }
    Ok(next.finish(&[(0, Seq::new(2))])?)
}

fn load(shelf: &dyn Shelf, numbers: impl Iterator<Item = u64>) -> Result<(), Fault> {
    for number in numbers {
        shelf
            .load(Key::new(Kind::Wallet, number))?
            .ok_or("it was put there")?;
    }
    Ok(())
}

fn timed<T>(words: &str, act: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    let begun = Instant::now();
    let done = act()?;
    let millis = begun.elapsed().as_secs_f64() * 1e3;
    println!("{words:<32} {millis:>9.1} ms");
    Ok(done)
}

fn size(dir: &Path) -> Result<u64, Fault> {
    Ok(std::fs::metadata(dir.join("shelf.redb"))?.len())
}
