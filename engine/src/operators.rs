//! An operator's money at the issuer. What it earned is added up from the journal when somebody
//! wants to spend it, and never before: no sale waits for its operator.

use crate::bounds::FOLD_NOTED_EVERY;
use crate::directory::operator_shard;
use crate::failure::{Failure, OperatorRefusal, TransferRefusal};
use crate::gate::Gate;
use crate::journal::{Durable, Hub, Queued};
use crate::line::Line;
use crate::transfers;
use core::time::Duration;
use gettone_core::entity::Entity;
use gettone_core::id::{OperatorId, TransferId, WalletId};
use gettone_core::money::{Amount, Currency};
use gettone_core::operator::{self, Command, Event, Operator, Payables};
use gettone_core::port::{History, Key, Kind, Seq, Shelf, StoreFault};
use gettone_core::record::Record;
use gettone_core::snapshot::{self, SnapshotFault};
use gettone_core::time::Timestamp;
use gettone_core::transfer::{Party, Transfer};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Mutex;

/// A payout that the issuer has neither settled nor failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Payout {
    /// Whose.
    pub operator: OperatorId,
    /// Its name.
    pub key: TransferId,
    /// What in.
    pub currency: Currency,
    /// How much.
    pub amount: Amount,
    /// Since when.
    pub at: Timestamp,
}

/// Where earnings rest on a shelf.
const EARNINGS: Key = Key::new(Kind::Payables, 0);

/// What every operator earned, as far as it is added up.
pub(crate) struct Earnings {
    history: Option<Arc<dyn History>>,
    hub: Arc<Hub>,
    gate: Arc<Gate>,
    payables: Arc<Mutex<Payables>>,
    /// How far they are, for whoever cannot wait.
    folded: Arc<AtomicU64>,
}

impl core::fmt::Debug for Earnings {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        out.debug_struct("Earnings")
            .field("folded", &self.folded)
            .finish_non_exhaustive()
    }
}

impl Earnings {
    pub(crate) fn new(history: Option<Arc<dyn History>>, hub: Arc<Hub>, gate: Arc<Gate>) -> Self {
        Self {
            history,
            hub,
            gate,
            payables: Arc::default(),
            folded: Arc::default(),
        }
    }

    /// Goes on from what a snapshot before `next` has kept. Without it everything is added up from
    /// the first record: that costs time, and nothing else.
    pub(crate) fn resume(mut self, shelf: Option<&dyn Shelf>, next: Seq) -> Self {
        let Some(shelf) = shelf else { return self };
        match kept(shelf) {
            Ok(Some(payables)) if payables.upto() < next => {
                self.folded = Arc::new(AtomicU64::new(payables.upto().number()));
                self.payables = Arc::new(Mutex::new(payables));
            }
            Ok(Some(payables)) => {
                let upto = payables.upto().number();
                tracing::warn!(upto, "earnings of records that are not there are not used");
            }
            Ok(None) => {}
            Err(fault) => tracing::warn!(%fault, "earnings are added up from the first record"),
        }
        self
    }

    /// What a snapshot keeps of it: nothing while somebody is adding up.
    pub(crate) fn save(&self) -> Result<Option<(Key, Vec<u8>)>, SnapshotFault> {
        let Ok(payables) = self.payables.try_lock() else {
            return Ok(None);
        };
        if payables.upto() < Seq::FIRST {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        snapshot::encode(&*payables, &mut bytes)?;
        Ok(Some((EARNINGS, bytes)))
    }

    /// The last durable record.
    fn head(&self) -> Seq {
        Seq::new(self.hub.next().number().saturating_sub(1))
    }

    /// Adds up to the last durable record, and gives what `operator` is to be told. Adding up goes
    /// on when nobody waits for it any more.
    async fn fold(
        &self,
        operator: OperatorId,
        patience: Duration,
    ) -> Result<(Command, Seq), Failure<OperatorRefusal>> {
        let history = self.history.clone();
        let history = history.ok_or(Failure::Refused(OperatorRefusal::NoHistory))?;
        let head = self.head();
        #[cfg(test)]
        if tokio::runtime::Handle::try_current().is_err() {
            // A simulation has no threads, and no time but its own.
            let mut payables = self.payables.lock().await;
            let at_hand = (&*self.gate, &*self.folded);
            return add_up(&mut payables, (history.as_ref(), head), at_hand)
                .map(|()| (payables.fold_of(operator), payables.upto()))
                .map_err(|_| Failure::Stopped);
        }
        let (gate, folded) = (Arc::clone(&self.gate), Arc::clone(&self.folded));
        let payables = Arc::clone(&self.payables);
        let added = async move {
            let mut payables = payables.lock_owned().await;
            let adding = tokio::task::spawn_blocking(move || {
                add_up(&mut payables, (history.as_ref(), head), (&gate, &folded))
                    .map(|()| (payables.fold_of(operator), payables.upto()))
            });
            adding.await
        };
        let unreadable = |fault: &dyn core::fmt::Display| {
            tracing::error!(%fault, "what operators earned cannot be added up");
            OperatorRefusal::Unreadable
        };
        let refusal = match tokio::time::timeout(patience, added).await {
            Ok(Ok(Ok(told))) => return Ok(told),
            Ok(Ok(Err(_)) | Err(_)) if !self.gate.is_open() => return Err(Failure::Stopped),
            Ok(Ok(Err(fault))) => unreadable(&fault),
            Ok(Err(fault)) => unreadable(&fault),
            Err(_) => OperatorRefusal::Rules(operator::Refusal::Behind {
                folded: Seq::new(self.folded.load(Ordering::Relaxed)),
                head,
            }),
        };
        Err(Failure::Refused(refusal))
    }
}

/// What the last snapshot has kept.
fn kept(shelf: &dyn Shelf) -> Result<Option<Payables>, StoreFault> {
    let Some(bytes) = shelf.load(EARNINGS)? else {
        return Ok(None);
    };
    let payables = snapshot::decode(&bytes).map_err(|fault| StoreFault::ShelfDamaged {
        place: "the snapshot's earnings".to_owned(),
        what: fault.to_string(),
    });
    payables.map(Some)
}

/// Takes in every record up to `head`, and with it. What a fault leaves is whole, and goes on later.
fn add_up(
    payables: &mut Payables,
    (history, head): (&dyn History, Seq),
    (gate, folded): (&Gate, &AtomicU64),
) -> Result<(), StoreFault> {
    let from = payables.upto().after(1);
    let read = history.read(from, head.after(1), &mut |seq, payload| {
        let record = Record::decode(payload).map_err(|fault| StoreFault::Damaged {
            place: format!("frame {}", seq.number()),
            what: fault.to_string(),
        })?;
        payables.take(seq, &record);
        if seq.number() % FOLD_NOTED_EVERY == 0 {
            folded.store(seq.number(), Ordering::Relaxed);
            if !gate.is_open() {
                return Err(StoreFault::Failed);
            }
        }
        Ok(())
    });
    folded.store(payables.upto().number(), Ordering::Relaxed);
    read
}

/// Asks an operator to do what costs it money: at once when all is folded that the journal holds,
/// or when it was done before; otherwise once it is.
async fn spend(
    line: &Line,
    earnings: &Earnings,
    operator: OperatorId,
    (command, deadline): (impl Fn(Seq) -> Command, Duration),
) -> Result<Queued<Option<Event>>, Failure<OperatorRefusal>> {
    let first = command(earnings.head());
    match line.operator_step(operator, first, deadline).await {
        Err(Failure::Refused(operator::Refusal::Behind { .. })) => {}
        outcome => return outcome.map_err(told),
    }
    let (fold, upto) = earnings.fold(operator, line.left(deadline)).await?;
    line.operator_step(operator, fold, deadline)
        .await
        .map_err(told)?;
    line.operator_step(operator, command(upto), deadline)
        .await
        .map_err(told)
}

fn told(failure: Failure<operator::Refusal>) -> Failure<OperatorRefusal> {
    failure.map_refused(OperatorRefusal::Rules)
}

/// Has an operator pay out, or pay the platform or the issuer.
pub(crate) async fn pay(
    line: &Line,
    earnings: &Earnings,
    operator: OperatorId,
    command: impl Fn(Seq) -> Command,
) -> Result<Durable<Option<Event>>, Failure<OperatorRefusal>> {
    let deadline = line.deadline();
    let outcome = spend(line, earnings, operator, (command, deadline)).await;
    let shard = operator_shard(operator, line.count());
    transfers::written(line, shard, outcome, deadline).await
}

/// Has an operator send money to a wallet, and sees to it that it arrives or comes back.
pub(crate) async fn promote(
    line: &Line,
    earnings: &Earnings,
    key: TransferId,
    (operator, to, amount): (OperatorId, WalletId, Amount),
) -> Result<Durable<Option<Event>>, Failure<TransferRefusal>> {
    let deadline = line.deadline();
    let sent = async {
        let currency = transfers::currency_of(line, to, deadline).await?;
        let command = |head| Command::Promote {
            key,
            to,
            currency,
            amount,
            head,
        };
        let promoted = spend(line, earnings, operator, (command, deadline))
            .await
            .map_err(|failure| failure.map_refused(TransferRefusal::Operator))?;
        let transfer = Transfer {
            key,
            from: Party::Operator(operator),
            to,
            currency,
            amount,
        };
        transfers::carry(line, &transfer, deadline).await?;
        Ok(promoted)
    };
    let outcome = sent.await;
    let shard = operator_shard(operator, line.count());
    transfers::written(line, shard, outcome, deadline).await
}

/// What an operator has, with everything that it earned up to the last durable record. Nothing is
/// written for it.
pub(crate) async fn look(
    line: &Line,
    earnings: &Earnings,
    operator: OperatorId,
) -> Result<Durable<Operator>, Failure<OperatorRefusal>> {
    let deadline = line.deadline();
    let seen = async {
        let (fold, _) = earnings.fold(operator, line.left(deadline)).await?;
        let seen = line
            .seen_operator_step(operator, deadline)
            .await
            .map_err(|failure| failure.map_refused(|never| match never {}))?;
        Ok(seen.map(|operator| {
            let mut operator = operator.map(|operator| *operator).unwrap_or_default();
            // A fold has no time; what it cannot take it leaves as it was folded last.
            if let Ok(Some(event)) = operator.decide(&fold, Timestamp::default()) {
                operator.evolve(&event);
            }
            operator
        }))
    };
    let outcome = seen.await;
    let shard = operator_shard(operator, line.count());
    transfers::written(line, shard, outcome, deadline).await
}
