use super::Command;
use crate::id::{OperatorId, WalletId};
use crate::ledger::{Account, Transaction};
use crate::money::{Amount, Currency};
use crate::port::Seq;
use crate::record::{Event, Record};
use crate::wallet;
use rkyv::with::AsVec;
use rkyv::{Archive, Deserialize, Serialize};
use std::collections::BTreeMap;

/// What an operator earned in one currency.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
pub struct Total {
    /// What in.
    pub currency: Currency,
    /// What came in, less what went back to customers.
    pub earned: Amount,
    /// What the issuer paid back for chargebacks that no customer's money was left for; only the
    /// platform owes such.
    pub due: Amount,
}

/// What every operator earned: a fold of the journal from its first record.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub struct Payables {
    upto: Seq,
    #[rkyv(with = AsVec)]
    totals: BTreeMap<(OperatorId, Currency), Total>,
    // Nearly all wallets are in the first one's currency: only the others are kept.
    usual: Option<Currency>,
    #[rkyv(with = AsVec)]
    unusual: BTreeMap<WalletId, Currency>,
}

impl Default for Payables {
    fn default() -> Self {
        Self {
            upto: Seq::new(0),
            totals: BTreeMap::new(),
            usual: None,
            unusual: BTreeMap::new(),
        }
    }
}

impl Payables {
    /// Takes in the next record. One that it has seen already changes nothing.
    pub fn take(&mut self, seq: Seq, record: &Record) {
        if seq <= self.upto {
            return;
        }
        self.upto = seq;
        match &record.event {
            Event::Wallet { wallet, event } => {
                if let wallet::Event::Opened { currency } = event {
                    self.open(*wallet, *currency);
                }
                let Some(currency) = self.currency_of(*wallet) else {
                    return;
                };
                self.post(currency, &Transaction::of(*wallet, event));
            }
            Event::Operator { event, .. } => {
                // What it does with its own money it knows itself; what it pays the platform is the
                // platform's to earn.
                if let super::Event::Charged {
                    currency, amount, ..
                } = **event
                {
                    self.add(OperatorId::PLATFORM, currency, (amount, Amount::ZERO));
                }
            }
            Event::Machine { .. } | Event::Session { .. } | Event::Reader { .. } => {}
        }
    }

    /// The last record that was taken in.
    pub const fn upto(&self) -> Seq {
        self.upto
    }

    /// Tells an operator what it earned.
    pub fn fold_of(&self, operator: OperatorId) -> Command {
        let mine = self
            .totals
            .iter()
            .filter(|((owner, _), _)| *owner == operator);
        Command::Fold {
            upto: self.upto,
            totals: mine.map(|(_, total)| *total).collect(),
        }
    }

    fn open(&mut self, wallet: WalletId, currency: Currency) {
        match self.usual {
            None => self.usual = Some(currency),
            Some(usual) if usual == currency => {}
            Some(_) => {
                self.unusual.insert(wallet, currency);
            }
        }
    }

    fn currency_of(&self, wallet: WalletId) -> Option<Currency> {
        self.unusual.get(&wallet).copied().or(self.usual)
    }

    fn post(&mut self, currency: Currency, transaction: &Transaction) {
        for entry in transaction.entries() {
            #[expect(
                clippy::wildcard_enum_match_arm,
                reason = "three accounts are earnings"
            )]
            match entry.account {
                Account::PayableCovered(operator) => {
                    self.add(operator, currency, (entry.amount, Amount::ZERO));
                }
                Account::Fees => {
                    self.add(OperatorId::PLATFORM, currency, (entry.amount, Amount::ZERO));
                }
                Account::ChargebacksDue => {
                    self.add(
                        OperatorId::PLATFORM,
                        currency,
                        (Amount::ZERO, -entry.amount),
                    );
                }
                _ => {}
            }
        }
    }

    fn add(&mut self, operator: OperatorId, currency: Currency, amounts: (Amount, Amount)) {
        let (earned, due) = amounts;
        let total = self.totals.entry((operator, currency)).or_insert(Total {
            currency,
            earned: Amount::ZERO,
            due: Amount::ZERO,
        });
        total.earned = total.earned + earned;
        total.due = total.due + due;
    }
}
