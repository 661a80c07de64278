//! Envelopes that a reader did seal: every other one is opened at the same cost, and is nobody's.

use crate::bounds::ENVELOPE_LEN_MAX;
use crate::failure;
use crate::gateway::Gateway;
use crate::key::EPOCH_FIRST;
use crate::problem::Problem;
use crate::rekey::{self, Addressee};
use gettone_channel as channel;
use gettone_channel::{Direction, PublicKey};
use gettone_core::id::{MachineId, OperatorId, ReaderId, VmcId};
use gettone_core::money::Currency;
use gettone_core::reader::{Command, Life, Reader};
use gettone_relay::{Letter, key_out, reader_in};

/// An envelope that its reader did seal.
pub(super) struct Authentic {
    pub(super) letter: Letter,
    pub(super) id: ReaderId,
    pub(super) machine: MachineId,
    pub(super) operator: Option<OperatorId>,
    pub(super) currency: Currency,
    /// Where its answer goes.
    pub(super) from: Addressee,
    pub(super) life: Life,
    /// The machine's controller, when it is another one than before.
    pub(super) doubted: Option<VmcId>,
}

/// Opens an envelope. Who is nobody's reader costs as much as who is somebody's, and neither
/// writes anything.
pub(super) async fn open(gateway: &Gateway, bytes: &[u8]) -> Result<Option<Authentic>, Problem> {
    if bytes.len() > ENVELOPE_LEN_MAX {
        return Ok(None);
    }
    let Ok(header) = channel::header(bytes) else {
        return Ok(None);
    };
    let id = reader_in(header.reader_id);
    let reader = gateway
        .engine()
        .reader(id)
        .await
        .map_err(failure::unread)?
        .into_inner();
    let known = reader
        .as_deref()
        .filter(|_| header.direction == Direction::ToServer);
    let known = known.and_then(|known| {
        let own = gateway.servers().of(header.server_epoch)?;
        let (key, machine, currency) = enrolled(known)?;
        let pair = gateway.pairs().with(own, id, &key)?;
        Some((known, own, pair, machine, currency))
    });
    let pair = known
        .as_ref()
        .map_or(gateway.pairs().decoy(), |(_, _, pair, ..)| pair);
    let opened = pair.open(bytes);
    let Some((reader, own, pair, machine, currency)) = known else {
        return Ok(None);
    };
    let (key, items) = match (opened, reader.next_keys()) {
        (Ok((_, items)), _) => (*pair.peer(), items),
        (Err(_), Some(next)) => {
            let key = key_out(next.key);
            let pair = gateway.pairs().with(own, id, &key);
            let Some(Ok((_, items))) = pair.map(|pair| pair.open(bytes)) else {
                return Ok(None);
            };
            // From here on the key before opens nothing.
            rekey::tell(gateway, id, Command::Switch { epoch: next.epoch }).await?;
            (key, items)
        }
        (Err(_), None) => return Ok(None),
    };
    let server_epoch = reader.server_epoch().max(header.server_epoch);
    if header.server_epoch > reader.server_epoch().max(EPOCH_FIRST) {
        let server = header.server_epoch;
        rekey::tell(gateway, id, Command::Follow { server }).await?;
    }
    match Letter::of(items) {
        Ok(letter) => Ok(Some(Authentic {
            life: reader.life(),
            doubted: rekey::doubted(reader, &letter),
            operator: reader.operator(),
            letter,
            id,
            machine,
            currency,
            from: Addressee {
                reader: id,
                key,
                server_epoch,
            },
        })),
        Err(fault) => {
            tracing::warn!(reader = %id, %fault, "an authentic envelope makes no sense");
            Ok(None)
        }
    }
}

fn enrolled(reader: &Reader) -> Option<(PublicKey, MachineId, Currency)> {
    Some((
        key_out(reader.key()?),
        reader.machine()?,
        reader.currency()?,
    ))
}
