//! The server's side: what an envelope's items say to the engine.

use crate::names::{chain_in, epoch_in, nonce_in};
use crate::receipt::receipt_in;
use gettone_channel as channel;
use gettone_core::id::Order;
use gettone_core::reader::{Ask, Hello, News};

/// What one opened envelope is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Letter {
    /// The journal epoch of its receipts.
    pub epoch: channel::JournalEpoch,
    /// Its HELLO, when it has one.
    pub hello: Option<channel::Hello>,
    /// Its receipts.
    pub receipts: Vec<channel::Receipt>,
}

/// Why the items of an authentic envelope are no letter.
#[derive(thiserror::Error, Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum LetterFault {
    /// Receipts without the journal epoch that they count in.
    #[error("receipts without their journal epoch")]
    NoEpoch,
    /// Two epochs.
    #[error("more than one journal epoch")]
    Epochs,
    /// Two HELLOs.
    #[error("more than one HELLO")]
    Hellos,
    /// Nothing that this server takes in.
    #[error("nothing that this server takes in")]
    Nothing,
}

impl Letter {
    /// Sorts an envelope's items.
    ///
    /// # Errors
    /// `LetterFault` when no honest reader sends such a list.
    pub fn of(items: Vec<channel::Item>) -> Result<Self, LetterFault> {
        let mut epoch = None;
        let mut hello = None;
        let mut receipts = Vec::new();
        for item in items {
            let counts_in = match item {
                channel::Item::Hello(ours) => {
                    let counts_in = ours.journal_epoch;
                    if hello.replace(ours).is_some() {
                        return Err(LetterFault::Hellos);
                    }
                    Some(counts_in)
                }
                channel::Item::Epoch(counts_in) => Some(counts_in),
                channel::Item::Receipt(receipt) => {
                    receipts.push(receipt);
                    None
                }
                // Keys, counters and the technician's records move no money of customers; a server
                // that does not keep them acknowledges none, and readers send them again.
                channel::Item::KeyUpdate(_)
                | channel::Item::TokenKey(_)
                | channel::Item::Counters(_)
                | channel::Item::Audit(_) => None,
                // The channel refuses these on the way here.
                channel::Item::Grant(_)
                | channel::Item::Ack(_)
                | channel::Item::Time(_)
                | channel::Item::Config(_)
                | channel::Item::Refuse { .. }
                | channel::Item::ServerKey(_)
                | channel::Item::Lock(_)
                | channel::Item::Call(_)
                | channel::Item::KeyAck(_)
                | channel::Item::Resend(_)
                | channel::Item::AuditAck(_) => None,
            };
            if let Some(counts_in) = counts_in
                && epoch
                    .replace(counts_in)
                    .is_some_and(|other| other != counts_in)
            {
                return Err(LetterFault::Epochs);
            }
        }
        match epoch {
            Some(epoch) => Ok(Self {
                epoch,
                hello,
                receipts,
            }),
            None if receipts.is_empty() => Err(LetterFault::Nothing),
            None => Err(LetterFault::NoEpoch),
        }
    }

    /// What it tells the engine, with the claim that somebody makes on its HELLO.
    pub fn news(&self, ask: Option<Ask>) -> News {
        News {
            epoch: epoch_in(self.epoch),
            first: chain_in(channel::Chain::first(self.epoch)),
            hello: self.hello.as_ref().map(hello_in),
            ask,
            receipts: self
                .receipts
                .iter()
                .map(|told| receipt_in(told).receipt)
                .collect(),
        }
    }
}

/// What of a HELLO the engine uses.
pub fn hello_in(told: &channel::Hello) -> Hello {
    Hello {
        epoch: epoch_in(told.journal_epoch),
        order: Order {
            boot: told.boot,
            uptime_ms: told.uptime_ms,
        },
        nonce: nonce_in(told.nonce),
        rseq_newest: told.rseq_newest,
        acked: told.acked,
    }
}
