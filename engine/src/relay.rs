//! What one relayed envelope does (protocol section 6.3): receipts, fence, hold, each an
//! idempotent step that the reader's own state names, so that a chain which was cut off is taken
//! up where it ended.

use crate::bounds::RELAY_STEPS_MAX;
use crate::directory::reader_shard;
use crate::failure::{Failure, SessionRefusal};
use crate::journal::{Durable, Queued};
use crate::line::Line;
use crate::session::{Action, Hold, Progress, SessionCommand};
use core::time::Duration;
use gettone_core::counters::Counters;
use gettone_core::grant::{GrantState, Purpose, Terms};
use gettone_core::id::{Chain, JournalEpoch, MachineId, Nonce, Order, ReaderId, WalletId};
use gettone_core::lock::Lock;
use gettone_core::machine;
use gettone_core::money::Currency;
use gettone_core::reader::{
    Answer, Ask, Command, Due, Hello, News, Reader, Refusal, Scan, Standing,
};
use gettone_core::receipt::{Flags, Receipt, ReceiptKind};
use gettone_core::wallet::{self, Outcome, Proof, Reason};

/// What a relayed envelope came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Relayed {
    /// What may be acknowledged: the journal epoch, up to which receipt, and the chain there.
    pub ack: Option<(JournalEpoch, u64, Chain)>,
    /// How the envelope's HELLO stands, when it has one.
    pub standing: Option<Standing>,
    /// Up to which notice may be acknowledged, when the envelope has some.
    pub noticed: Option<(JournalEpoch, u64)>,
    /// The order to lock or open that the reader has not taken yet, when it may be told of it.
    pub lock: Option<Lock>,
}

/// From where somebody looks at a reader: one envelope, relayed for one account.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct View {
    epoch: Option<JournalEpoch>,
    hello: Option<Hello>,
    account: Option<WalletId>,
    notices: Notices,
    /// A code on show, in place of a HELLO.
    code: Option<(u64, Nonce, Order)>,
}

/// Whether an envelope has notices.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Notices {
    #[default]
    None,
    Some,
}

/// How a reader stands after a step, and what is to be done next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stood {
    relayed: Relayed,
    due: Option<Due>,
    place: Place,
}

/// Where a reader stands: its machine, what that sells in, and the order that the reader took last.
#[derive(Clone, Copy, Debug)]
struct Place {
    reader: ReaderId,
    machine: Option<MachineId>,
    currency: Option<Currency>,
    lock_taken: u32,
}

impl View {
    pub(crate) fn of(&self, id: ReaderId, reader: &Reader) -> Stood {
        Stood {
            relayed: Relayed {
                ack: self.epoch.and_then(|epoch| {
                    reader
                        .recorded(epoch)
                        .map(|(recorded, chain)| (epoch, recorded, chain))
                }),
                standing: match (self.hello, self.code) {
                    (Some(hello), _) => Some(reader.standing(&hello, self.account)),
                    (None, Some((step, nonce, order))) => {
                        Some(reader.standing_of_code(step, nonce, order, self.account))
                    }
                    (None, None) => None,
                },
                noticed: self
                    .epoch
                    .filter(|_| self.notices == Notices::Some)
                    .map(|epoch| (epoch, reader.noticed(epoch))),
                lock: None,
            },
            due: reader.due(),
            place: Place {
                reader: id,
                machine: reader.machine(),
                currency: reader.currency(),
                lock_taken: reader.lock_taken(),
            },
        }
    }
}

/// Takes an envelope's news in, and does what is due because of them.
pub(crate) async fn relay(
    line: &Line,
    reader: ReaderId,
    envelope: (News, Option<WalletId>),
) -> Result<Durable<Relayed>, Failure<Refusal>> {
    let deadline = line.deadline();
    let relayed = hear(line, reader, envelope, deadline).await;
    written(line, reader, relayed, deadline).await
}

async fn hear(
    line: &Line,
    reader: ReaderId,
    envelope: (News, Option<WalletId>),
    deadline: Duration,
) -> Result<Queued<Relayed>, Failure<Refusal>> {
    let (mut news, account) = envelope;
    let view = View {
        epoch: Some(news.epoch),
        hello: news.hello,
        account,
        notices: match news.notices.as_slice() {
            [] => Notices::None,
            [..] => Notices::Some,
        },
        code: None,
    };
    let (epoch, counters) = (news.epoch, news.counters.take());
    let stood = drive(line, reader, (Some(Command::Hear(news)), view, deadline)).await?;
    let place = stood.step().place;
    if let Some(counters) = counters {
        tally(line, place, (epoch, counters), deadline).await?;
    }
    let is_here = view.hello.is_some() || view.notices == Notices::Some;
    let lock = match place.machine {
        Some(machine) if is_here => {
            let attended = line
                .attend_step(machine, (reader, place.lock_taken), deadline)
                .await;
            match attended {
                Ok(lock) => *lock.step(),
                Err(Failure::Refused(_)) => None,
                Err(failure) => return Err(unrefused(failure)),
            }
        }
        Some(_) | None => None,
    };
    Ok(stood.map(|stood| Relayed {
        lock,
        ..stood.relayed
    }))
}

/// Takes in a code that somebody brought, its news first, and does what is due because of it.
pub(crate) async fn scan(
    line: &Line,
    reader: ReaderId,
    brought: (Scan, Option<WalletId>),
) -> Result<Durable<Relayed>, Failure<Refusal>> {
    let deadline = line.deadline();
    let (scan, account) = brought;
    let view = View {
        epoch: Some(scan.epoch),
        account,
        code: Some((scan.step, scan.nonce, scan.order)),
        ..View::default()
    };
    let first = (Some(Command::Scan(scan)), view, deadline);
    let stood = drive(line, reader, first).await;
    let relayed = stood.map(|stood| stood.map(|stood| stood.relayed));
    written(line, reader, relayed, deadline).await
}

/// Waits until the steps that led to an outcome are durable: each rests on those before it, so none
/// waits for the disk by itself. Whatever the outcome is, it rests on them.
async fn written<T>(
    line: &Line,
    reader: ReaderId,
    outcome: Result<Queued<T>, Failure<Refusal>>,
    deadline: Duration,
) -> Result<Durable<T>, Failure<Refusal>> {
    let later = line
        .drain(reader_shard(reader, line.count()), deadline)
        .await
        .map_err(|failure| failure.map_refused(|never| match never {}))?;
    outcome.map(|queued| queued.behind(later))
}

/// Has the reader's machine count what it sold for cash.
async fn tally(
    line: &Line,
    place: Place,
    snapshot: (JournalEpoch, Counters),
    deadline: Duration,
) -> Result<(), Failure<Refusal>> {
    let (epoch, counters) = snapshot;
    let command = machine::Command::Tally {
        reader: place.reader,
        epoch,
        counters,
    };
    tell_machine(line, place, command, deadline).await
}

/// What the machine refuses is on no book; it must not keep the rest waiting.
async fn tell_machine(
    line: &Line,
    place: Place,
    command: machine::Command,
    deadline: Duration,
) -> Result<(), Failure<Refusal>> {
    let Some(machine) = place.machine else {
        return Ok(());
    };
    match line.machine_step(machine, command, deadline).await {
        Ok(_) => Ok(()),
        Err(Failure::Refused(refusal)) => {
            tracing::warn!(%machine, %refusal, "cash is on no book");
            Ok(())
        }
        Err(failure) => Err(unrefused(failure)),
    }
}

/// Does whatever is due of a reader.
pub(crate) async fn resume(
    line: &Line,
    reader: ReaderId,
) -> Result<Durable<Relayed>, Failure<Refusal>> {
    let deadline = line.deadline();
    let stood = drive(line, reader, (None, View::default(), deadline)).await;
    let relayed = stood.map(|stood| stood.map(|stood| stood.relayed));
    written(line, reader, relayed, deadline).await
}

/// Has a reader decide on `command`, and does what is due because of it.
pub(crate) async fn command(
    line: &Line,
    reader: ReaderId,
    command: Command,
) -> Result<Durable<()>, Failure<Refusal>> {
    let deadline = line.deadline();
    let first = (Some(command), View::default(), deadline);
    let stood = drive(line, reader, first).await;
    let done = stood.map(|stood| stood.map(|_| ()));
    written(line, reader, done, deadline).await
}

async fn drive(
    line: &Line,
    reader: ReaderId,
    first: (Option<Command>, View, Duration),
) -> Result<Queued<Stood>, Failure<Refusal>> {
    let (mut command, view, deadline) = first;
    for _ in 0..RELAY_STEPS_MAX {
        let stood = line.relay_step(reader, (command, view), deadline).await?;
        let Stood { due, place, .. } = *stood.step();
        let Some(due) = due else {
            return Ok(stood);
        };
        command = Some(step(line, due, (place, deadline)).await?);
    }
    // Whatever is left is taken up by the next relay, or by the next start.
    line.relay_step(reader, (None, view), deadline).await
}

/// Does one step with the wallet, and gives the command that tells the reader so.
async fn step(
    line: &Line,
    due: Due,
    frame: (Place, Duration),
) -> Result<Command, Failure<Refusal>> {
    let (place, deadline) = frame;
    match due {
        Due::Apply {
            epoch,
            receipt,
            wallet,
        } => {
            if let (Some(wallet), Some(outcome)) = (wallet, outcome_of(&receipt)) {
                let command = SessionCommand {
                    wallet,
                    session: receipt.grant,
                    action: Action::Settle {
                        rseq: receipt.rseq,
                        outcome,
                    },
                };
                match line.session_step(command, deadline).await {
                    // A receipt that the wallet does not know is on record with the reader, and
                    // moves nothing; it must not keep those behind it waiting.
                    Ok(_) | Err(Failure::Refused(_)) => {}
                    Err(failure) => return Err(unrefused(failure)),
                }
            }
            if receipt.kind == ReceiptKind::RevalueOk {
                // The cash is in the box, whoever it is for.
                let command = machine::Command::TakeIn {
                    reader: place.reader,
                    epoch,
                    rseq: receipt.rseq,
                    amount: receipt.amount,
                };
                tell_machine(line, place, command, deadline).await?;
            }
            Ok(Command::Apply {
                epoch,
                rseq: receipt.rseq,
            })
        }
        Due::Fence { ask } => release(line, ask, (Reason::Fenced, deadline)).await,
        Due::Orphan { ask } => release(line, ask, (Reason::ReaderLost, deadline)).await,
        Due::Hold { ask } => {
            let answer = hold(line, &ask, (place.currency, deadline)).await?;
            Ok(Command::Answer {
                nonce: ask.nonce,
                answer,
            })
        }
    }
}

async fn release(
    line: &Line,
    ask: Ask,
    why: (Reason, Duration),
) -> Result<Command, Failure<Refusal>> {
    let (reason, deadline) = why;
    let command = SessionCommand {
        wallet: ask.wallet,
        session: ask.vend,
        action: Action::Release { reason },
    };
    match line.session_step(command, deadline).await {
        Ok(_) | Err(Failure::Refused(_)) => Ok(Command::Fence { nonce: ask.nonce }),
        Err(failure) => Err(unrefused(failure)),
    }
}

async fn hold(
    line: &Line,
    ask: &Ask,
    frame: (Option<Currency>, Duration),
) -> Result<Answer, Failure<Refusal>> {
    let (currency, deadline) = frame;
    // A wallet of another currency cannot pay here, whatever its balance says.
    let balance = line
        .balance_step(ask.wallet, deadline)
        .await
        .map_err(|failure| failure.map_refused(|never| match never {}))?;
    let balance = balance.step().as_ref();
    if balance.map(|balance| balance.currency) != currency {
        return Ok(Answer::Blocked);
    }
    let command = SessionCommand {
        wallet: ask.wallet,
        session: ask.vend,
        action: Action::Begin { terms: ask.terms },
    };
    match line.grant_step(command, deadline).await {
        Ok(progress) => Ok(granted(&ask.terms, progress.step())),
        Err(Failure::Refused(refusal)) => Ok(refused(&refusal)),
        Err(Failure::Full { .. }) => Ok(Answer::Blocked),
        Err(failure) => Err(unrefused(failure)),
    }
}

/// What a receipt means to its wallet; none for what moves no money of a grant.
fn outcome_of(receipt: &Receipt) -> Option<Outcome> {
    let (item, amount) = (receipt.item, receipt.amount);
    match receipt.kind {
        ReceiptKind::VendOk => Some(Outcome::Vended {
            item,
            amount,
            proof: if receipt.flags.has(Flags::BY_RESET) {
                Proof::Reset {
                    after: Duration::from_millis(u64::from(receipt.after_ms)),
                }
            } else {
                Proof::Told
            },
        }),
        ReceiptKind::VendFail | ReceiptKind::RevalueFail => Some(Outcome::Failed),
        ReceiptKind::RevalueOk => Some(Outcome::CashIn { amount }),
        ReceiptKind::RevalueUnknown => Some(Outcome::CashUnknown { amount }),
        ReceiptKind::NegativeVend => Some(Outcome::TakenBack { item, amount }),
        ReceiptKind::VendUnknown => Some(Outcome::Unknown { item, amount }),
        ReceiptKind::Close => Some(Outcome::Closed {
            count: item.number(),
            total: amount,
        }),
        ReceiptKind::EpochStart | ReceiptKind::LightGrantUsed => None,
    }
}

fn granted(terms: &Terms, progress: &Progress) -> Answer {
    match progress.hold {
        Some(Hold {
            state: GrantState::Issued,
            held,
            revalue_left,
            available,
            ..
        }) => Answer::Granted {
            held: held.total(),
            vends_max: terms.vends_max,
            revalue_max: revalue_left,
            balance: match terms.purpose {
                Purpose::Sale => available.total() + held.total(),
                // What a test may spend is no balance of the customer's.
                Purpose::Test => held.total(),
            },
        },
        // It ended before its answer could be given: nothing may be spent on it.
        Some(_) | None => Answer::Blocked,
    }
}

fn refused(refusal: &SessionRefusal) -> Answer {
    match refusal {
        SessionRefusal::Wallet(wallet::Refusal::InsufficientFunds {
            short_by, pending, ..
        }) => Answer::Funds {
            short_by: *short_by,
            pending: *pending,
        },
        SessionRefusal::Wallet(_)
        | SessionRefusal::OutOfSequence(_)
        | SessionRefusal::NoSuchSession
        | SessionRefusal::Over
        | SessionRefusal::NameReused
        | SessionRefusal::Elsewhere
        | SessionRefusal::TooMany { .. } => Answer::Blocked,
    }
}

/// A wallet's failure as the relay's own; refusals are dealt with before.
fn unrefused<R>(failure: Failure<R>) -> Failure<Refusal> {
    match failure {
        Failure::Full { what, limit } => Failure::Full { what, limit },
        Failure::Busy { retry_after } => Failure::Busy { retry_after },
        Failure::Panicked => Failure::Panicked,
        Failure::TimedOut => Failure::TimedOut,
        Failure::Refused(_) | Failure::Stopped => Failure::Stopped,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gettone_core::id::{Item, Order, Rseq, VendId};
    use gettone_core::money::Amount;

    #[test]
    fn receipts_move_money_by_this_table() {
        let kinds = [
            (ReceiptKind::VendOk, Flags::default()),
            (ReceiptKind::VendOk, Flags::BY_RESET),
            (ReceiptKind::VendFail, Flags::default()),
            (ReceiptKind::VendUnknown, Flags::default()),
            (ReceiptKind::RevalueOk, Flags::default()),
            (ReceiptKind::RevalueUnknown, Flags::default()),
            (ReceiptKind::Close, Flags::default()),
            (ReceiptKind::EpochStart, Flags::default()),
            (ReceiptKind::LightGrantUsed, Flags::default()),
            (ReceiptKind::RevalueFail, Flags::default()),
            (ReceiptKind::NegativeVend, Flags::default()),
        ];
        let mut picture = String::new();
        for (kind, flags) in kinds {
            let receipt = Receipt {
                rseq: Rseq::new(1),
                kind,
                grant: VendId::from_bytes([1; 16]),
                item: Item::new(2),
                amount: Amount::from_minor(120),
                order: Order {
                    boot: 1,
                    uptime_ms: 5,
                },
                flags,
                after_ms: 700,
                prev: Chain::from_bytes([0; 8]),
                chain: Chain::from_bytes([1; 8]),
            };
            let outcome = match outcome_of(&receipt) {
                None => "nothing".to_owned(),
                Some(Outcome::Vended { proof, .. }) => match proof {
                    Proof::Told => "vended".to_owned(),
                    Proof::Reset { after } => format!("vended, reset after {after:?}"),
                },
                Some(Outcome::Failed) => "failed".to_owned(),
                Some(Outcome::Unknown { item, amount }) => format!("unknown {item} for {amount}"),
                Some(Outcome::Closed { count, total }) => format!("closed {count} for {total}"),
                Some(Outcome::CashIn { amount }) => format!("{amount} cash in"),
                Some(Outcome::CashUnknown { amount }) => format!("perhaps {amount} cash in"),
                Some(Outcome::TakenBack { item, amount }) => {
                    format!("{item} taken back for {amount}")
                }
            };
            picture.push_str(&format!("{kind:?}: {outcome}\n"));
        }
        assert_eq!(
            picture,
            "VendOk: vended\n\
             VendOk: vended, reset after 700ms\n\
             VendFail: failed\n\
             VendUnknown: unknown 2 for 120\n\
             RevalueOk: 120 cash in\n\
             RevalueUnknown: perhaps 120 cash in\n\
             Close: closed 2 for 120\n\
             EpochStart: nothing\n\
             LightGrantUsed: nothing\n\
             RevalueFail: failed\n\
             NegativeVend: 2 taken back for 120\n"
        );
    }
}
