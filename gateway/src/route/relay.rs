//! The relay: envelopes of readers come in through anybody, answers go back the same way
//! (protocol sections 6.1 and 6.3).

use crate::api::{Asker, At, at, does};
use crate::bounds::{ENVELOPE_LEN_MAX, ENVELOPES_MAX};
use crate::care;
use crate::database::reported::Said;
use crate::database::{favourite, set_aside, sms};
use crate::diagnostics;
use crate::failure;
use crate::gateway::{Gateway, now};
use crate::key::EPOCH_FIRST;
use crate::problem::{Kind, Problem};
use crate::rekey::{self, Addressee};
use crate::relay::{self, Asked, Outcome, Place, Reason};
use crate::reported;
use crate::request::{Anyone, Body, Customer};
use crate::text::{money, unhex};
use actix_web::{HttpResponse, web};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gettone::Failure;
use gettone_channel as channel;
use gettone_channel::{Bind, Direction, PublicKey};
use gettone_core::grant::Terms;
use gettone_core::id::{MachineId, OperatorId, Order, ReaderId, VmcId, WalletId};
use gettone_core::lock::Lock;
use gettone_core::money::{Amount, Currency};
use gettone_core::reader::{Ask, Command, Life, Reader, Refusal, Standing};
use gettone_relay::{
    Granted, Letter, Reply, key_ack_out, key_out, nonce_in, reader_in, reply_out, tokens_in,
    vend_of,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::oneshot;
use utoipa::ToSchema;

/// Envelopes of readers, as somebody carries them.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Carried {
    /// Each in base64.
    envelopes: Vec<String>,
    /// The handshake hash of the link they came over, in hexadecimal digits.
    #[serde(default)]
    h: Option<String>,
}

/// What the readers are answered, and what the carrier is told.
#[derive(Serialize, ToSchema, Default)]
struct Answers {
    /// Each in base64.
    envelopes: Vec<String>,
    /// One for each envelope, in the order they came.
    results: Vec<Told>,
}

/// What the app is told about one envelope, in the order they came.
#[derive(Serialize, ToSchema, Clone, Default, Debug)]
pub(crate) struct Told {
    pub(super) reader_id: Option<String>,
    pub(super) machine: Option<u32>,
    pub(super) outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<&'static str>,
    /// The hold that pays: the receipts of what is bought with it name it too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) vend: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) held: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) vends_max: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) balance: Option<String>,
    /// The item that the machine is asked to make at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) favourite: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) short_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) currency: Option<&'static str>,
    pub(super) receipts: usize,
    pub(super) recorded: u64,
}

/// Who carries the envelopes, and over which link they came.
struct Carrier {
    account: Option<Customer>,
    link: Option<Bind>,
    way: Way,
    /// The most that may be held, whatever the machine allows.
    cap: Option<Amount>,
}

/// What is at the other end of the reader's link.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// A phone, which the reader notices when it has gone.
    Phone,
    /// Nothing but the server's call.
    Call,
}

impl Carrier {
    /// The wallet to pay from at a machine of this currency.
    fn wallet(&self, currency: Currency) -> Option<WalletId> {
        self.account
            .as_ref()
            .and_then(|customer| customer.wallet_in(currency))
    }
}

/// An envelope that its reader did seal.
struct Authentic {
    letter: Letter,
    id: ReaderId,
    machine: MachineId,
    operator: Option<OperatorId>,
    currency: Currency,
    /// Where its answer goes.
    from: Addressee,
    life: Life,
    /// The machine's controller, when it is another one than before.
    doubted: Option<VmcId>,
}

pub(super) fn routes() -> Vec<At> {
    vec![
        at("/v1/app/relay").post(
            relay,
            does(
                "Carries envelopes of readers to and fro",
                Asker::AnyoneOrCustomer,
            )
            .takes::<Carried>(json!({"envelopes": []}))
            .answers::<Answers>(200),
        ),
    ]
}

async fn relay(
    gateway: web::Data<Gateway>,
    Anyone(account): Anyone,
    Body(carried): Body<Carried>,
) -> Result<HttpResponse, Problem> {
    if carried.envelopes.len() > ENVELOPES_MAX {
        return Err(Kind::Malformed
            .because(format!("envelopes: at most {ENVELOPES_MAX} in one relay"))
            .with("limit", ENVELOPES_MAX));
    }
    let link = carried
        .h
        .map(|text| {
            unhex(&text).map(Bind::from_bytes).ok_or_else(|| {
                Kind::Malformed
                    .because("h: write the 64 hexadecimal digits of the link's handshake hash")
            })
        })
        .transpose()?;
    let carrier = Carrier {
        account,
        link,
        way: Way::Phone,
        cap: None,
    };
    let mut answers = Answers::default();
    for text in &carried.envelopes {
        one(&gateway, text, &carrier, &mut answers).await?;
    }
    Ok(HttpResponse::Ok().json(answers))
}

async fn one(
    gateway: &Gateway,
    text: &str,
    carrier: &Carrier,
    answers: &mut Answers,
) -> Result<(), Problem> {
    let bytes = STANDARD.decode(text).unwrap_or_default();
    let Some(authentic) = open(gateway, &bytes).await? else {
        answers.results.push(Told {
            outcome: "rejected",
            ..Told::default()
        });
        return Ok(());
    };
    let taken = take(gateway, &authentic, carrier).await?;
    let sealed = taken.sealed.iter();
    answers
        .envelopes
        .extend(sealed.map(|sealed| STANDARD.encode(sealed)));
    answers.results.push(taken.told);
    Ok(())
}

/// What became of one envelope.
struct Taken {
    /// The answer to its reader, and what confirms the keys that it has announced.
    sealed: Vec<Vec<u8>>,
    told: Told,
    outcome: Outcome,
    /// Whether it carries the reader's newest HELLO.
    is_newest: bool,
}

/// What became of an envelope that came by a reader's own road.
pub(super) struct ByRoad {
    /// The answer to the reader, and what confirms the keys that it has announced.
    pub(super) sealed: Vec<Vec<u8>>,
    /// Who typed the code that its HELLO answers for, and what they are told.
    pub(super) called: Option<(oneshot::Sender<Told>, Told)>,
    /// Whether it carries the reader's newest HELLO.
    pub(super) is_newest: bool,
}

/// Takes an envelope that came by the road of this reader; nothing when it is not one of its own.
pub(super) async fn by_road(
    gateway: &Gateway,
    reader: ReaderId,
    bytes: &[u8],
) -> Result<Option<ByRoad>, Problem> {
    let Some(authentic) = open(gateway, bytes).await? else {
        return Ok(None);
    };
    if authentic.id != reader {
        return Ok(None);
    }
    let bind = authentic.letter.hello.as_ref().map(|hello| hello.bind);
    let mut call = bind.and_then(|bind| gateway.roads().answered(reader, bind));
    let mut allowance = call.as_ref().and_then(|call| call.allowance);
    if let (Some(room), Some(hello)) = (allowance, &authentic.letter.hello) {
        let vend = vend_of(reader, nonce_in(hello.nonce));
        let bound = gateway
            .database()
            .write(move |transaction| sms::bind(transaction, room.name, vend))
            .await?;
        // The room that was made for it was given up: whoever waited does so no more.
        if !bound {
            (call, allowance) = (None, None);
        }
    }
    let carrier = Carrier {
        account: call.as_ref().map(|call| call.customer.clone()),
        link: bind.filter(|_| call.is_some()),
        way: Way::Call,
        cap: allowance.map(|allowance| allowance.cap),
    };
    let taken = take(gateway, &authentic, &carrier).await?;
    if let (Some(allowance), false) = (allowance, matches!(taken.outcome, Outcome::Granted(_))) {
        gateway
            .database()
            .write(move |transaction| sms::unbind(transaction, allowance.name))
            .await?;
    }
    if let (Outcome::Granted(_), Some(call)) = (taken.outcome, &call) {
        // The hold uses the code up, before its reader hears of it.
        use_up(gateway, reader, call.step).await?;
    }
    Ok(Some(ByRoad {
        sealed: taken.sealed,
        called: call.map(|call| (call.told, taken.told)),
        is_newest: taken.is_newest,
    }))
}

async fn use_up(gateway: &Gateway, reader: ReaderId, step: u64) -> Result<(), Problem> {
    let command = Command::KeepTokens { key: None, step };
    let kept = gateway.engine().reader_command(reader, command).await;
    kept.map(|_| ())
        .map_err(|failed| failure::told(failed, failure::reader))
}

async fn take(
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

/// Opens an envelope. Who is nobody's reader costs as much as who is somebody's, and neither
/// writes anything.
async fn open(gateway: &Gateway, bytes: &[u8]) -> Result<Option<Authentic>, Problem> {
    if bytes.len() > ENVELOPE_LEN_MAX {
        return Ok(None);
    }
    let Ok(header) = channel::header(bytes) else {
        return Ok(None);
    };
    let id = reader_in(header.reader_id);
    let reader = gateway
        .engine()
        .reader(id)
        .await
        .map_err(failure::unread)?
        .into_inner();
    let known = reader
        .as_deref()
        .filter(|_| header.direction == Direction::ToServer);
    let known = known.and_then(|known| {
        let own = gateway.servers().of(header.server_epoch)?;
        let (key, machine, currency) = enrolled(known)?;
        let pair = gateway.pairs().with(own, id, &key)?;
        Some((known, own, pair, machine, currency))
    });
    let pair = known
        .as_ref()
        .map_or(gateway.pairs().decoy(), |(_, _, pair, ..)| pair);
    let opened = pair.open(bytes);
    let Some((reader, own, pair, machine, currency)) = known else {
        return Ok(None);
    };
    let (key, items) = match (opened, reader.next_keys()) {
        (Ok((_, items)), _) => (*pair.peer(), items),
        (Err(_), Some(next)) => {
            let key = key_out(next.key);
            let pair = gateway.pairs().with(own, id, &key);
            let Some(Ok((_, items))) = pair.map(|pair| pair.open(bytes)) else {
                return Ok(None);
            };
            // From here on the key before opens nothing.
            rekey::tell(gateway, id, Command::Switch { epoch: next.epoch }).await?;
            (key, items)
        }
        (Err(_), None) => return Ok(None),
    };
    let server_epoch = reader.server_epoch().max(header.server_epoch);
    if header.server_epoch > reader.server_epoch().max(EPOCH_FIRST) {
        let server = header.server_epoch;
        rekey::tell(gateway, id, Command::Follow { server }).await?;
    }
    match Letter::of(items) {
        Ok(letter) => Ok(Some(Authentic {
            life: reader.life(),
            doubted: rekey::doubted(reader, &letter),
            operator: reader.operator(),
            letter,
            id,
            machine,
            currency,
            from: Addressee {
                reader: id,
                key,
                server_epoch,
            },
        })),
        Err(fault) => {
            tracing::warn!(reader = %id, %fault, "an authentic envelope makes no sense");
            Ok(None)
        }
    }
}

fn enrolled(reader: &Reader) -> Option<(PublicKey, MachineId, Currency)> {
    Some((
        key_out(reader.key()?),
        reader.machine()?,
        reader.currency()?,
    ))
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
