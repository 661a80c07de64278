//! Payment by SMS (protocol section 11.2): typed codes that come in from whoever carries messages, in
//! the name of a number. A sender is easily forged, so the number has agreed before, a day is bounded,
//! and a word that only its owner reads comes back before the first payment and before a large one.

use super::limit::seen;
use super::relay::Told;
use super::sign_in::{Language, draw};
use super::sms_words::{Say, WORDS, Wish, word};
use super::typed::{Found, Looked, look, take};
use crate::address::Address;
use crate::api::{Asker, At, at, does};
use crate::bounds::IDEMPOTENCY_KEY_LEN_MAX;
use crate::credential::Sealed;
use crate::database::person::{self, CustomerNumber};
use crate::database::sms::{self, Asked, Awaited, Caps, Consent, Want};
use crate::gateway::{Gateway, now};
use crate::once::Keyed;
use crate::problem::{Kind, Problem};
use crate::request::{Customer, RawJson, parsed};
use crate::road::Allowance;
use crate::signature::SIGNATURE;
use crate::sms::{SmsCaps, SmsEntry};
use crate::token::Digits;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use gettone_core::id::{MachineId, TransferId, VendId};
use gettone_core::money::{Amount, Currency};
use gettone_core::wallet::Wallet;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

/// An SMS that came in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Message {
    /// Its name; the same again is answered alike and has no second effect.
    id: String,
    /// The number that it says it comes from.
    from: String,
    /// What it says.
    text: String,
}

/// What is sent back to that number.
#[derive(Serialize, ToSchema)]
struct Reply {
    /// At most 160 characters.
    reply: String,
}

pub(super) fn routes() -> Vec<At> {
    vec![
        at("/v1/sms").post(
            hear,
            does(
                "Takes an SMS that buys with the digits on a machine's display; gives the answer to it",
                Asker::Signer,
            )
            .takes::<Message>(json!({"id": "1", "from": "+39021234567", "text": "17 0123456"}))
            .answers::<Reply>(200),
        ),
    ]
}

async fn hear(
    gateway: web::Data<Gateway>,
    request: HttpRequest,
    RawJson(bytes): RawJson,
) -> Result<HttpResponse, Problem> {
    let entry = gateway.sms().ok_or_else(unserved)?;
    let header = request.headers().get(SIGNATURE);
    entry
        .secret
        .check(header.and_then(|value| value.to_str().ok()), &bytes, now())
        .map_err(|_| {
            Kind::Unauthorized.because("gettone-signature: the message is not signed just now")
        })?;
    let message: Message = parsed(&bytes)?;
    if !(1..=IDEMPOTENCY_KEY_LEN_MAX).contains(&message.id.len()) {
        return Err(
            Kind::Malformed.because(format!("id: write 1 to {IDEMPOTENCY_KEY_LEN_MAX} bytes"))
        );
    }
    let from = Address::parse(&message.from)
        .ok()
        .filter(Address::is_telephone)
        .ok_or_else(|| {
            Kind::Malformed.because("from: write a telephone number that begins with +")
        })?;
    let keyed = Keyed::named(&message.id, "/v1/sms", &bytes, message.text);
    let answer = async |text: String, name| {
        let reply = answer(&gateway, entry, (&from, &text), name).await?;
        Ok((StatusCode::OK, Reply { reply }))
    };
    keyed.once(&gateway, "sms", answer).await
}

/// The answer to who is not set up for payment by SMS.
pub(super) fn unserved() -> Problem {
    Kind::Unserved.because("nothing is paid by SMS here: [sms] is not configured")
}

/// Somebody who pays by SMS.
struct Payer {
    number: CustomerNumber,
    address: Sealed,
    customer: Customer,
    consents: Vec<Consent>,
}

/// A purchase that only waits for its machine.
struct Purchase {
    found: Box<Found>,
    caps: Caps,
    name: TransferId,
}

async fn answer(
    gateway: &Gateway,
    entry: &SmsEntry,
    (from, text): (&Address, &str),
    name: TransferId,
) -> Result<String, Problem> {
    let address = gateway.seals().address(from.as_str());
    let found = gateway
        .database()
        .read(move |connection| {
            let Some((number, language)) = sms::reader(connection, &address)? else {
                return Ok(None);
            };
            let wallets = person::wallets(connection, number)?;
            Ok(Some((
                language,
                Payer {
                    number,
                    address,
                    customer: Customer::Person(number, wallets),
                    consents: sms::all(connection, number)?,
                },
            )))
        })
        .await?;
    // Who has not agreed is answered as who is not known, in words that tell nothing either.
    let Some((language, payer)) = found.filter(|(_, payer)| !payer.consents.is_empty()) else {
        return Ok(Say::Stranger.words(Language::of_number(from.as_str())));
    };
    let say = match Wish::read(text) {
        None => Say::Help,
        Some(Wish::Buy {
            machine,
            code,
            more,
        }) => {
            let want = if more { Want::More } else { Want::Usual };
            payer
                .buy(gateway, entry, (machine, code, want), name)
                .await?
        }
        Some(Wish::Confirm {
            word,
            machine,
            code,
        }) => {
            payer
                .confirm(gateway, entry, (word, machine, code), name)
                .await?
        }
    };
    Ok(say.words(Language::named(&language)))
}

impl Payer {
    async fn buy(
        &self,
        gateway: &Gateway,
        entry: &SmsEntry,
        (machine, code, want): (MachineId, Digits, Want),
        name: TransferId,
    ) -> Result<Say, Problem> {
        let found = match self.look(gateway, machine, code).await? {
            Ok(found) => found,
            Err(say) => return Ok(say),
        };
        let Some((consent, most)) = self.agreed(entry, found.place.currency) else {
            return Ok(Say::Help);
        };
        let caps = bounded(consent.caps, most);
        let want = match want {
            Want::More if caps.vend_max < most.vend_max => Want::More,
            Want::More | Want::Usual => Want::Usual,
        };
        if want == Want::Usual && consent.is_confirmed {
            let purchase = Purchase { found, caps, name };
            return self.pay(gateway, machine, purchase).await;
        }
        let word = word(draw(0..WORDS)?);
        let sealed = gateway.seals().code(&self.address, &word);
        let whose = (self.number, consent.currency);
        let awaited = Awaited {
            machine,
            want,
            since: now(),
        };
        let asked = gateway
            .database()
            .write(move |transaction| sms::ask(transaction, whose, &sealed, awaited))
            .await?;
        Ok(match asked {
            Asked::Yes => Say::Ask { word },
            Asked::TooMany => Say::AskedOften,
        })
    }

    async fn confirm(
        &self,
        gateway: &Gateway,
        entry: &SmsEntry,
        (word, machine, code): (String, Option<MachineId>, Digits),
        name: TransferId,
    ) -> Result<Say, Problem> {
        let sealed = gateway.seals().code(&self.address, &word);
        let number = self.number;
        let right = gateway
            .database()
            .write(move |transaction| sms::confirm(transaction, number, &sealed, now()))
            .await?;
        let Some((currency, awaited)) = right.filter(|(_, awaited)| {
            // Who was asked about one machine has not agreed to another.
            machine.is_none_or(|machine| machine == awaited.machine)
        }) else {
            return Ok(Say::NoWord);
        };
        let machine = awaited.machine;
        let found = match self.look(gateway, machine, code).await? {
            Ok(found) => found,
            Err(say) => return Ok(say),
        };
        let agreed = self.agreed(entry, currency);
        let Some((consent, most)) = agreed.filter(|_| found.place.currency == currency) else {
            return Ok(Say::NoWord);
        };
        let caps = bounded(consent.caps, most);
        let caps = match awaited.want {
            Want::Usual => caps,
            Want::More => Caps {
                vend_max: most.vend_max,
                ..caps
            },
        };
        let purchase = Purchase { found, caps, name };
        self.pay(gateway, machine, purchase).await
    }

    /// What they agreed to in a currency, and what the operator of the gateway does.
    fn agreed(&self, entry: &SmsEntry, currency: Currency) -> Option<(&Consent, SmsCaps)> {
        let mut consents = self.consents.iter();
        let consent = consents.find(|consent| consent.currency == currency)?;
        Some((consent, entry.caps_in(currency)?))
    }

    /// Looks whether the digits are those on the machine's display; what is said where they are not,
    /// or where they have bought already.
    async fn look(
        &self,
        gateway: &Gateway,
        machine: MachineId,
        code: Digits,
    ) -> Result<Result<Box<Found>, Say>, Problem> {
        Ok(
            match look(gateway, &self.customer, machine, (code, None)).await {
                Ok(Looked::Right(found)) => Ok(found),
                Ok(Looked::Answered(told)) => Err(said(machine, &told)),
                Ok(Looked::Wrong) => Err(Say::NoCode),
                Err(problem) if problem.kind() == Kind::TooMany => {
                    let wait = problem.wait().unwrap_or_default().as_secs();
                    Err(Say::Wait {
                        minutes: wait.div_ceil(60).max(1),
                    })
                }
                Err(problem) => return Err(problem),
            },
        )
    }

    async fn pay(
        &self,
        gateway: &Gateway,
        machine: MachineId,
        purchase: Purchase,
    ) -> Result<Say, Problem> {
        let Purchase { found, caps, name } = purchase;
        let currency = found.place.currency;
        let Some(wallet) = self.customer.wallet_in(currency) else {
            return Ok(Say::Funds);
        };
        // Looked at before the day is counted: what is held since then counts whole.
        let Some(wallet) = seen(gateway, wallet).await? else {
            return Ok(Say::Funds);
        };
        let whose = (self.number, currency);
        let room = gateway
            .database()
            .write(move |transaction| {
                let spent = |vend| spent(&wallet, vend);
                sms::reserve(transaction, name, whose, (caps, now()), spent)
            })
            .await?;
        let Some(cap) = room else {
            return Ok(Say::Day);
        };
        let allowance = Some(Allowance { name, cap });
        let called = take(gateway, &found, (self.customer.clone(), allowance)).await;
        let is_granted = called.as_ref().is_ok_and(|told| told.outcome == "granted");
        if !is_granted {
            gateway
                .database()
                .write(move |transaction| sms::give_up(transaction, name))
                .await?;
        }
        let told = called?;
        // What is left of the day buys nothing here.
        if told.reason == Some("funds") && cap < caps.vend_max {
            return Ok(Say::Day);
        }
        Ok(said(machine, &told))
    }
}

fn bounded(own: Caps, most: SmsCaps) -> Caps {
    Caps {
        vend_max: own.vend_max.min(most.vend_max),
        day_max: own.day_max.min(most.day_max),
    }
}

/// What a hold took of its wallet; what it held at first while it does; none when it is not known.
fn spent(wallet: &Wallet, vend: VendId) -> Option<Amount> {
    if let Some(grant) = wallet.grant(vend) {
        return Some(grant.held_first);
    }
    if !wallet.knows(vend) {
        return None;
    }
    let captures = wallet.captures().filter(|capture| capture.vend == vend);
    Some(
        captures
            .map(|capture| capture.parts.total() + capture.debt)
            .sum(),
    )
}

fn said(machine: MachineId, told: &Told) -> Say {
    match (told.outcome, told.reason) {
        ("granted", _) => Say::Ready {
            machine,
            held: told.held.clone().unwrap_or_default(),
            currency: told.currency.unwrap_or_default(),
        },
        ("lapsed", _) => Say::Lapsed,
        (_, Some("funds" | "pending" | "blocked")) => Say::Funds,
        _ => Say::Busy,
    }
}
