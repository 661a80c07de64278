use gettone::core::id::{MachineId, OperatorId, WalletId};

/// Machines that vends are spread over.
pub const MACHINES: u32 = 10_000;
/// Operators that own them.
pub const OPERATORS: u32 = 1_000;

/// What a hundred percent are.
const HUNDRED: u64 = 100;

/// Who buys where: the same for whoever is measured, and the same each time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Demand {
    wallets: u64,
    first: u64,
    stride: u64,
    hot_percent: u8,
}

impl Demand {
    /// So many customers, at least one; that share of their vends at the first machine, whose
    /// operator is the first one, and the rest spread evenly.
    pub fn new(wallets: u64, hot_percent: u8) -> Self {
        Self {
            wallets: wallets.max(1),
            first: 0,
            stride: 1,
            hot_percent: hot_percent.min(100),
        }
    }

    /// How many customers.
    pub const fn wallets(&self) -> u64 {
        self.wallets
    }

    /// The share of vends at the first machine.
    pub const fn hot_percent(&self) -> u8 {
        self.hot_percent
    }

    /// The same with every so manieth customer alone, from the `first` on.
    pub fn spread(self, first: u64, stride: u64) -> Self {
        Self {
            first,
            stride: stride.max(1),
            ..self
        }
    }

    /// Who buys the vend of this number: everybody in turn.
    pub const fn wallet(&self, number: u64) -> WalletId {
        let nth = number.wrapping_mul(self.stride).wrapping_add(self.first);
        WalletId::new(nth % self.wallets)
    }

    /// Where the vend of this number takes place, and whose machine it is.
    pub fn place(&self, number: u64) -> (MachineId, OperatorId) {
        let dice = scatter(number);
        if dice % HUNDRED < u64::from(self.hot_percent) {
            return (MachineId::new(1), OperatorId::new(1));
        }
        let nth = u32::try_from((dice / HUNDRED) % u64::from(MACHINES)).unwrap_or(0);
        (
            MachineId::new(1 + nth),
            OperatorId::new(1 + nth % OPERATORS),
        )
    }
}

/// The finaliser of splitmix64: neighbours land far apart, and the same number always in the same
/// place.
const fn scatter(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VENDS: u64 = 100_000;

    fn at_the_first_operator(demand: Demand) -> u64 {
        let first = OperatorId::new(1);
        let vends = (0..VENDS).filter(|number| demand.place(*number).1 == first);
        vends.count() as u64
    }

    #[test]
    fn the_hot_share_is_what_was_asked_for() {
        for (percent, least, most) in [(0, 0, 500), (90, 89_000, 91_000), (100, VENDS, VENDS)] {
            let hot = at_the_first_operator(Demand::new(1, percent));
            assert!((least..=most).contains(&hot), "{percent} %: {hot}");
        }
    }

    #[test]
    fn every_machine_belongs_to_one_operator() {
        let demand = Demand::new(1, 0);
        let mut owners = std::collections::BTreeMap::new();
        for number in 0..VENDS {
            let (machine, operator) = demand.place(number);
            assert_eq!(*owners.entry(machine).or_insert(operator), operator);
        }
        assert!(
            owners.len() > 9_900,
            "{} machines were visited",
            owners.len()
        );
    }
}
