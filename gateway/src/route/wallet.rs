//! Wallets, for operators, and money into them.

use crate::bounds::{IDEMPOTENCY_KEY_LEN_MAX, WALLETS_PER_OPERATOR};
use crate::failure;
use crate::gateway::Gateway;
use crate::problem::{Kind, Problem};
use crate::request::{Body, Operator, Platform, named, nothing};
use crate::text::{amount, currency, money};
use actix_web::{HttpRequest, HttpResponse, web};
use gettone_core::id::{OperatorId, TransferId, WalletId};
use gettone_core::money::{Amount, Currency};
use gettone_core::wallet::Command;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

const TRANSFER_LABEL: &[u8] = b"gettone transfer v1";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewWallet {
    wallet: u64,
    currency: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewTransfer {
    amount: String,
}

#[derive(Serialize)]
struct Opened {
    wallet: u64,
    currency: &'static str,
    token: String,
}

#[derive(Serialize)]
struct Moved {
    wallet: u64,
    amount: String,
    currency: &'static str,
}

pub(super) async fn open(
    gateway: web::Data<Gateway>,
    Operator(operator): Operator,
    Body(new): Body<NewWallet>,
) -> Result<HttpResponse, Problem> {
    let wallet = owned(operator, new.wallet).ok_or_else(|| {
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

pub(super) async fn give(
    gateway: web::Data<Gateway>,
    Operator(operator): Operator,
    request: HttpRequest,
    path: web::Path<String>,
    Body(new): Body<NewTransfer>,
) -> Result<HttpResponse, Problem> {
    let number = named("wallet", &path)?;
    let wallet = owned(operator, number).ok_or_else(|| nothing("wallet"))?;
    let key = transfer(&request, Route::Gift(operator), wallet)?;
    move_in(&gateway, wallet, &new.amount, |amount| Command::Give {
        key,
        operator,
        amount,
    })
    .await
}

pub(super) async fn top_up(
    gateway: web::Data<Gateway>,
    _: Platform,
    request: HttpRequest,
    path: web::Path<String>,
    Body(new): Body<NewTransfer>,
) -> Result<HttpResponse, Problem> {
    let wallet = WalletId::new(named("wallet", &path)?);
    let key = transfer(&request, Route::TopUp, wallet)?;
    move_in(&gateway, wallet, &new.amount, |amount| Command::TopUp {
        key,
        amount,
    })
    .await
}

/// A wallet's currency, once it is open.
async fn opened(gateway: &Gateway, wallet: WalletId) -> Result<Currency, Problem> {
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
    wallet: WalletId,
    text: &str,
    command: impl FnOnce(Amount) -> Command,
) -> Result<HttpResponse, Problem> {
    let currency = opened(gateway, wallet).await?;
    let amount = amount("amount", text, currency)?;
    gateway
        .engine()
        .wallet_command(wallet, command(amount))
        .await
        .map_err(|failed| failure::told(failed, |refusal| failure::wallet(refusal, currency)))?;
    Ok(HttpResponse::Created().json(Moved {
        wallet: wallet.number(),
        amount: money(amount, currency),
        currency: currency.code(),
    }))
}

/// An operator's own wallet, by the operator's own number for it or by its name. Whose a wallet is
/// stands in its name, so that no operator gets the token of another one's customer.
fn owned(operator: OperatorId, number: u64) -> Option<WalletId> {
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

#[derive(Clone, Copy)]
enum Route {
    Gift(OperatorId),
    TopUp,
}

/// Names the transfer after the client's own key for it, so that every retry is harmless.
fn transfer(request: &HttpRequest, route: Route, wallet: WalletId) -> Result<TransferId, Problem> {
    let key = request
        .headers()
        .get("idempotency-key")
        .and_then(|value| value.to_str().ok())
        .filter(|key| (1..=IDEMPOTENCY_KEY_LEN_MAX).contains(&key.len()))
        .ok_or_else(|| {
            Kind::Malformed.because(format!(
                "send an idempotency-key header of 1 to {IDEMPOTENCY_KEY_LEN_MAX} printable \
                 characters, the same one in every retry"
            ))
        })?;
    Ok(name(key, route, wallet))
}

fn name(key: &str, route: Route, wallet: WalletId) -> TransferId {
    let (kind, operator) = match route {
        Route::Gift(operator) => (1_u8, operator.number()),
        Route::TopUp => (2, 0),
    };
    let digest = Sha256::new()
        .chain_update(TRANSFER_LABEL)
        .chain_update([kind])
        .chain_update(operator.to_be_bytes())
        .chain_update(wallet.number().to_be_bytes())
        .chain_update(key.as_bytes())
        .finalize();
    let (head, _) = digest
        .split_first_chunk()
        .expect("SHA-256 is longer than a name");
    TransferId::from_bytes(*head)
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

    #[test]
    fn a_key_names_another_transfer_for_each_route_operator_and_wallet() {
        let (one, two) = (WalletId::new(1), WalletId::new(2));
        let gift = |operator| Route::Gift(OperatorId::new(operator));
        let names = [
            name("k", gift(1), one),
            name("k", gift(2), one),
            name("k", gift(1), two),
            name("k", Route::TopUp, one),
            name("l", gift(1), one),
        ];
        for (place, left) in names.iter().enumerate() {
            assert_eq!(*left, names[place]);
            assert!(names[..place].iter().all(|right| right != left), "{place}");
        }
    }
}
