//! Envelopes that came by a reader's own road, and the typed codes that their HELLOs answer for.

use super::authentic::open;
use super::taken::take;
use super::{Carrier, Told, Way};
use crate::database::sms;
use crate::failure;
use crate::gateway::Gateway;
use crate::problem::Problem;
use crate::relay::Outcome;
use gettone_core::id::ReaderId;
use gettone_core::reader::Command;
use gettone_relay::{nonce_in, vend_of};
use tokio::sync::oneshot;

/// What became of an envelope that came by a reader's own road.
pub(in crate::route) struct ByRoad {
    /// The answer to the reader, and what confirms the keys that it has announced.
    pub(in crate::route) sealed: Vec<Vec<u8>>,
    /// Who typed the code that its HELLO answers for, and what they are told.
    pub(in crate::route) called: Option<(oneshot::Sender<Told>, Told)>,
    /// Whether it carries the reader's newest HELLO.
    pub(in crate::route) is_newest: bool,
}

/// Takes an envelope that came by the road of this reader; nothing when it is not one of its own.
pub(in crate::route) async fn by_road(
    gateway: &Gateway,
    reader: ReaderId,
    bytes: &[u8],
) -> Result<Option<ByRoad>, Problem> {
    let Some(authentic) = open(gateway, bytes).await? else {
        return Ok(None);
    };
    if authentic.id != reader {
        return Ok(None);
    }
    let bind = authentic.letter.hello.as_ref().map(|hello| hello.bind);
    let mut call = bind.and_then(|bind| gateway.roads().answered(reader, bind));
    let mut allowance = call.as_ref().and_then(|call| call.allowance);
    if let (Some(room), Some(hello)) = (allowance, &authentic.letter.hello) {
        let vend = vend_of(reader, nonce_in(hello.nonce));
        let bound = gateway
            .database()
            .write(move |transaction| sms::bind(transaction, room.name, vend))
            .await?;
        // The room that was made for it was given up: whoever waited does so no more.
        if !bound {
            (call, allowance) = (None, None);
        }
    }
    let carrier = Carrier {
        account: call.as_ref().map(|call| call.customer.clone()),
        link: bind.filter(|_| call.is_some()),
        way: Way::Call,
        cap: allowance.map(|allowance| allowance.cap),
    };
    let taken = take(gateway, &authentic, &carrier).await?;
    if let (Some(allowance), false) = (allowance, matches!(taken.outcome, Outcome::Granted(_))) {
        gateway
            .database()
            .write(move |transaction| sms::unbind(transaction, allowance.name))
            .await?;
    }
    if let (Outcome::Granted(_), Some(call)) = (taken.outcome, &call) {
        // The hold uses the code up, before its reader hears of it.
        use_up(gateway, reader, call.step).await?;
    }
    Ok(Some(ByRoad {
        sealed: taken.sealed,
        called: call.map(|call| (call.told, taken.told)),
        is_newest: taken.is_newest,
    }))
}

async fn use_up(gateway: &Gateway, reader: ReaderId, step: u64) -> Result<(), Problem> {
    let command = Command::KeepTokens { key: None, step };
    let kept = gateway.engine().reader_command(reader, command).await;
    kept.map(|_| ())
        .map_err(|failed| failure::told(failed, failure::reader))
}
