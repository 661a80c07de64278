//! What may be spent in a day, a week and a month.

use super::wallet::{opened, owned};
use crate::api::{Asker, At, at, does};
use crate::failure;
use crate::gateway::{Gateway, now};
use crate::once::Keyed;
use crate::problem::Problem;
use crate::request::{Clerk, Customer, named, nothing};
use crate::text::{currency, figure, money};
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use gettone_core::id::{OperatorId, TransferId, WalletId};
use gettone_core::money::{Amount, Currency};
use gettone_core::wallet::{Limits, Wallet, Window};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

/// The limits of one's own wallet, in place of those before.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct OwnLimits {
    /// Which wallet, by the three letters of its currency.
    currency: String,
    /// In a day, with decimals; not limited when it is left out.
    day: Option<String>,
    /// In a week, from Monday.
    week: Option<String>,
    /// In a month.
    month: Option<String>,
}

/// The limits of a wallet, in place of those before.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewLimits {
    /// In a day, with decimals; not limited when it is left out.
    day: Option<String>,
    /// In a week, from Monday.
    week: Option<String>,
    /// In a month.
    month: Option<String>,
}

/// What may be spent from a wallet, and how far that is used.
#[derive(Serialize, ToSchema)]
struct ShownLimits {
    wallet: u64,
    currency: &'static str,
    /// One for each limit that is set.
    limits: Vec<ShownLimit>,
}

/// One limit.
#[derive(Serialize, ToSchema)]
struct ShownLimit {
    /// `day`, `week` or `month`; they begin at midnight UTC.
    window: String,
    limit: String,
    /// What was spent; what machines hold comes on top.
    used: String,
    /// When the next window begins, in milliseconds since 1970.
    resets_at_ms: u64,
}

pub(super) fn routes() -> Vec<At> {
    vec![
        at("/v1/app/limits")
            .get(
                own,
                does("Shows what one may spend, and has spent", Asker::Customer)
                    .lists::<ShownLimits>(),
            )
            .put(
                limit_own,
                does(
                    "Limits what may be spent from one's own wallet",
                    Asker::Customer,
                )
                .keyed()
                .takes::<OwnLimits>(json!({"currency": "EUR", "day": "5.00"}))
                .answers::<ShownLimits>(200),
            ),
        at("/v1/wallets/{wallet}/limits")
            .get(
                show,
                does(
                    "Shows what may be spent from a wallet of your numbering",
                    Asker::Clerk,
                )
                .answers::<ShownLimits>(200),
            )
            .put(
                limit,
                does(
                    "Limits what may be spent from a wallet of your numbering",
                    Asker::Clerk,
                )
                .keyed()
                .takes::<NewLimits>(json!({"day": "5.00", "month": "100.00"}))
                .answers::<ShownLimits>(200),
            ),
    ]
}

async fn own(
    gateway: web::Data<Gateway>,
    customer: Customer,
) -> Result<web::Json<super::Lines<ShownLimits>>, Problem> {
    let mut lines = Vec::new();
    for wallet in customer.wallets() {
        if let Some(seen) = seen(&gateway, wallet).await? {
            lines.extend(ShownLimits::of(wallet, &seen));
        }
    }
    Ok(web::Json(lines.into()))
}

async fn limit_own(
    gateway: web::Data<Gateway>,
    customer: Customer,
    keyed: Keyed<OwnLimits>,
) -> Result<HttpResponse, Problem> {
    // Who was given the token of a wallet does not change what its owner allows.
    customer.person()?;
    let set = async |new: OwnLimits, key| {
        let currency = currency("currency", &new.currency)?;
        let wallet = customer
            .wallet_in(currency)
            .ok_or_else(|| nothing("wallet of yours in that currency"))?;
        let limits = NewLimits {
            day: new.day,
            week: new.week,
            month: new.month,
        };
        set(&gateway, (wallet, currency), limits, key).await
    };
    keyed.once(&gateway, &customer.principal(), set).await
}

async fn show(
    gateway: web::Data<Gateway>,
    Clerk(staff): Clerk,
    path: web::Path<String>,
) -> Result<web::Json<ShownLimits>, Problem> {
    let wallet = own_wallet(&path, staff.operator)?;
    let shown = seen(&gateway, wallet)
        .await?
        .and_then(|seen| ShownLimits::of(wallet, &seen));
    shown.map(web::Json).ok_or_else(|| nothing("wallet"))
}

async fn limit(
    gateway: web::Data<Gateway>,
    Clerk(staff): Clerk,
    path: web::Path<String>,
    keyed: Keyed<NewLimits>,
) -> Result<HttpResponse, Problem> {
    let wallet = own_wallet(&path, staff.operator)?;
    let set = async |new: NewLimits, key| {
        let currency = opened(&gateway, wallet).await?;
        set(&gateway, (wallet, currency), new, key).await
    };
    keyed.once(&gateway, &staff.principal(), set).await
}

fn own_wallet(path: &str, operator: OperatorId) -> Result<WalletId, Problem> {
    let number = named("wallet", path)?;
    owned(operator, number).ok_or_else(|| nothing("wallet"))
}

async fn set(
    gateway: &Gateway,
    (wallet, currency): (WalletId, Currency),
    new: NewLimits,
    key: TransferId,
) -> Result<(StatusCode, ShownLimits), Problem> {
    let read = |field: &str, text: Option<String>| -> Result<Option<Amount>, Problem> {
        text.map(|text| figure(field, &text, currency)).transpose()
    };
    let limits = Limits {
        day: read("day", new.day)?,
        week: read("week", new.week)?,
        month: read("month", new.month)?,
    };
    gateway
        .engine()
        .limit(wallet, key, limits)
        .await
        .map_err(|failed| failure::told(failed, |refusal| failure::wallet(refusal, currency)))?;
    let shown = seen(gateway, wallet)
        .await?
        .and_then(|seen| ShownLimits::of(wallet, &seen));
    Ok((StatusCode::OK, shown.ok_or_else(|| nothing("wallet"))?))
}

/// A copy of a wallet; none when it was never opened.
pub(super) async fn seen(
    gateway: &Gateway,
    wallet: WalletId,
) -> Result<Option<Box<Wallet>>, Problem> {
    let seen = gateway.engine().wallet(wallet).await;
    Ok(seen.map_err(failure::unread)?.into_inner())
}

impl ShownLimits {
    fn of(id: WalletId, wallet: &Wallet) -> Option<Self> {
        let currency = wallet.currency()?;
        let name = |window| match window {
            Window::Day => "day",
            Window::Week => "week",
            Window::Month => "month",
        };
        let limits = wallet.usage(now()).map(|usage| ShownLimit {
            window: name(usage.window).to_owned(),
            limit: money(usage.limit, currency),
            used: money(usage.used, currency),
            resets_at_ms: usage.resets_at.as_millis(),
        });
        Some(Self {
            wallet: id.number(),
            currency: currency.code(),
            limits: limits.collect(),
        })
    }
}
