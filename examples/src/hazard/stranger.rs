//! Those who hold a key that is not theirs, or none; and keys on their way.

use super::claims::Held;
use super::server::copy_all;
use super::stage::{AFTER_ONE, ESPRESSO, PURSE, Stage};
use super::{Hazard, Pace};
use crate::chance;
use crate::fault::StreetFault;
use crate::phone::Phone;
use crate::server::Key;
use crate::visit::Visit;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use gettone_channel::{
    self as channel, Direction, Ephemeral, Header, Item, PublicKey, ServerKey, StaticKey,
};
use gettone_core::board::{Limits, Record, Stamp, Written};
use gettone_core::id::{JournalEpoch, Order, Rseq, VendId};
use gettone_core::money::Amount;
use gettone_core::receipt::{Receipt, ReceiptKind as CoreKind};
use gettone_core::time::Timestamp;
use gettone_reader::{Journal, Opening};
use gettone_relay::{chain_of, receipt_out};
use serde_json::json;
use std::fs;
use std::path::Path;

/// Receipts that a full journal holds, the first one aside: as many as leave room for results only.
const FULL: usize = Limits::PROTOCOL.receipts_max - Limits::PROTOCOL.receipts_reserve;

pub(super) const HAZARDS: &[Hazard] = &[
    Hazard {
        name: "reader-stolen",
        fault: "a reader is stolen, and its key read out",
        bears: "the operator, up to what the grants given to it hold, until it is revoked",
        pace: Pace::Quick,
        play: reader_stolen,
    },
    Hazard {
        name: "receipt-after-end",
        fault: "a receipt comes after the end of its grant; no honest reader writes one, so this one is forged with its \
                key",
        bears: "nobody: it waits for a person, and nothing is taken from the customer",
        pace: Pace::Quick,
        play: receipt_after_end,
    },
    Hazard {
        name: "journal-full",
        fault: "the reader's journal is full of receipts that no server has",
        bears: "nobody: no new session until somebody has carried them away",
        pace: Pace::Slow,
        play: journal_full,
    },
    Hazard {
        name: "server-key-late",
        fault: "the server's next key is lost on its way, and comes late and twice",
        bears: "nobody: the old key goes on working",
        pace: Pace::Quick,
        play: server_key_late,
    },
    Hazard {
        name: "sender-forged",
        fault: "somebody asks for money in another's name; whoever has no credential can only carry, and SMS pay \
                for nobody who has not agreed and answered (the gateway's own tests play that)",
        bears: "nobody: nothing is held",
        pace: Pace::Quick,
        play: sender_forged,
    },
];

fn broken(_: impl std::fmt::Debug) -> StreetFault {
    StreetFault::Unexpected("a key or a journal that cannot be used")
}

/// What a thief finds on a reader's flash.
struct Loot {
    key: StaticKey,
    server: PublicKey,
    server_epoch: u16,
    epoch: JournalEpoch,
    last: Written,
}

impl Loot {
    fn take(stage: &Stage) -> Result<Self, StreetFault> {
        let (state, copy) = (stage.reader_state(), stage.dir().join("loot"));
        copy_all(&state, &copy)?;
        let path = copy.join("key");
        let bytes = fs::read(&path).map_err(|fault| StreetFault::file(&path, fault))?;
        let key: [u8; 32] = bytes.as_slice().try_into().map_err(broken)?;
        let (server_epoch, server) = server_key(stage)?;
        let past = open(&copy)?.past();
        let past = past.ok_or(StreetFault::Unexpected("a journal with an open vend"))?;
        let last = past.outbox.kept().last().copied();
        Ok(Self {
            key: StaticKey::from_bytes(key),
            server: server.public(),
            server_epoch,
            epoch: past.outbox.epoch(),
            last: last.ok_or(StreetFault::Unexpected("an empty journal"))?,
        })
    }

    /// A sale that never was, in the reader's own name.
    fn forge(&mut self, grant: VendId, minor: i64) -> Result<Vec<u8>, StreetFault> {
        self.last = after(&self.last, CoreKind::VendOk, grant, minor);
        let items = [
            Item::Epoch(gettone_relay::epoch_out(self.epoch)),
            Item::Receipt(receipt_out(&self.last)),
        ];
        let header = Header {
            direction: Direction::ToServer,
            server_epoch: self.server_epoch,
            reader_id: channel::reader_id(&self.key.public()),
            sequence: 1,
        };
        let ephemeral = Ephemeral::from_bytes(chance::bytes()?);
        channel::seal(header, &self.key, &self.server, ephemeral, &items).map_err(broken)
    }
}

/// The receipt that follows another one.
fn after(before: &Written, kind: CoreKind, grant: VendId, minor: i64) -> Written {
    let told = &before.receipt;
    let mut written = Written {
        receipt: Receipt {
            rseq: Rseq::new(told.rseq.number() + 1),
            kind,
            grant,
            item: gettone_core::id::Item::new(ESPRESSO),
            amount: Amount::from_minor(minor),
            order: Order {
                uptime_ms: told.order.uptime_ms + 1,
                ..told.order
            },
            prev: told.chain,
            ..*told
        },
        utc: before.utc,
    };
    written.receipt.chain = chain_of(&written);
    written
}

fn open(place: &Path) -> Result<Journal, StreetFault> {
    let opening = Opening {
        fresh_epoch: JournalEpoch::from_bytes([0; 8]),
        ending: None,
        stamp: Stamp {
            order: Order {
                boot: 1,
                uptime_ms: 0,
            },
            utc: Timestamp::default(),
        },
        limits: Limits::PROTOCOL,
    };
    Journal::open(place, &opening)
        .map(|(journal, _)| journal)
        .map_err(broken)
}

/// The server's key, as its own file has it.
fn server_key(stage: &Stage) -> Result<(u16, StaticKey), StreetFault> {
    let path = stage.server.state().join("server.key");
    let text = fs::read_to_string(&path).map_err(|fault| StreetFault::file(&path, fault))?;
    let line = text.lines().next().unwrap_or_default();
    let (epoch, key) = line.split_once(' ').unwrap_or_default();
    let mut bytes = [0; 32];
    for (byte, digits) in bytes.iter_mut().zip(key.as_bytes().chunks(2)) {
        let digits = std::str::from_utf8(digits).map_err(broken)?;
        *byte = u8::from_str_radix(digits, 16).map_err(broken)?;
    }
    let epoch = epoch.parse().map_err(broken)?;
    Ok((epoch, StaticKey::from_bytes(bytes)))
}

/// The name of the grant that a relay was answered with.
fn grant_of(told: &crate::phone::Carried) -> Result<VendId, StreetFault> {
    let text = told.results[0]["vend"].as_str().unwrap_or_default();
    let mut bytes = [0; 16];
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        let digits = std::str::from_utf8(digits).map_err(broken)?;
        *byte = u8::from_str_radix(digits, 16).map_err(broken)?;
    }
    Ok(VendId::from_bytes(bytes))
}

/// Has `phone` be granted, by the name that the server tells of the grant.
fn granted<'a>(stage: &Stage, phone: &'a Phone<'a>) -> Result<(Visit<'a>, VendId), StreetFault> {
    let mut visit = stage.meet(phone)?;
    let hello = stage.letter(&mut visit)?;
    let told = visit.carry(&hello)?;
    let grant = grant_of(&told)?;
    stage.bring(&mut visit, &told.envelopes)?;
    stage.granted(&mut visit)?;
    Ok((visit, grant))
}

fn reader_stolen(stage: &Stage) -> Result<(), StreetFault> {
    let (ann, eve) = (stage.person("ann", 1)?, stage.person("eve", 3)?);
    let (visit, grant) = granted(stage, &ann)?;
    stage.crash_reader();
    visit.vanish();
    let mut loot = Loot::take(stage)?;
    stage.say(
        "eve",
        "has the reader, and lies about a sale within ann's grant",
    );
    eve.carry(&loot.forge(grant, 300)?, None)?;
    stage.expect(&ann, "2.00", Held::Something)?;
    stage.say("eve", "lies about a sale far beyond it");
    eve.carry(&loot.forge(grant, 9_999)?, None)?;
    stage.expect(&ann, "2.00", Held::Something)?;
    let reader = stage.reader()?;
    let id = reader["reader_id"].as_str().unwrap_or_default();
    let path = format!("/v1/readers/{id}/revoke");
    stage.server.post(Key::Operator, &path, &json!({}))?;
    stage.say("operator", "revokes the reader");
    eve.carry(&loot.forge(grant, 100)?, None)?;
    stage.expect(&ann, "2.00", Held::Nothing)?;
    stage.expect(&eve, PURSE, Held::Nothing)
}

fn receipt_after_end(stage: &Stage) -> Result<(), StreetFault> {
    let (ann, eve) = (stage.person("ann", 1)?, stage.person("eve", 3)?);
    let (mut visit, grant) = granted(stage, &ann)?;
    stage.buy(&mut visit)?;
    stage.leave(visit)?;
    stage.expect(&ann, AFTER_ONE, Held::Nothing)?;
    stage.crash_reader();
    let mut loot = Loot::take(stage)?;
    let told = eve.carry(&loot.forge(grant, 120)?, None)?;
    stage.same("the late receipt", told.outcome(), "recorded")?;
    stage.expect(&ann, AFTER_ONE, Held::Nothing)
}

fn journal_full(stage: &Stage) -> Result<(), StreetFault> {
    let ann = stage.person("ann", 1)?;
    stage.stop_reader()?;
    let mut journal = open(&stage.reader_state())?;
    let past = journal.past();
    let last = past.and_then(|past| past.outbox.kept().last().copied());
    let mut last = last.ok_or(StreetFault::Unexpected("an empty journal"))?;
    for _ in 0..FULL {
        last = after(&last, CoreKind::VendFail, VendId::from_bytes([7; 16]), 0);
        journal
            .append_unsynced(&Record::Receipt(last))
            .map_err(broken)?;
    }
    drop(journal);
    let newest = last.receipt.rseq.number();
    stage.say(
        "reader",
        format_args!("has {newest} receipts, and room for no other"),
    );
    stage.start_reader()?;
    let mut visit = stage.meet(&ann)?;
    let hello = stage.letter(&mut visit)?;
    let mut told = visit.carry(&hello)?;
    stage.same("the HELLO", told.reason(), "machine_off")?;
    // A phone that speaks while a reader pours out its receipts has too much to listen to.
    let refused = told.envelopes.split_off(0);
    let mut answers = Vec::new();
    while told.results[0]["recorded"].as_u64().unwrap_or_default() < newest {
        let more = stage.letter(&mut visit)?;
        told = visit.carry_quietly(&more)?;
        // The last ACK covers what the others do.
        answers = told.envelopes.split_off(0);
    }
    stage.bring(&mut visit, &refused)?;
    stage.bring(&mut visit, &answers)?;
    stage.say("ann", "has carried all of them");
    stage.wait_for(visit.again())?;
    stage.granted(&mut visit)?;
    stage.buy(&mut visit)?;
    stage.leave(visit)?;
    stage.expect(&ann, AFTER_ONE, Held::Nothing)
}

fn server_key_late(stage: &Stage) -> Result<(), StreetFault> {
    let ann = stage.person("ann", 1)?;
    let (epoch, key) = server_key(stage)?;
    let identity = stage.reader_state().join("key");
    let bytes = fs::read(&identity).map_err(|fault| StreetFault::file(&identity, fault))?;
    let bytes: [u8; 32] = bytes.as_slice().try_into().map_err(broken)?;
    let reader = StaticKey::from_bytes(bytes).public();
    let next = Item::ServerKey(ServerKey {
        epoch: epoch + 1,
        s_pub: StaticKey::from_bytes(chance::bytes()?).public(),
        activate: false,
    });
    let header = Header {
        direction: Direction::ToReader,
        server_epoch: epoch,
        reader_id: channel::reader_id(&reader),
        sequence: 1,
    };
    let ephemeral = Ephemeral::from_bytes(chance::bytes()?);
    let late = channel::seal(header, &key, &reader, ephemeral, &[next]).map_err(broken)?;
    stage.say("air", "loses the server's next key");
    let mut visit = stage.arrive(&ann)?;
    stage.buy(&mut visit)?;
    stage.say("ann", "brings it late, and once more");
    stage.bring(&mut visit, &[late.clone(), late])?;
    stage.leave(visit)?;
    stage.expect(&ann, AFTER_ONE, Held::Nothing)?;
    let mut visit = stage.arrive(&ann)?;
    stage.buy(&mut visit)?;
    stage.leave(visit)?;
    stage.expect(&ann, "2.60", Held::Nothing)
}

fn sender_forged(stage: &Stage) -> Result<(), StreetFault> {
    let ann = stage.person("ann", 1)?;
    let mut visit = stage.meet(&ann)?;
    let hello = stage.letter(&mut visit)?;
    let body = json!({"envelopes": [BASE64.encode(&hello)], "h": visit.handshake()});
    let told = stage.server.post(Key::None, "/v1/app/relay", &body)?;
    let outcome = told["results"][0]["outcome"].as_str().unwrap_or_default();
    stage.same("who has no credential", outcome, "recorded")?;
    visit.vanish();
    stage.expect(&ann, PURSE, Held::Nothing)?;
    stage.pass_by(&ann)
}
