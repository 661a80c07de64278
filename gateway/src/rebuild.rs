//! Folds anew what people look at, from the journal alone.

use crate::config::Config;
use crate::database::{DatabaseFault, Ground};
use crate::key;
use crate::server::{ServeFault, head_of, open_store};
use gettone_core::port::{Seq, StoreFault};
use gettone_core::record::Record;

/// How far a rebuild is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Progress {
    /// Records that are taken in.
    pub records: u64,
    /// Records of the journal.
    pub of: u64,
}

/// Forgets receipts, sales and whatever else is folded from the journal, and folds it anew. What
/// people entered stays. A rebuild that is cut off goes on at the gateway's next start. Nobody else
/// may have the journal open.
///
/// # Errors
/// `ServeFault` when the journal cannot be read, or the tables cannot be written.
pub fn rebuild(config: &Config, told: &mut dyn FnMut(Progress)) -> Result<Progress, ServeFault> {
    key::state_directory(&config.state)?;
    let (mut store, _) = open_store(config)?;
    let head = head_of(store.as_mut())?;
    let mut ground = Ground::open(&config.state, config.records.as_ref())?;
    ground.forget_projections()?;
    let mut catch_up = ground.catch_up(head)?;
    let mut progress = Progress {
        records: 0,
        of: head.number(),
    };
    let replayed = store.replay(Seq::FIRST, &mut |seq, payload| {
        let record = Record::decode(payload).map_err(|fault| StoreFault::Damaged {
            place: format!("frame {}", seq.number()),
            what: fault.to_string(),
        })?;
        catch_up.take(seq, &record);
        progress.records = seq.number();
        told(progress);
        if catch_up.has_failed() {
            return Err(StoreFault::Failed);
        }
        Ok(())
    });
    // What the tables said comes first: it is why the journal was not read on.
    catch_up.finish().map_err(DatabaseFault::from)?;
    replayed?;
    Ok(progress)
}
