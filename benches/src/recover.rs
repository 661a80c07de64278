//! How long an engine takes to start again after so many vends: the journal is written first, taken
//! out of the page cache, and read back.

use crate::conditions::Conditions;
use crate::demand::Demand;
use crate::fault::Fault;
use crate::figures::round;
use crate::report::Report;
use crate::vends::{self, Half};
use gettone::core::port::Seq;
use gettone::{Engine, Settings};
use gettone_store::{File, FileSettings};
use rustix::fs::{Advice, fadvise};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Vends in flight while the journal is written.
const IN_FLIGHT: usize = 8_192;
const MILLION: f64 = 1_000_000.0;

/// What is measured.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    /// Vends that a snapshot has, before those; without any, no snapshot is taken.
    pub history: u64,
    /// Vends that are replayed.
    pub vends: u64,
    /// Who bought where.
    pub demand: Demand,
    /// On which disk.
    pub dir: PathBuf,
}

/// Writes the journal, then starts twice: once with nothing of it in memory, once with all of it.
///
/// # Errors
/// `Fault` when the store, the engine or a vend fails.
pub fn measure(plan: &Plan) -> Result<Report, Fault> {
    let mut conditions = Conditions::of_this_machine();
    conditions.note("vends_in_snapshot", plan.history);
    conditions.note("vends", plan.vends);
    conditions.note("wallets", plan.demand.wallets());
    conditions.note("hot_percent", plan.demand.hot_percent());
    let place = tempfile::tempdir_in(&plan.dir).map_err(Fault::io("making a directory"))?;
    let wrote = Instant::now();
    let (engine, _) = start(place.path())?;
    vends::runtime()?.block_on(async {
        let wallets = 0..plan.demand.wallets();
        vends::open(&engine, wallets.clone()).await?;
        vends::fund(&engine, wallets).await?;
        let way = (Half::Both, IN_FLIGHT);
        if plan.history > 0 {
            vends::play(&engine, plan.demand, 0..plan.history, way).await?;
            engine
                .snapshot()
                .await
                .map_err(Fault::call("taking a snapshot"))?;
        }
        let tail = plan.history..plan.history + plan.vends;
        vends::play(&engine, plan.demand, tail, way).await?;
        let records = engine.metrics().records;
        engine.shutdown().await?;
        conditions.note("records", records);
        Ok::<_, Fault>(())
    })?;
    conditions.note("written_in_s", round(wrote.elapsed().as_secs_f64(), 1));

    forget(place.path())?;
    let (cold, cold_took) = start(place.path())?;
    stop(cold)?;
    let (warm, warm_took) = start(place.path())?;
    stop(warm)?;
    conditions.note_load_after();

    let mut report = Report::new("recover", conditions);
    let millions = plan.vends as f64 / MILLION;
    for (whole, each, took) in [
        ("recover_s", "recover_s_per_million", cold_took),
        ("recover_warm_s", "recover_warm_s_per_million", warm_took),
    ] {
        report.add(whole, round(took.as_secs_f64(), 3));
        if plan.vends > 0 {
            report.add(each, round(took.as_secs_f64() / millions, 3));
        }
    }
    report.add("disk_bytes", disk_bytes(place.path())?);
    Ok(report)
}

/// Opens the store and starts on it; how long both took.
fn start(place: &Path) -> Result<(Engine, Duration), Fault> {
    let began = Instant::now();
    let settings = FileSettings::default();
    let store = File::open(place, settings)?;
    let settings = Settings {
        // Nobody here has a projection that lacks any.
        history_from: Seq::new(u64::MAX),
        // Only when asked: so many vends are replayed as were asked for.
        snapshot_every: None,
        ..Settings::default()
    };
    let engine = Engine::start(Box::new(store), settings, &mut |_, _| {})?;
    Ok((engine, began.elapsed()))
}

fn stop(engine: Engine) -> Result<(), Fault> {
    vends::runtime()?.block_on(engine.shutdown())?;
    Ok(())
}

/// Takes every file of this folder out of the page cache; they have been synced.
fn forget(place: &Path) -> Result<(), Fault> {
    for path in files(place)? {
        let file = fs::File::open(&path).map_err(Fault::io("opening a journal file"))?;
        file.sync_all()
            .map_err(Fault::io("syncing a journal file"))?;
        fadvise(&file, 0, None, Advice::DontNeed)
            .map_err(|fault| Fault::io("emptying the page cache")(fault.into()))?;
    }
    Ok(())
}

pub(crate) fn disk_bytes(place: &Path) -> Result<u64, Fault> {
    let mut bytes = 0;
    for path in files(place)? {
        let known = fs::metadata(path).map_err(Fault::io("looking at a journal file"))?;
        bytes += known.len();
    }
    Ok(bytes)
}

fn files(place: &Path) -> Result<Vec<PathBuf>, Fault> {
    let mut files = Vec::new();
    let mut folders = vec![place.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).map_err(Fault::io("reading a folder"))? {
            let path = entry.map_err(Fault::io("reading a folder"))?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_starts_again_on_what_was_written() {
        let place = tempfile::tempdir().expect("a directory");
        let report = measure(&Plan {
            history: 1_000,
            vends: 1_000,
            demand: Demand::new(100, 0),
            dir: place.path().to_owned(),
        });
        let report = report.expect("runs");
        assert!(report.figure("recover_s_per_million").is_some(), "{report}");
    }
}
