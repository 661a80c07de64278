//! Keeps the projections behind the journal, whatever cuts them off: a server of theirs that is away,
//! or more records at once than they can take. No decision waits for them.

use crate::bounds::{
    EARNINGS_EVERY, PROJECTION_PAUSE_MAX, PROJECTION_PAUSE_MIN, PROJECTION_REST,
    RECORDS_OF_ONE_COMMIT, RECORDS_WAITING_MAX, RECORDS_WITHOUT_REST,
};
use crate::database::DatabaseFault;
use crate::fold;
use crate::gateway::Gateway;
use actix_web::rt::spawn;
use actix_web::rt::time::{sleep, timeout};
use actix_web::web;
use core::time::Duration;
use gettone::{Failure, Trail, TrailFault, TrailRefusal};
use gettone_core::id::OperatorId;
use gettone_core::port::Seq;
use gettone_core::record::Record;

/// Why the projections do not follow the journal for a while.
#[derive(thiserror::Error, Debug)]
enum Behind {
    /// They cannot be written, or looked at.
    #[error(transparent)]
    Database(#[from] DatabaseFault),
    /// The journal cannot be read on.
    #[error(transparent)]
    Trail(#[from] TrailFault),
    /// The journal cannot be read from where they end.
    #[error("the journal is not read: {0}")]
    Journal(Failure<TrailRefusal>),
}

/// Follows the journal until the engine ends.
pub(crate) async fn project(gateway: web::Data<Gateway>) {
    let mut pause = PROJECTION_PAUSE_MIN;
    loop {
        match follow(&gateway, &mut pause).await {
            Ok(()) => return,
            Err(Behind::Trail(TrailFault::Lagged { .. })) => {
                tracing::info!("more is written than is folded; reading it from the journal");
                continue;
            }
            Err(fault) => {
                tracing::error!(%fault, ?pause, "receipts and sales are incomplete for a while");
                gateway.fall_behind();
            }
        }
        sleep(pause).await;
        pause = pause.saturating_mul(2).min(PROJECTION_PAUSE_MAX);
    }
}

/// Goes on from where the projections are, which they alone know: the end of a commit may have been
/// lost, and a server may have gone back to an older state.
async fn follow(gateway: &Gateway, pause: &mut Duration) -> Result<(), Behind> {
    let folded = gateway.database().read(fold::folded).await?;
    let from = folded.map_or(Seq::FIRST, |(upto, _)| upto.after(1));
    let mut trail = match gateway.engine().events_from(from, RECORDS_WAITING_MAX) {
        Ok(trail) => trail,
        Err(_) if gateway.engine().stopped().is_some() => return Ok(()),
        Err(failure) => return Err(Behind::Journal(failure)),
    };
    add_up(gateway);
    let mut since = 0;
    while let Some(first) = trail.next().await? {
        let mut records = vec![first];
        let gathered = gather(&mut trail, &mut records).await;
        let few = records.len() < RECORDS_WITHOUT_REST;
        since += records.len();
        gateway.database().fold(records).await?;
        if since >= EARNINGS_EVERY {
            since = 0;
            add_up(gateway);
        }
        gateway.catch_up();
        *pause = PROJECTION_PAUSE_MIN;
        gathered?;
        if few {
            // A commit costs as much as many records: those of the next moment share one.
            sleep(PROJECTION_REST).await;
        }
    }
    Ok(())
}

/// Has what operators earned added up to here, so that whoever asks for it, and the next snapshot,
/// find it nearly done.
fn add_up(gateway: &Gateway) {
    let engine = gateway.engine().clone();
    spawn(async move {
        if let Err(failure) = engine.operator(OperatorId::PLATFORM).await {
            tracing::debug!(%failure, "what operators earned is not added up yet");
        }
    });
}

/// Takes what is there already, as much as fits one commit.
async fn gather(trail: &mut Trail, records: &mut Vec<(Seq, Record)>) -> Result<(), TrailFault> {
    while records.len() < RECORDS_OF_ONE_COMMIT {
        match timeout(Duration::ZERO, trail.next()).await {
            Ok(Ok(Some(next))) => records.push(next),
            // The end is told again when it is asked for.
            Ok(Ok(None)) | Err(_) => break,
            Ok(Err(fault)) => return Err(fault),
        }
    }
    Ok(())
}
