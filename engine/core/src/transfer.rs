//! Money on its way to a wallet: from another wallet, or from an operator. Both ends may live on
//! different shards, so it goes in steps, each of them durable before the next and harmless when it
//! is done again.

use crate::id::{OperatorId, TransferId, WalletId};
use crate::money::{Amount, Currency};
use crate::wallet::{self, Refusal};
use rkyv::{Archive, Deserialize, Serialize};

/// Where a transfer comes from.
#[derive(
    Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug,
)]
pub enum Party {
    /// A customer.
    Wallet(WalletId),
    /// An operator, or the platform.
    Operator(OperatorId),
}

/// One transfer. Whoever begins it has seen that `to` is open in `currency`: wallets stay open, and
/// in their currency.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Transfer {
    /// Its name.
    pub key: TransferId,
    /// Who pays.
    pub from: Party,
    /// Who is paid.
    pub to: WalletId,
    /// The currency of both ends.
    pub currency: Currency,
    /// How much.
    pub amount: Amount,
}

/// One step of a transfer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Out of the sender.
    Send,
    /// Into the receiver.
    Receive,
    /// The receiver will never take it: it may go back.
    TurnAway,
    /// The sender learns that it has arrived.
    Confirm,
    /// Back to the sender.
    Return,
}

/// What a step was answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// It is done, or was done before.
    Done,
    /// It cannot be turned away: it has arrived.
    Arrived,
    /// No.
    Refused,
}

/// What comes next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// This step.
    Ask(Step),
    /// Nothing: the money is there.
    Delivered,
    /// Nothing: the money is back.
    Returned,
    /// Nothing: it never left.
    Refused,
    /// The same step later: it is neither there nor back, and stays listed.
    Wait,
}

/// Where a transfer goes on that is listed as on its way: nobody knows how far it came.
pub const RESUME: Step = Step::Receive;

impl Step {
    /// The way of a transfer. It goes back only after the receiver has turned it away for good.
    #[rustfmt::skip]
    pub const fn then(self, answer: Answer) -> Next {
        match (self, answer) {
            (Self::Send,     Answer::Done)    => Next::Ask(Self::Receive),
            (Self::Send,     _)               => Next::Refused,
            (Self::Receive,  Answer::Refused) => Next::Ask(Self::TurnAway),
            (Self::Receive,  _)               => Next::Ask(Self::Confirm),
            (Self::TurnAway, Answer::Done)    => Next::Ask(Self::Return),
            (Self::TurnAway, Answer::Arrived) => Next::Ask(Self::Confirm),
            (Self::Confirm,  Answer::Done)    => Next::Delivered,
            (Self::Return,   Answer::Done)    => Next::Returned,
            (Self::TurnAway | Self::Confirm | Self::Return, _) => Next::Wait,
        }
    }
}

impl Answer {
    /// Reads a wallet's answer to a step.
    pub const fn of(answer: Result<(), Refusal>) -> Self {
        match answer {
            Ok(()) => Self::Done,
            Err(Refusal::Arrived) => Self::Arrived,
            Err(_) => Self::Refused,
        }
    }
}

impl Transfer {
    /// What the receiving wallet is asked in a step; none in the sender's steps.
    pub const fn to_receiver(&self, step: Step) -> Option<wallet::Command> {
        let Self {
            key,
            from,
            currency,
            amount,
            ..
        } = *self;
        match step {
            Step::Receive => Some(wallet::Command::Receive {
                key,
                from,
                currency,
                amount,
            }),
            Step::TurnAway => Some(wallet::Command::TurnAway { key, from, amount }),
            Step::Send | Step::Confirm | Step::Return => None,
        }
    }

    /// What a sending wallet is asked in a step; none in the receiver's steps.
    pub const fn to_sender(&self, step: Step) -> Option<wallet::Command> {
        let Self {
            key,
            to,
            currency,
            amount,
            ..
        } = *self;
        match step {
            Step::Send => Some(wallet::Command::Send {
                key,
                to,
                currency,
                amount,
            }),
            Step::Confirm => Some(wallet::Command::Confirm { key }),
            Step::Return => Some(wallet::Command::Return { key }),
            Step::Receive | Step::TurnAway => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transfer_goes_by_this_table() {
        let steps = [
            Step::Send,
            Step::Receive,
            Step::TurnAway,
            Step::Confirm,
            Step::Return,
        ];
        let mut picture = String::from("         Done      Arrived   Refused\n");
        for step in steps {
            picture.push_str(&format!("{:<9}", format!("{step:?}")));
            for answer in [Answer::Done, Answer::Arrived, Answer::Refused] {
                let cell = match step.then(answer) {
                    Next::Ask(step) => format!("{step:?}"),
                    Next::Delivered => "delivered".to_owned(),
                    Next::Returned => "returned".to_owned(),
                    Next::Refused => "refused".to_owned(),
                    Next::Wait => "wait".to_owned(),
                };
                picture.push_str(&format!("{cell:<10}"));
            }
            picture = picture.trim_end().to_owned() + "\n";
        }
        assert_eq!(
            picture,
            "         Done      Arrived   Refused\n\
             Send     Receive   refused   refused\n\
             Receive  Confirm   Confirm   TurnAway\n\
             TurnAway Return    Confirm   wait\n\
             Confirm  delivered wait      wait\n\
             Return   returned  wait      wait\n"
        );
    }
}
