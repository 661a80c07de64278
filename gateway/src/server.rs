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
use gettone::{Engine, Settings, ShutdownFault, StartFault};
use gettone_core::port::{Store, StoreFault};
use gettone_store::{Backlog, File, FileSettings, Postgres, Upkeep};
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::Path;

/// How long the last records have to be folded when it is stopped.
const FOLDING_MAX: Duration = Duration::from_secs(5);

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
    let (engine, ground, backlog) = recover(&config).await?;
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

/// Starts the engine on its journal, and folds what the database does not have yet. A database that
/// was folded from another journal, or from more of it, is folded anew.
async fn recover(config: &Config) -> Result<(Engine, Ground, Option<Backlog>), ServeFault> {
    let mut ground = Ground::open(&config.state, config.records.as_ref())?;
    loop {
        let (store, backlog) = open_store(config)?;
        let mut catch_up = ground.catch_up()?;
        let engine = Engine::start(store, settings(&config.limits), &mut |seq, record| {
            catch_up.take(seq, record)
        })?;
        match catch_up.finish().map_err(DatabaseFault::from)? {
            Journal::Same => return Ok((engine, ground, backlog)),
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
fn open_store(config: &Config) -> Result<(Box<dyn Store>, Option<Backlog>), StoreFault> {
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
