//! The shell: starts the engine on its store, listens, and stops without losing an answer.

use crate::audit::JOURNAL;
use crate::bounds::UPKEEP_LOOK_EVERY;
use crate::config::Config;
use crate::database::{DatabaseFault, Ground};
use crate::fold::Journal;
use crate::gateway::{Gateway, OpenFault};
use crate::key::{self, KeyFault};
use crate::limits::Limits;
use crate::projection::project;
use crate::route::routes;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::middleware::DefaultHeaders;
use actix_web::{App, HttpServer, rt, web};
use core::time::Duration;
use gettone::{Engine, Settings, ShutdownFault, SnapshotFailure, StartFault};
use gettone_core::port::{Seq, Store, StoreFault};
use gettone_store::{Backlog, File, FileSettings, Postgres, Upkeep};
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::Path;

/// How long the last records have to be folded when it is stopped.
const FOLDING_MAX: Duration = Duration::from_secs(5);
/// How long the last snapshot may take then.
const SNAPSHOT_MAX: Duration = Duration::from_secs(10);

/// Why the gateway does not run, or did not end well.
#[derive(thiserror::Error, Debug)]
#[non_exhaustive]
pub enum ServeFault {
    /// A secret cannot be used.
    #[error("{0}")]
    Key(#[from] KeyFault),
    /// The database cannot be used.
    #[error("{0}")]
    Database(#[from] DatabaseFault),
    /// The system has no more threads.
    #[error("no thread: {0}")]
    Thread(#[source] io::Error),
    /// The journal cannot be used.
    #[error("the journal: {0}")]
    Store(#[from] StoreFault),
    /// The engine does not start.
    #[error("the engine does not start: {0}")]
    Start(#[from] StartFault),
    /// Nobody can be listened to.
    #[error("cannot listen on {listen}: {source}")]
    Listen {
        /// Where.
        listen: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The HTTP server failed.
    #[error("the HTTP server failed: {0}")]
    Http(#[from] io::Error),
    /// The engine did not end well. What it had answered is durable all the same.
    #[error("the engine did not end well: {0}")]
    Shutdown(#[from] ShutdownFault),
}

/// Serves until `stop` comes: then it says "not ready", takes no more requests, finishes those
/// under way, and stops the engine. It tells `listening` where it can be reached.
///
/// There is no TLS here; a proxy in front has to end it.
///
/// # Errors
/// `ServeFault` when it does not start or does not end well.
pub async fn serve(
    config: Config,
    listening: impl FnOnce(SocketAddr),
    stop: impl Future<Output = ()>,
) -> Result<(), ServeFault> {
    let limits = config.limits;
    key::state_directory(&config.state)?;
    let Recovered {
        engine,
        ground,
        backlog,
        shown,
    } = recover(&config).await?;
    tracing::info!(records = shown, "read behind what was folded already");
    let gateway = Gateway::open(&config, engine.clone(), ground.start()?);
    let gateway = gateway.map_err(|fault| match fault {
        OpenFault::Key(fault) => ServeFault::Key(fault),
        OpenFault::Thread(source) => ServeFault::Thread(source),
    })?;
    let gateway = web::Data::new(gateway.with_backlog(backlog));
    let projecting = rt::spawn(project(gateway.clone()));
    let watching = rt::spawn(watch(gateway.clone()));

    let served = gateway.clone();
    let server = HttpServer::new(move || {
        App::new()
            .app_data(served.clone())
            .wrap(guarded())
            .configure(routes)
    })
    .workers(limits.workers)
    .max_connections(limits.connections_max.div_ceil(limits.workers))
    .client_request_timeout(Duration::from_millis(limits.head_timeout_ms))
    .client_disconnect_timeout(Duration::from_millis(limits.head_timeout_ms))
    .shutdown_timeout(limits.shutdown_timeout_s)
    .disable_signals()
    .bind(config.listen)
    .map_err(|source| ServeFault::Listen {
        listen: config.listen,
        source,
    })?;
    let reached = server.addrs().first().copied().unwrap_or(config.listen);
    let server = server.run();
    let handle = server.handle();
    let serving = rt::spawn(server);
    if !reached.ip().is_loopback() {
        tracing::warn!(%reached, "listening beyond this machine without TLS; put a proxy in front");
    }
    listening(reached);

    stop.await;
    tracing::info!("stopping: not ready from now on");
    gateway.stop();
    watching.abort();
    rt::time::sleep(Duration::from_millis(limits.unready_ms)).await;
    handle.stop(true).await;
    let served = serving
        .await
        .unwrap_or_else(|_| Err(io::Error::other("its task is gone")));
    // The next start has less to read; what it cannot keep in time is replayed then.
    match rt::time::timeout(SNAPSHOT_MAX, engine.snapshot()).await {
        Ok(Ok(()) | Err(SnapshotFailure::NoShelf | SnapshotFailure::Stopped)) => {}
        Ok(Err(failure)) => tracing::warn!(%failure, "no snapshot was taken"),
        Err(_) => tracing::warn!("the snapshot took too long"),
    }
    let ended = engine.shutdown().await;
    // What it cannot fold in time is folded at the next start.
    let _ = rt::time::timeout(FOLDING_MAX, projecting).await;
    // Whoever starts the next gateway there finds nobody who still closes files under it.
    web::block(move || gateway.database().close())
        .await
        .unwrap_or_else(|fault| tracing::error!(%fault, "the database was not closed"));
    served?;
    ended?;
    tracing::info!("stopped");
    Ok(())
}

/// What a start found, brought up to date.
struct Recovered {
    engine: Engine,
    ground: Ground,
    backlog: Option<Backlog>,
    /// Records that were read for the projections: those since their checkpoint, and its own.
    shown: u64,
}

/// Starts the engine on its journal, and folds what the database does not have yet. A database that
/// was folded from another journal, or from more of it, is folded anew.
async fn recover(config: &Config) -> Result<Recovered, ServeFault> {
    let mut ground = Ground::open(&config.state, config.records.as_ref())?;
    loop {
        let (mut store, backlog) = open_store(config)?;
        let mut catch_up = ground.catch_up(head_of(store.as_mut())?)?;
        let settings = Settings {
            history_from: catch_up.from(),
            ..settings(&config.limits)
        };
        let engine = Engine::start(store, settings, &mut |seq, record| {
            catch_up.take(seq, record)
        })?;
        let shown = catch_up.shown();
        match catch_up.finish().map_err(DatabaseFault::from)? {
            Journal::Same => {
                return Ok(Recovered {
                    engine,
                    ground,
                    backlog,
                    shown,
                });
            }
            Journal::Another => {
                tracing::warn!("the database was folded from another journal; folding it anew");
                engine.shutdown().await?;
                ground.forget_projections()?;
            }
        }
    }
}

/// What every answer says to a browser, unless its route says otherwise: take it for nothing but
/// what it is, keep it nowhere, and tell nobody where you come from.
fn guarded() -> DefaultHeaders {
    DefaultHeaders::new()
        .add((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .add((REFERRER_POLICY, "no-referrer"))
        .add((CACHE_CONTROL, "no-store"))
        .add((
            CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ))
}

/// Opens the journal's store, wherever it is kept; nobody else may have it open.
///
/// # Errors
/// `StoreFault` when it is in use, damaged or out of reach.
pub(crate) fn open_store(config: &Config) -> Result<(Box<dyn Store>, Option<Backlog>), StoreFault> {
    Ok(match &config.journal {
        Some(server) => (Box::new(Postgres::open(server.clone())?), None),
        None => {
            let journal = config.state.join(JOURNAL);
            let store = open_directory(&journal, config.limits.segment_bytes, Upkeep::Beside)?;
            let backlog = store.backlog();
            (Box::new(store), Some(backlog))
        }
    })
}

/// The last record of a journal, found without reading it.
///
/// # Errors
/// As for [`open_store`].
pub(crate) fn head_of(store: &mut dyn Store) -> Result<Seq, StoreFault> {
    let next = store.replay(Seq::new(u64::MAX), &mut |_, _| Ok(()))?;
    Ok(Seq::new(next.number().saturating_sub(1)))
}

/// Tells the log when the work beside the journal begins to fail, and when it goes on.
async fn watch(gateway: web::Data<Gateway>) {
    let Some(backlog) = gateway.backlog() else {
        return;
    };
    let mut known = None;
    loop {
        let fault = backlog.fault();
        match (&known, &fault) {
            (known, Some(fault)) if known.as_ref() != Some(fault) => {
                let waiting = backlog.segments();
                tracing::error!(%fault, waiting, "the journal is not archived; its disk will run out of room");
            }
            (Some(_), None) => tracing::info!("the journal is archived again"),
            (Some(_) | None, _) => {}
        }
        known = fault;
        rt::time::sleep(UPKEEP_LOOK_EVERY).await;
    }
}

/// Opens a journal's own directory.
///
/// # Errors
/// As for [`open_store`].
pub(crate) fn open_directory(
    journal: &Path,
    segment_bytes: u64,
    upkeep: Upkeep,
) -> Result<File, StoreFault> {
    let settings = FileSettings {
        segment_bytes,
        upkeep,
        ..FileSettings::default()
    };
    File::open(journal, settings)
}

fn settings(limits: &Limits) -> Settings {
    Settings {
        shards: NonZeroUsize::new(limits.shards),
        in_flight_max: limits.in_flight_max,
        deadline: Duration::from_millis(limits.call_timeout_ms),
        ..Settings::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gettone::core::id::{TransferId, WalletId};
    use gettone::core::money::{Amount, Currency};

    fn config(home: &Path) -> Config {
        let operator = "[[operator]]\nnumber = 7\nname = \"Uno\"\napi_key_sha256 = ";
        let key = "2".repeat(64);
        let text = format!("listen = \"127.0.0.1:0\"\nstate = \"s\"\n{operator}\"{key}\"\n");
        Config::parse(&text, home).expect("sound")
    }

    /// Starts, tops up so many wallets, and stops as a crash would: how many records the start read.
    fn start(config: &Config, wallets: core::ops::Range<u64>) -> u64 {
        rt::System::new().block_on(async {
            key::state_directory(&config.state).expect("a directory");
            let recovered = recover(config).await.expect("it starts");
            let engine = recovered.engine;
            for number in wallets {
                let wallet = WalletId::new(number);
                let key = TransferId::from_bytes([number as u8; 16]);
                let opened = engine.open_wallet(wallet, Currency::EUR).await;
                opened.expect("opened");
                let paid = engine.top_up(wallet, key, Amount::from_minor(100)).await;
                paid.expect("paid");
            }
            engine.shutdown().await.expect("a clean end");
            recovered.shown
        })
    }

    #[test]
    fn a_start_reads_what_came_since_the_checkpoint_and_no_more() {
        let home = tempfile::tempdir().expect("a directory");
        let config = config(home.path());
        assert_eq!(start(&config, 0..100), 0);
        assert_eq!(start(&config, 0..0), 200, "nothing was folded before");
        assert_eq!(start(&config, 100..103), 1, "the checkpoint's own record");
        assert_eq!(start(&config, 0..0), 7);
        std::fs::remove_file(config.state.join("gateway.sqlite")).expect("removed");
        assert_eq!(start(&config, 0..0), 206, "without a checkpoint it is all");
    }
}
