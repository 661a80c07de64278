//! Customers prove an address by a code, sign in and out.

use super::staff::{end_session, fresh};
use crate::address::Address;
use crate::api::{Asker, At, at, does};
use crate::bounds::{CUSTOMER_NUMBERS, DRAWS_MAX};
use crate::cookie::Cookie;
use crate::courier::Letter;
use crate::database::code::{self, Proof, Sent};
use crate::database::person::{self, CustomerNumber, Welcome};
use crate::database::session::{self, Holder};
use crate::gateway::{Gateway, later, now};
use crate::key;
use crate::problem::{Kind, Problem};
use crate::request::{Body, Client};
use actix_web::{HttpRequest, HttpResponse, web};
use core::ops::Range;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use zeroize::Zeroizing;

/// In which language somebody reads.
#[derive(Serialize, Deserialize, ToSchema, Clone, Copy, PartialEq, Eq, Default, Debug)]
#[serde(rename_all = "lowercase")]
pub(super) enum Language {
    #[default]
    En,
    Fr,
    It,
    De,
}

/// Whom to send a code to.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewCode {
    /// An e-mail address, or a telephone number that begins with + and its country.
    address: String,
    /// In which language the text is; English when it is not said.
    #[serde(default)]
    language: Language,
}

/// Who signs in, and the code that proves it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CodeSignIn {
    /// Where the code was sent to.
    address: String,
    /// The six digits.
    code: String,
}

/// Who is signed in.
#[derive(Serialize, ToSchema)]
struct SignedIn {
    /// The customer's number.
    customer: u64,
    /// The customer's wallets.
    wallets: Vec<OwnWallet>,
    /// Whether nobody had signed in with this address before.
    is_new: bool,
}

/// A wallet by its name.
#[derive(Serialize, ToSchema)]
struct OwnWallet {
    wallet: u64,
    currency: &'static str,
}

pub(super) fn routes() -> Vec<At> {
    vec![
        at("/v1/app/codes").post(
            send_code,
            does(
                "Sends a code to an address, known or not; the answer is the same",
                Asker::Anyone,
            )
            .takes::<NewCode>(json!({"address": "ann@example.org"}))
            .answers_nothing(202),
        ),
        at("/v1/app/sign-in").post(
            sign_in,
            does("Signs a customer in, by a cookie", Asker::Anyone)
                .takes::<CodeSignIn>(json!({"address": "ann@example.org", "code": "123456"}))
                .answers::<SignedIn>(200),
        ),
        at("/v1/app/sign-out").post(
            sign_out,
            does("Signs a customer out", Asker::Anyone).answers_nothing(204),
        ),
    ]
}

async fn send_code(
    gateway: web::Data<Gateway>,
    Client(client): Client,
    Body(new): Body<NewCode>,
) -> Result<HttpResponse, Problem> {
    let courier = gateway.courier().ok_or_else(|| {
        Kind::Unserved.because("no courier is configured, so no code can be sent")
    })?;
    gateway.count_client(client)?;
    let address = Address::parse(&new.address)?;
    let digits = Zeroizing::new(format!("{:06}", draw(0..1_000_000)?));
    let sealed = gateway.seals().address(address.as_str());
    let code = gateway.seals().code(&sealed, &digits);
    let sent = gateway
        .database()
        .write(move |transaction| code::send(transaction, &sealed, &code, now()))
        .await?;
    if sent == Sent::Yes {
        let letter = Letter {
            address: address.as_str().to_owned(),
            text: text(&digits, new.language),
        };
        if courier.carry(letter).is_err() {
            tracing::error!("the courier has too much to carry");
        }
    }
    // Whoever knocks learns nothing about whom we know.
    Ok(HttpResponse::Accepted().finish())
}

async fn sign_in(
    gateway: web::Data<Gateway>,
    request: HttpRequest,
    Client(client): Client,
    Body(tried): Body<CodeSignIn>,
) -> Result<HttpResponse, Problem> {
    gateway.count_client(client)?;
    let address = Address::parse(&tried.address)?;
    let sealed = gateway.seals().address(address.as_str());
    let code = gateway.seals().code(&sealed, tried.code.trim());
    for _ in 0..DRAWS_MAX {
        let number = CustomerNumber::new(draw(CUSTOMER_NUMBERS)?);
        let token = fresh("")?;
        let (digest, begun, address) = (token.digest(), now(), address.clone());
        let signed_in = gateway
            .database()
            .write(move |transaction| {
                if code::redeem(transaction, &sealed, &code, begun)? == Proof::Wrong {
                    return Ok(Tried::Wrong);
                }
                let fresh = (number, begun);
                let welcome = person::welcome(transaction, &sealed, address.as_str(), fresh)?;
                let (number, is_new) = match welcome {
                    Some(Welcome::Back(number)) => (number, false),
                    Some(Welcome::New(number)) => (number, true),
                    None => {
                        code::unredeem(transaction, &sealed, &code)?;
                        return Ok(Tried::Taken);
                    }
                };
                let life = (begun, later(begun, Cookie::App.life()));
                session::begin(transaction, &digest, Holder::Customer(number), life)?;
                let wallets = person::wallets(transaction, number)?;
                Ok(Tried::In(SignedIn {
                    customer: number.number(),
                    wallets: wallets
                        .into_iter()
                        .map(|(currency, wallet)| OwnWallet {
                            wallet: wallet.number(),
                            currency: currency.code(),
                        })
                        .collect(),
                    is_new,
                }))
            })
            .await?;
        match signed_in {
            Tried::In(shown) => {
                return Ok(HttpResponse::Ok()
                    .insert_header(Cookie::App.given(&request, &token))
                    .json(shown));
            }
            Tried::Wrong => {
                return Err(Kind::Unauthorized.because(
                    "the code is wrong, too old, or was tried too often; ask for another",
                ));
            }
            Tried::Taken => {}
        }
    }
    Err(Kind::Busy.because("no number was free; try again"))
}

/// What became of a try to sign in.
enum Tried {
    /// The code is wrong.
    Wrong,
    /// The drawn number is somebody's.
    Taken,
    /// It is who it says.
    In(SignedIn),
}

async fn sign_out(
    gateway: web::Data<Gateway>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    end_session(&gateway, &request, Cookie::App).await
}

/// Draws a number of a range, each as likely as the others.
pub(super) fn draw(range: Range<u64>) -> Result<u64, Problem> {
    let span = range.end - range.start;
    let fair = u64::MAX - u64::MAX % span;
    loop {
        let drawn = key::random().map(u64::from_be_bytes).map_err(|fault| {
            tracing::error!(%fault, "no number can be drawn");
            Kind::Internal.because("no number can be drawn")
        })?;
        if drawn < fair {
            return Ok(range.start + drawn % span);
        }
    }
}

impl Language {
    /// Its two letters.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Fr => "fr",
            Self::It => "it",
            Self::De => "de",
        }
    }
}

fn text(code: &str, language: Language) -> Zeroizing<String> {
    Zeroizing::new(match language {
        Language::En => {
            format!("{code} is your Gettone code. It counts for 10 minutes. Tell it to nobody.")
        }
        Language::Fr => format!(
            "{code} est votre code Gettone. Il est valable 10 minutes. Ne le donnez à personne."
        ),
        Language::It => {
            format!("{code} è il tuo codice Gettone. Vale 10 minuti. Non dirlo a nessuno.")
        }
        Language::De => format!(
            "{code} ist Ihr Gettone-Code. Er gilt 10 Minuten. Geben Sie ihn niemandem weiter."
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bounds::CUSTOMER_WALLETS;

    #[test]
    fn a_drawn_number_lies_in_its_range() {
        for range in [CUSTOMER_NUMBERS, CUSTOMER_WALLETS, 0..1_000_000, 5..6] {
            for _ in 0..100 {
                let drawn = draw(range.clone()).expect("random bytes");
                assert!(range.contains(&drawn), "{drawn} of {range:?}");
            }
        }
    }

    #[test]
    fn a_text_begins_with_its_code_in_every_language() {
        for language in [Language::En, Language::Fr, Language::It, Language::De] {
            let text = text("012345", language);
            assert!(text.starts_with("012345 "), "{}", text.as_str());
            assert!(text.contains("10 "), "{}", text.as_str());
            assert!(text.chars().count() <= 160, "one SMS: {}", text.as_str());
        }
    }
}
