//! What becomes of an authentic envelope: its letter told to the engine, the carrier's claim, and
//! the answer sealed.

use super::authentic::Authentic;
use super::{Carrier, Told, Way};
use crate::care;
use crate::database::reported::Said;
use crate::database::{favourite, set_aside};
use crate::diagnostics;
use crate::failure;
use crate::gateway::{Gateway, now};
use crate::problem::Problem;
use crate::rekey::{self, Addressee};
use crate::relay::{self, Asked, Outcome, Place, Reason};
use crate::reported;
use crate::request::Customer;
use crate::text::money;
use gettone::Failure;
use gettone_channel as channel;
use gettone_core::grant::Terms;
use gettone_core::id::Order;
use gettone_core::lock::Lock;
use gettone_core::money::Amount;
use gettone_core::reader::{Ask, Command, Life, Refusal, Standing};
use gettone_relay::{
    Granted, Reply, key_ack_out, key_out, nonce_in, reply_out, tokens_in, vend_of,
};

/// What became of one envelope.
pub(super) struct Taken {
    /// The answer to its reader, and what confirms the keys that it has announced.
    pub(super) sealed: Vec<Vec<u8>>,
    pub(super) told: Told,
    pub(super) outcome: Outcome,
    /// Whether it carries the reader's newest HELLO.
    pub(super) is_newest: bool,
}

pub(super) async fn take(
    gateway: &Gateway,
    authentic: &Authentic,
    carrier: &Carrier,
) -> Result<Taken, Problem> {
    keep_tokens(gateway, authentic).await?;
    let next = rekey::announced(gateway, authentic.id, &authentic.letter).await?;
    if let Some(vmc) = authentic.doubted {
        rekey::tell(gateway, authentic.id, Command::DoubtController { vmc }).await?;
    }
    note_forgotten(gateway, authentic).await?;
    set_aside(gateway, authentic).await?;
    let (ask, asked) = claim(gateway, authentic, carrier).await?;
    let account = carrier
        .wallet(authentic.currency)
        .filter(|_| asked != Asked::No);
    let heard = gateway
        .engine()
        .relay(authentic.id, authentic.letter.news(ask), account)
        .await;
    let (heard, outcome) = match heard {
        Ok(relayed) => {
            let relayed = relayed.into_inner();
            (Some(relayed), Outcome::of(relayed.standing, asked))
        }
        Err(Failure::Refused(refusal)) => {
            tracing::warn!(reader = %authentic.id, %refusal, "an envelope was refused");
            (None, distrusted(refusal))
        }
        Err(failed) => {
            return Err(failure::told(failed, failure::reader));
        }
    };
    let outcome = with_favourite(gateway, authentic, carrier, outcome).await?;
    // What a revoked reader's key seals is nobody's word.
    if authentic.life != Life::Revoked {
        diagnostics::take(gateway, authentic.id, &authentic.letter.report).await?;
    }
    let ack = heard.and_then(|heard| heard.ack);
    let reply = Reply {
        reader: authentic.id,
        currency: authentic.currency,
        ack,
        noticed: heard.and_then(|heard| heard.noticed),
        lock: match authentic.life {
            // It shows so; with a new key it begins anew.
            Life::Revoked => Some(Lock::FOR_EVER),
            Life::Unknown | Life::Pending | Life::Active | Life::Quarantined => {
                heard.and_then(|heard| heard.lock)
            }
        },
        verdict: outcome.verdict(),
        now: now(),
    };
    let mut items = reply_out(&authentic.letter, &reply);
    if let Some(hello) = &authentic.letter.hello {
        if authentic.life != Life::Revoked {
            let made = Order {
                boot: hello.boot,
                uptime_ms: hello.uptime_ms,
            };
            let said = Said {
                made,
                configuration: hello.cfg,
            };
            reported::note(gateway, authentic.id, said).await?;
        }
        let operator = authentic.operator;
        let named = care::told(gateway, authentic.id, operator, hello).await?;
        items.extend(named.into_iter().map(channel::Item::Config));
        if authentic.life != Life::Revoked {
            let asked = diagnostics::told(gateway, authentic.id).await?;
            items.extend(asked.map(|id| channel::Item::Diagnose(channel::Diagnose { id })));
        }
        let told = gateway.servers().told_at(authentic.from.server_epoch);
        items.extend(told.map(channel::Item::ServerKey));
    }
    let mut sealed = Vec::new();
    if !items.is_empty() {
        sealed.push(rekey::seal_for(gateway, &authentic.from, &items)?);
    }
    // Alone in its envelope, to the key that it confirms: whoever opens it holds that key.
    if let Some(next) = next {
        let items = [channel::Item::KeyAck(key_ack_out(&next))];
        let to = Addressee {
            key: key_out(next.key),
            ..authentic.from
        };
        sealed.push(rekey::seal_for(gateway, &to, &items)?);
    }
    Ok(Taken {
        sealed,
        told: told(authentic, outcome, ack.map_or(0, |(_, upto, _)| upto)),
        outcome,
        // One that a phone carried, and somebody claimed, says nothing of who brings it again.
        is_newest: matches!(
            heard.and_then(|heard| heard.standing),
            Some(Standing::Unclaimed | Standing::Lost { .. })
        ),
    })
}

/// Keeps the key of the codes that the reader shows, and takes up to the last step it used no code
/// any more. The TIME that answers the HELLO says that this is durable.
async fn keep_tokens(gateway: &Gateway, authentic: &Authentic) -> Result<(), Problem> {
    let Some(command) = tokens_in(&authentic.letter) else {
        return Ok(());
    };
    let kept = gateway.engine().reader_command(authentic.id, command).await;
    match kept {
        Ok(_) => Ok(()),
        Err(Failure::Refused(refusal)) => {
            tracing::warn!(reader = %authentic.id, %refusal, "its codes are not taken");
            Ok(())
        }
        Err(failed) => Err(failure::told(failed, failure::reader)),
    }
}

/// A reader that sells by light alone lets go of what its codes have brought in, once its journal
/// is full: the next link must not wait for it.
async fn note_forgotten(gateway: &Gateway, authentic: &Authentic) -> Result<(), Problem> {
    let Some(command) = authentic.letter.forgotten() else {
        return Ok(());
    };
    let noted = gateway.engine().reader_command(authentic.id, command).await;
    match noted {
        Ok(_) => Ok(()),
        Err(Failure::Refused(refusal)) => {
            tracing::warn!(reader = %authentic.id, %refusal, "what it forgot is not passed over");
            Ok(())
        }
        Err(failed) => Err(failure::told(failed, failure::reader)),
    }
}

/// What a revoked reader tells has no effect and no ACK; it is kept for its operator to look at.
async fn set_aside(gateway: &Gateway, authentic: &Authentic) -> Result<(), Problem> {
    let letter = &authentic.letter;
    if authentic.life != Life::Revoked || letter.receipts.is_empty() {
        return Ok(());
    }
    let (reader, epoch, receipts) = (authentic.id, letter.epoch, letter.receipts.clone());
    let left_out = gateway
        .database()
        .write(move |transaction| set_aside::keep(transaction, reader, (epoch, &receipts), now()))
        .await?;
    if left_out > 0 {
        tracing::warn!(%reader, left_out, "a revoked reader tells more than is kept of it");
    }
    Ok(())
}

/// What the customer wants to be made at once goes with their grant.
async fn with_favourite(
    gateway: &Gateway,
    authentic: &Authentic,
    carrier: &Carrier,
    outcome: Outcome,
) -> Result<Outcome, Problem> {
    let (Outcome::Granted(granted), Some(Customer::Person(number, _))) =
        (outcome, &carrier.account)
    else {
        return Ok(outcome);
    };
    let (number, machine) = (*number, authentic.machine);
    let favourite = gateway
        .database()
        .read(move |connection| favourite::find(connection, number, machine))
        .await?;
    let favourite = favourite
        .and_then(|favourite| channel::Favourite::new(favourite.item.number(), favourite.options));
    Ok(Outcome::Granted(Granted {
        favourite,
        ..granted
    }))
}

/// Makes the carrier's claim on the HELLO, when there is a carrier at the other end of its link.
async fn claim(
    gateway: &Gateway,
    authentic: &Authentic,
    carrier: &Carrier,
) -> Result<(Option<Ask>, Asked), Problem> {
    let account = carrier.wallet(authentic.currency);
    let (Some(hello), Some(account)) = (&authentic.letter.hello, account) else {
        return Ok((None, Asked::No));
    };
    if carrier.link != Some(hello.bind) {
        return Ok((None, Asked::No));
    }
    let machine = gateway
        .engine()
        .machine(authentic.machine)
        .await
        .map_err(failure::unread)?
        .into_inner()
        .unwrap_or_default();
    let place = Place {
        reader: authentic.id,
        machine: authentic.machine,
        state: &machine,
    };
    Ok(match relay::claim(hello, place, account) {
        Ok(mut ask) => {
            if carrier.way == Way::Call {
                ask.terms = without_phone(ask.terms, hello.max_price);
            }
            if let Some(cap) = carrier.cap {
                ask.terms.cap = ask.terms.cap.min(cap);
            }
            ask.terms.purpose = gateway.purpose((authentic.machine, account), ask.nonce, now());
            (Some(ask), Asked::Yes)
        }
        Err(reason) => (None, Asked::Barred(reason)),
    })
}

/// Nothing tells a reader that who typed a code has gone: what is left after the first product would
/// be the next person's, and their cash the customer's.
fn without_phone(terms: Terms, max_price: u32) -> Terms {
    let dearest = match max_price {
        0 | u32::MAX => terms.cap,
        known => Amount::from_minor(i64::from(known)),
    };
    Terms {
        cap: terms.cap.min(dearest),
        vends_max: terms.vends_max.min(1),
        revalue_max: Amount::ZERO,
        ..terms
    }
}

fn distrusted(refusal: Refusal) -> Outcome {
    debug_assert_ne!(refusal, Refusal::Unknown, "its key was found");
    Outcome::Refused {
        reason: Reason::Reader,
        short_by: None,
    }
}

fn told(authentic: &Authentic, outcome: Outcome, recorded: u64) -> Told {
    let shown = |amount| Some(money(amount, authentic.currency));
    let base = Told {
        reader_id: Some(authentic.id.to_string()),
        machine: Some(authentic.machine.number()),
        outcome: outcome.name(),
        receipts: authentic.letter.receipts.len(),
        recorded,
        ..Told::default()
    };
    match outcome {
        Outcome::Granted(Granted {
            held,
            vends_max,
            balance,
            favourite,
            ..
        }) => Told {
            vend: authentic
                .letter
                .hello
                .map(|hello| vend_of(authentic.id, nonce_in(hello.nonce)).to_string()),
            held: shown(held),
            vends_max: Some(vends_max),
            balance: shown(balance),
            currency: Some(authentic.currency.code()),
            favourite: favourite.map(channel::Favourite::item),
            ..base
        },
        Outcome::Refused { reason, short_by } => Told {
            reason: Some(reason.name()),
            short_by: short_by.and_then(shown),
            currency: short_by.map(|_| authentic.currency.code()),
            ..base
        },
        Outcome::Recorded | Outcome::Resend { .. } | Outcome::Unfinished => base,
    }
}
