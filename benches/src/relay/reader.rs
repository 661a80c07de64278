//! A reader that says HELLO again and again: no board behind it, but every byte as a board seals it.

use crate::fault::Fault;
use crate::purchases::server::{hex, random};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use gettone_channel::{
    self as channel, Bind, Chain, Direction, Ephemeral, Header, Hello, HelloFlags, Item,
    JournalEpoch, MdbState, Nonce, Pair, Receipt, ReceiptFlags, ReceiptKind, StaticKey, VendId,
};
use gettone_relay as board;
use std::collections::VecDeque;

/// Between two HELLOs, in milliseconds of the reader's uptime.
const PACE_MS: u64 = 5_000;
/// Receipts beside a HELLO when many are opened: what a purchase leaves.
const RECEIPTS: u64 = 2;

pub(super) struct Reader {
    key: StaticKey,
    server: Option<(Pair, u16)>,
    epoch: JournalEpoch,
    bind: Bind,
    said: u64,
    bodies: VecDeque<String>,
}

impl Reader {
    pub(super) fn new(key: StaticKey) -> Result<Self, Fault> {
        Ok(Self {
            key,
            server: None,
            epoch: JournalEpoch::from_bytes(random()?),
            bind: Bind::from_bytes(random()?),
            said: 0,
            bodies: VecDeque::new(),
        })
    }

    pub(super) const fn key(&self) -> &StaticKey {
        &self.key
    }

    pub(super) fn learn(&mut self, server: board::Server) -> Result<(), Fault> {
        let pair = Pair::of(&self.key, &server.key);
        let pair = pair.ok_or_else(|| Fault::call("enrolling a reader")("a weak key"))?;
        self.server = Some((pair, server.epoch));
        Ok(())
    }

    /// Seals so many HELLOs beforehand.
    pub(super) fn seal_ahead(&mut self, count: usize) -> Result<(), Fault> {
        for _ in 0..count {
            let body = self.body()?;
            self.bodies.push_back(body);
        }
        Ok(())
    }

    /// The body of the next relay, and whether it had to be sealed first.
    pub(super) fn next(&mut self) -> Result<(String, bool), Fault> {
        match self.bodies.pop_front() {
            Some(body) => Ok((body, false)),
            None => Ok((self.body()?, true)),
        }
    }

    /// An envelope of a HELLO and what a purchase leaves, in base64.
    pub(super) fn seal_with_receipts(&mut self) -> Result<String, Fault> {
        let mut prev = Chain::first(self.epoch);
        let mut items = vec![self.hello()?];
        for rseq in 1..=RECEIPTS {
            let receipt = Receipt {
                rseq,
                kind: ReceiptKind::VendOk,
                grant: VendId::from_bytes(random()?),
                item: 1,
                amount: 120,
                boot: 1,
                mono_ms: rseq,
                utc_est: None,
                flags: ReceiptFlags::NONE,
                ms: 3_000,
                prev,
            };
            prev = Chain::of(&receipt);
            items.push(Item::Receipt(receipt));
        }
        self.seal(&items)
    }

    fn body(&mut self) -> Result<String, Fault> {
        let hello = self.hello()?;
        let envelope = self.seal(&[hello])?;
        let h = hex(self.bind.as_bytes());
        Ok(format!(r#"{{"envelopes":["{envelope}"],"h":"{h}"}}"#))
    }

    fn hello(&mut self) -> Result<Item, Fault> {
        self.said += 1;
        Ok(Item::Hello(Hello {
            journal_epoch: self.epoch,
            boot: 1,
            nonce: Nonce::from_bytes(random()?),
            bind: self.bind,
            rseq_oldest: 0,
            rseq_newest: 0,
            acked: 0,
            chain: Chain::first(self.epoch),
            uptime_ms: self.said * PACE_MS,
            utc_est: None,
            utc_err_s: u32::MAX,
            cfg: 0,
            fw: 1,
            mdb_state: MdbState::Enabled,
            flags: HelloFlags::NONE,
            currency: 978,
            exponent: 2,
            scale: 1,
            max_price: 500,
            vmc_level: 2,
            vmc_id: channel::VmcId::from_bytes([8; 8]),
            step: 0,
        }))
    }

    fn seal(&self, items: &[Item]) -> Result<String, Fault> {
        let (pair, server_epoch) = self
            .server
            .as_ref()
            .ok_or_else(|| Fault::call("sealing")("the server is not known"))?;
        let header = Header {
            direction: Direction::ToServer,
            server_epoch: *server_epoch,
            reader_id: channel::reader_id(&self.key.public()),
            sequence: self.said,
        };
        let ephemeral = Ephemeral::from_bytes(random()?);
        let envelope = pair
            .seal(header, ephemeral, items)
            .map_err(Fault::call("sealing"))?;
        Ok(BASE64.encode(envelope))
    }
}
