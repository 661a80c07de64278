//! What a wallet has paid, for as long as it can be refunded.

use super::packed::{Pack, Packed, Unpacking, put, put_signed};
use super::{CAPTURE_KEPT, CAPTURES_MAX};
use crate::grant::Parts;
use crate::id::{Item, MachineId, OperatorId, Rseq, VendId};
use crate::money::Amount;
use crate::time::Timestamp;
use rkyv::with::AsVec;
use rkyv::{Archive, Deserialize, Serialize};
use std::collections::BTreeMap;

/// One sale that was paid.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Capture {
    /// The hold it was paid from.
    pub vend: VendId,
    /// The receipt.
    pub rseq: Rseq,
    /// Who was paid.
    pub operator: OperatorId,
    /// Where.
    pub machine: MachineId,
    /// The selection.
    pub item: Item,
    /// What was taken, and whence.
    pub parts: Parts,
    /// What was not there and became a debt.
    pub debt: Amount,
    /// What of it was given back, and where to; of the debt, what came back as e-money.
    pub refunded: Parts,
    /// What of its debt was forgiven.
    pub forgiven: Amount,
    /// When it was booked.
    pub at: Timestamp,
}

impl Capture {
    /// What can still be given back.
    pub fn left(&self) -> Amount {
        self.parts.total() + self.debt - self.refunded.total() - self.forgiven
    }

    /// What of it can be disputed: what was paid in e-money and not given back.
    pub fn disputable(&self) -> Amount {
        self.parts.emoney.above(self.refunded.emoney)
    }

    /// How `amount` goes back: first what is still owed for it is forgiven, then e-money, then the
    /// closed wallet: what was paid last goes back first.
    pub(super) fn refund(&self, amount: Amount, owed: Amount) -> (Parts, Amount) {
        let closed_left = self.parts.closed - self.refunded.closed;
        let debt_left = (self.debt - self.forgiven).min(self.left() - closed_left);
        let forgiven = amount.min(owed).min(debt_left);
        let left = amount - forgiven;
        // A debt that was repaid was repaid in e-money.
        let emoney = left.min(self.left() - forgiven - closed_left);
        let closed = left - emoney;
        (Parts { closed, emoney }, forgiven)
    }
}

/// Captures in the order they were booked, bounded in number and age. There are many of them for
/// every wallet, so what most of them never have lies apart.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Captures {
    sales: Packed<Sale>,
    #[rkyv(with = AsVec)]
    amended: BTreeMap<(VendId, Rseq), Amended>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Sale {
    vend: VendId,
    rseq: Rseq,
    parts: Parts,
    at: Timestamp,
    operator: OperatorId,
    machine: MachineId,
    item: Item,
}

impl Sale {
    /// When it was booked, of one that is packed.
    fn time(mut packed: Unpacking<'_>) -> Option<Timestamp> {
        packed.take::<16>()?;
        for _ in 0..3 {
            packed.number()?;
        }
        packed.number().map(Timestamp::from_millis)
    }
}

impl Pack for Sale {
    fn pack(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.vend.as_bytes());
        put(self.rseq.number(), out);
        put_signed(self.parts.closed.minor(), out);
        put_signed(self.parts.emoney.minor(), out);
        put(self.at.as_millis(), out);
        put(self.operator.number().into(), out);
        put(self.machine.number().into(), out);
        put(self.item.number().into(), out);
    }

    fn unpack(bytes: &mut Unpacking<'_>) -> Option<Self> {
        Some(Self {
            vend: VendId::from_bytes(bytes.take()?),
            rseq: Rseq::new(bytes.number()?),
            parts: Parts {
                closed: Amount::from_minor(bytes.signed()?),
                emoney: Amount::from_minor(bytes.signed()?),
            },
            at: Timestamp::from_millis(bytes.number()?),
            operator: OperatorId::new(u32::try_from(bytes.number()?).ok()?),
            machine: MachineId::new(u32::try_from(bytes.number()?).ok()?),
            item: Item::new(u16::try_from(bytes.number()?).ok()?),
        })
    }
}

/// A debt, or what was given back.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Amended {
    debt: Amount,
    refunded: Parts,
    forgiven: Amount,
}

impl Captures {
    pub(super) const fn new() -> Self {
        Self {
            sales: Packed::new(),
            amended: BTreeMap::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.sales.len()
    }

    pub(super) fn look(&self) -> usize {
        self.sales.look()
    }

    /// Whether all of it can be read.
    pub(super) fn is_whole(&self) -> bool {
        self.sales.is_whole()
    }

    pub(super) fn find(&self, vend: VendId, rseq: Rseq) -> Option<Capture> {
        self.sales
            .iter()
            .filter(|sale| (sale.vend, sale.rseq) == (vend, rseq))
            .last()
            .map(|sale| self.whole(&sale))
    }

    pub(super) fn keep(&mut self, capture: &Capture) {
        let now = capture.at;
        while self.sales.len() >= CAPTURES_MAX
            || Sale::time(self.sales.first()).is_some_and(|oldest| now.since(oldest) > CAPTURE_KEPT)
        {
            let Some(gone) = self.sales.pop() else { break };
            self.amended.remove(&(gone.vend, gone.rseq));
        }
        self.sales.push(&Sale {
            vend: capture.vend,
            rseq: capture.rseq,
            parts: capture.parts,
            at: capture.at,
            operator: capture.operator,
            machine: capture.machine,
            item: capture.item,
        });
        if capture.debt.is_positive() {
            let amended = Amended {
                debt: capture.debt,
                ..Amended::default()
            };
            self.amended.insert((capture.vend, capture.rseq), amended);
        }
    }

    pub(super) fn give_back(&mut self, vend: VendId, rseq: Rseq, parts: Parts, forgiven: Amount) {
        let is_kept = |sale: &Sale| (sale.vend, sale.rseq) == (vend, rseq);
        if self.sales.iter().any(|sale| is_kept(&sale)) {
            let amended = self.amended.entry((vend, rseq)).or_default();
            amended.refunded.closed = amended.refunded.closed + parts.closed;
            amended.refunded.emoney = amended.refunded.emoney + parts.emoney;
            amended.forgiven = amended.forgiven + forgiven;
        }
    }

    /// Sets money of a sale aside as given back, or takes it back.
    pub(super) fn dispute(&mut self, vend: VendId, rseq: Rseq, emoney: Amount) {
        let parts = Parts {
            closed: Amount::ZERO,
            emoney,
        };
        self.give_back(vend, rseq, parts, Amount::ZERO);
    }

    /// Forgives debts of sales of `operator`, the newest first: older ones were repaid before.
    pub(super) fn write_off(&mut self, operator: OperatorId, amount: Amount) {
        let mut left = amount;
        let theirs: Vec<Sale> = self
            .sales
            .iter()
            .filter(|sale| sale.operator == operator)
            .collect();
        for sale in theirs.iter().rev() {
            let Some(amended) = self.amended.get_mut(&(sale.vend, sale.rseq)) else {
                continue;
            };
            let whole = sale.parts.total() + amended.debt;
            let open = whole - amended.refunded.total() - amended.forgiven;
            let part = (amended.debt - amended.forgiven).min(open).min(left);
            amended.forgiven = amended.forgiven + part;
            left = left - part;
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Capture> {
        self.sales.iter().map(|sale| self.whole(&sale))
    }

    fn whole(&self, sale: &Sale) -> Capture {
        let amended = self.amended.get(&(sale.vend, sale.rseq));
        let Amended {
            debt,
            refunded,
            forgiven,
        } = amended.copied().unwrap_or_default();
        Capture {
            vend: sale.vend,
            rseq: sale.rseq,
            operator: sale.operator,
            machine: sale.machine,
            item: sale.item,
            parts: sale.parts,
            debt,
            refunded,
            forgiven,
            at: sale.at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sale(number: u64, day: u64) -> Capture {
        Capture {
            vend: VendId::from_bytes([1; 16]),
            rseq: Rseq::new(number),
            operator: OperatorId::new(1),
            machine: MachineId::new(1),
            item: Item::new(7),
            parts: Parts {
                closed: Amount::from_minor(30),
                emoney: Amount::from_minor(50),
            },
            debt: Amount::from_minor(20),
            refunded: Parts::default(),
            forgiven: Amount::ZERO,
            at: Timestamp::from_millis(day * 24 * 60 * 60 * 1_000),
        }
    }

    #[test]
    fn sales_go_when_they_are_old_or_too_many_and_leave_nothing_behind() {
        let mut captures = Captures::default();
        for day in 0..1_000 {
            captures.keep(&sale(day, day));
        }
        assert_eq!(captures.sales.len(), 401, "400 days and today");
        for number in 0..10_000 {
            captures.keep(&sale(1_000 + number, 1_000));
        }
        assert_eq!(captures.sales.len(), CAPTURES_MAX);
        assert_eq!(captures.amended.len(), CAPTURES_MAX);
    }

    #[test]
    fn a_kept_sale_takes_thirty_two_bytes_and_comes_out_as_it_went_in() {
        let capture = sale(900, 20_000);
        let mut captures = Captures::default();
        captures.keep(&capture);
        assert!(captures.iter().eq([capture]));
        let mut packed = Vec::new();
        let kept = captures.sales.iter().next().expect("it is there");
        assert_eq!(Sale::time(captures.sales.first()), Some(capture.at));
        kept.pack(&mut packed);
        assert!(packed.len() <= 32, "{} bytes", packed.len());
        for short in 0..packed.len() {
            let cut = packed.get(..short).unwrap_or_default();
            assert_eq!(Sale::unpack(&mut Unpacking(cut)), None);
        }
    }

    #[test]
    fn what_was_paid_last_goes_back_first_in_one_piece_or_in_many() {
        let minor = |(parts, forgiven): (Parts, Amount)| {
            (parts.closed.minor(), parts.emoney.minor(), forgiven.minor())
        };
        let give = |amount, owed| {
            let (amount, owed) = (Amount::from_minor(amount), Amount::from_minor(owed));
            minor(sale(1, 1).refund(amount, owed))
        };
        assert_eq!(give(100, 20), (30, 50, 20), "all of it");
        assert_eq!(give(100, 0), (30, 70, 0), "the debt was repaid meanwhile");
        assert_eq!(give(15, 20), (0, 0, 15));
        assert_eq!(give(60, 20), (0, 40, 20));
        let mut captures = Captures::default();
        captures.keep(&sale(1, 1));
        let mut back = (0, 0, 0);
        for _ in 0..100 {
            let sale = captures.find(sale(1, 1).vend, Rseq::new(1)).expect("kept");
            let owed = Amount::from_minor(20 - back.2);
            let (parts, forgiven) = sale.refund(Amount::from_minor(1), owed);
            captures.give_back(sale.vend, sale.rseq, parts, forgiven);
            let (closed, emoney, debt) = minor((parts, forgiven));
            back = (back.0 + closed, back.1 + emoney, back.2 + debt);
        }
        assert_eq!(back, (30, 50, 20), "cent by cent");
    }
}
