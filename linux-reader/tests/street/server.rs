//! The server's word, sealed as the server seals it.

use gettone_channel::{
    Ack, Audit, Chain, Config, Counters, Direction, Ephemeral, Favourite, Grant, Header, Hello,
    Item, JournalEpoch, Lock, LockState, PublicKey, Receipt, RefuseReason, StaticKey, Time,
    TokenKey, Utc, open, reader_id, seal, vend_id,
};
use std::collections::BTreeMap;

pub(crate) struct Server {
    key: StaticKey,
    reader: PublicKey,
    sealed: u64,
    /// What has been recorded, by place.
    pub(crate) receipts: BTreeMap<u64, Receipt>,
    pub(crate) epoch: Option<JournalEpoch>,
    pub(crate) hello: Option<Hello>,
    /// The newest snapshot of the machine's totals.
    pub(crate) counters: Option<Counters>,
    /// The technician's records.
    pub(crate) audits: Vec<Audit>,
    /// The key of the codes on show.
    pub(crate) token_key: Option<TokenKey>,
}

impl Server {
    pub(crate) fn new(reader: PublicKey) -> Self {
        Self {
            key: StaticKey::from_bytes([0x5e; 32]),
            reader,
            sealed: 0,
            receipts: BTreeMap::new(),
            epoch: None,
            hello: None,
            counters: None,
            audits: Vec::new(),
            token_key: None,
        }
    }

    pub(crate) fn public(&self) -> PublicKey {
        self.key.public()
    }

    /// Records what an envelope brings.
    pub(crate) fn record(&mut self, envelope: &[u8]) {
        let (_, items) = open(envelope, &self.key, &self.reader).expect("sealed by the reader");
        for item in items {
            match item {
                Item::Hello(hello) => {
                    self.epoch = Some(hello.journal_epoch);
                    self.hello = Some(hello);
                }
                Item::Epoch(epoch) => assert_eq!(self.epoch, Some(epoch)),
                Item::Receipt(receipt) => {
                    let before = self.receipts.insert(receipt.rseq, receipt);
                    assert!(before.is_none_or(|before| before == receipt), "one content");
                }
                Item::Counters(counters) => self.counters = Some(counters),
                Item::Audit(audit) => self.audits.push(audit),
                Item::TokenKey(told) => self.token_key = Some(told.k_tok),
                other => panic!("{other:?} is not of this road"),
            }
        }
        for (place, receipt) in &self.receipts {
            if let Some(next) = self.receipts.get(&(place + 1)) {
                assert_eq!(next.prev, Chain::of(receipt), "the chain holds");
            }
        }
    }

    pub(crate) fn ack(&mut self) -> Vec<u8> {
        let ack = self.ack_item();
        self.seal(&[ack])
    }

    /// ACK, TIME and a GRANT for the last HELLO.
    pub(crate) fn grant(&mut self, max_spend: u32, max_vends: u8) -> Vec<u8> {
        self.grant_cash(max_spend, max_vends, 0)
    }

    /// As above, and so much cash may be put in.
    pub(crate) fn grant_cash(&mut self, max_spend: u32, max_vends: u8, cash: u32) -> Vec<u8> {
        self.grant_with(max_spend, max_vends, cash, None)
    }

    /// One vend of a favourite, at most so much.
    pub(crate) fn grant_favourite(&mut self, max_spend: u32, favourite: Favourite) -> Vec<u8> {
        self.grant_with(max_spend, 1, 0, Some(favourite))
    }

    fn grant_with(
        &mut self,
        max_spend: u32,
        max_vends: u8,
        cash: u32,
        favourite: Option<Favourite>,
    ) -> Vec<u8> {
        let hello = self.hello.expect("a HELLO");
        let grant = Item::Grant(Grant {
            grant: vend_id(reader_id(&self.reader), hello.nonce),
            nonce: hello.nonce,
            bind: hello.bind,
            currency: hello.currency,
            exponent: hello.exponent,
            max_spend,
            max_vends,
            max_revalue: cash,
            show_balance: i32::try_from(max_spend).expect("small"),
            ttl_s: 300,
            favourite,
        });
        let time = Item::Time(Time {
            utc: Utc::from_unix_ms(1_800_000_000_000),
            nonce: hello.nonce,
        });
        let ack = self.ack_item();
        self.seal(&[ack, time, grant])
    }

    /// LOCK, for whoever brings it.
    pub(crate) fn lock(&mut self, version: u32, state: LockState) -> Vec<u8> {
        self.seal(&[Item::Lock(Lock { version, state })])
    }

    /// CONFIG, for whoever brings it.
    pub(crate) fn config(&mut self, config: Config) -> Vec<u8> {
        self.seal(&[Item::Config(config)])
    }

    pub(crate) fn refuse(&mut self, reason: RefuseReason) -> Vec<u8> {
        let nonce = self.hello.as_ref().expect("a HELLO").nonce;
        self.seal(&[Item::Refuse { nonce, reason }])
    }

    pub(crate) fn kinds(&self) -> Vec<gettone_channel::ReceiptKind> {
        self.receipts.values().map(|receipt| receipt.kind).collect()
    }

    fn ack_item(&self) -> Item {
        let (upto, newest) = self.receipts.last_key_value().expect("receipts");
        Item::Ack(Ack {
            journal_epoch: self.epoch.expect("a HELLO"),
            upto: *upto,
            chain: Chain::of(newest),
        })
    }

    fn seal(&mut self, items: &[Item]) -> Vec<u8> {
        self.sealed += 1;
        let header = Header {
            direction: Direction::ToReader,
            server_epoch: 1,
            reader_id: reader_id(&self.reader),
            sequence: self.sealed,
        };
        let mut random = [0x77; 32];
        random[..8].copy_from_slice(&self.sealed.to_be_bytes());
        let ephemeral = Ephemeral::from_bytes(random);
        seal(header, &self.key, &self.reader, ephemeral, items).expect("items of this road")
    }
}
