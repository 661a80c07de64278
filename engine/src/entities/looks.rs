//! What of a shard is looked at, and changes nothing.

use super::Entities;
use crate::operators::Payout;
use crate::session::Stale;
use core::time::Duration;
use gettone_core::grant::GrantState;
use gettone_core::id::{MachineId, OperatorId, ReaderId, WalletId};
use gettone_core::machine::Machine;
use gettone_core::operator::{Operator, What};
use gettone_core::reader::Reader;
use gettone_core::time::Timestamp;
use gettone_core::transfer::{Party, Transfer};
use gettone_core::wallet::{Balance, Wallet};

impl Entities {
    /// How many wallets there may be.
    pub(crate) fn wallet_slots(&self) -> usize {
        self.customers.places()
    }

    /// Holds of which nothing was heard for `silence`, at most `count`.
    pub(crate) fn stale(&self, now: Timestamp, (count, silence): (usize, Duration)) -> Vec<Stale> {
        let wallets = self.customers.iter();
        wallets
            .flat_map(|(id, customer)| {
                let live = customer.wallet().live().iter();
                live.map(move |grant| (id, grant))
            })
            .filter(|(_, grant)| {
                grant.state == GrantState::Issued && now.since(grant.issued_at) >= silence
            })
            .take(count)
            .map(|(wallet, grant)| Stale {
                wallet,
                session: grant.vend,
                machine: grant.terms.machine,
                operator: grant.terms.operator,
                held: grant.held.total(),
                since: grant.issued_at,
            })
            .collect()
    }

    pub(crate) fn balance(&self, id: WalletId) -> Option<Balance> {
        self.customers.find(id)?.wallet().balance()
    }

    pub(crate) fn seen_wallet(&self, id: WalletId) -> Option<Box<Wallet>> {
        Some(Box::new(self.customers.find(id)?.wallet().clone()))
    }

    pub(crate) fn seen_machine(&self, id: MachineId) -> Option<Box<Machine>> {
        Some(Box::new(self.machines.find(id)?.clone()))
    }

    pub(crate) fn seen_reader(&self, id: ReaderId) -> Option<Box<Reader>> {
        Some(Box::new(self.readers.find(id)?.clone()))
    }

    pub(crate) fn seen_operator(&self, id: OperatorId) -> Option<Box<Operator>> {
        Some(Box::new(self.operators.find(id)?.clone()))
    }

    /// Transfers that have left wallets and operators of this shard and neither arrived nor came
    /// back, at most `count`.
    pub(crate) fn transfers(&self, count: usize) -> Vec<Transfer> {
        let senders = self.senders.iter().filter_map(|id| {
            let wallet = self.customers.find(*id)?.wallet();
            Some((*id, wallet.currency()?, wallet.outgoing()))
        });
        let of_wallets = senders.flat_map(|(id, currency, outgoing)| {
            outgoing.iter().map(move |outgoing| Transfer {
                key: outgoing.key,
                from: Party::Wallet(id),
                to: outgoing.to,
                currency,
                amount: outgoing.amount,
            })
        });
        let of_operators = self.operators.iter().flat_map(|(id, operator)| {
            operator
                .underway()
                .iter()
                .filter_map(move |underway| match underway.what {
                    What::Promotion(to) => Some(Transfer {
                        key: underway.key,
                        from: Party::Operator(id),
                        to,
                        currency: underway.currency,
                        amount: underway.amount,
                    }),
                    What::Payout => None,
                })
        });
        of_wallets.chain(of_operators).take(count).collect()
    }

    /// Payouts that the issuer has not settled.
    pub(crate) fn payouts(&self) -> Vec<Payout> {
        let all = self.operators.iter().flat_map(|(id, operator)| {
            let payouts = operator
                .underway()
                .iter()
                .filter(|underway| underway.what == What::Payout);
            payouts.map(move |underway| Payout {
                operator: id,
                key: underway.key,
                currency: underway.currency,
                amount: underway.amount,
                at: underway.at,
            })
        });
        all.collect()
    }

    /// Readers whose chain of steps was cut off, in the order of their ids.
    pub(crate) fn readers_due(&self) -> Vec<ReaderId> {
        let mut due: Vec<ReaderId> = self
            .readers
            .iter()
            .filter(|(_, reader)| reader.due().is_some())
            .map(|(id, _)| id)
            .collect();
        due.sort_unstable();
        due
    }
}
