//! A server that keeps of a reader no more than it has to.

use gettone_channel as channel;
use gettone_channel::{
    Bind, CallId, CapClass, Direction, Ephemeral, Header, Item, LightGrant, LightPlace, StaticKey,
    TokenKey, TokenLink,
};
use gettone_core::money::{Amount, Currency};
use gettone_core::time::Timestamp;
use gettone_relay::{Granted, Letter, Reply, Verdict, chain_in, epoch_in, reader_in, reply_out};
use std::time::Duration;

pub(crate) const EPOCH: u16 = 1;
/// 2027, in milliseconds since 1970.
const NOW: u64 = 1_800_000_000_000;

pub(crate) struct Server {
    pub(crate) key: StaticKey,
    reader: channel::PublicKey,
    tokens: TokenKey,
    sealed: u64,
    /// The last receipt without a gap.
    newest: Option<channel::Receipt>,
    pub(crate) sold: u64,
    pub(crate) recorded: u64,
    pub(crate) package: Option<channel::Config>,
}

impl Server {
    pub(crate) fn new(reader: channel::PublicKey, tokens: TokenKey) -> Self {
        Self {
            key: StaticKey::from_bytes([4; 32]),
            reader,
            tokens,
            sealed: 0,
            newest: None,
            sold: 0,
            recorded: 0,
            package: None,
        }
    }

    /// Takes an envelope; answers, with a grant where its HELLO is bound to this.
    pub(crate) fn take(
        &mut self,
        envelope: &[u8],
        wanted: Option<Bind>,
        now: Duration,
    ) -> Option<Vec<u8>> {
        let (_, items) =
            channel::open(envelope, &self.key, &self.reader).expect("sealed by the reader");
        let letter = Letter::of(items).expect("an honest reader");
        for receipt in &letter.receipts {
            if receipt.rseq == self.recorded + 1 {
                self.recorded += 1;
                let is_sale = receipt.kind == channel::ReceiptKind::VendOk;
                self.sold += u64::from(is_sale);
                self.newest = Some(*receipt);
            }
        }
        let hello = letter.hello.as_ref();
        let is_wanted = hello.is_some_and(|hello| wanted == Some(hello.bind));
        let verdict = match is_wanted {
            true => Verdict::Granted(Granted {
                held: Amount::from_minor(300),
                vends_max: 1,
                revalue_max: Amount::ZERO,
                balance: Amount::from_minor(500),
                ttl: Duration::from_secs(300),
                favourite: None,
            }),
            false => Verdict::Nothing,
        };
        let newest = self.newest.as_ref()?;
        let noticed = letter.audits.last().map(|audit| audit.aseq);
        let reply = Reply {
            reader: reader_in(channel::reader_id(&self.reader)),
            currency: Currency::EUR,
            ack: Some((
                epoch_in(letter.epoch),
                self.recorded,
                chain_in(channel::Chain::of(newest)),
            )),
            noticed: noticed.map(|upto| (epoch_in(letter.epoch), upto)),
            lock: None,
            verdict,
            now: self.utc(now),
        };
        let mut items = reply_out(&letter, &reply);
        let named = self.package.filter(|package| {
            let has = hello.map_or(u32::MAX, |hello| hello.cfg);
            package.number() > has
        });
        items.extend(named.map(Item::Config));
        Some(self.seal(&items))
    }

    fn utc(&self, now: Duration) -> Timestamp {
        let passed = u64::try_from(now.as_millis()).expect("a day");
        Timestamp::from_millis(NOW + passed)
    }

    pub(crate) fn call(&mut self, id: CallId) -> Vec<u8> {
        self.seal(&[Item::Call(id)])
    }

    /// The light that buys with this code; the receipts beside it are taken.
    pub(crate) fn light(&mut self, code: &TokenLink) -> [u8; 10] {
        let slip = code.open(&self.tokens).expect("its own reader's");
        let place = LightPlace {
            boot: slip.order.boot,
            step: code.step,
            slip: code.slip.digest(),
        };
        let class = CapClass::within(300, 1).expect("a cap");
        LightGrant::seal(&self.tokens, class, &place).to_bytes()
    }

    fn seal(&mut self, items: &[Item]) -> Vec<u8> {
        self.sealed += 1;
        let header = Header {
            direction: Direction::ToReader,
            server_epoch: EPOCH,
            reader_id: channel::reader_id(&self.reader),
            sequence: self.sealed,
        };
        let mut random = [0x77; 32];
        random[..8].copy_from_slice(&self.sealed.to_be_bytes());
        let ephemeral = Ephemeral::from_bytes(random);
        channel::seal(header, &self.key, &self.reader, ephemeral, items).expect("its own items")
    }
}
