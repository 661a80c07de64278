//! Money on its way to a wallet: the steps of [`gettone_core::transfer`], each idempotent and each
//! written behind the one before, so that a chain which was cut off is taken up where it ended.

use crate::bounds::TRANSFERS_LOOK_EVERY;
use crate::directory::{operator_shard, wallet_shard};
use crate::failure::{Failure, TransferRefusal};
use crate::journal::{Durable, Queued};
use crate::line::Line;
use crate::session::Moved;
use core::convert::Infallible;
use core::time::Duration;
use gettone_core::id::{TransferId, WalletId};
use gettone_core::money::{Amount, Currency};
use gettone_core::operator;
use gettone_core::transfer::{Answer, Next, Party, RESUME, Step, Transfer};
use gettone_core::wallet::{self, Refusal};
use std::sync::Arc;

/// Sends money from one wallet to another, and sees to it that it arrives or comes back.
pub(crate) async fn send(
    line: &Line,
    key: TransferId,
    way: (WalletId, WalletId, Amount),
) -> Result<Durable<Moved>, Failure<TransferRefusal>> {
    let (from, to, amount) = way;
    let deadline = line.deadline();
    let sent = async {
        if from == to {
            return Err(Failure::Refused(TransferRefusal::ToItself));
        }
        let currency = currency_of(line, to, deadline).await?;
        let transfer = Transfer {
            key,
            from: Party::Wallet(from),
            to,
            currency,
            amount,
        };
        let command = transfer.to_sender(Step::Send).expect("the sender sends");
        line.wallet_step(from, command, deadline)
            .await
            .map_err(|failure| failure.map_refused(TransferRefusal::Sender))?;
        let last = carry(line, &transfer, deadline).await?;
        last.ok_or(Failure::Stopped)
    };
    let outcome = sent.await;
    written(line, wallet_shard(from, line.count()), outcome, deadline).await
}

/// The currency of who is to be paid; wallets stay open, and in their currency.
pub(crate) async fn currency_of(
    line: &Line,
    to: WalletId,
    deadline: Duration,
) -> Result<Currency, Failure<TransferRefusal>> {
    let balance = line
        .balance_step(to, deadline)
        .await
        .map_err(|failure| failure.map_refused(|never| match never {}))?;
    balance
        .step()
        .as_ref()
        .map(|balance| balance.currency)
        .ok_or(Failure::Refused(TransferRefusal::NoReceiver))
}

/// Drives a transfer that has left to its end. Gives what the wallet that paid came to, when one
/// did; refused is what is back.
pub(crate) async fn carry(
    line: &Line,
    transfer: &Transfer,
    deadline: Duration,
) -> Result<Option<Queued<Moved>>, Failure<TransferRefusal>> {
    let mut step = RESUME;
    let mut why = Refusal::TurnedAway;
    loop {
        let asked = ask(line, transfer, (step, deadline)).await;
        let (answer, moved) = match asked {
            Ok(moved) => (Answer::Done, moved),
            Err(Failure::Refused(refusal)) => {
                if step == Step::Receive {
                    why = refusal;
                }
                (Answer::of(Err(refusal)), None)
            }
            // It has left: that nothing was done would not be true any more.
            Err(Failure::Stopped) => return Err(Failure::Stopped),
            Err(
                Failure::Full { .. } | Failure::Busy { .. } | Failure::Panicked | Failure::TimedOut,
            ) => {
                return Err(Failure::TimedOut);
            }
        };
        match step.then(answer) {
            Next::Ask(next) => step = next,
            Next::Delivered => return Ok(moved),
            Next::Returned => return Err(Failure::Refused(TransferRefusal::Receiver(why))),
            // What is listed as on its way can neither be refused nor wait, unless its record and
            // its list disagree: it stays listed, and nothing else is done.
            Next::Refused | Next::Wait => return Err(Failure::TimedOut),
        }
    }
}

/// Asks the one whom a step is for.
async fn ask(
    line: &Line,
    transfer: &Transfer,
    (step, deadline): (Step, Duration),
) -> Result<Option<Queued<Moved>>, Failure<Refusal>> {
    if let Some(command) = transfer.to_receiver(step) {
        return line
            .wallet_step(transfer.to, command, deadline)
            .await
            .map(Some);
    }
    let key = transfer.key;
    match (transfer.from, transfer.to_sender(step)) {
        (Party::Wallet(from), Some(command)) => {
            line.wallet_step(from, command, deadline).await.map(Some)
        }
        (Party::Operator(from), Some(wallet::Command::Confirm { .. })) => {
            let confirm = operator::Command::Confirm { key };
            operators(line.operator_step(from, confirm, deadline).await)
        }
        (Party::Operator(from), Some(wallet::Command::Return { .. })) => {
            let back = operator::Command::Return { key };
            operators(line.operator_step(from, back, deadline).await)
        }
        (Party::Operator(_), Some(_)) | (_, None) => Err(Failure::Refused(Refusal::NoSuchTransfer)),
    }
}

/// An operator's answer to a step: whatever it refuses, the step does not go this way.
fn operators(
    outcome: Result<Queued<Option<operator::Event>>, Failure<operator::Refusal>>,
) -> Result<Option<Queued<Moved>>, Failure<Refusal>> {
    match outcome {
        Ok(_) => Ok(None),
        Err(failure) => Err(failure.map_refused(|_| Refusal::NoSuchTransfer)),
    }
}

/// Waits until the steps that led to an outcome are durable, whichever it is: each rests on those
/// before it, and none waits for the disk by itself.
pub(crate) async fn written<T, R>(
    line: &Line,
    shard: usize,
    outcome: Result<Queued<T>, Failure<R>>,
    deadline: Duration,
) -> Result<Durable<T>, Failure<R>> {
    let later = line
        .drain(shard, deadline)
        .await
        .map_err(|failure| failure.map_refused(|never| match never {}))?;
    outcome.map(|queued| queued.behind(later))
}

/// Drives one transfer that was cut off to its end, as far as that goes now.
pub(crate) async fn take_up(
    line: &Line,
    transfer: &Transfer,
) -> Result<(), Failure<TransferRefusal>> {
    let deadline = line.deadline();
    let outcome = match carry(line, transfer, deadline).await {
        Ok(_) | Err(Failure::Refused(_)) => Ok(()),
        Err(failure) => Err(failure),
    };
    let shard = match transfer.from {
        Party::Wallet(from) => wallet_shard(from, line.count()),
        Party::Operator(from) => operator_shard(from, line.count()),
    };
    line.drain(shard, deadline)
        .await
        .map_err(|failure| failure.map_refused(|never| match never {}))?;
    outcome
}

/// Drives every transfer that is under way; gives how many ended.
pub(crate) async fn take_up_all(line: &Line) -> Result<usize, Failure<Infallible>> {
    let mut ended = 0;
    for shard in 0..line.count() {
        let transfers = line.transfers(shard).await?.into_inner();
        if transfers.is_empty() {
            continue;
        }
        line.enter(1)?;
        for transfer in &transfers {
            match take_up(line, transfer).await {
                Ok(()) => ended += 1,
                Err(failure) => {
                    tracing::warn!(key = %transfer.key, %failure, "a transfer stays under way");
                }
            }
        }
        line.leave(1);
    }
    Ok(ended)
}

/// Looks now and then for transfers that nobody drives any more, because their time was up.
pub(crate) async fn tend(line: Arc<Line>) {
    loop {
        tokio::time::sleep(TRANSFERS_LOOK_EVERY).await;
        if take_up_all(&line).await == Err(Failure::Stopped) {
            return;
        }
    }
}
