//! Readers that change their keys (protocol section 10): what they announce is kept whole or not at
//! all, and confirmed once it is.

use crate::failure;
use crate::gateway::Gateway;
use crate::key::EPOCH_FIRST;
use crate::problem::{Kind, Problem};
use gettone::Failure;
use gettone_channel as channel;
use gettone_channel::{Direction, Header, PublicKey};
use gettone_core::id::{ReaderId, VmcId};
use gettone_core::reader::{self, Command, NextKeys, Reader};
use gettone_core::record::{Event, Record};
use gettone_relay::{Letter, hello_in, next_keys_in, reader_out};
use std::collections::BTreeMap;

/// Keeps the keys that a letter announces; gives them when they are to be confirmed: they are on
/// disk, and nobody has announced others under their number.
pub(crate) async fn announced(
    gateway: &Gateway,
    reader: ReaderId,
    letter: &Letter,
) -> Result<Option<NextKeys>, Problem> {
    let Some(told) = next_keys_in(letter) else {
        return Ok(None);
    };
    tell(gateway, reader, Command::Announce(told)).await?;
    let kept = gateway.engine().reader(reader).await;
    let kept = kept.map_err(failure::unread)?.into_inner();
    Ok(kept.filter(|reader| reader.has_keys(&told)).map(|_| told))
}

/// Tells a reader's books one thing about its keys. What they refuse changes nothing: the keys of
/// before go on.
pub(crate) async fn tell(
    gateway: &Gateway,
    reader: ReaderId,
    command: Command,
) -> Result<(), Problem> {
    match gateway.engine().reader_command(reader, command).await {
        Ok(_) => Ok(()),
        Err(Failure::Refused(refusal)) => {
            tracing::warn!(%reader, %refusal, "a change of its keys is not taken");
            Ok(())
        }
        Err(failed) => Err(failure::told(failed, failure::reader)),
    }
}

/// The controller that the letter's HELLO names, when the newest one so far named another.
pub(crate) fn doubted(reader: &Reader, letter: &Letter) -> Option<VmcId> {
    let hello = hello_in(letter.hello.as_ref()?);
    let is_newest = reader
        .newest()
        .is_some_and(|newest| newest.order < hello.order);
    let told = hello.facts.vmc;
    (is_newest && reader.is_at_another(told)).then_some(told)
}

/// Where an envelope for a reader goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Addressee {
    /// Which reader.
    pub reader: ReaderId,
    /// To which of its keys.
    pub key: PublicKey,
    /// How far it has followed the server's keys.
    pub server_epoch: u16,
}

/// Seals something for a reader, in the epoch of its latest envelope.
///
/// # Errors
/// `Problem` when it does not seal.
pub(crate) fn seal_for(
    gateway: &Gateway,
    to: &Addressee,
    items: &[channel::Item],
) -> Result<Vec<u8>, Problem> {
    let servers = gateway.servers();
    let own = servers
        .of(to.server_epoch)
        .unwrap_or_else(|| servers.active());
    let header = Header {
        direction: Direction::ToReader,
        server_epoch: own.epoch,
        reader_id: reader_out(to.reader),
        sequence: gateway.sequence(),
    };
    let ephemeral = gateway.ephemeral().map_err(|fault| {
        tracing::error!(%fault, "no answer can be sealed");
        Kind::Internal.because("no answer can be sealed")
    })?;
    let pair = gateway.pairs().with(own, to.reader, &to.key);
    let sealed = pair
        .ok_or(channel::EnvelopeFault::WeakKey)
        .and_then(|pair| pair.seal(header, ephemeral, items));
    sealed.map_err(|fault| {
        tracing::error!(reader = %to.reader, %fault, "an answer does not seal");
        Kind::Internal.because("no answer can be sealed")
    })
}

/// How far each reader has followed the server's keys, as the journal tells.
#[derive(Debug, Default)]
pub(crate) struct Followers(BTreeMap<ReaderId, u16>);

impl Followers {
    /// Takes in the next record.
    pub(crate) fn take(&mut self, record: &Record) {
        let Event::Reader { reader, event } = &record.event else {
            return;
        };
        match **event {
            // Nobody knows which key it was given: it keeps all of them.
            reader::Event::Enrolled { .. } => {
                self.0.insert(*reader, EPOCH_FIRST);
            }
            reader::Event::ServerFollowed { epoch } => {
                self.0.insert(*reader, epoch);
            }
            reader::Event::Revoked => {
                self.0.remove(reader);
            }
            reader::Event::Heard { .. }
            | reader::Event::Applied { .. }
            | reader::Event::Answered { .. }
            | reader::Event::Fenced { .. }
            | reader::Event::TokensKept { .. }
            | reader::Event::Scanned(_)
            | reader::Event::Forgotten { .. }
            | reader::Event::KeyAnnounced(_)
            | reader::Event::KeyDisputed { .. }
            | reader::Event::KeySwitched { .. }
            | reader::Event::ControllerDoubted { .. }
            | reader::Event::ControllerTrusted => {}
        }
    }

    /// Gives these up: they keep no key. Gives those of them that are no reader's.
    pub(crate) fn give_up(&mut self, readers: &[ReaderId]) -> Vec<ReaderId> {
        let mut strange = Vec::new();
        for reader in readers {
            if self.0.remove(reader).is_none() {
                strange.push(*reader);
            }
        }
        strange
    }

    /// The oldest key that somebody may still seal to; none without readers.
    pub(crate) fn least(&self) -> Option<u16> {
        self.0.values().min().copied()
    }

    /// Who has not followed as far as this key, and how far.
    pub(crate) fn below(&self, epoch: u16) -> impl Iterator<Item = (ReaderId, u16)> {
        let all = self.0.iter().map(|(reader, follows)| (*reader, *follows));
        all.filter(move |(_, follows)| *follows < epoch)
    }
}
