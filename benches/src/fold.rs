//! How fast a gateway folds a journal into the tables that people look at: receipts, sales, alarms.
//!
//! The journal is written first; then the gateway's own `rebuild` takes it in from the first record.

use crate::conditions::Conditions;
use crate::demand::Demand;
use crate::fault::Fault;
use crate::figures::round;
use crate::peer::server::{SETTINGS, Server};
use crate::report::Report;
use crate::vends::{self, Half};
use gettone::{Engine, Settings};
use gettone_gateway::Config;
use gettone_store::{File, FileSettings};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Vends in flight while the journal is written.
const IN_FLIGHT: usize = 8_192;
/// The digest of no key: nobody asks this gateway.
const NOBODY: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Where the tables lie.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tables {
    /// In a file of SQLite.
    Sqlite,
    /// On a PostgreSQL server of one's own.
    Postgres,
}

/// What is measured.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    /// Vends that are folded.
    pub vends: u64,
    /// Who bought where.
    pub demand: Demand,
    /// Into which tables.
    pub tables: Tables,
    /// On which disk.
    pub dir: PathBuf,
}

/// Writes a journal, then folds all of it.
///
/// # Errors
/// `Fault` when the store, the engine, a vend, the server or the tables fail.
pub fn measure(plan: &Plan) -> Result<Report, Fault> {
    let mut conditions = Conditions::of_this_machine();
    conditions.note("vends", plan.vends);
    conditions.note("wallets", plan.demand.wallets());
    let place = tempfile::tempdir_in(&plan.dir).map_err(Fault::io("making a directory"))?;
    write(&place.path().join("gateway").join("journal"), plan)?;
    let mut text = format!(
        "listen = \"127.0.0.1:0\"\nstate = \"gateway\"\n\n\
         [[operator]]\nnumber = 1\nname = \"Caffè Aurora\"\napi_key_sha256 = \"{NOBODY}\"\n"
    );
    let server = match plan.tables {
        Tables::Sqlite => {
            conditions.note("tables", "SQLite");
            None
        }
        Tables::Postgres => {
            let server =
                Server::start(&plan.dir).map_err(Fault::call("starting a PostgreSQL server"))?;
            conditions.note("tables", format!("PostgreSQL {}", server.version()?));
            let settings = SETTINGS.map(|(setting, value)| format!("{setting}={value}"));
            conditions.note("server_settings", settings.join(" "));
            text += &format!("\n[records]\npostgres = \"{}\"\n", server.words());
            Some(server)
        }
    };
    let config = Config::parse(&text, place.path()).map_err(Fault::call("configuring"))?;
    let began = Instant::now();
    let folded = gettone_gateway::rebuild(&config, &mut |_| {}).map_err(Fault::call("folding"))?;
    let took = began.elapsed().as_secs_f64();
    drop(server);
    conditions.note_load_after();

    let mut report = Report::new("fold", conditions);
    report.add("records", folded.records);
    report.add("fold_s", round(took, 3));
    report.add("records_per_s", round(folded.records as f64 / took, 0));
    report.add("vends_per_s", round(plan.vends as f64 / took, 0));
    Ok(report)
}

/// A journal of so many vends.
fn write(journal: &Path, plan: &Plan) -> Result<(), Fault> {
    std::fs::create_dir_all(journal).map_err(Fault::io("making a directory"))?;
    let store = File::open(journal, FileSettings::default())?;
    let engine = Engine::start(Box::new(store), Settings::default(), &mut |_, _| {})?;
    vends::runtime()?.block_on(async {
        let wallets = 0..plan.demand.wallets();
        vends::open(&engine, wallets.clone()).await?;
        vends::fund(&engine, wallets).await?;
        let way = (Half::Both, IN_FLIGHT);
        vends::play(&engine, plan.demand, 0..plan.vends, way).await?;
        engine.shutdown().await?;
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_record_of_a_journal_is_folded() {
        const VENDS: u64 = 500;
        let place = tempfile::tempdir().expect("a directory");
        let report = measure(&Plan {
            vends: VENDS,
            demand: Demand::new(100, 0),
            tables: Tables::Sqlite,
            dir: place.path().to_owned(),
        });
        let report = report.expect("runs");
        // Each vend writes two records at least, and each wallet was opened and paid into.
        let records = report.figure("records").and_then(|figure| figure.as_u64());
        assert!(records >= Some(2 * VENDS + 200), "{report}");
    }
}
