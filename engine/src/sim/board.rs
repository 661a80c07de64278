//! An honest board with its flash, and the phones that pass by: it reports what it did under the
//! grant of its newest HELLO, again and again, until the server has acknowledged it.

use super::ask::Ask;
use super::chance::Chance;
use super::medium::Guard;
use super::witness::{Effect, Witness};
use crate::relay::Relayed;
use gettone_core::grant::{Purpose, Terms};
use gettone_core::id::{
    Chain, Item, JournalEpoch, MachineId, Nonce, OperatorId, Order, ReaderId, Rseq, VendId,
    WalletId,
};
use gettone_core::money::Amount;
use gettone_core::reader::{Answer, Ask as Claim, Facts, Hello, NEWS_MAX, News, Standing};
use gettone_core::receipt::{Flags, Receipt, ReceiptKind};

/// The journal of every board.
pub(super) const EPOCH: JournalEpoch = JournalEpoch::from_bytes([1; 8]);

#[derive(Debug)]
pub(super) struct Board {
    pub(super) reader: ReaderId,
    pub(super) machine: MachineId,
    operator: OperatorId,
    /// Its flash: every receipt that it ever wrote.
    receipts: Vec<Receipt>,
    acked: u64,
    uptime_ms: u64,
    hellos: u64,
    hello: Option<(Hello, Option<(VendId, WalletId)>)>,
    grant: Option<Grant>,
    /// Envelopes that phones still carry.
    carried: Vec<(News, Option<WalletId>)>,
    /// Whether a new HELLO ends what was granted before.
    fence: Guard,
    /// What it will have done once all of it is heard.
    did: Vec<Effect>,
}

#[derive(Clone, Copy, Debug)]
struct Grant {
    vend: VendId,
    wallet: WalletId,
    left: i64,
    vends_left: u8,
    cash_left: i64,
    count: u16,
    total: i64,
}

impl Board {
    pub(super) fn new(number: u8, operator: OperatorId, fence: Guard) -> Self {
        Self {
            reader: ReaderId::from_bytes([number; 8]),
            machine: MachineId::new(u32::from(number)),
            operator,
            receipts: Vec::new(),
            acked: 0,
            uptime_ms: 0,
            hellos: 0,
            hello: None,
            grant: None,
            carried: Vec::new(),
            fence,
            did: Vec::new(),
        }
    }

    /// Another board takes its place; what this one did and nobody heard is gone with it.
    pub(super) fn give_way(&mut self, witness: &mut Witness, number: u8) {
        self.did
            .drain(..)
            .for_each(|effect| witness.forgive(effect));
        let machine = self.machine;
        *self = Self {
            machine,
            ..Self::new(number, self.operator, self.fence)
        };
    }

    fn promise(&mut self, witness: &mut Witness, effect: Effect) {
        self.did.push(effect);
        witness.promise(effect);
    }

    /// What happens next before this board, and the call that a phone makes because of it.
    pub(super) fn act(
        &mut self,
        chance: &mut Chance,
        witness: &mut Witness,
        wallet: WalletId,
    ) -> Option<Ask> {
        self.uptime_ms += 1 + chance.below(1_000);
        match chance.below(10) {
            0..=4 if self.grant.is_some() => {
                for _ in 0..=chance.below(2) {
                    self.vend(chance, witness);
                }
                None
            }
            // An old envelope comes once more, late and out of order.
            5 if !self.carried.is_empty() => {
                let at = chance.place(self.carried.len());
                let (news, account) = self.carried.get(at)?.clone();
                Some(Ask::Relay(self.reader, Box::new(news), account))
            }
            6 => Some(self.pass_by(chance)),
            _ => {
                // A server opens the wallet before it takes anybody's claim.
                let may_claim = witness.is_acked(Effect::WalletOpened(wallet));
                let claim = (may_claim && !chance.is_in(1, 8)).then_some(wallet);
                Some(self.greet(chance, witness, claim))
            }
        }
    }

    /// The last honest phone: HELLOs until everything is in.
    pub(super) fn hear_out(&mut self, chance: &mut Chance, witness: &mut Witness) -> Ask {
        self.uptime_ms += 1;
        self.greet(chance, witness, None)
    }

    /// Whether everything it wrote is acknowledged.
    pub(super) fn is_heard(&self) -> bool {
        self.acked == self.newest()
    }

    fn newest(&self) -> u64 {
        u64::try_from(self.receipts.len()).unwrap_or(u64::MAX)
    }

    /// What the server said reaches the board.
    pub(super) fn told(&mut self, relayed: &Relayed, hello: Option<Hello>) {
        if let Some((_, rseq, _)) = relayed.ack {
            self.acked = self.acked.max(rseq);
        }
        let Some(Standing::Answered(Answer::Granted {
            held,
            vends_max,
            revalue_max,
            ..
        })) = relayed.standing
        else {
            return;
        };
        let newest = self.hello;
        if let (Some(hello), Some((newest, Some((vend, wallet))))) = (hello, newest)
            && hello.nonce == newest.nonce
            && self.grant.is_none_or(|grant| grant.vend != vend)
            && !self.receipts.iter().any(|receipt| receipt.grant == vend)
        {
            self.grant = Some(Grant {
                vend,
                wallet,
                left: held.minor(),
                vends_left: vends_max,
                cash_left: revalue_max.minor(),
                count: 0,
                total: 0,
            });
        }
    }

    fn vend(&mut self, chance: &mut Chance, witness: &mut Witness) {
        let Some(mut grant) = self.grant else { return };
        let rseq = Rseq::new(self.newest() + 1);
        let price = chance.minor(50);
        let (mut kind, mut amount) = match chance.below(8) {
            0 => (ReceiptKind::VendFail, price),
            1 if price <= grant.left => (ReceiptKind::VendUnknown, price),
            2 if price <= grant.cash_left => (ReceiptKind::RevalueOk, price),
            3 if price <= grant.cash_left => (ReceiptKind::RevalueUnknown, price),
            _ => (ReceiptKind::VendOk, price),
        };
        if kind == ReceiptKind::VendOk && (price > grant.left || grant.vends_left == 0) {
            (kind, amount) = (ReceiptKind::VendFail, 0);
        }
        let sold = Effect::Sold(grant.wallet, grant.vend, rseq);
        let credited = Effect::Credited(grant.wallet, grant.vend, rseq);
        match kind {
            ReceiptKind::VendOk => {
                witness.ask(sold, -amount);
                self.promise(witness, sold);
                grant.left -= amount;
                grant.vends_left -= 1;
                grant.total += amount;
            }
            ReceiptKind::VendUnknown => {
                witness.ask(sold, -amount);
                grant.left -= amount;
                grant.vends_left = grant.vends_left.saturating_sub(1);
            }
            ReceiptKind::RevalueOk => {
                let took_in = Effect::TookIn(self.machine, self.reader, rseq);
                witness.ask(credited, amount);
                witness.ask(took_in, amount);
                self.promise(witness, credited);
                self.promise(witness, took_in);
                grant.cash_left -= amount;
            }
            ReceiptKind::RevalueUnknown => {
                witness.ask(credited, amount);
                grant.cash_left -= amount;
            }
            _ => {}
        }
        grant.count += 1;
        self.grant = Some(grant);
        self.write(witness, (kind, grant.vend, 3, amount));
        if chance.is_in(1, 4) {
            self.write(
                witness,
                (ReceiptKind::Close, grant.vend, grant.count, grant.total),
            );
            self.grant = None;
        }
    }

    fn write(&mut self, witness: &mut Witness, what: (ReceiptKind, VendId, u16, i64)) {
        let (kind, grant, item, minor) = what;
        let number = self.newest() + 1;
        self.uptime_ms += 1;
        self.receipts.push(Receipt {
            rseq: Rseq::new(number),
            kind,
            grant,
            item: Item::new(item),
            amount: Amount::from_minor(minor),
            order: self.order(),
            flags: Flags::default(),
            after_ms: 900,
            prev: chain(number - 1),
            chain: chain(number),
        });
        witness.ask(Effect::Recorded(self.reader, Rseq::new(number)), minor);
        witness.ask(Effect::Applied(self.reader, Rseq::new(number)), 0);
        self.promise(witness, Effect::Applied(self.reader, Rseq::new(number)));
    }

    fn order(&self) -> Order {
        Order {
            boot: 1,
            uptime_ms: self.uptime_ms,
        }
    }

    /// A phone that buys nothing takes some receipts along, whichever it gets.
    fn pass_by(&mut self, chance: &mut Chance) -> Ask {
        let skipped = chance.below(self.newest() - self.acked + 1);
        let news = self.news(self.acked + skipped, None);
        self.carry(chance, (news, None))
    }

    /// A new HELLO. It ends what was granted before.
    fn greet(
        &mut self,
        chance: &mut Chance,
        witness: &mut Witness,
        wallet: Option<WalletId>,
    ) -> Ask {
        if self.fence == Guard::On {
            self.grant = None;
        }
        self.hellos += 1;
        self.uptime_ms += 1;
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(self.reader.as_bytes());
        bytes[8..].copy_from_slice(&self.hellos.to_be_bytes());
        let hello = Hello {
            epoch: EPOCH,
            order: self.order(),
            nonce: Nonce::from_bytes(bytes),
            rseq_newest: self.newest(),
            acked: self.acked,
            facts: Facts::default(),
        };
        let vend = VendId::from_bytes(bytes);
        let claim = wallet.map(|wallet| Claim {
            nonce: hello.nonce,
            vend,
            wallet,
            terms: terms((self.machine, self.operator), Purpose::Sale, 1_000),
        });
        if let Some(wallet) = wallet {
            witness.ask(Effect::Held(wallet, vend), 0);
        }
        self.hello = Some((hello, wallet.map(|wallet| (vend, wallet))));
        let mut news = self.news(self.acked, Some(hello));
        news.ask = claim;
        self.carry(chance, (news, wallet))
    }

    fn news(&self, from: u64, hello: Option<Hello>) -> News {
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        News {
            epoch: EPOCH,
            first: chain(0),
            hello,
            ask: None,
            receipts: self
                .receipts
                .iter()
                .skip(from)
                .take(NEWS_MAX)
                .copied()
                .collect(),
            notices: Vec::new(),
            counters: None,
        }
    }

    fn carry(&mut self, chance: &mut Chance, envelope: (News, Option<WalletId>)) -> Ask {
        if self.carried.len() >= 8 {
            self.carried.remove(chance.place(8));
        }
        self.carried.push(envelope.clone());
        Ask::Relay(self.reader, Box::new(envelope.0), envelope.1)
    }
}

fn chain(rseq: u64) -> Chain {
    Chain::from_bytes((rseq + 0xee00).to_be_bytes())
}

/// The terms of every hold: the least of them pays for two of the dearest things.
pub(super) fn terms(place: (MachineId, OperatorId), purpose: Purpose, cash: i64) -> Terms {
    Terms {
        operator: place.1,
        machine: place.0,
        cap: Amount::from_minor(300),
        least: Amount::from_minor(100),
        vends_max: 2,
        fee_basis_points: 150,
        revalue_max: Amount::from_minor(cash),
        purpose,
    }
}
