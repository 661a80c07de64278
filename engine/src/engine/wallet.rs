//! What wallets can be asked.

use super::Engine;
use crate::directory::wallet_shard;
use crate::failure::{Failure, TransferRefusal};
use crate::host::Request;
use crate::journal::Durable;
use crate::session::Moved;
use crate::transfers;
use core::convert::Infallible;
use gettone_core::id::{OperatorId, Rseq, TransferId, VendId, WalletId};
use gettone_core::money::{Amount, Currency};
use gettone_core::wallet::{self, Balance, Favour, Limits, Verdict, Wallet};
use std::sync::Arc;

impl Engine {
    /// Asks a wallet.
    ///
    /// # Errors
    /// `Failure` with the wallet's refusal, or why there is no answer.
    pub async fn wallet_command(
        &self,
        wallet: WalletId,
        command: wallet::Command,
    ) -> Result<Durable<Moved>, Failure<wallet::Refusal>> {
        let line = &self.inner.line;
        let shard = wallet_shard(wallet, line.count());
        line.call(shard, |reply| Request::Wallet(wallet, command, reply))
            .await
    }

    /// Opens a wallet.
    ///
    /// # Errors
    /// As for [`Engine::wallet_command`].
    pub async fn open_wallet(
        &self,
        wallet: WalletId,
        currency: Currency,
    ) -> Result<Durable<Moved>, Failure<wallet::Refusal>> {
        self.wallet_command(wallet, wallet::Command::Open { currency })
            .await
    }

    /// Adds e-money that the issuer has confirmed. Debt is repaid first.
    ///
    /// ```
    /// # use gettone::core::id::{TransferId, WalletId};
    /// # use gettone::core::money::{Amount, Currency};
    /// # use gettone::{Engine, Settings};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let store = Box::new(gettone_store::Memory::new());
    /// # let engine = Engine::start(store, Settings::default(), &mut |_, _| {})?;
    /// # let wallet = WalletId::new(1);
    /// # engine.open_wallet(wallet, Currency::EUR).await?;
    /// // The name is made once and kept: the same call again, after a time-out, adds nothing.
    /// let name = TransferId::from_bytes([1; 16]);
    /// for _ in 0..2 {
    ///     let moved = engine.top_up(wallet, name, Amount::from_minor(500)).await?;
    ///     assert_eq!(moved.balance.emoney, Amount::from_minor(500));
    /// }
    /// # engine.shutdown().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As for [`Engine::wallet_command`].
    pub async fn top_up(
        &self,
        wallet: WalletId,
        key: TransferId,
        amount: Amount,
    ) -> Result<Durable<Moved>, Failure<wallet::Refusal>> {
        self.wallet_command(wallet, wallet::Command::TopUp { key, amount })
            .await
    }

    /// Adds what an operator gives to its closed wallet.
    ///
    /// # Errors
    /// As for [`Engine::wallet_command`].
    pub async fn give(
        &self,
        wallet: WalletId,
        key: TransferId,
        gift: (OperatorId, Amount),
    ) -> Result<Durable<Moved>, Failure<wallet::Refusal>> {
        let (operator, amount) = gift;
        let command = wallet::Command::Give {
            key,
            operator,
            amount,
        };
        self.wallet_command(wallet, command).await
    }

    /// Gives back what a sale took, or a part of it; as often as wanted, under a name each, until
    /// all of it is back.
    ///
    /// ```
    /// # use gettone::core::grant::{Purpose, Terms};
    /// # use gettone::core::id::{Item, MachineId, OperatorId, Rseq, TransferId, VendId, WalletId};
    /// # use gettone::core::money::{Amount, Currency};
    /// # use gettone::core::wallet::{Outcome, Proof, Refusal};
    /// # use gettone::{Engine, Failure, Settings};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let store = Box::new(gettone_store::Memory::new());
    /// # let engine = Engine::start(store, Settings::default(), &mut |_, _| {})?;
    /// # let (wallet, vend) = (WalletId::new(1), VendId::from_bytes([7; 16]));
    /// # let (machine, operator) = (MachineId::new(1), OperatorId::new(1));
    /// # engine.open_wallet(wallet, Currency::EUR).await?;
    /// # engine.top_up(wallet, TransferId::from_bytes([1; 16]), Amount::from_minor(500)).await?;
    /// # let terms = Terms { operator, machine, cap: Amount::from_minor(200),
    /// #     least: Amount::from_minor(80), vends_max: 1, fee_basis_points: 0,
    /// #     revalue_max: Amount::ZERO, purpose: Purpose::Sale };
    /// # engine.open(wallet, vend, (machine, operator)).await?;
    /// # engine.reserve(wallet, vend, terms).await?;
    /// # let amount = Amount::from_minor(120);
    /// # let sold = Outcome::Vended { item: Item::new(11), amount, proof: Proof::Told };
    /// # engine.settle(wallet, vend, (Rseq::new(1), sold)).await?;
    /// let part = (vend, Rseq::new(1), Amount::from_minor(100));
    /// engine.refund(wallet, TransferId::from_bytes([2; 16]), part).await?;
    /// let more = engine.refund(wallet, TransferId::from_bytes([3; 16]), part).await;
    /// let left = Amount::from_minor(20);
    /// assert_eq!(more, Err(Failure::Refused(Refusal::RefundTooLarge { left })));
    /// # engine.shutdown().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As for [`Engine::wallet_command`].
    pub async fn refund(
        &self,
        wallet: WalletId,
        key: TransferId,
        sale: (VendId, Rseq, Amount),
    ) -> Result<Durable<Moved>, Failure<wallet::Refusal>> {
        let (vend, rseq, amount) = sale;
        let command = wallet::Command::Refund {
            key,
            vend,
            rseq,
            amount,
        };
        self.wallet_command(wallet, command).await
    }

    /// Adds e-money that was paid by card and has not reached the issuer yet. It can be spent at
    /// once; debt is repaid first.
    ///
    /// # Errors
    /// As for [`Engine::wallet_command`].
    pub async fn top_up_by_card(
        &self,
        wallet: WalletId,
        key: TransferId,
        amount: Amount,
    ) -> Result<Durable<Moved>, Failure<wallet::Refusal>> {
        self.wallet_command(wallet, wallet::Command::TopUpByCard { key, amount })
            .await
    }

    /// A payment by card has reached the issuer; `key` is the payment's own name.
    ///
    /// # Errors
    /// As for [`Engine::wallet_command`].
    pub async fn settle_card(
        &self,
        wallet: WalletId,
        key: TransferId,
    ) -> Result<Durable<Moved>, Failure<wallet::Refusal>> {
        self.wallet_command(wallet, wallet::Command::SettleCard { key })
            .await
    }

    /// A payment, or a part of it, was charged back. What e-money is there goes; the rest the
    /// customer owes to the platform. `payment` is the name of a top-up and how much went back.
    ///
    /// ```
    /// # use gettone::core::id::{TransferId, WalletId};
    /// # use gettone::core::money::{Amount, Currency};
    /// # use gettone::{Engine, Settings};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let store = Box::new(gettone_store::Memory::new());
    /// # let engine = Engine::start(store, Settings::default(), &mut |_, _| {})?;
    /// # let wallet = WalletId::new(1);
    /// # engine.open_wallet(wallet, Currency::EUR).await?;
    /// let payment = TransferId::from_bytes([1; 16]);
    /// engine.top_up_by_card(wallet, payment, Amount::from_minor(500)).await?;
    /// engine.settle_card(wallet, payment).await?;
    ///
    /// let name = TransferId::from_bytes([2; 16]);
    /// let moved = engine.charge_back(wallet, name, (payment, Amount::from_minor(300))).await?;
    /// assert_eq!(moved.balance.emoney, Amount::from_minor(200));
    /// assert_eq!(moved.balance.owed, Amount::ZERO);
    /// # engine.shutdown().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As for [`Engine::wallet_command`].
    pub async fn charge_back(
        &self,
        wallet: WalletId,
        key: TransferId,
        payment: (TransferId, Amount),
    ) -> Result<Durable<Moved>, Failure<wallet::Refusal>> {
        let (top_up, amount) = payment;
        let command = wallet::Command::ChargeBack {
            key,
            top_up,
            amount,
        };
        self.wallet_command(wallet, command).await
    }

    /// Repays what the customer owes with what is free in the wallet, as far as it goes.
    ///
    /// # Errors
    /// As for [`Engine::wallet_command`].
    pub async fn repay(
        &self,
        wallet: WalletId,
        key: TransferId,
    ) -> Result<Durable<Moved>, Failure<wallet::Refusal>> {
        self.wallet_command(wallet, wallet::Command::Repay { key })
            .await
    }

    /// Gives up a debt to an operator, or a part of it.
    ///
    /// # Errors
    /// As for [`Engine::wallet_command`].
    pub async fn write_off(
        &self,
        wallet: WalletId,
        key: TransferId,
        debt: (OperatorId, Amount),
    ) -> Result<Durable<Moved>, Failure<wallet::Refusal>> {
        let (operator, amount) = debt;
        let command = wallet::Command::WriteOff {
            key,
            operator,
            amount,
        };
        self.wallet_command(wallet, command).await
    }

    /// Limits what may be spent in a day, a week and a month from here on, in place of the limits
    /// before; none at all end them. Sales of the current windows count.
    ///
    /// ```
    /// # use gettone::core::id::{TransferId, WalletId};
    /// # use gettone::core::money::{Amount, Currency};
    /// # use gettone::core::wallet::Limits;
    /// # use gettone::{Engine, Settings};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let store = Box::new(gettone_store::Memory::new());
    /// # let engine = Engine::start(store, Settings::default(), &mut |_, _| {})?;
    /// # let wallet = WalletId::new(1);
    /// # engine.open_wallet(wallet, Currency::EUR).await?;
    /// let limits = Limits {
    ///     day: Some(Amount::from_minor(500)),
    ///     month: Some(Amount::from_minor(5_000)),
    ///     ..Limits::default()
    /// };
    /// engine.limit(wallet, TransferId::from_bytes([1; 16]), limits).await?;
    ///
    /// let seen = engine.wallet(wallet).await?.into_inner();
    /// assert_eq!(seen.map(|wallet| wallet.limits()), Some(limits));
    /// # engine.shutdown().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As for [`Engine::wallet_command`].
    pub async fn limit(
        &self,
        wallet: WalletId,
        key: TransferId,
        limits: Limits,
    ) -> Result<Durable<Moved>, Failure<wallet::Refusal>> {
        self.wallet_command(wallet, wallet::Command::Limit { key, limits })
            .await
    }

    /// Sets the e-money of a sale, or a part of it, aside until somebody decides: the operator
    /// cannot be paid it meanwhile.
    ///
    /// ```
    /// # use gettone::core::grant::{Purpose, Terms};
    /// # use gettone::core::id::{Item, MachineId, OperatorId, Rseq, TransferId, VendId, WalletId};
    /// # use gettone::core::money::{Amount, Currency};
    /// # use gettone::core::wallet::{Favour, Outcome, Proof};
    /// # use gettone::{Engine, Settings};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let store = Box::new(gettone_store::Memory::new());
    /// # let engine = Engine::start(store, Settings::default(), &mut |_, _| {})?;
    /// # let (wallet, vend) = (WalletId::new(1), VendId::from_bytes([7; 16]));
    /// # let (machine, operator) = (MachineId::new(1), OperatorId::new(1));
    /// # engine.open_wallet(wallet, Currency::EUR).await?;
    /// # engine.top_up(wallet, TransferId::from_bytes([1; 16]), Amount::from_minor(500)).await?;
    /// # let terms = Terms { operator, machine, cap: Amount::from_minor(200),
    /// #     least: Amount::from_minor(80), vends_max: 1, fee_basis_points: 0,
    /// #     revalue_max: Amount::ZERO, purpose: Purpose::Sale };
    /// # engine.open(wallet, vend, (machine, operator)).await?;
    /// # engine.reserve(wallet, vend, terms).await?;
    /// # let amount = Amount::from_minor(120);
    /// # let sold = Outcome::Vended { item: Item::new(11), amount, proof: Proof::Told };
    /// # engine.settle(wallet, vend, (Rseq::new(1), sold)).await?;
    /// let dispute = TransferId::from_bytes([2; 16]);
    /// engine.dispute(wallet, dispute, (vend, Rseq::new(1), amount)).await?;
    /// let moved = engine.end_dispute(wallet, dispute, Favour::Customer).await?;
    /// assert_eq!(moved.balance.emoney, Amount::from_minor(500), "the money is back");
    /// # engine.shutdown().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As for [`Engine::wallet_command`].
    pub async fn dispute(
        &self,
        wallet: WalletId,
        key: TransferId,
        sale: (VendId, Rseq, Amount),
    ) -> Result<Durable<Moved>, Failure<wallet::Refusal>> {
        let (vend, rseq, amount) = sale;
        let command = wallet::Command::Dispute {
            key,
            vend,
            rseq,
            amount,
        };
        self.wallet_command(wallet, command).await
    }

    /// Decides a dispute; `key` is the dispute's own name.
    ///
    /// # Errors
    /// As for [`Engine::wallet_command`].
    pub async fn end_dispute(
        &self,
        wallet: WalletId,
        key: TransferId,
        favour: Favour,
    ) -> Result<Durable<Moved>, Failure<wallet::Refusal>> {
        self.wallet_command(wallet, wallet::Command::EndDispute { key, favour })
            .await
    }

    /// Decides about a vend, or about cash, that nobody saw.
    ///
    /// # Errors
    /// As for [`Engine::wallet_command`].
    pub async fn judge(
        &self,
        wallet: WalletId,
        doubt: (VendId, Rseq),
        verdict: Verdict,
    ) -> Result<Durable<Moved>, Failure<wallet::Refusal>> {
        let (vend, rseq) = doubt;
        let command = wallet::Command::Judge {
            vend,
            rseq,
            verdict,
        };
        self.wallet_command(wallet, command).await
    }

    /// Sends e-money from one wallet to another. The answer is given once the money has arrived, or
    /// is back; a transfer whose caller is gone, or whose time is up, is driven on by the engine,
    /// also over a restart. The same call again tells how it ended.
    ///
    /// ```
    /// # use gettone::core::id::{TransferId, WalletId};
    /// # use gettone::core::money::{Amount, Currency};
    /// # use gettone::{Engine, Settings, TransferRefusal, Failure};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let store = Box::new(gettone_store::Memory::new());
    /// # let engine = Engine::start(store, Settings::default(), &mut |_, _| {})?;
    /// # let (ann, bob) = (WalletId::new(1), WalletId::new(2));
    /// # for wallet in [ann, bob] { engine.open_wallet(wallet, Currency::EUR).await?; }
    /// # engine.top_up(ann, TransferId::from_bytes([1; 16]), Amount::from_minor(500)).await?;
    /// let name = TransferId::from_bytes([2; 16]);
    /// let sent = engine.transfer(name, (ann, bob), Amount::from_minor(200)).await?;
    /// assert_eq!(sent.balance.emoney, Amount::from_minor(300));
    ///
    /// let again = engine.transfer(name, (ann, bob), Amount::from_minor(200)).await?;
    /// assert_eq!(again.balance.emoney, Amount::from_minor(300), "a repeat moves nothing");
    /// let nobody = (ann, WalletId::new(404));
    /// let refused = engine.transfer(TransferId::from_bytes([3; 16]), nobody, Amount::from_minor(1));
    /// assert_eq!(refused.await, Err(Failure::Refused(TransferRefusal::NoReceiver)));
    /// # engine.shutdown().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `Failure` with who refused and why, or why there is no answer; whatever it says, the same
    /// call again is harmless.
    pub async fn transfer(
        &self,
        key: TransferId,
        way: (WalletId, WalletId),
        amount: Amount,
    ) -> Result<Durable<Moved>, Failure<TransferRefusal>> {
        let (from, to) = way;
        let line = Arc::clone(&self.inner.line);
        let shard = wallet_shard(from, self.shards());
        let steps = async move { transfers::send(&line, key, (from, to, amount)).await };
        self.chain(shard, steps).await
    }

    /// Drives every transfer and promotion that is under way to its end, and gives how many ended.
    /// The engine does the same by itself, at its start and now and then.
    ///
    /// # Errors
    /// `Failure` when there is no answer.
    pub async fn resume_transfers(&self) -> Result<usize, Failure<Infallible>> {
        transfers::take_up_all(&self.inner.line).await
    }

    /// What a wallet shows of itself; none when it was never opened.
    ///
    /// # Errors
    /// `Failure` when there is no answer.
    pub async fn balance(
        &self,
        wallet: WalletId,
    ) -> Result<Durable<Option<Balance>>, Failure<Infallible>> {
        let line = &self.inner.line;
        let shard = wallet_shard(wallet, line.count());
        line.call(shard, |reply| Request::SeeBalance(wallet, reply))
            .await
    }

    /// A copy of a wallet with its holds; none when it was never opened.
    ///
    /// # Errors
    /// `Failure` when there is no answer.
    pub async fn wallet(
        &self,
        wallet: WalletId,
    ) -> Result<Durable<Option<Box<Wallet>>>, Failure<Infallible>> {
        let line = &self.inner.line;
        let shard = wallet_shard(wallet, line.count());
        line.call(shard, |reply| Request::SeeWallet(wallet, reply))
            .await
    }
}
