//! The names that a wallet was asked by, and what for. There is one for every top-up of every wallet,
//! so they lie close together, and what is rarely asked lies apart.

use super::Favour;
use super::limit::Limits;
use super::transfer::Fate;
use crate::id::{OperatorId, Rseq, TransferId, VendId, WalletId};
use crate::money::Amount;
use crate::transfer::Party;
use rkyv::{Archive, Deserialize, Serialize};
use thin_vec::ThinVec;

/// What a name was used for.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub(super) enum Named {
    TopUp(Amount),
    Gift(OperatorId, Amount),
    Refund(Box<(VendId, Rseq, Amount)>),
    Limits(Box<Limits>),
    Sent(Box<(WalletId, Amount)>, Fate),
    Received(Box<(Party, Amount)>),
    TurnedAway(Box<(Party, Amount)>),
    Repaid,
    WrittenOff(OperatorId, Amount),
    Card(Amount),
    ChargedBack(Box<(TransferId, Amount)>),
    Dispute(Box<(VendId, Rseq, Amount)>, Option<Favour>),
}

impl Named {
    pub(super) fn refund(vend: VendId, rseq: Rseq, amount: Amount) -> Self {
        Self::Refund(Box::new((vend, rseq, amount)))
    }

    pub(super) fn charged_back(top_up: TransferId, amount: Amount) -> Self {
        Self::ChargedBack(Box::new((top_up, amount)))
    }

    pub(super) fn sent(to: WalletId, amount: Amount, fate: Fate) -> Self {
        Self::Sent(Box::new((to, amount)), fate)
    }

    pub(super) fn received(from: Party, amount: Amount) -> Self {
        Self::Received(Box::new((from, amount)))
    }

    pub(super) fn turned_away(from: Party, amount: Amount) -> Self {
        Self::TurnedAway(Box::new((from, amount)))
    }

    pub(super) fn dispute(vend: VendId, rseq: Rseq, amount: Amount) -> Self {
        Self::Dispute(Box::new((vend, rseq, amount)), None)
    }

    /// Whether both were asked for the same, whatever has become of it.
    pub(super) fn asks_the_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Sent(sum, _), Self::Sent(same, _)) => sum == same,
            (Self::Dispute(sale, _), Self::Dispute(same, _)) => sale == same,
            _ => self == other,
        }
    }
}

/// Names in their order. The first lies in the wallet itself: most wallets that rest have no other.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub(super) enum Names {
    Several(ThinVec<(TransferId, Named)>),
    One((TransferId, Named)),
}

impl Default for Names {
    fn default() -> Self {
        Self::Several(ThinVec::new())
    }
}

impl Names {
    pub(super) fn len(&self) -> usize {
        self.all().len()
    }

    pub(super) fn find(&self, key: TransferId) -> Option<&Named> {
        let at = self.place(key).ok()?;
        self.all().get(at).map(|(_, named)| named)
    }

    pub(super) fn find_mut(&mut self, key: TransferId) -> Option<&mut Named> {
        let at = self.place(key).ok()?;
        let all = match self {
            Self::One(one) => core::slice::from_mut(one),
            Self::Several(several) => several.as_mut_slice(),
        };
        all.get_mut(at).map(|(_, named)| named)
    }

    /// Keeps a name; one that is known keeps what it was used for first.
    pub(super) fn keep(&mut self, key: TransferId, named: Named) {
        let Err(at) = self.place(key) else { return };
        match self {
            Self::Several(none) if none.is_empty() => *self = Self::One((key, named)),
            Self::Several(several) => {
                if several.len() == several.capacity() {
                    // Most wallets have few: room for one more, or for an eighth.
                    several.reserve_exact(1 + several.len() / 8);
                }
                several.insert(at, (key, named));
            }
            Self::One(_) => {
                let mut both = ThinVec::with_capacity(2);
                if let Self::One(first) = core::mem::take(self) {
                    both.push(first);
                }
                both.insert(at, (key, named));
                *self = Self::Several(both);
            }
        }
    }

    fn all(&self) -> &[(TransferId, Named)] {
        match self {
            Self::One(one) => core::slice::from_ref(one),
            Self::Several(several) => several,
        }
    }

    fn place(&self, key: TransferId) -> Result<usize, usize> {
        self.all().binary_search_by_key(&key, |(known, _)| *known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_a_wallet_with_one_top_up_take_thirty_two_bytes_and_none_elsewhere() {
        assert_eq!(size_of::<(TransferId, Named)>(), 32);
        assert_eq!(size_of::<Names>(), 32);
        let mut names = Names::default();
        let key = TransferId::from_bytes([7; 16]);
        names.keep(key, Named::TopUp(Amount::from_minor(500)));
        assert!(matches!(names, Names::One(_)));
    }

    #[test]
    fn names_are_found_in_whatever_order_they_came() {
        let mut names = Names::default();
        let key = |number: u64| {
            let mut key = [0; 16];
            key[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
            TransferId::from_bytes(key)
        };
        let amount = |number: u64| Amount::from_minor(i64::try_from(number).expect("small"));
        for number in 0..2_000 {
            assert_eq!(names.find(key(number)), None);
            names.keep(key(number), Named::TopUp(amount(number)));
            names.keep(key(number), Named::Repaid);
        }
        assert_eq!(names.len(), 2_000);
        for number in 0..2_000 {
            let known = Named::TopUp(amount(number));
            assert_eq!(names.find(key(number)), Some(&known));
        }
    }
}
