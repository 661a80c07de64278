use crate::id::{MachineId, OperatorId, WalletId};
use core::fmt;

/// An account of the books. A balance is positive where we owe (a liability) or have earned, and
/// negative where we own or are owed (an asset), so that all balances of one currency sum to 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Account {
    /// A customer's electronic money, which the issuer safeguards.
    Emoney(WalletId),
    /// A customer's closed wallet: money paid to one operator in advance, spendable there only.
    Closed(OperatorId, WalletId),
    /// What a customer owes after a receipt came late and the money was gone.
    LateDebt(WalletId),
    /// What an operator is owed and the issuer holds.
    PayableCovered(OperatorId),
    /// What an operator is owed and a debtor still has to pay.
    PayableUncovered(OperatorId),
    /// An operator's sales against its customers' closed wallets.
    ClosedSales(OperatorId),
    /// What an operator gave to its customers' closed wallets.
    Promotions(OperatorId),
    /// What an operator gave back to its customers' closed wallets.
    Refunds(OperatorId),
    /// Cash in a machine, as far as it told of it.
    CashBox(MachineId),
    /// An operator's sales for cash.
    CashSales(OperatorId),
    /// Cash that an operator has counted and taken away.
    CashAtBank(OperatorId),
    /// What was counted beyond what was expected, or less.
    CashOverShort(OperatorId),
    /// Cash that was put in and is on no closed wallet yet, or was credited and is not found.
    Suspense(OperatorId),
    /// What a customer disputes, until somebody decides.
    Dispute(OperatorId),
    /// Debts that an operator has given up.
    WriteOff(OperatorId),
    /// The platform's share of sales, until it is folded into its funds.
    Fees,
    /// What the platform has to spend.
    Funds,
    /// Money that the issuer holds for all of them.
    Safeguarding,
    /// Payouts that have left and are not settled.
    InTransit,
    /// Payments by card that have not reached the issuer.
    CardInTransit,
    /// What the platform owes the issuer for payments that were charged back.
    ChargebacksDue,
    /// Transfers that have left one wallet or operator and not arrived.
    TransferInTransit,
}

impl Account {
    /// What `operator` earns and the issuer holds: the platform earns fees.
    pub const fn earned(operator: OperatorId) -> Self {
        match operator {
            OperatorId::PLATFORM => Self::Fees,
            operator => Self::PayableCovered(operator),
        }
    }

    /// What `operator` spends.
    pub const fn spendable(operator: OperatorId) -> Self {
        match operator {
            OperatorId::PLATFORM => Self::Funds,
            operator => Self::PayableCovered(operator),
        }
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Emoney(wallet) => write!(f, "customer {wallet} e-money"),
            Self::Closed(operator, wallet) => {
                write!(f, "customer {wallet} closed wallet at operator {operator}")
            }
            Self::LateDebt(wallet) => write!(f, "customer {wallet} late debt"),
            Self::PayableCovered(operator) => write!(f, "operator {operator} payable, covered"),
            Self::PayableUncovered(operator) => write!(f, "operator {operator} payable, uncovered"),
            Self::ClosedSales(operator) => write!(f, "operator {operator} closed-loop sales"),
            Self::Promotions(operator) => write!(f, "operator {operator} promotions"),
            Self::Refunds(operator) => write!(f, "operator {operator} refunds"),
            Self::CashBox(machine) => write!(f, "machine {machine} cash box"),
            Self::CashSales(operator) => write!(f, "operator {operator} cash sales"),
            Self::CashAtBank(operator) => write!(f, "operator {operator} cash at bank"),
            Self::CashOverShort(operator) => write!(f, "operator {operator} cash over or short"),
            Self::Suspense(operator) => write!(f, "operator {operator} suspense"),
            Self::Dispute(operator) => write!(f, "operator {operator} dispute"),
            Self::WriteOff(operator) => write!(f, "operator {operator} write-off"),
            Self::Fees => f.write_str("platform fees"),
            Self::Funds => f.write_str("platform funds"),
            Self::Safeguarding => f.write_str("issuer safeguarding"),
            Self::InTransit => f.write_str("issuer in transit"),
            Self::CardInTransit => f.write_str("issuer card in transit"),
            Self::ChargebacksDue => f.write_str("issuer chargebacks due"),
            Self::TransferInTransit => f.write_str("issuer transfer in transit"),
        }
    }
}
