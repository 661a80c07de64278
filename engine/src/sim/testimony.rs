//! What an answer says, told to the witness.

use super::ask::{Ask, Told};
use super::witness::{Effect, Trace, Witness};
use crate::session::{Action, SessionCommand};
use gettone_core::id::Rseq;
use gettone_core::wallet::{Command, Event, Outcome};
use gettone_core::{machine, operator, reader};

/// Tells the witness what an answered call acknowledges, whoever still listens.
pub(super) fn testify(witness: &mut Witness, ask: &Ask, answers: &[Told]) {
    for (command, told) in sessions(ask).into_iter().zip(answers) {
        if let Told::Done(event) = told {
            testify_session(witness, &command, event.as_ref());
        }
    }
    let Some(told) = answers.first() else { return };
    match (ask, told) {
        (Ask::Wallet(wallet, command), Told::Done(event)) => match command {
            Command::Open { .. } => witness.ack(Effect::WalletOpened(*wallet)),
            Command::TopUp { key, .. }
            | Command::Give { key, .. }
            | Command::Limit { key, .. }
            | Command::TopUpByCard { key, .. }
            | Command::ChargeBack { key, .. }
            | Command::Repay { key }
            | Command::WriteOff { key, .. }
            | Command::Dispute { key, .. }
            | Command::Refund { key, .. } => witness.ack(Effect::Transfer(*wallet, *key)),
            Command::EndDispute { key, .. } => witness.ack(Effect::DisputeEnded(*wallet, *key)),
            Command::Judge { vend, rseq, .. } => {
                if let Some(Event::Captured { .. }) = event {
                    witness.ack(Effect::Sold(*wallet, *vend, *rseq));
                }
            }
            _ => {}
        },
        (Ask::Machine(machine, machine::Command::Register { .. }), Told::Done(_)) => {
            witness.ack(Effect::Registered(*machine));
        }
        (Ask::Machine(machine, machine::Command::Count { key, .. }), Told::Done(_)) => {
            witness.ack(Effect::Counted(*machine, *key));
        }
        (Ask::Enrol(reader, _), Told::Done(_)) => witness.ack(Effect::Enrolled(*reader)),
        (Ask::Send(key, (from, to), _), Told::Done(_)) => {
            witness.ack(Effect::Sent(*from, *key));
            witness.ack(Effect::Received(*to, *key));
        }
        (Ask::Promote(operator, key, (to, _)), Told::Done(_)) => {
            witness.ack(Effect::Paid(*operator, *key));
            witness.ack(Effect::Received(*to, *key));
        }
        (
            Ask::PayOut(operator, key, _)
            | Ask::Operator(operator, operator::Command::Deposit { key, .. }),
            Told::Done(_),
        ) => witness.ack(Effect::Paid(*operator, *key)),
        (
            Ask::Operator(
                operator,
                operator::Command::SettlePayout { key } | operator::Command::FailPayout { key },
            ),
            Told::Done(_),
        ) => witness.ack(Effect::PayoutEnded(*operator, *key)),
        (Ask::Relay(reader, news, account), Told::Stood(relayed)) => {
            if let Some((_, recorded, _)) = relayed.ack {
                for rseq in 1..=recorded {
                    witness.ack(Effect::Recorded(*reader, Rseq::new(rseq)));
                }
            }
            if let (
                Some(reader::Standing::Answered(reader::Answer::Granted { .. })),
                Some(wallet),
                Some(ask),
            ) = (relayed.standing, account, news.ask)
            {
                witness.ack(Effect::Held(*wallet, ask.vend));
            }
        }
        _ => {}
    }
}

fn testify_session(witness: &mut Witness, command: &SessionCommand, event: Option<&Event>) {
    let (wallet, session) = (command.wallet, command.session);
    let ended = Trace::Ended(wallet, session);
    let settled = |witness: &mut Witness, rseq: Rseq, outcome: &Outcome| {
        witness.ack_trace(Trace::Receipt(wallet, session, rseq));
        // An honest price is within every hold, so it is taken, now or at an earlier try.
        if matches!(outcome, Outcome::Vended { .. })
            || matches!(event, Some(Event::Captured { .. }))
        {
            witness.ack(Effect::Sold(wallet, session, rseq));
        }
    };
    match &command.action {
        Action::Open { .. } => {}
        Action::Reserve { .. } | Action::Begin { .. } => witness.ack(Effect::Held(wallet, session)),
        Action::Settle { rseq, outcome } => settled(witness, *rseq, outcome),
        Action::Finish { rseq, outcome } => {
            settled(witness, *rseq, outcome);
            witness.ack_trace(ended);
        }
        Action::Release { .. } => witness.ack_trace(ended),
    }
}

/// Tells the witness what was asked once only, and refused.
pub(super) fn testify_refused(witness: &mut Witness, ask: &Ask) {
    match ask {
        Ask::Wallet(
            wallet,
            Command::TopUp { key, .. } | Command::Give { key, .. } | Command::Refund { key, .. },
        ) => witness.deny(Effect::Transfer(*wallet, *key)),
        Ask::Send(key, (_, to), _) => witness.deny(Effect::Received(*to, *key)),
        Ask::Session(SessionCommand {
            wallet,
            session,
            action: Action::Reserve { .. } | Action::Begin { .. },
        }) => witness.deny(Effect::Held(*wallet, *session)),
        _ => {}
    }
}

/// The session commands of a call, in order.
pub(super) fn sessions(ask: &Ask) -> Vec<SessionCommand> {
    match ask {
        Ask::Session(command) => vec![*command],
        Ask::Batch(commands) | Ask::Lane(commands) => commands.clone(),
        Ask::Revoke(_)
        | Ask::Send(..)
        | Ask::Operator(..)
        | Ask::PayOut(..)
        | Ask::Promote(..)
        | Ask::TakeUp(_)
        | Ask::Tend
        | Ask::Wallet(..)
        | Ask::Machine(..)
        | Ask::Enrol(..)
        | Ask::Relay(..)
        | Ask::Resume(_)
        | Ask::See(_)
        | Ask::Overdue(_)
        | Ask::Panic(_) => Vec::new(),
    }
}
