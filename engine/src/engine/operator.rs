//! What operators can do with their money.

use super::Engine;
use crate::directory::operator_shard;
use crate::failure::{Failure, OperatorRefusal, TransferRefusal};
use crate::host::Request;
use crate::journal::Durable;
use crate::line::Line;
use crate::operators::{self, Earnings, Payout};
use core::convert::Infallible;
use gettone_core::id::{OperatorId, TransferId, WalletId};
use gettone_core::money::{Amount, Currency};
use gettone_core::operator::{self, Operator};
use gettone_core::port::Seq;
use std::sync::Arc;

impl Engine {
    /// What an operator has, with all that it earned up to the last durable record.
    ///
    /// # Errors
    /// `Failure` when that cannot be told; [`operator::Refusal::Behind`] while it is added up.
    pub async fn operator(
        &self,
        operator: OperatorId,
    ) -> Result<Durable<Operator>, Failure<OperatorRefusal>> {
        let (line, earnings) = self.earnings();
        let shard = operator_shard(operator, self.shards());
        let steps = async move { operators::look(&line, &earnings, operator).await };
        self.chain(shard, steps).await
    }

    /// Begins to pay out to an operator's bank account what it earned. The money is gone from what
    /// it may spend; whoever pays at the issuer finds the payout among [`Engine::payouts`], and
    /// tells how it ended.
    ///
    /// ```
    /// # use gettone::core::id::{OperatorId, TransferId};
    /// # use gettone::core::money::{Amount, Currency};
    /// # use gettone::core::operator::Refusal;
    /// # use gettone::{Engine, Failure, OperatorRefusal, Settings};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let store = Box::new(gettone_store::Memory::new());
    /// # let engine = Engine::start(store, Settings::default(), &mut |_, _| {})?;
    /// let operator = OperatorId::new(1);
    /// let money = (Currency::EUR, Amount::from_minor(500));
    /// # let deposit = TransferId::from_bytes([1; 16]);
    /// engine.deposit(operator, deposit, money).await?;
    ///
    /// let too_much = (Currency::EUR, Amount::from_minor(600));
    /// let refused = engine.pay_out(operator, TransferId::from_bytes([2; 16]), too_much).await;
    /// assert_eq!(refused, Err(Failure::Refused(OperatorRefusal::Rules(Refusal::InsufficientFunds {
    ///     available: Amount::from_minor(500),
    ///     short_by: Amount::from_minor(100),
    /// }))));
    ///
    /// let name = TransferId::from_bytes([3; 16]);
    /// engine.pay_out(operator, name, money).await?;
    /// assert_eq!(engine.payouts().await?.len(), 1);
    /// engine.settle_payout(operator, name).await?;
    /// assert_eq!(engine.payouts().await?.len(), 0);
    /// # engine.shutdown().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `Failure` with the refusal and its figures, or why there is no answer.
    pub async fn pay_out(
        &self,
        operator: OperatorId,
        key: TransferId,
        money: (Currency, Amount),
    ) -> Result<Durable<Option<operator::Event>>, Failure<OperatorRefusal>> {
        let (currency, amount) = money;
        let command = move |head| operator::Command::PayOut {
            key,
            currency,
            amount,
            head,
        };
        self.pay(operator, command).await
    }

    /// Payouts of all operators that the issuer has neither settled nor failed, the oldest first;
    /// also those from before a restart.
    ///
    /// # Errors
    /// `Failure` when there is no answer.
    pub async fn payouts(&self) -> Result<Vec<Payout>, Failure<Infallible>> {
        let line = &self.inner.line;
        let mut all = Vec::new();
        for shard in 0..line.count() {
            all.extend(line.payouts(shard).await?.into_inner());
        }
        all.sort_unstable_by_key(|payout| (payout.at, payout.key));
        Ok(all)
    }

    /// The issuer has paid a payout out.
    ///
    /// # Errors
    /// As for [`Engine::pay_out`].
    pub async fn settle_payout(
        &self,
        operator: OperatorId,
        key: TransferId,
    ) -> Result<Durable<Option<operator::Event>>, Failure<OperatorRefusal>> {
        self.operator_command(operator, operator::Command::SettlePayout { key })
            .await
    }

    /// The issuer could not pay a payout out: the operator has its money again.
    ///
    /// # Errors
    /// As for [`Engine::pay_out`].
    pub async fn fail_payout(
        &self,
        operator: OperatorId,
        key: TransferId,
    ) -> Result<Durable<Option<operator::Event>>, Failure<OperatorRefusal>> {
        self.operator_command(operator, operator::Command::FailPayout { key })
            .await
    }

    /// Sends an operator's money to a customer: a gift, or goodwill. It is driven as a
    /// [`Engine::transfer`] is.
    ///
    /// # Errors
    /// As for [`Engine::transfer`].
    pub async fn promote(
        &self,
        operator: OperatorId,
        key: TransferId,
        gift: (WalletId, Amount),
    ) -> Result<Durable<Option<operator::Event>>, Failure<TransferRefusal>> {
        let (to, amount) = gift;
        let (line, earnings) = self.earnings();
        let shard = operator_shard(operator, self.shards());
        let way = (operator, to, amount);
        let steps = async move { operators::promote(&line, &earnings, key, way).await };
        self.chain(shard, steps).await
    }

    /// Has an operator pay the platform, such as for its closed-loop sales.
    ///
    /// # Errors
    /// As for [`Engine::pay_out`].
    pub async fn charge(
        &self,
        operator: OperatorId,
        key: TransferId,
        money: (Currency, Amount),
    ) -> Result<Durable<Option<operator::Event>>, Failure<OperatorRefusal>> {
        let (currency, amount) = money;
        let command = move |head| operator::Command::Charge {
            key,
            currency,
            amount,
            head,
        };
        self.pay(operator, command).await
    }

    /// Has the platform pay the issuer what was charged back and could not be taken from customers.
    ///
    /// # Errors
    /// As for [`Engine::pay_out`].
    pub async fn cover(
        &self,
        operator: OperatorId,
        key: TransferId,
        money: (Currency, Amount),
    ) -> Result<Durable<Option<operator::Event>>, Failure<OperatorRefusal>> {
        let (currency, amount) = money;
        let command = move |head| operator::Command::Cover {
            key,
            currency,
            amount,
            head,
        };
        self.pay(operator, command).await
    }

    /// Adds money that the issuer has received for an operator, or for the platform.
    ///
    /// # Errors
    /// As for [`Engine::pay_out`].
    pub async fn deposit(
        &self,
        operator: OperatorId,
        key: TransferId,
        money: (Currency, Amount),
    ) -> Result<Durable<Option<operator::Event>>, Failure<OperatorRefusal>> {
        let (currency, amount) = money;
        let command = operator::Command::Deposit {
            key,
            currency,
            amount,
        };
        self.operator_command(operator, command).await
    }

    /// Asks an operator for what costs it nothing; what costs it goes through [`Engine::pay`],
    /// which knows the head of the journal.
    async fn operator_command(
        &self,
        operator: OperatorId,
        command: operator::Command,
    ) -> Result<Durable<Option<operator::Event>>, Failure<OperatorRefusal>> {
        let line = &self.inner.line;
        let shard = operator_shard(operator, line.count());
        let command = Box::new(command);
        line.call(shard, |reply| Request::Operator(operator, command, reply))
            .await
            .map_err(|failure| failure.map_refused(OperatorRefusal::Rules))
    }

    async fn pay(
        &self,
        operator: OperatorId,
        command: impl Fn(Seq) -> operator::Command + Send + Sync + 'static,
    ) -> Result<Durable<Option<operator::Event>>, Failure<OperatorRefusal>> {
        let (line, earnings) = self.earnings();
        let shard = operator_shard(operator, self.shards());
        let steps = async move { operators::pay(&line, &earnings, operator, command).await };
        self.chain(shard, steps).await
    }

    fn earnings(&self) -> (Arc<Line>, Arc<Earnings>) {
        (
            Arc::clone(&self.inner.line),
            Arc::clone(&self.inner.earnings),
        )
    }
}
