//! What an engine's "no" is to a client.

use crate::problem::{Kind, Problem};
use crate::request::nothing;
use crate::text::money;
use core::convert::Infallible;
use gettone::{Failure, OperatorRefusal, ReplaceRefusal, TransferRefusal};
use gettone_core::money::Currency;
use gettone_core::{machine, operator, reader, wallet};

/// Tells a failure; what the rules refused is told by `refused`.
pub(crate) fn told<R>(failure: Failure<R>, refused: impl FnOnce(R) -> Problem) -> Problem {
    match failure {
        Failure::Refused(refusal) => refused(refusal),
        Failure::Full { what, limit } => Kind::Refused
            .because(format!("at most {limit} {what}"))
            .with("limit", limit),
        Failure::Busy { retry_after } => Kind::Busy
            .because("nothing was done")
            .retry_after(retry_after),
        Failure::TimedOut => Kind::Unknown
            .because("no answer came in time; send the same request again")
            .retry_after(core::time::Duration::from_secs(1)),
        Failure::Stopped | _ => Kind::Unknown
            .because("the engine has stopped; send the same request again later")
            .retry_after(core::time::Duration::from_secs(5)),
    }
}

/// Tells why nothing could be read.
pub(crate) fn unread(failure: Failure<Infallible>) -> Problem {
    told(failure, |never| match never {})
}

/// Tells a machine's refusal.
pub(crate) fn machine(refusal: machine::Refusal) -> Problem {
    match refusal {
        machine::Refusal::Unknown => nothing("machine"),
        machine::Refusal::OutOfBounds => Kind::Malformed.because(refusal),
        machine::Refusal::Registered
        | machine::Refusal::Unserved
        | machine::Refusal::Locked
        | machine::Refusal::CatalogueFull
        | _ => Kind::Conflict.because(refusal),
    }
}

/// Tells a reader's refusal.
pub(crate) fn reader(refusal: reader::Refusal) -> Problem {
    match refusal {
        reader::Refusal::Unknown => nothing("reader"),
        reader::Refusal::Enrolled
        | reader::Refusal::Revoked
        | reader::Refusal::TooMuch
        | reader::Refusal::TooManyEpochs
        | reader::Refusal::NoSuchClaim
        | _ => Kind::Conflict.because(refusal),
    }
}

/// Tells why a reader was not replaced.
pub(crate) fn replacement(refusal: ReplaceRefusal) -> Problem {
    match refusal {
        ReplaceRefusal::Reader(refusal) => reader(refusal),
        ReplaceRefusal::Machine(refusal) => machine(refusal),
        other => Kind::Conflict.because(other),
    }
}

/// Tells why an operator's money does not move, with figures in that currency.
pub(crate) fn operator(refusal: OperatorRefusal, currency: Currency) -> Problem {
    match refusal {
        OperatorRefusal::Rules(operator::Refusal::Behind { folded, head }) => Kind::Busy
            .because("what was earned is still being added up; nothing was done")
            .with("folded", folded.number())
            .with("head", head.number())
            .retry_after(core::time::Duration::from_secs(2)),
        OperatorRefusal::Rules(operator::Refusal::InsufficientFunds {
            available,
            short_by,
        }) => Kind::Refused
            .because("the money does not suffice")
            .with("available", money(available, currency))
            .with("short_by", money(short_by, currency)),
        OperatorRefusal::Rules(operator::Refusal::NotDue { due }) => Kind::Refused
            .because("less than that is due to the issuer")
            .with("due", money(due, currency)),
        OperatorRefusal::Rules(operator::Refusal::NameReused) => {
            Kind::KeyReused.because("this idempotency key came with another body before")
        }
        OperatorRefusal::Rules(refusal @ operator::Refusal::BadAmount { .. }) => {
            Kind::Malformed.because(refusal)
        }
        OperatorRefusal::Rules(refusal) => Kind::Refused.because(refusal),
        OperatorRefusal::NoHistory => Kind::Unserved.because(refusal),
        OperatorRefusal::Unreadable | _ => Kind::Internal.because(refusal),
    }
}

/// Tells why money did not go to a wallet. What the other wallet has or owes is not told.
pub(crate) fn transfer(refusal: TransferRefusal, currency: Currency) -> Problem {
    match refusal {
        TransferRefusal::Sender(refusal) => wallet(refusal, currency),
        TransferRefusal::Operator(refusal) => operator(refusal, currency),
        TransferRefusal::NoReceiver => nothing("wallet to be paid"),
        TransferRefusal::ToItself => Kind::Refused.because("nobody pays themselves"),
        TransferRefusal::Receiver(_) | _ => Kind::Refused
            .because("the money is back: the wallet that should be paid could not take it"),
    }
}

/// Tells a wallet's refusal, with its figures in the wallet's currency.
pub(crate) fn wallet(refusal: wallet::Refusal, currency: Currency) -> Problem {
    match refusal {
        wallet::Refusal::NotOpen => nothing("wallet"),
        wallet::Refusal::OtherCurrency { .. } => Kind::Conflict.because(refusal),
        wallet::Refusal::NameReused => {
            Kind::KeyReused.because("this idempotency key came with another body before")
        }
        wallet::Refusal::RefundTooLarge { left } => Kind::Refused
            .because("less than that can still be refunded")
            .with("left", money(left, currency)),
        wallet::Refusal::BadAmount { .. } => Kind::Malformed.because(refusal),
        wallet::Refusal::InsufficientFunds {
            available,
            short_by,
            pending,
        } => Kind::Refused
            .because("the money does not suffice")
            .with("available", money(available, currency))
            .with("short_by", money(short_by, currency))
            .with("pending", money(pending, currency)),
        wallet::Refusal::NoDebt { owed } => Kind::Refused
            .because("less than that is owed")
            .with("owed", money(owed, currency)),
        wallet::Refusal::InDebt { owed } => Kind::Refused
            .because("a debt has to be repaid first")
            .with("owed", money(owed, currency)),
        wallet::Refusal::LimitReached {
            window,
            limit,
            used,
            pending,
            resets_at,
        } => Kind::Refused
            .because(format!("the limit of a {window} leaves too little"))
            .with("window", window.to_string())
            .with("limit", money(limit, currency))
            .with("used", money(used, currency))
            .with("pending", money(pending, currency))
            .with("resets_at_ms", resets_at.as_millis()),
        wallet::Refusal::BadTerms
        | wallet::Refusal::Over
        | wallet::Refusal::NoSuchGrant
        | wallet::Refusal::NoSuchDoubt
        | wallet::Refusal::Full { .. }
        | _ => Kind::Refused.because(refusal),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;
    use gettone_core::money::Amount;

    #[test]
    fn every_failure_says_whether_a_retry_is_harmless() {
        let kind = |failure: Failure<Infallible>| unread(failure).kind();
        let retry_after = Duration::from_millis(5);
        assert_eq!(kind(Failure::Busy { retry_after }), Kind::Busy);
        assert_eq!(kind(Failure::TimedOut), Kind::Unknown);
        assert_eq!(kind(Failure::Stopped), Kind::Unknown);
        for kind in [Kind::Busy, Kind::Unknown, Kind::Stopping] {
            assert_eq!(kind.status().as_u16(), 503);
        }
        let full = Failure::Full {
            what: "sessions",
            limit: 64,
        };
        assert_eq!(kind(full), Kind::Refused);
    }

    #[test]
    fn a_wallets_figures_are_told_in_its_currency() {
        let refusal = wallet::Refusal::InsufficientFunds {
            available: Amount::from_minor(50),
            short_by: Amount::from_minor(30),
            pending: Amount::ZERO,
        };
        let told = wallet(refusal, Currency::EUR).to_json();
        assert_eq!(told["short_by"], "0.30");
        assert_eq!(told["available"], "0.50");
    }
}
