//! Customers: what is known of them, and their wallets.

use super::sign_in::{Language, draw};
use crate::api::{Asker, At, at, does};
use crate::bounds::{CUSTOMER_WALLETS, DRAWS_MAX, RECEIPTS_EXPORTED_MAX, WALLETS_OF_CUSTOMER_MAX};
use crate::cookie::Cookie;
use crate::database::person::{self, Person};
use crate::failure;
use crate::gateway::{Gateway, now};
use crate::problem::{Kind, Problem};
use crate::receipts::{self, Receipt};
use crate::request::{Body, Customer, nothing};
use crate::text::{currency, money};
use actix_web::http::header::CONTENT_DISPOSITION;
use actix_web::{HttpRequest, HttpResponse, web};
use gettone_core::id::WalletId;
use gettone_core::money::Amount;
use gettone_core::wallet::{Balance, Command};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

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
