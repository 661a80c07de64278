//! Customers: proving an address by a code, signing in and out, and what is known of them.

use super::staff::{end_session, fresh};
use crate::address::Address;
use crate::api::{Asker, At, at, does};
use crate::bounds::{
    CUSTOMER_NUMBERS, CUSTOMER_WALLETS, DRAWS_MAX, RECEIPTS_EXPORTED_MAX, WALLETS_OF_CUSTOMER_MAX,
};
use crate::cookie::Cookie;
use crate::courier::Letter;
use crate::database::code::{self, Proof, Sent};
use crate::database::person::{self, CustomerNumber, Person, Welcome};
use crate::database::session::{self, Holder};
use crate::failure;
use crate::gateway::{Gateway, later, now};
use crate::key;
use crate::problem::{Kind, Problem};
use crate::receipts::{self, Receipt};
use crate::request::{Body, Client, Customer, nothing};
use crate::text::{currency, money};
use actix_web::http::header::CONTENT_DISPOSITION;
use actix_web::{HttpRequest, HttpResponse, web};
use core::ops::Range;
use gettone_core::id::WalletId;
use gettone_core::money::Amount;
use gettone_core::wallet::{Balance, Command};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use zeroize::Zeroizing;

/// In which language somebody reads.
#[derive(Serialize, Deserialize, ToSchema, Clone, Copy, PartialEq, Eq, Default, Debug)]
#[serde(rename_all = "lowercase")]
enum Language {
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

/// A wallet to open.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewOwnWallet {
    /// By its three letters.
    currency: String,
}

/// What a customer changes about themselves.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Change {
    /// In which language they read.
    language: Language,
}

/// What becomes of money that is left when a customer goes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Leaving {
    money: Option<LeftMoney>,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum LeftMoney {
    GivenUp,
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

/// What is known of a customer.
#[derive(Serialize, ToSchema)]
struct ShownCustomer {
    /// The customer's number; null for the token of a wallet.
    customer: Option<u64>,
    /// Where the customer is reached; null for the token of a wallet.
    address: Option<String>,
    /// In which language the customer reads.
    language: String,
    /// The customer's wallets, with what is in them.
    wallets: Vec<ShownWallet>,
}

/// A wallet with what is in it.
#[derive(Serialize, ToSchema)]
pub(super) struct ShownWallet {
    wallet: u64,
    currency: &'static str,
    /// E-money, held or not.
    emoney: String,
    /// Money that is spendable at one operator only.
    closed: Vec<ShownClosed>,
    /// What machines hold at the moment.
    pending: String,
    /// What the customer owes.
    owed: String,
    /// What is free to be spent, all in all.
    available: String,
}

/// Money that is spendable at one operator only.
#[derive(Serialize, ToSchema)]
struct ShownClosed {
    operator: u32,
    name: String,
    amount: String,
}

/// Everything that is known of a customer.
#[derive(Serialize, ToSchema)]
struct Export {
    me: ShownCustomer,
    /// Since when, in milliseconds since 1970.
    since_ms: u64,
    /// The newest first.
    receipts: Vec<Receipt>,
    /// Whether these are all receipts.
    complete: bool,
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
        at("/v1/app/me")
            .get(
                me,
                does("Shows who is signed in, and their wallets", Asker::Customer)
                    .answers::<ShownCustomer>(200),
            )
            .patch(
                change,
                does("Changes the language", Asker::Customer)
                    .takes::<Change>(json!({"language": "it"}))
                    .answers::<ShownCustomer>(200),
            )
            .delete(
                forget,
                does(
                    "Forgets the customer; the ledger keeps the number",
                    Asker::Customer,
                )
                .query(
                    "money",
                    "string",
                    "`given-up` when money is left that the customer gives up.",
                )
                .answers_nothing(204),
            ),
        at("/v1/app/me/export").get(
            export,
            does(
                "Gives everything that is known of the customer",
                Asker::Customer,
            )
            .answers::<Export>(200),
        ),
        at("/v1/app/wallets").post(
            open_wallet,
            does("Opens the customer's wallet in a currency", Asker::Customer)
                .takes::<NewOwnWallet>(json!({"currency": "EUR"}))
                .answers::<ShownWallet>(201),
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

async fn me(
    gateway: web::Data<Gateway>,
    customer: Customer,
) -> Result<web::Json<ShownCustomer>, Problem> {
    show(&gateway, &customer).await.map(web::Json)
}

async fn change(
    gateway: web::Data<Gateway>,
    customer: Customer,
    Body(change): Body<Change>,
) -> Result<web::Json<ShownCustomer>, Problem> {
    let number = customer.person()?;
    gateway
        .database()
        .write(move |transaction| person::speak(transaction, number, change.language.name()))
        .await?;
    show(&gateway, &customer).await.map(web::Json)
}

async fn forget(
    gateway: web::Data<Gateway>,
    request: HttpRequest,
    customer: Customer,
    leaving: web::Query<Leaving>,
) -> Result<HttpResponse, Problem> {
    let number = customer.person()?;
    for wallet in customer.wallets() {
        let Some(balance) = balance(&gateway, wallet).await? else {
            continue;
        };
        let left = total(&balance);
        let shown = |amount| money(amount, balance.currency);
        if balance.pending.is_positive() {
            return Err(Kind::Refused
                .because("a machine still holds money of yours; try again when it is over")
                .with("pending", shown(balance.pending)));
        }
        if left.is_positive() && leaving.money != Some(LeftMoney::GivenUp) {
            return Err(Kind::Refused
                .because(format!(
                    "{} {} is left; spend it, or give it up with ?money=given-up",
                    shown(left),
                    balance.currency
                ))
                .with("left", shown(left)));
        }
    }
    gateway
        .database()
        .write(move |transaction| person::forget(transaction, number))
        .await?;
    Ok(HttpResponse::NoContent()
        .insert_header(Cookie::App.taken(&request))
        .finish())
}

async fn export(gateway: web::Data<Gateway>, customer: Customer) -> Result<HttpResponse, Problem> {
    let number = customer.person()?;
    let wallets = customer.wallets();
    let (person, page) = gateway
        .database()
        .read(move |connection| {
            let page = receipts::receipts(connection, &wallets, None, RECEIPTS_EXPORTED_MAX)?;
            Ok((person::find(connection, number)?, page))
        })
        .await?;
    let person = person.ok_or_else(|| nothing("customer"))?;
    let export = Export {
        me: show(&gateway, &customer).await?,
        since_ms: person.since.as_millis(),
        complete: page.next.is_none() && gateway.is_complete(),
        receipts: page
            .lines
            .into_iter()
            .map(|receipt| receipt.named(&gateway))
            .collect(),
    };
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_DISPOSITION, "attachment; filename=\"gettone.json\""))
        .json(export))
}

async fn open_wallet(
    gateway: web::Data<Gateway>,
    customer: Customer,
    Body(new): Body<NewOwnWallet>,
) -> Result<HttpResponse, Problem> {
    let number = customer.person()?;
    let currency = currency("currency", &new.currency)?;
    if customer.wallet_in(currency).is_none() && customer.wallets().len() >= WALLETS_OF_CUSTOMER_MAX
    {
        return Err(Kind::Refused.because(format!(
            "at most {WALLETS_OF_CUSTOMER_MAX} wallets of one customer"
        )));
    }
    for _ in 0..DRAWS_MAX {
        let drawn = WalletId::new(draw(CUSTOMER_WALLETS)?);
        // After a database was put back from an old copy, the journal may know more wallets.
        if balance(&gateway, drawn).await?.is_some() {
            continue;
        }
        let wallet = gateway
            .database()
            .write(move |transaction| person::own(transaction, number, currency, (drawn, now())))
            .await?;
        // The number is the customer's on disk before there can be money on it.
        let Some(wallet) = wallet else { continue };
        gateway
            .engine()
            .wallet_command(wallet, Command::Open { currency })
            .await
            .map_err(|failed| {
                failure::told(failed, |refusal| failure::wallet(refusal, currency))
            })?;
        let balance = balance(&gateway, wallet)
            .await?
            .ok_or_else(|| nothing("wallet"))?;
        return Ok(HttpResponse::Created().json(ShownWallet::of(&gateway, wallet, &balance)));
    }
    Err(Kind::Busy.because("no number was free; try again"))
}

impl ShownWallet {
    /// A wallet with what is in it.
    pub(super) fn of(gateway: &Gateway, wallet: WalletId, balance: &Balance) -> Self {
        let shown = |amount| money(amount, balance.currency);
        Self {
            wallet: wallet.number(),
            currency: balance.currency.code(),
            emoney: shown(balance.emoney),
            closed: balance
                .closed
                .iter()
                .map(|(operator, amount)| ShownClosed {
                    operator: operator.number(),
                    name: gateway
                        .operator_name(*operator)
                        .unwrap_or_default()
                        .to_owned(),
                    amount: shown(*amount),
                })
                .collect(),
            pending: shown(balance.pending),
            owed: shown(balance.owed),
            available: shown(total(balance).above(balance.pending)),
        }
    }
}

/// What a wallet shows of itself; none when it was never opened.
pub(super) async fn balance(
    gateway: &Gateway,
    wallet: WalletId,
) -> Result<Option<Balance>, Problem> {
    Ok(gateway
        .engine()
        .balance(wallet)
        .await
        .map_err(failure::unread)?
        .into_inner())
}

fn total(balance: &Balance) -> Amount {
    let closed: Amount = balance.closed.iter().map(|(_, amount)| *amount).sum();
    balance.emoney + closed
}

async fn show(gateway: &Gateway, customer: &Customer) -> Result<ShownCustomer, Problem> {
    let person: Option<Person> = match customer {
        Customer::Token(_) => None,
        Customer::Person(number, _) => {
            let number = *number;
            let found = gateway
                .database()
                .read(move |connection| person::find(connection, number))
                .await?;
            Some(found.ok_or_else(|| nothing("customer"))?)
        }
    };
    let mut wallets = Vec::new();
    for wallet in customer.wallets() {
        if let Some(balance) = balance(gateway, wallet).await? {
            wallets.push(ShownWallet::of(gateway, wallet, &balance));
        }
    }
    Ok(ShownCustomer {
        customer: person.as_ref().map(|person| person.number.number()),
        address: person.as_ref().map(|person| person.address.clone()),
        language: person.map_or_else(
            || Language::default().name().to_owned(),
            |person| person.language,
        ),
        wallets,
    })
}

/// Draws a number of a range, each as likely as the others.
fn draw(range: Range<u64>) -> Result<u64, Problem> {
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
    const fn name(self) -> &'static str {
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
