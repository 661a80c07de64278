//! Codes on show at readers, brought by whoever scanned one, and the light that answers them
//! (protocol section 9.3).

use crate::api::{Asker, At, at, does};
use crate::bounds::GRANT_LIFE;
use crate::failure;
use crate::gateway::Gateway;
use crate::problem::Problem;
use crate::relay::{Asked, Outcome, Reason};
use crate::request::{Anyone, Body, Customer};
use crate::text::{hex, money};
use crate::token::{self, Brought};
use actix_web::{HttpResponse, web};
use gettone::Failure;
use gettone_channel::{CapClass, LightGrant, LightPlace, Slip, TokenKey, TokenLink};
use gettone_core::id::{MachineId, ReaderId, VendId, WalletId};
use gettone_core::money::{Amount, Currency};
use gettone_core::reader::{Ask, Reader, Refusal, Standing};
use gettone_optical::{Kind as LightKind, Payload};
use gettone_relay::{Granted, reader_in, scan_in, token_key_out};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

/// A code, as somebody scanned it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Scanned {
    /// What stands behind `/t/` in its link.
    code: String,
}

/// What became of a code.
#[derive(Serialize, ToSchema, Default)]
struct CodeTold {
    /// `recorded`, `granted`, `refused`, `unfinished` or `rejected`.
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    reader_id: Option<String>,
    machine: Option<u32>,
    /// Receipts that came with it.
    receipts: usize,
    /// The twelve bytes to play as light, in hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    light: Option<String>,
    /// The hold that pays: the receipts of what is bought with it name it too.
    #[serde(skip_serializing_if = "Option::is_none")]
    vend: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    held: Option<String>,
    /// The most that may be spent.
    #[serde(skip_serializing_if = "Option::is_none")]
    cap: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vends_max: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    balance: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    short_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    currency: Option<&'static str>,
    /// How long the hold is good, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    life_s: Option<u64>,
}

/// A code that its reader did make.
struct Authentic {
    link: TokenLink,
    slip: Slip,
    key: TokenKey,
    id: ReaderId,
    machine: MachineId,
    currency: Currency,
}

pub(super) fn routes() -> Vec<At> {
    vec![
        at("/v1/app/token").post(
            look,
            does(
                "Brings the code on show at a reader: its receipts are recorded",
                Asker::AnyoneOrCustomer,
            )
            .takes::<Scanned>(json!({"code": "x"}))
            .answers::<CodeTold>(200),
        ),
        at("/v1/app/token/light").post(
            light,
            does(
                "Asks for the light that buys at the reader whose code this is",
                Asker::Customer,
            )
            .takes::<Scanned>(json!({"code": "x"}))
            .answers::<CodeTold>(200),
        ),
    ]
}

async fn look(
    gateway: web::Data<Gateway>,
    Anyone(_): Anyone,
    Body(scanned): Body<Scanned>,
) -> Result<HttpResponse, Problem> {
    let told = match open(&gateway, &scanned.code).await? {
        Some(authentic) => bring(&gateway, &authentic, None).await?,
        None => rejected(),
    };
    Ok(HttpResponse::Ok().json(told))
}

async fn light(
    gateway: web::Data<Gateway>,
    customer: Customer,
    Body(scanned): Body<Scanned>,
) -> Result<HttpResponse, Problem> {
    let Some(authentic) = open(&gateway, &scanned.code).await? else {
        return Ok(HttpResponse::Ok().json(rejected()));
    };
    let told = match customer.wallet_in(authentic.currency) {
        Some(wallet) => buy(&gateway, &authentic, wallet).await?,
        None => refused(&authentic, Reason::Currency),
    };
    Ok(HttpResponse::Ok().json(told))
}

/// Opens a code. One that names nobody's reader costs as much as a forged one, and neither writes
/// anything.
async fn open(gateway: &Gateway, code: &str) -> Result<Option<Authentic>, Problem> {
    let Ok(link) = code.parse::<TokenLink>() else {
        return Ok(None);
    };
    let id = reader_in(link.reader);
    let reader = gateway
        .engine()
        .reader(id)
        .await
        .map_err(failure::unread)?
        .into_inner();
    let known = reader.as_deref().and_then(enrolled);
    let decoy = TokenKey::from_bytes([0; 32]);
    let key = known.as_ref().map_or(&decoy, |(key, ..)| key);
    let opened = link.open(key);
    let Some((key, machine, currency)) = known else {
        return Ok(None);
    };
    // A reader that changes its keys may show codes of the next one before it is heard again.
    let next = reader.and_then(|reader| reader.next_keys()?.token);
    let (key, slip) = match (opened, next) {
        (Ok(slip), _) => (key, slip),
        (Err(_), Some(next)) => {
            let key = token_key_out(&next);
            let Ok(slip) = link.open(&key) else {
                return Ok(None);
            };
            (key, slip)
        }
        (Err(_), None) => return Ok(None),
    };
    Ok(Some(Authentic {
        link,
        slip,
        key,
        id,
        machine,
        currency,
    }))
}

fn enrolled(reader: &Reader) -> Option<(TokenKey, MachineId, Currency)> {
    Some((
        token_key_out(&reader.token_key()?),
        reader.machine()?,
        reader.currency()?,
    ))
}

/// Holds money for the light that is to be played.
async fn buy(
    gateway: &Gateway,
    authentic: &Authentic,
    wallet: WalletId,
) -> Result<CodeTold, Problem> {
    // Two lights at once for one account would each see none of the other.
    let mut slot = Sha256::new();
    slot.update(b"light of a wallet");
    slot.update(wallet.number().to_be_bytes());
    let Some(_alone) = gateway.take_up(slot.finalize().into()) else {
        return Ok(refused(authentic, Reason::Pending));
    };
    // What it fences and settles may be what stands in the way.
    bring(gateway, authentic, None).await?;
    if has_light_elsewhere(gateway, authentic, wallet).await? {
        return Ok(refused(authentic, Reason::Pending));
    }
    let machine = gateway
        .engine()
        .machine(authentic.machine)
        .await
        .map_err(failure::unread)?
        .into_inner()
        .unwrap_or_default();
    let brought = Brought {
        reader: authentic.id,
        machine: authentic.machine,
        state: &machine,
        code: authentic.link.token,
    };
    match token::ask(&brought, wallet) {
        Ok(ask) => {
            let told = bring(gateway, authentic, Some(ask)).await?;
            let granted = told.light.is_some();
            // What was paid with before is told again only while its light may still be spent.
            if granted && !is_live(gateway, wallet, ask.vend).await? {
                return Ok(refused(authentic, Reason::Stale));
            }
            Ok(told)
        }
        Err(reason) => Ok(refused(authentic, reason)),
    }
}

/// Whether this account has a light that may still be spent, and that this code does not end.
async fn has_light_elsewhere(
    gateway: &Gateway,
    authentic: &Authentic,
    wallet: WalletId,
) -> Result<bool, Problem> {
    let engine = gateway.engine();
    let wallet = engine.wallet(wallet).await.map_err(failure::unread)?;
    let Some(wallet) = wallet.into_inner() else {
        return Ok(false);
    };
    let scan = scan_in(&authentic.link, &authentic.slip, None);
    for grant in wallet.live() {
        let machine = engine.machine(grant.terms.machine).await;
        let machine = machine.map_err(failure::unread)?.into_inner();
        let Some(id) = machine.and_then(|machine| machine.reader()) else {
            continue;
        };
        let reader = engine.reader(id).await.map_err(failure::unread)?;
        let Some(reader) = reader.into_inner() else {
            continue;
        };
        let ended_by = (id == authentic.id).then_some((scan.step, scan.order));
        if reader.has_light(grant.vend, scan.nonce, ended_by) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether this hold has not ended.
async fn is_live(gateway: &Gateway, wallet: WalletId, vend: VendId) -> Result<bool, Problem> {
    let wallet = gateway.engine().wallet(wallet).await;
    let wallet = wallet.map_err(failure::unread)?.into_inner();
    Ok(wallet.is_some_and(|wallet| wallet.live().iter().any(|grant| grant.vend == vend)))
}

async fn bring(
    gateway: &Gateway,
    authentic: &Authentic,
    ask: Option<Ask>,
) -> Result<CodeTold, Problem> {
    let account = ask.map(|ask| ask.wallet);
    let scan = scan_in(&authentic.link, &authentic.slip, ask);
    let brought = gateway.engine().scan(authentic.id, scan, account).await;
    let standing = match brought {
        Ok(relayed) => relayed.into_inner().standing,
        Err(Failure::Refused(Refusal::Revoked)) => Some(Standing::Distrusted),
        Err(failed) => return Err(failure::told(failed, failure::reader)),
    };
    let asked = match account {
        Some(_) => Asked::Yes,
        None => Asked::No,
    };
    Ok(told(authentic, Outcome::of(standing, asked)))
}

fn rejected() -> CodeTold {
    CodeTold {
        outcome: "rejected",
        ..CodeTold::default()
    }
}

fn refused(authentic: &Authentic, reason: Reason) -> CodeTold {
    let outcome = Outcome::Refused {
        reason,
        short_by: None,
    };
    told(authentic, outcome)
}

fn told(authentic: &Authentic, outcome: Outcome) -> CodeTold {
    let shown = |amount| Some(money(amount, authentic.currency));
    let base = CodeTold {
        reader_id: Some(authentic.id.to_string()),
        machine: Some(authentic.machine.number()),
        outcome: outcome.name(),
        receipts: authentic.slip.receipts.len(),
        ..CodeTold::default()
    };
    match outcome {
        Outcome::Granted(granted) => match class_of(&granted) {
            Some(class) => CodeTold {
                light: Some(light_of(authentic, class)),
                vend: Some(token::vend(authentic.id, &authentic.link.token).to_string()),
                held: shown(granted.held),
                cap: shown(Amount::from_minor(i64::from(class.cap_minor()))),
                vends_max: Some(class.vends_max()),
                balance: shown(granted.balance),
                currency: Some(authentic.currency.code()),
                life_s: Some(GRANT_LIFE.as_secs()),
                ..base
            },
            // No hold is made below the least that a light can say.
            None => CodeTold {
                outcome: "refused",
                reason: Some(Reason::Funds.name()),
                ..base
            },
        },
        Outcome::Refused { reason, short_by } => CodeTold {
            reason: Some(reason.name()),
            short_by: short_by.and_then(shown),
            currency: short_by.map(|_| authentic.currency.code()),
            ..base
        },
        Outcome::Recorded | Outcome::Resend { .. } | Outcome::Unfinished => base,
    }
}

fn class_of(granted: &Granted) -> Option<CapClass> {
    let held = u32::try_from(granted.held.minor()).ok()?;
    CapClass::within(held, granted.vends_max)
}

/// The same light for the same code, however often it is asked for.
fn light_of(authentic: &Authentic, class: CapClass) -> String {
    let place = LightPlace {
        boot: authentic.slip.order.boot,
        step: authentic.link.step,
        slip: authentic.link.slip.digest(),
    };
    let light = LightGrant::seal(&authentic.key, class, &place);
    hex(&Payload::new(LightKind::LightGrant, light.to_bytes()).to_bytes())
}
