//! One hold on a wallet: what it may still pay for, and what became of it.

use crate::id::{Item, MachineId, OperatorId, Rseq, VendId};
use crate::money::Amount;
use crate::time::Timestamp;
use crate::wallet::Verdict;
use rkyv::{Archive, Deserialize, Serialize};

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
    /// Money set aside for vends that nobody saw, until somebody decides.
    pub doubted: Vec<Doubt>,
    /// What was decided about what nobody saw.
    pub judged: Vec<(Rseq, Verdict)>,
    /// Its receipts so far, and what each one took.
    pub receipts: Vec<(Rseq, Amount)>,
    /// How many of its receipts a close counts.
    pub counted: u16,
    /// Good vends so far.
    pub vends: u8,
    /// What its good vends came to, as the reader told them.
    pub told: Amount,
    /// What was charged for, debt included.
    pub captured: Amount,
    /// How much cash may still be put in.
    pub revalue_left: Amount,
    /// When it was issued.
    pub issued_at: Timestamp,
}

impl Grant {
    /// What it keeps from being spent otherwise; a test keeps nothing of the customer's.
    pub fn pending(&self) -> Parts {
        if self.terms.purpose == Purpose::Test {
            return Parts::default();
        }
        self.doubted.iter().fold(self.held, |sum, doubt| Parts {
            closed: sum.closed + doubt.parts.closed,
            emoney: sum.emoney + doubt.parts.emoney,
        })
    }

    /// What is set aside for vends that nobody saw.
    pub fn doubted(&self) -> Amount {
        self.doubted.iter().map(|doubt| doubt.parts.total()).sum()
    }

    /// Ends the doubt of a receipt, when there is one.
    pub fn judge(&mut self, rseq: Rseq, verdict: Verdict) -> Option<Doubt> {
        let at = self.doubted.iter().position(|doubt| doubt.rseq == rseq)?;
        self.judged.push((rseq, verdict));
        Some(self.doubted.swap_remove(at))
    }

    /// Whether this receipt is in already.
    pub fn knows(&self, rseq: Rseq) -> bool {
        self.receipts.iter().any(|(known, _)| *known == rseq)
    }

    /// Whether nothing of it can move money any more, save a late receipt.
    pub fn is_resolved(&self) -> bool {
        self.state != GrantState::Issued && self.doubted.is_empty()
    }
}
