//! Wallets, for operators, and money into them.

use crate::api::{Asker, At, at, does};
use crate::bounds::WALLETS_PER_OPERATOR;
use crate::failure;
use crate::gateway::Gateway;
use crate::once::Keyed;
use crate::problem::{Kind, Problem};
use crate::request::{Body, Clerk, Platform, named, nothing};
use crate::text::{amount, currency, money};
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use gettone_core::id::{OperatorId, TransferId, WalletId};
use gettone_core::money::{Amount, Currency};
use gettone_core::wallet::Command;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

/// A wallet to open.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewWallet {
    /// Your own number for it, or its name.
    wallet: u64,
    /// By its three letters.
    currency: String,
}

/// Money to move.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewTransfer {
    /// With its currency's decimals.
    amount: String,
}

/// A wallet that is open.
#[derive(Serialize, ToSchema)]
struct Opened {
    /// Its name, everywhere else.
    wallet: u64,
    /// By its three letters.
    currency: &'static str,
    /// What the customer's app shows to be that customer.
    token: String,
}

/// Money that has moved.
#[derive(Serialize, ToSchema)]
struct Moved {
    /// Into which wallet.
    wallet: u64,
    /// How much.
    amount: String,
    /// By its three letters.
    currency: &'static str,
    /// Its name, for whoever takes it back later.
    transfer: String,
}

pub(super) fn routes() -> Vec<At> {
    let transfer = || json!({"amount": "5.00"});
    vec![
        at("/v1/wallets").post(
            open,
            does("Opens a wallet of your own numbering", Asker::Clerk)
                .takes::<NewWallet>(json!({"wallet": 42, "currency": "EUR"}))
                .answers::<Opened>(201),
        ),
        at("/v1/wallets/{wallet}/gifts").post(
            give,
            does(
                "Gives money that is spendable at your machines only",
                Asker::Clerk,
            )
            .keyed()
            .takes::<NewTransfer>(transfer())
            .answers::<Moved>(201),
        ),
        at("/v1/wallets/{wallet}/top-ups").post(
            top_up,
            does(
                "Adds e-money that the issuer has confirmed",
                Asker::Platform,
            )
            .keyed()
            .takes::<NewTransfer>(transfer())
            .answers::<Moved>(201),
        ),
    ]
}

async fn open(
    gateway: web::Data<Gateway>,
    Clerk(staff): Clerk,
    Body(new): Body<NewWallet>,
) -> Result<HttpResponse, Problem> {
    let wallet = owned(staff.operator, new.wallet).ok_or_else(|| {
        Kind::Malformed.because(format!(
            "wallet: write your own number for it, 0 to {}",
            WALLETS_PER_OPERATOR - 1
        ))
    })?;
    let currency = currency("currency", &new.currency)?;
    gateway
        .engine()
        .wallet_command(wallet, Command::Open { currency })
        .await
        .map_err(|failed| failure::told(failed, |refusal| failure::wallet(refusal, currency)))?;
    Ok(HttpResponse::Created().json(Opened {
        wallet: wallet.number(),
        currency: currency.code(),
        token: gateway.token(wallet),
    }))
}

async fn give(
    gateway: web::Data<Gateway>,
    Clerk(staff): Clerk,
    path: web::Path<String>,
    keyed: Keyed<NewTransfer>,
) -> Result<HttpResponse, Problem> {
    let number = named("wallet", &path)?;
    let operator = staff.operator;
    let wallet = owned(operator, number).ok_or_else(|| nothing("wallet"))?;
    let give = async |new: NewTransfer, key| {
        move_in(&gateway, (wallet, key), &new.amount, |amount| {
            Command::Give {
                key,
                operator,
                amount,
            }
        })
        .await
    };
    keyed.once(&gateway, &staff.principal(), give).await
}

async fn top_up(
    gateway: web::Data<Gateway>,
    _: Platform,
    path: web::Path<String>,
    keyed: Keyed<NewTransfer>,
) -> Result<HttpResponse, Problem> {
    let wallet = WalletId::new(named("wallet", &path)?);
    let top_up = async |new: NewTransfer, key| {
        move_in(&gateway, (wallet, key), &new.amount, |amount| {
            Command::TopUp { key, amount }
        })
        .await
    };
    keyed.once(&gateway, "platform", top_up).await
}

/// A wallet's currency, once it is open.
pub(super) async fn opened(gateway: &Gateway, wallet: WalletId) -> Result<Currency, Problem> {
    gateway
        .engine()
        .balance(wallet)
        .await
        .map_err(failure::unread)?
        .into_inner()
        .map(|balance| balance.currency)
        .ok_or_else(|| nothing("wallet"))
}

async fn move_in(
    gateway: &Gateway,
    (wallet, key): (WalletId, TransferId),
    text: &str,
    command: impl FnOnce(Amount) -> Command,
) -> Result<(StatusCode, Moved), Problem> {
    let currency = opened(gateway, wallet).await?;
    let amount = amount("amount", text, currency)?;
    gateway
        .engine()
        .wallet_command(wallet, command(amount))
        .await
        .map_err(|failed| failure::told(failed, |refusal| failure::wallet(refusal, currency)))?;
    let moved = Moved {
        wallet: wallet.number(),
        amount: money(amount, currency),
        currency: currency.code(),
        transfer: key.to_string(),
    };
    Ok((StatusCode::CREATED, moved))
}

/// An operator's own wallet, by the operator's own number for it or by its name. Whose a wallet is
/// stands in its name, so that no operator gets the token of another one's customer.
pub(super) fn owned(operator: OperatorId, number: u64) -> Option<WalletId> {
    let first = u64::from(operator.number()).checked_mul(WALLETS_PER_OPERATOR)?;
    let own = if number < WALLETS_PER_OPERATOR {
        number
    } else {
        number
            .checked_sub(first)
            .filter(|own| *own < WALLETS_PER_OPERATOR)?
    };
    first.checked_add(own).map(WalletId::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operator_names_its_own_wallets_only() {
        let seven = OperatorId::new(7);
        assert_eq!(owned(seven, 42), Some(WalletId::new(7_000_000_042)));
        assert_eq!(
            owned(seven, 7_000_000_042),
            Some(WalletId::new(7_000_000_042))
        );
        for others in [6_999_999_999, 8_000_000_000, 1_000_000_000, u64::MAX] {
            assert_eq!(owned(seven, others), None, "{others}");
        }
    }
}
