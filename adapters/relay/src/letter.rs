//! The server's side: what an envelope's items say to the engine.

use crate::names::{chain_in, epoch_in, nonce_in, vmc_in};
use crate::receipt::receipt_in;
use crate::token::token_key_in;
use gettone_channel as channel;
use gettone_core::counters::{Counters, Row};
use gettone_core::id::{Item, Order, ReaderKey, Rseq};
use gettone_core::notice::{Code, Notice};
use gettone_core::reader::{Ask, Command, Facts, Hello, News, NextKeys};

/// What one opened envelope is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Letter {
    /// The journal epoch of its receipts.
    pub epoch: channel::JournalEpoch,
    /// Its HELLO, when it has one.
    pub hello: Option<channel::Hello>,
    /// Its receipts.
    pub receipts: Vec<channel::Receipt>,
    /// Its notices for the technician.
    pub audits: Vec<channel::Audit>,
    /// Its counters.
    pub counters: Option<channel::Counters>,
    /// The key of the codes that it shows, when it tells it.
    pub token_key: Option<channel::TokenKeyUpdate>,
    /// The next keys of its reader, when it announces them.
    pub key_update: Option<KeyUpdate>,
    /// Parts of a report on how its reader is.
    pub report: Vec<channel::Diagnostics>,
}

/// The next keys of a reader: both are kept, or neither.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyUpdate {
    /// The key of its envelopes, and the number of both.
    pub keys: channel::KeyUpdate,
    /// The key of the codes that it shows: the TOKEN_KEY behind the KEY_UPDATE.
    pub token: Option<channel::TokenKeyUpdate>,
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
    /// Two snapshots of the counters.
    #[error("more than one snapshot of the counters")]
    Counters,
    /// Two announcements of the next keys.
    #[error("more than one announcement of the next keys")]
    KeyUpdates,
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
        let mut audits = Vec::new();
        let mut counters = None;
        let mut token_key = None;
        let mut key_update: Option<KeyUpdate> = None;
        let mut report = Vec::new();
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
                channel::Item::Counters(snapshot) => {
                    let counts_in = snapshot.journal_epoch;
                    if counters.replace(snapshot).is_some() {
                        return Err(LetterFault::Counters);
                    }
                    Some(counts_in)
                }
                channel::Item::Audit(audit) => {
                    audits.push(audit);
                    Some(audit.journal_epoch)
                }
                channel::Item::KeyUpdate(keys) => {
                    let update = KeyUpdate { keys, token: None };
                    if key_update.replace(update).is_some() {
                        return Err(LetterFault::KeyUpdates);
                    }
                    None
                }
                channel::Item::TokenKey(told) => {
                    match &mut key_update {
                        Some(update) => update.token = Some(told),
                        None => token_key = Some(told),
                    }
                    None
                }
                channel::Item::Diagnostics(part) => {
                    report.push(part);
                    None
                }
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
                | channel::Item::AuditAck(_)
                | channel::Item::Diagnose(_) => None,
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
                audits,
                counters,
                token_key,
                key_update,
                report,
            }),
            None if receipts.is_empty() => Err(LetterFault::Nothing),
            None => Err(LetterFault::NoEpoch),
        }
    }

    /// What has to be told before its news, when its reader keeps no longer what an ACK never
    /// reached: receipts that went when space ran out, their brief form on the server's books.
    pub fn forgotten(&self) -> Option<Command> {
        let hello = self
            .hello
            .as_ref()
            .filter(|hello| hello.rseq_oldest > hello.acked.saturating_add(1))?;
        let oldest = self
            .receipts
            .iter()
            .find(|receipt| receipt.rseq == hello.rseq_oldest)?;
        Some(Command::Forget {
            epoch: epoch_in(self.epoch),
            oldest: Rseq::new(oldest.rseq),
            chain: chain_in(oldest.prev),
        })
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
            notices: self.audits.iter().map(notice_in).collect(),
            counters: self.counters.as_ref().map(counters_in),
        }
    }
}

/// The keys that a letter announces.
pub fn next_keys_in(letter: &Letter) -> Option<NextKeys> {
    let update = letter.key_update.as_ref()?;
    Some(NextKeys {
        epoch: update.keys.key_epoch,
        key: ReaderKey::from_bytes(*update.keys.new_r_pub.as_bytes()),
        token: update.token.as_ref().map(|told| token_key_in(&told.k_tok)),
    })
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
        facts: Facts {
            firmware: told.fw,
            mdb_state: told.mdb_state.code(),
            vmc: vmc_in(told.vmc_id),
        },
    }
}

/// A notice as the engine knows it.
pub fn notice_in(told: &channel::Audit) -> Notice {
    Notice {
        aseq: told.aseq,
        code: Code::from_wire(told.code.code()),
        n: told.n,
        order: Order {
            boot: told.boot,
            uptime_ms: told.mono_ms,
        },
        data: told.data,
    }
}

/// A snapshot of the counters as the engine knows it.
pub fn counters_in(told: &channel::Counters) -> Counters {
    Counters {
        seq: told.seq,
        rows: told
            .rows
            .iter()
            .map(|row| Row {
                item: Item::new(row.item),
                price: row.price,
                count: row.count,
                value: row.value,
            })
            .collect(),
        cash_in: told.cash_in,
        errors: told.errors,
    }
}
