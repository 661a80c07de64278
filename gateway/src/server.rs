//! The shell: starts the engine on its store, listens, and stops without losing an answer.

use crate::audit::JOURNAL;
use crate::bounds::RECORDS_WAITING_MAX;
use crate::config::{Config, Limits};
use crate::gateway::Gateway;
use crate::history::History;
use crate::key::{self, KeyFault};
use crate::route::routes;
use actix_web::{App, HttpServer, rt, web};
use core::time::Duration;
use gettone::{Engine, Events, Settings, ShutdownFault, StartFault};
use gettone_core::port::StoreFault;
use gettone_store::{File, FileSettings};
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::Path;

/// Why the gateway does not run, or did not end well.
#[derive(thiserror::Error, Debug)]
#[non_exhaustive]
pub enum ServeFault {
    /// A secret cannot be used.
    #[error("{0}")]
    Key(#[from] KeyFault),
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
    let store = open_store(&config.state.join(JOURNAL), limits.segment_bytes)?;
    let mut history = History::default();
    let engine = Engine::start(Box::new(store), settings(&limits), &mut |_, record| {
        history.take(record);
    })?;
    let events = engine
        .subscribe(RECORDS_WAITING_MAX)
        .expect("an engine that has just started has no subscribers");
    let gateway = web::Data::new(Gateway::open(&config, engine.clone(), history)?);
    let projecting = rt::spawn(project(gateway.clone(), events));

    let served = gateway.clone();
    let server = HttpServer::new(move || App::new().app_data(served.clone()).configure(routes))
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
    rt::time::sleep(Duration::from_millis(limits.unready_ms)).await;
    handle.stop(true).await;
    let served = serving
        .await
        .unwrap_or_else(|_| Err(io::Error::other("its task is gone")));
    let ended = engine.shutdown().await;
    projecting.abort();
    served?;
    ended?;
    tracing::info!("stopped");
    Ok(())
}

/// Opens the journal's store; nobody else may have it open.
///
/// # Errors
/// `StoreFault` when it is in use, damaged or out of reach.
pub(crate) fn open_store(journal: &Path, segment_bytes: u64) -> Result<File, StoreFault> {
    let settings = FileSettings {
        segment_bytes,
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

/// Keeps what people look back on up to date; no decision waits for it.
async fn project(gateway: web::Data<Gateway>, mut events: Events) {
    loop {
        match events.next().await {
            Ok(Some((_, record))) => gateway.fold(|history| history.take(&record)),
            Ok(None) => return,
            Err(lagged) => {
                tracing::error!(%lagged, "receipts and sales are incomplete until a restart");
                gateway.fold(History::miss);
                return;
            }
        }
    }
}
