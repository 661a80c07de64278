//! The server's answer to a relay, as JSON.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use gettone_channel::{self as channel, Direction, ENVELOPE_LEN_MAX, Handshake, ReaderId};
use serde::{Deserialize, Serialize};

/// What the server says of one envelope, for the customer's eyes.
#[derive(Deserialize, Clone, PartialEq, Eq, Debug, Default)]
#[serde(default)]
pub struct Told {
    /// What became of it.
    pub outcome: Outcome,
    /// Why there is no grant.
    pub reason: Option<String>,
    /// The reader that sealed it.
    pub reader_id: Option<String>,
    /// The machine.
    pub machine: Option<u32>,
    /// The hold that pays.
    pub vend: Option<String>,
    /// How much is held.
    pub held: Option<String>,
    /// For how many vends.
    pub vends_max: Option<u8>,
    /// What the customer could spend.
    pub balance: Option<String>,
    /// What is missing.
    pub short_by: Option<String>,
    /// The item that the machine is asked to make at once.
    pub favourite: Option<u16>,
    /// The currency of the amounts.
    pub currency: Option<String>,
    /// Receipts in it.
    pub receipts: u64,
    /// Up to where the server has the reader's receipts.
    pub recorded: u64,
}

/// What became of an envelope.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Debug, Default)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Money is held.
    Granted,
    /// No money is held.
    Refused,
    /// Its receipts are taken.
    Recorded,
    /// The reader is asked for receipts again.
    Resend,
    /// The same relay again goes on with it.
    Unfinished,
    /// It is no envelope of an enrolled reader.
    Rejected,
    /// Something that this version does not know.
    #[default]
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    envelopes: Vec<String>,
    #[serde(default)]
    results: Vec<Told>,
}

#[derive(Serialize)]
struct Carried {
    envelopes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    h: Option<String>,
}

/// An envelope of the server, and whose it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ForReader {
    pub(crate) reader: ReaderId,
    pub(crate) envelope: Vec<u8>,
}

impl ForReader {
    /// Reads whose an envelope is; none where it is no envelope for a reader.
    pub(crate) fn of(envelope: Vec<u8>) -> Option<Self> {
        let header = channel::header(&envelope).ok()?;
        (header.direction == Direction::ToReader).then_some(Self {
            reader: header.reader_id,
            envelope,
        })
    }
}

/// The body of a relay.
pub(crate) fn write<'a>(
    envelopes: impl Iterator<Item = &'a [u8]>,
    link: Option<Handshake>,
) -> String {
    let carried = Carried {
        envelopes: envelopes.map(|bytes| BASE64.encode(bytes)).collect(),
        h: link.map(|link| link.to_string()),
    };
    serde_json::to_string(&carried).expect("strings are JSON")
}

/// Reads the answer to a relay; none where no server writes such a one. What is no envelope for a
/// reader is left out.
pub(crate) fn read(body: &[u8]) -> Option<(Vec<ForReader>, Vec<Told>)> {
    let answer: Answer = serde_json::from_slice(body).ok()?;
    let envelopes = answer.envelopes.iter().filter_map(|text| {
        if text.len() > ENVELOPE_LEN_MAX * 2 {
            return None;
        }
        ForReader::of(BASE64.decode(text).ok()?)
    });
    Some((envelopes.collect(), answer.results))
}
