//! What sessions can be asked.

use super::Engine;
use crate::directory::wallet_shard;
use crate::failure::{Failure, SessionRefusal};
use crate::host::Request;
use crate::journal::Durable;
use crate::pipeline::Pipeline;
use crate::session::{Action, Answered, Progress, SessionCommand, Stale};
use core::convert::Infallible;
use gettone_core::grant::Terms;
use gettone_core::id::{MachineId, OperatorId, Rseq, VendId, WalletId};
use gettone_core::wallet::{Outcome, Reason};
use std::sync::Arc;

impl Engine {
    /// Asks a session.
    ///
    /// # Errors
    /// `Failure` with the session's or wallet's refusal, or why there is no answer.
    pub async fn session_command(
        &self,
        command: SessionCommand,
    ) -> Result<Durable<Progress>, Failure<SessionRefusal>> {
        let line = &self.inner.line;
        let shard = wallet_shard(command.wallet, line.count());
        line.call(shard, |reply| Request::Session(command, reply))
            .await
    }

    /// A pipeline into this engine, for whoever has thousands of commands in flight.
    pub fn pipeline(&self) -> Pipeline {
        Pipeline::new(Arc::clone(&self.inner.line))
    }

    /// Asks many sessions at once, and gives the answers in the same order. Commands of one wallet
    /// are taken in order; all of them become durable before the first answer is given.
    pub async fn session_batch(&self, commands: Vec<SessionCommand>) -> Vec<Answered> {
        self.inner.line.batch(commands).await
    }

    /// Opens a session of `wallet` before a machine.
    ///
    /// # Errors
    /// As for [`Engine::session_command`].
    pub async fn open(
        &self,
        wallet: WalletId,
        session: VendId,
        place: (MachineId, OperatorId),
    ) -> Result<Durable<Progress>, Failure<SessionRefusal>> {
        let (machine, operator) = place;
        let action = Action::Open { machine, operator };
        self.act(wallet, session, action).await
    }

    /// Holds money for a session. Until it is settled or released nobody else can have it.
    ///
    /// ```
    /// # use gettone::core::grant::{Purpose, Terms};
    /// # use gettone::core::id::{MachineId, OperatorId, TransferId, VendId, WalletId};
    /// # use gettone::core::money::{Amount, Currency};
    /// # use gettone::core::wallet::{Reason, Refusal};
    /// # use gettone::{Engine, Failure, SessionRefusal, Settings};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let store = Box::new(gettone_store::Memory::new());
    /// # let engine = Engine::start(store, Settings::default(), &mut |_, _| {})?;
    /// # let wallet = WalletId::new(1);
    /// # let place = (MachineId::new(1), OperatorId::new(1));
    /// # engine.open_wallet(wallet, Currency::EUR).await?;
    /// # engine.top_up(wallet, TransferId::from_bytes([1; 16]), Amount::from_minor(500)).await?;
    /// let cap = Amount::from_minor(400);
    /// let terms = Terms {
    ///     machine: place.0,
    ///     operator: place.1,
    ///     cap,
    ///     least: cap,
    ///     vends_max: 1,
    ///     fee_basis_points: 0,
    ///     revalue_max: Amount::ZERO,
    ///     purpose: Purpose::Sale,
    /// };
    /// let (first, second) = (VendId::from_bytes([1; 16]), VendId::from_bytes([2; 16]));
    /// engine.open(wallet, first, place).await?;
    /// let held = engine.reserve(wallet, first, terms).await?;
    /// assert_eq!(held.hold.map(|hold| hold.held.total()), Some(cap));
    ///
    /// engine.open(wallet, second, place).await?;
    /// let refused = engine.reserve(wallet, second, terms).await;
    /// let short = Refusal::InsufficientFunds {
    ///     available: Amount::from_minor(100),
    ///     short_by: Amount::from_minor(300),
    ///     pending: cap,
    /// };
    /// assert_eq!(refused, Err(Failure::Refused(SessionRefusal::Wallet(short))));
    /// engine.release(wallet, first, Reason::Closed).await?;
    /// engine.reserve(wallet, second, terms).await?;
    /// # engine.shutdown().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As for [`Engine::session_command`].
    pub async fn reserve(
        &self,
        wallet: WalletId,
        session: VendId,
        terms: Terms,
    ) -> Result<Durable<Progress>, Failure<SessionRefusal>> {
        self.act(wallet, session, Action::Reserve { terms }).await
    }

    /// Takes in what happened in a session.
    ///
    /// # Errors
    /// As for [`Engine::session_command`].
    pub async fn settle(
        &self,
        wallet: WalletId,
        session: VendId,
        receipt: (Rseq, Outcome),
    ) -> Result<Durable<Progress>, Failure<SessionRefusal>> {
        let (rseq, outcome) = receipt;
        self.act(wallet, session, Action::Settle { rseq, outcome })
            .await
    }

    /// Ends a session, and frees what is still held.
    ///
    /// # Errors
    /// As for [`Engine::session_command`].
    pub async fn release(
        &self,
        wallet: WalletId,
        session: VendId,
        reason: Reason,
    ) -> Result<Durable<Progress>, Failure<SessionRefusal>> {
        self.act(wallet, session, Action::Release { reason }).await
    }

    /// Holds of which nothing was heard for longer than a grant can live; at most
    /// [`STALE_MAX`](crate::bounds::STALE_MAX) of each shard. It looks at every wallet: now and
    /// then, not for every customer.
    ///
    /// # Errors
    /// `Failure` when there is no answer.
    pub async fn stale(&self) -> Result<Vec<Stale>, Failure<Infallible>> {
        let line = &self.inner.line;
        let mut all = Vec::new();
        for shard in 0..line.count() {
            all.extend(line.stale(shard).await?.into_inner());
        }
        Ok(all)
    }

    /// Ends every hold without news for longer than the setting says, and every doubt that waited
    /// too long; gives how many. The shards do the same by themselves, a part at a time.
    ///
    /// # Errors
    /// `Failure` when there is no answer; what was ended stays so.
    pub async fn release_overdue(&self) -> Result<usize, Failure<Infallible>> {
        let line = &self.inner.line;
        let mut ended = 0;
        for shard in 0..line.count() {
            ended += line.release_overdue(shard).await?.into_inner();
        }
        Ok(ended)
    }

    /// Whose live session this is. It is a hint for routing, and may be ahead of the disk.
    pub fn wallet_of(&self, session: VendId) -> Option<WalletId> {
        self.inner.directory.wallet(session)
    }

    /// How many sessions live.
    pub fn live_sessions(&self) -> usize {
        self.inner.directory.live()
    }

    async fn act(
        &self,
        wallet: WalletId,
        session: VendId,
        action: Action,
    ) -> Result<Durable<Progress>, Failure<SessionRefusal>> {
        self.session_command(SessionCommand {
            wallet,
            session,
            action,
        })
        .await
    }
}
