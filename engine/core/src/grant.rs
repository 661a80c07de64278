//! One hold on a wallet: what it may still pay for, and what became of it.

use crate::id::{Item, MachineId, OperatorId, Rseq, VendId};
use crate::money::Amount;
use crate::time::Timestamp;
use crate::wallet::Verdict;
use crate::wallet::packed::{Pack, Unpacking, put, put_signed};
use rkyv::{Archive, Deserialize, Serialize};
use smallvec::SmallVec;
use thin_vec::ThinVec;

/// The most receipts one grant can have: 255 vends, their failures, and the close.
pub const RECEIPTS_MAX: usize = 1_024;

/// What a hold is for.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Purpose {
    /// The customer pays.
    #[default]
    Sale,
    /// A technician tries the machine: the operator pays, out of its promotions.
    Test,
}

/// What a hold is asked for.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
pub struct Terms {
    /// Who will be paid.
    pub operator: OperatorId,
    /// Where.
    pub machine: MachineId,
    /// The most that may be held.
    pub cap: Amount,
    /// The least that is worth holding: the cheapest thing the machine sells.
    pub least: Amount,
    /// The most vends that it may pay for.
    pub vends_max: u8,
    /// The platform's share of e-money sales, in hundredths of a percent; rounded down.
    pub fee_basis_points: u16,
    /// The most cash that may be put in under it.
    pub revalue_max: Amount,
    /// What it is for.
    pub purpose: Purpose,
}

impl Terms {
    /// A number that other terms have too only by an accident of one in 2^64.
    fn mark(&self) -> u64 {
        let words = [
            u64::from(self.operator.number()) << 32 | u64::from(self.machine.number()),
            self.cap.minor().cast_unsigned(),
            self.least.minor().cast_unsigned(),
            self.revalue_max.minor().cast_unsigned(),
            u64::from(self.vends_max) << 24
                | u64::from(self.fee_basis_points) << 8
                | u64::from(self.purpose == Purpose::Test),
        ];
        // The multiplier of Knuth's MMIX generator.
        words.iter().fold(0, |mark: u64, word| {
            (mark.rotate_left(29) ^ word).wrapping_mul(6_364_136_223_846_793_005)
        })
    }
}

/// An amount by where in the wallet it lies. The closed wallet is always spent first. In a hold for a
/// test nothing of it is the customer's: `closed` then stands for the operator's promotions.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Parts {
    /// In the operator's closed wallet.
    pub closed: Amount,
    /// In e-money.
    pub emoney: Amount,
}

impl Parts {
    /// Both together.
    pub fn total(self) -> Amount {
        self.closed + self.emoney
    }

    /// Takes up to `amount`, from the closed wallet first.
    pub fn take(self, amount: Amount) -> Self {
        let closed = self.closed.min(amount);
        Self {
            closed,
            emoney: self.emoney.min(amount - closed),
        }
    }

    /// What is left after `taken`.
    pub fn less(self, taken: Self) -> Self {
        Self {
            closed: self.closed - taken.closed,
            emoney: self.emoney - taken.emoney,
        }
    }
}

/// What became of a grant.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
pub enum GrantState {
    /// The hold is live.
    Issued,
    /// Its close and all its receipts are in.
    Closed,
    /// A later HELLO proved that nothing of it can come any more.
    Fenced,
    /// Nothing was heard for too long; what comes late is still captured.
    Released,
}

impl GrantState {
    const fn code(self) -> u8 {
        match self {
            Self::Issued => 0,
            Self::Closed => 1,
            Self::Fenced => 2,
            Self::Released => 3,
        }
    }

    fn of_code(code: u8) -> Option<Self> {
        [Self::Issued, Self::Closed, Self::Fenced, Self::Released]
            .into_iter()
            .find(|state| state.code() == code)
    }
}

/// The receipt of a doubt that has none: its reader is gone for good.
pub const NO_RECEIPT: Rseq = Rseq::new(0);

/// Something that nobody saw, waiting for a decision.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
pub struct Doubt {
    /// The receipt; [`NO_RECEIPT`] when the whole reader is gone.
    pub rseq: Rseq,
    /// The selection.
    pub item: Item,
    /// What stays held for it.
    pub parts: Parts,
    /// The cash that may have been put in; nothing when it is about a vend.
    pub cash: Amount,
    /// Since when it waits.
    pub at: Timestamp,
}

/// One hold and everything that it paid for.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub struct Grant {
    /// Its name.
    pub vend: VendId,
    /// What it was given for.
    pub terms: Terms,
    /// What became of it.
    pub state: GrantState,
    /// What was held at first.
    pub held_first: Amount,
    /// What is still held.
    pub held: Parts,
    /// What its good vends came to, as the reader told them.
    pub told: Amount,
    /// What was charged for, debt included.
    pub captured: Amount,
    /// How much cash may still be put in.
    pub revalue_left: Amount,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// Its receipts so far: most have a vend and a close.
    receipts: SmallVec<[Rseq; 2]>,
    doubts: Option<Box<Doubts>>,
    /// How many of its receipts a close counts.
    pub counted: u16,
    /// Good vends so far.
    pub vends: u8,
}

/// What of a hold nobody saw. Most holds never have any.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Eq, Debug, Default)]
struct Doubts {
    waiting: Vec<Doubt>,
    judged: Vec<(Rseq, Verdict)>,
}

impl Grant {
    /// A hold that has just been issued.
    pub fn issued(
        vend: VendId,
        terms: Terms,
        held: Parts,
        (revalue, at): (Amount, Timestamp),
    ) -> Self {
        Self {
            vend,
            terms,
            state: GrantState::Issued,
            held_first: held.total(),
            held,
            told: Amount::ZERO,
            captured: Amount::ZERO,
            revalue_left: revalue,
            issued_at: at,
            receipts: SmallVec::new(),
            doubts: None,
            counted: 0,
            vends: 0,
        }
    }

    /// How many receipts it has.
    pub fn receipts(&self) -> usize {
        self.receipts.len()
    }

    /// Takes the number of a receipt in.
    pub(crate) fn note(&mut self, rseq: Rseq) {
        self.receipts.push(rseq);
    }

    /// Money set aside for vends that nobody saw, until somebody decides.
    pub fn doubts(&self) -> &[Doubt] {
        self.doubts.as_ref().map_or(&[], |doubts| &doubts.waiting)
    }

    /// Sets aside what nobody saw.
    pub(crate) fn doubt(&mut self, doubt: Doubt) {
        self.doubts.get_or_insert_default().waiting.push(doubt);
    }

    /// What was decided about what nobody saw.
    pub fn judged(&self) -> &[(Rseq, Verdict)] {
        self.doubts.as_ref().map_or(&[], |doubts| &doubts.judged)
    }

    /// What it keeps from being spent otherwise; a test keeps nothing of the customer's.
    pub fn pending(&self) -> Parts {
        if self.terms.purpose == Purpose::Test {
            return Parts::default();
        }
        self.doubts().iter().fold(self.held, |sum, doubt| Parts {
            closed: sum.closed + doubt.parts.closed,
            emoney: sum.emoney + doubt.parts.emoney,
        })
    }

    /// What is set aside for vends that nobody saw.
    pub fn doubted(&self) -> Amount {
        self.doubts().iter().map(|doubt| doubt.parts.total()).sum()
    }

    /// Ends the doubt of a receipt, when there is one.
    pub fn judge(&mut self, rseq: Rseq, verdict: Verdict) -> Option<Doubt> {
        let doubts = self.doubts.as_mut()?;
        let at = doubts.waiting.iter().position(|doubt| doubt.rseq == rseq)?;
        doubts.judged.push((rseq, verdict));
        Some(doubts.waiting.swap_remove(at))
    }

    /// Whether this receipt is in already.
    pub fn knows(&self, rseq: Rseq) -> bool {
        self.receipts.contains(&rseq)
    }

    /// What is kept of it once nothing can come of it any more.
    pub(crate) fn into_past(self) -> Past {
        Past {
            vend: self.vend,
            terms: self.terms.mark(),
            receipts: self.receipts,
            judged: self
                .doubts
                .map(|doubts| doubts.judged.into_iter().collect())
                .unwrap_or_default(),
            held_first: self.held_first,
            captured: self.captured,
            operator: self.terms.operator,
            state: self.state,
            vends: self.vends,
        }
    }

    /// Whether nothing of it can move money any more, save a late receipt.
    pub fn is_resolved(&self) -> bool {
        self.state != GrantState::Issued && self.doubts().is_empty()
    }
}

/// A hold of which nothing can come any more, kept to recognise repeats by.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Past {
    /// Its name.
    pub vend: VendId,
    terms: u64,
    receipts: SmallVec<[Rseq; 2]>,
    judged: ThinVec<(Rseq, Verdict)>,
    /// What was held at first.
    pub held_first: Amount,
    /// What was charged for, debt included.
    pub captured: Amount,
    /// Who was paid.
    pub operator: OperatorId,
    /// How it ended.
    pub state: GrantState,
    /// Good vends.
    pub vends: u8,
}

impl Past {
    /// Whether it was asked for on these terms.
    pub fn had(&self, terms: &Terms) -> bool {
        self.terms == terms.mark()
    }

    /// How many receipts it has.
    pub fn receipts(&self) -> usize {
        self.receipts.len()
    }

    /// Takes the number of a receipt in that came too late.
    pub(crate) fn note(&mut self, rseq: Rseq) {
        self.receipts.push(rseq);
    }

    /// Whether this receipt is in already.
    pub fn knows(&self, rseq: Rseq) -> bool {
        self.receipts.contains(&rseq)
    }

    /// What was decided about what nobody saw.
    pub fn judged(&self) -> &[(Rseq, Verdict)] {
        &self.judged
    }
}

impl Pack for Past {
    fn pack(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.vend.as_bytes());
        out.extend_from_slice(&self.terms.to_le_bytes());
        let is_judged = u8::from(!self.judged.is_empty());
        out.push(self.state.code() << 1 | is_judged);
        out.push(self.vends);
        put(self.held_first.minor().cast_unsigned(), out);
        put_signed(self.captured.minor(), out);
        put(self.operator.number().into(), out);
        put(self.receipts.len() as u64, out);
        for rseq in &self.receipts {
            put(rseq.number(), out);
        }
        if is_judged == 1 {
            put(self.judged.len() as u64, out);
            for (rseq, verdict) in &self.judged {
                put(rseq.number(), out);
                out.push(verdict.code());
            }
        }
    }

    fn unpack(bytes: &mut Unpacking<'_>) -> Option<Self> {
        let vend = VendId::from_bytes(bytes.take()?);
        let terms = u64::from_le_bytes(bytes.take()?);
        let [told, vends] = bytes.take()?;
        let held_first = Amount::from_minor(bytes.number()?.cast_signed());
        let captured = Amount::from_minor(bytes.signed()?);
        let operator = OperatorId::new(u32::try_from(bytes.number()?).ok()?);
        let mut receipts = SmallVec::new();
        for _ in 0..bytes.number()? {
            receipts.push(Rseq::new(bytes.number()?));
        }
        let mut judged = ThinVec::new();
        if told & 1 == 1 {
            for _ in 0..bytes.number()? {
                let rseq = Rseq::new(bytes.number()?);
                let [code] = bytes.take()?;
                judged.push((rseq, Verdict::of_code(code)?));
            }
        }
        Some(Self {
            vend,
            terms,
            receipts,
            judged,
            held_first,
            captured,
            operator,
            state: GrantState::of_code(told >> 1)?,
            vends,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_terms_have_another_mark() {
        let terms = Terms {
            operator: OperatorId::new(7),
            machine: MachineId::new(9),
            cap: Amount::from_minor(300),
            least: Amount::from_minor(50),
            vends_max: 3,
            fee_basis_points: 150,
            revalue_max: Amount::from_minor(2_000),
            purpose: Purpose::Sale,
        };
        let one = Amount::from_minor(1);
        let others = [
            Terms {
                operator: OperatorId::new(9),
                machine: MachineId::new(7),
                ..terms
            },
            Terms {
                cap: terms.cap + one,
                ..terms
            },
            Terms {
                least: terms.least + one,
                ..terms
            },
            Terms {
                cap: terms.least,
                least: terms.cap,
                ..terms
            },
            Terms {
                vends_max: 4,
                ..terms
            },
            Terms {
                fee_basis_points: 151,
                ..terms
            },
            Terms {
                revalue_max: Amount::ZERO,
                ..terms
            },
            Terms {
                purpose: Purpose::Test,
                ..terms
            },
        ];
        for other in others {
            assert_ne!(other.mark(), terms.mark(), "{other:?}");
        }
    }

    fn past(receipts: u64, verdict: Option<Verdict>) -> Past {
        let amount = Amount::from_minor(120);
        Past {
            vend: VendId::from_bytes([0xab; 16]),
            terms: u64::MAX,
            receipts: (0..receipts).map(Rseq::new).collect(),
            judged: verdict
                .map(|verdict| (Rseq::new(u64::MAX), verdict))
                .into_iter()
                .collect(),
            held_first: Amount::from_minor(300),
            captured: amount,
            operator: OperatorId::new(7),
            state: GrantState::Closed,
            vends: 1,
        }
    }

    #[test]
    fn a_past_hold_takes_a_quarter_of_a_live_one() {
        let mut packed = Vec::new();
        past(2, None).pack(&mut packed);
        assert_eq!(packed.len(), 34);
        assert!(size_of::<Grant>() <= 152, "{}", size_of::<Grant>());
    }

    #[test]
    fn a_past_hold_comes_out_as_it_went_in_and_never_from_a_part() {
        let verdicts = [
            Verdict::Charge,
            Verdict::Forgive,
            Verdict::Credit,
            Verdict::Decline,
        ];
        let judged = verdicts.map(|verdict| past(1_024, Some(verdict)));
        let states = [
            GrantState::Issued,
            GrantState::Closed,
            GrantState::Fenced,
            GrantState::Released,
        ];
        let ended = states.map(|state| Past {
            state,
            vends: 255,
            held_first: Amount::from_minor(i64::MAX),
            captured: Amount::from_minor(i64::MIN),
            operator: OperatorId::new(u32::MAX),
            ..past(0, None)
        });
        for past in judged.into_iter().chain(ended) {
            let mut packed = Vec::new();
            past.pack(&mut packed);
            let mut rest = Unpacking(&packed);
            assert_eq!(Past::unpack(&mut rest).as_ref(), Some(&past));
            assert!(rest.0.is_empty());
            for short in 0..packed.len() {
                let cut = packed.get(..short).unwrap_or_default();
                assert_eq!(Past::unpack(&mut Unpacking(cut)), None);
            }
        }
    }
}
