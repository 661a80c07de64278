//! Vends that a person has to look at, and what is decided about them. The queue is for people;
//! whether and how much may go back is decided by the wallet.

use super::Lines;
use crate::api::{Asker, At, at, does};
use crate::bounds::WORDS_LEN_MAX;
use crate::database::refund::{self, Decision, Found, Stage};
use crate::database::staff_log;
use crate::failure;
use crate::fold;
use crate::gateway::{Gateway, now};
use crate::happening::{self, Subject};
use crate::once::Keyed;
use crate::problem::{Kind, Problem};
use crate::request::{Clerk, Staff, named, nothing};
use crate::text::decimal;
use crate::text::{amount, words};
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use gettone::Failure;
use gettone_core::id::{Item, TransferId};
use gettone_core::money::{Amount, Currency};
use gettone_core::wallet::{Command, Refusal, Verdict as Judgement};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

const TRANSFER_LABEL: &[u8] = b"gettone refund of a case v1";

/// Which cases are wanted.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Query {
    state: Option<Wanted>,
    limit: Option<usize>,
    cursor: Option<u64>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum Wanted {
    Open,
    Decided,
}

/// A vend that a person has to look at.
#[derive(Serialize, ToSchema)]
struct ShownCase {
    id: u64,
    /// `claim`: the customer says that nothing came. `doubtful_reset`: the machine was reset right
    /// after the approval. `unknown`: nobody saw what happened, and nothing was charged yet.
    /// `cash_unknown`: nobody saw whether cash was put in, and nothing was credited yet.
    kind: String,
    vend: String,
    rseq: u64,
    machine: u32,
    machine_name: Option<String>,
    item: Option<u16>,
    product: Option<String>,
    amount: String,
    currency: String,
    /// When it was booked, in milliseconds since 1970.
    at_ms: u64,
    /// What the customer says.
    words: String,
    /// `open`, `refunded` or `rejected`.
    state: String,
    /// What the operator answered.
    answer: String,
    /// What went back; null when nothing did.
    refunded: Option<String>,
    /// Who decided; empty when nobody has, or time did.
    decided_by: String,
}

/// What is decided.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewDecision {
    verdict: Verdict,
    /// How much goes back; all of it when this is left out. Not for an unknown vend.
    amount: Option<String>,
    /// What the customer is told.
    #[serde(default)]
    words: String,
}

/// The two ways to decide.
#[derive(Deserialize, ToSchema, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    /// The customer gets the money, or is not charged.
    Refund,
    /// The customer does not.
    Reject,
}

pub(super) fn routes() -> Vec<At> {
    vec![
        at("/v1/refunds").get(
            all,
            does(
                "Lists vends that a person has to look at, the newest first",
                Asker::Clerk,
            )
            .query("state", "string", "Only open or only decided.")
            .paged()
            .lists::<ShownCase>(),
        ),
        at("/v1/refunds/{id}/decide").post(
            decide,
            does("Decides such a vend, once", Asker::Clerk)
                .keyed()
                .takes::<NewDecision>(json!({
                    "verdict": "refund", "amount": "0.80", "words": "Sorry for the jam.",
                }))
                .answers::<ShownCase>(200),
        ),
    ]
}

async fn all(
    gateway: web::Data<Gateway>,
    Clerk(staff): Clerk,
    query: web::Query<Query>,
) -> Result<web::Json<Lines<ShownCase>>, Problem> {
    let page = gateway
        .database()
        .read(move |connection| {
            let stage = query.state.map(|state| match state {
                Wanted::Open => Stage::Open,
                Wanted::Decided => Stage::Decided,
            });
            let paging = (query.cursor, super::limited(query.limit));
            refund::list(connection, staff.operator, stage, paging)
        })
        .await?;
    Ok(web::Json(Lines {
        lines: page.lines.into_iter().map(ShownCase::of).collect(),
        next: page.next,
    }))
}

async fn decide(
    gateway: web::Data<Gateway>,
    Clerk(staff): Clerk,
    path: web::Path<String>,
    keyed: Keyed<NewDecision>,
) -> Result<HttpResponse, Problem> {
    let id: u64 = named("case", &path)?;
    own(&gateway, &staff, id).await?;
    // Two people who decide the same case at once do it one after the other.
    let _alone = gateway.take_up(slot(id)).ok_or_else(|| {
        Kind::InFlight
            .because("somebody is deciding this case right now")
            .retry_after(core::time::Duration::from_secs(1))
    })?;
    let act = async |new: NewDecision, _| settle(&gateway, &staff, id, new).await;
    keyed.once(&gateway, &staff.principal(), act).await
}

async fn settle(
    gateway: &Gateway,
    staff: &Staff,
    id: u64,
    new: NewDecision,
) -> Result<(StatusCode, ShownCase), Problem> {
    let case = own(gateway, staff, id).await?;
    let answer = words("words", &new.words, WORDS_LEN_MAX)?;
    // What the journal settled and nobody put words to is a decision that was cut off.
    if case.state != "open" && !case.decided_by.is_empty() {
        return Err(Kind::Conflict.because("the case is decided already"));
    }
    let currency = Currency::from_code(&case.currency)
        .map_err(|_| Kind::Internal.because("the case has no currency"))?;
    let back = match (new.verdict, new.amount) {
        (Verdict::Refund, None) => case.amount,
        (Verdict::Refund, Some(text)) if !is_unseen(&case) => amount("amount", &text, currency)?,
        (Verdict::Refund, Some(_)) => {
            return Err(Kind::Malformed
                .because("amount: what nobody saw is decided as a whole, leave the amount out"));
        }
        (Verdict::Reject, None) => Amount::ZERO,
        (Verdict::Reject, Some(_)) => {
            return Err(Kind::Malformed.because("amount: nothing goes back when it is rejected"));
        }
    };
    // What the journal settled first stands; only the words are still missing.
    let state = match new.verdict {
        Verdict::Refund => "refunded",
        Verdict::Reject => "rejected",
    };
    let is_settled = case.state != "open";
    if is_settled && case.state != state {
        return Err(Kind::Conflict.because("the vend is decided already, the other way"));
    }
    if back > case.amount {
        return Err(Kind::Refused
            .because("no more can go back than was charged")
            .with("amount", decimal(case.amount.minor(), &case.currency)));
    }
    if let Some(command) = command(&case, new.verdict, back).filter(|_| !is_settled) {
        gateway
            .engine()
            .wallet_command(case.wallet, command)
            .await
            .map_err(|failed| {
                // The journal has decided before; its fold says how.
                if matches!(failed, Failure::Refused(Refusal::NoSuchDoubt)) {
                    Kind::Conflict.because("the vend is decided already, by time or by somebody")
                } else {
                    failure::told(failed, |refusal| failure::wallet(refusal, currency))
                }
            })?;
    }
    let decision = Decision {
        state,
        // A vend that is not charged moves nothing.
        refunded: if case.kind == "unknown" {
            Amount::ZERO
        } else {
            back
        },
        answer,
        by: staff.who.to_string(),
        at: now(),
    };
    let decided = note(gateway, staff, &case, decision).await?;
    Ok((StatusCode::OK, ShownCase::of(decided)))
}

/// Whether nobody saw what happened, so that money waits instead of having moved.
fn is_unseen(case: &Found) -> bool {
    ["unknown", "cash_unknown"].contains(&case.kind.as_str())
}

/// What the wallet has to do, if anything.
fn command(case: &Found, verdict: Verdict, back: Amount) -> Option<Command> {
    let (vend, rseq) = (case.vend, case.rseq);
    match (case.kind.as_str(), verdict) {
        ("unknown", Verdict::Refund) => Some(Command::Judge {
            vend,
            rseq,
            verdict: Judgement::Forgive,
        }),
        ("unknown", Verdict::Reject) => Some(Command::Judge {
            vend,
            rseq,
            verdict: Judgement::Charge,
        }),
        ("cash_unknown", Verdict::Refund) => Some(Command::Judge {
            vend,
            rseq,
            verdict: Judgement::Credit,
        }),
        ("cash_unknown", Verdict::Reject) => Some(Command::Judge {
            vend,
            rseq,
            verdict: Judgement::Decline,
        }),
        (_, Verdict::Refund) => Some(Command::Refund {
            key: transfer(case),
            vend,
            rseq,
            amount: back,
        }),
        (_, Verdict::Reject) => None,
    }
}

/// Writes down what was decided, and tells everybody who listens.
async fn note(
    gateway: &Gateway,
    staff: &Staff,
    case: &Found,
    decision: Decision,
) -> Result<Found, Problem> {
    let (id, operator, machine) = (case.id, case.operator, case.machine);
    let line = staff
        .did("refund.decide", format_args!("case {id}"))
        .changed(
            json!({"state": "open"}),
            json!({
                "state": decision.state,
                "amount": decimal(decision.refunded.minor(), &case.currency),
                "currency": case.currency,
                "words": decision.answer,
            }),
        );
    let decided = gateway
        .database()
        .write(move |transaction| {
            refund::decide(transaction, id, &decision)?;
            staff_log::add(transaction, operator, &line)?;
            let body = json!({"id": id, "state": decision.state});
            let body = fold::placed(transaction, decision.at, Some(machine), body)?;
            happening::tell_aside(transaction, operator, (Subject::Refund, &body))?;
            refund::find(transaction, id)
        })
        .await?;
    gateway.database().nudge();
    decided.ok_or_else(|| nothing("case"))
}

/// The case, when it is this operator's.
async fn own(gateway: &Gateway, staff: &Staff, id: u64) -> Result<Found, Problem> {
    gateway
        .database()
        .read(move |connection| refund::find(connection, id))
        .await?
        .filter(|case| gateway.owns(staff.operator, Some(case.operator)))
        .ok_or_else(|| nothing("case"))
}

fn slot(id: u64) -> [u8; 32] {
    Sha256::new()
        .chain_update(b"case under way")
        .chain_update(id.to_be_bytes())
        .finalize()
        .into()
}

/// One vend is refunded once by its case, whatever key the request bears.
fn transfer(case: &Found) -> TransferId {
    let digest = Sha256::new()
        .chain_update(TRANSFER_LABEL)
        .chain_update(case.vend.as_bytes())
        .chain_update(case.rseq.number().to_be_bytes())
        .finalize();
    let (head, _) = digest
        .split_first_chunk()
        .expect("SHA-256 is longer than a name");
    TransferId::from_bytes(*head)
}

impl ShownCase {
    fn of(case: Found) -> Self {
        let shown = |amount: Amount| decimal(amount.minor(), &case.currency);
        Self {
            id: case.id,
            vend: case.vend.to_string(),
            rseq: case.rseq.number(),
            machine: case.machine.number(),
            item: case.item.map(Item::number),
            amount: shown(case.amount),
            refunded: case.refunded.is_positive().then(|| shown(case.refunded)),
            at_ms: case.at.as_millis(),
            kind: case.kind,
            machine_name: case.machine_name,
            product: case.product,
            currency: case.currency,
            words: case.words,
            state: case.state,
            answer: case.answer,
            decided_by: case.decided_by,
        }
    }
}
