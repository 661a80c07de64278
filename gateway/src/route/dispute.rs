//! Sales that a customer disputes: their money is set aside until the platform decides.

use super::limit::seen;
use super::transfer_named;
use super::wallet::opened;
use crate::api::{Asker, At, at, does};
use crate::failure;
use crate::gateway::Gateway;
use crate::once::Keyed;
use crate::problem::Problem;
use crate::request::{Body, Customer, Platform, named, nothing};
use crate::text::{amount, money, unhex};
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use gettone_core::id::{OperatorId, Rseq, TransferId, VendId, WalletId};
use gettone_core::money::Currency;
use gettone_core::wallet::{self, Wallet};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

/// A sale to dispute.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewDispute {
    /// The hold, as the receipt names it.
    vend: String,
    /// The number, as the receipt names it.
    rseq: u64,
    /// How much of its e-money is disputed.
    amount: String,
}

/// For whom a dispute is decided.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Decision {
    favour: Favour,
}

/// The two sides.
#[derive(Deserialize, ToSchema, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum Favour {
    /// The money goes back.
    Customer,
    /// The sale stands.
    Operator,
}

/// A dispute that nobody has decided.
#[derive(Serialize, ToSchema)]
struct ShownDispute {
    /// Its name.
    dispute: String,
    wallet: u64,
    /// The hold, as the receipt names it.
    vend: String,
    /// The number, as the receipt names it.
    rseq: u64,
    /// Who was paid.
    operator: u32,
    operator_name: String,
    amount: String,
    currency: &'static str,
}

/// A dispute that was decided.
#[derive(Serialize, ToSchema)]
struct Decided {
    /// Its name.
    dispute: String,
    wallet: u64,
    currency: &'static str,
    /// What e-money the wallet shows after it.
    emoney: String,
}

pub(super) fn routes() -> Vec<At> {
    vec![
        at("/v1/app/disputes")
            .get(
                own,
                does("Lists one's sales in dispute", Asker::Customer).lists::<ShownDispute>(),
            )
            .post(
                dispute,
                does(
                    "Disputes a sale: its money is set aside until somebody decides",
                    Asker::Customer,
                )
                .keyed()
                .takes::<NewDispute>(json!({
                    "vend": "05050505050505050505050505050505", "rseq": 1, "amount": "0.80",
                }))
                .answers::<ShownDispute>(201),
            ),
        at("/v1/wallets/{wallet}/disputes").get(
            all,
            does("Lists a wallet's sales in dispute", Asker::Platform).lists::<ShownDispute>(),
        ),
        at("/v1/wallets/{wallet}/disputes/{dispute}/decide").post(
            decide,
            does(
                "Decides a dispute; the same decision again changes nothing",
                Asker::Platform,
            )
            .takes::<Decision>(json!({"favour": "customer"}))
            .answers::<Decided>(200),
        ),
    ]
}

async fn own(
    gateway: web::Data<Gateway>,
    customer: Customer,
) -> Result<web::Json<super::Lines<ShownDispute>>, Problem> {
    let mut lines = Vec::new();
    for wallet in customer.wallets() {
        if let Some(seen) = seen(&gateway, wallet).await? {
            lines.extend(open(&gateway, wallet, &seen));
        }
    }
    Ok(web::Json(lines.into()))
}

async fn dispute(
    gateway: web::Data<Gateway>,
    customer: Customer,
    keyed: Keyed<NewDispute>,
) -> Result<HttpResponse, Problem> {
    let begin = async |new: NewDispute, key| begin(&gateway, &customer, new, key).await;
    keyed.once(&gateway, &customer.principal(), begin).await
}

async fn begin(
    gateway: &Gateway,
    customer: &Customer,
    new: NewDispute,
    key: TransferId,
) -> Result<(StatusCode, ShownDispute), Problem> {
    let vend = unhex(&new.vend)
        .map(VendId::from_bytes)
        .ok_or_else(|| nothing("vend"))?;
    let rseq = Rseq::new(new.rseq);
    for id in customer.wallets() {
        let Some(seen) = seen(gateway, id).await? else {
            continue;
        };
        let (Some(sale), Some(currency)) = (seen.captured(vend, rseq), seen.currency()) else {
            continue;
        };
        let amount = amount("amount", &new.amount, currency)?;
        gateway
            .engine()
            .dispute(id, key, (vend, rseq, amount))
            .await
            .map_err(|failed| {
                failure::told(failed, |refusal| failure::wallet(refusal, currency))
            })?;
        let dispute = wallet::Dispute {
            key,
            vend,
            rseq,
            operator: sale.operator,
            amount,
        };
        let shown = ShownDispute::of(gateway, (id, currency), &dispute);
        return Ok((StatusCode::CREATED, shown));
    }
    Err(nothing("sale of yours that can be disputed"))
}

async fn all(
    gateway: web::Data<Gateway>,
    _: Platform,
    path: web::Path<String>,
) -> Result<web::Json<super::Lines<ShownDispute>>, Problem> {
    let wallet = WalletId::new(named("wallet", &path)?);
    let seen = seen(&gateway, wallet)
        .await?
        .ok_or_else(|| nothing("wallet"))?;
    Ok(web::Json(open(&gateway, wallet, &seen).into()))
}

async fn decide(
    gateway: web::Data<Gateway>,
    _: Platform,
    path: web::Path<(String, String)>,
    Body(decision): Body<Decision>,
) -> Result<web::Json<Decided>, Problem> {
    let wallet = WalletId::new(named("wallet", &path.0)?);
    let key = transfer_named("dispute", &path.1)?;
    let currency = opened(&gateway, wallet).await?;
    let favour = match decision.favour {
        Favour::Customer => wallet::Favour::Customer,
        Favour::Operator => wallet::Favour::Operator,
    };
    let moved = gateway
        .engine()
        .end_dispute(wallet, key, favour)
        .await
        .map_err(|failed| failure::told(failed, |refusal| failure::wallet(refusal, currency)))?;
    Ok(web::Json(Decided {
        dispute: key.to_string(),
        wallet: wallet.number(),
        currency: currency.code(),
        emoney: money(moved.balance.emoney, currency),
    }))
}

fn open(gateway: &Gateway, id: WalletId, wallet: &Wallet) -> Vec<ShownDispute> {
    let Some(currency) = wallet.currency() else {
        return Vec::new();
    };
    let disputes = wallet.disputes().iter();
    disputes
        .map(|dispute| ShownDispute::of(gateway, (id, currency), dispute))
        .collect()
}

impl ShownDispute {
    fn of(
        gateway: &Gateway,
        (wallet, currency): (WalletId, Currency),
        dispute: &wallet::Dispute,
    ) -> Self {
        let operator: OperatorId = dispute.operator;
        Self {
            dispute: dispute.key.to_string(),
            wallet: wallet.number(),
            vend: dispute.vend.to_string(),
            rseq: dispute.rseq.number(),
            operator: operator.number(),
            operator_name: gateway
                .operator_name(operator)
                .unwrap_or_default()
                .to_owned(),
            amount: money(dispute.amount, currency),
            currency: currency.code(),
        }
    }
}
