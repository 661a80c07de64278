//! Readers, for their operator: enrolment, state, revocation.

use super::machine;
use crate::api::{Asker, At, at, does};
use crate::database::staff_log;
use crate::failure;
use crate::gateway::Gateway;
use crate::problem::{Kind, Problem};
use crate::request::{Body, Staff, Technician, named, nothing};
use crate::text::unhex;
use actix_web::{HttpResponse, web};
use gettone_channel as channel;
use gettone_channel::PublicKey;
use gettone_core::id::{MachineId, OperatorId, ReaderId, ReaderKey};
use gettone_core::machine::Command as MachineCommand;
use gettone_core::reader::{Command, Contradiction, Life, Reader};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

/// A reader to enrol.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewReader {
    /// The 64 hexadecimal digits that the reader shows.
    public_key: String,
    /// The ten digits beside them, so that a typed key is not mistyped.
    claim_code: String,
    /// The machine it sits on.
    machine: u32,
}

/// What an enrolled reader has to be told.
#[derive(Serialize, ToSchema)]
struct Enrolled {
    reader_id: String,
    server_public_key: String,
    server_epoch: u16,
    operator: u32,
}

/// A reader.
#[derive(Serialize, ToSchema)]
struct ShownReader {
    reader_id: String,
    machine: Option<u32>,
    operator: Option<u32>,
    currency: Option<&'static str>,
    state: String,
    journal: Option<Journal>,
    contradiction: Option<Contradicted>,
}

/// How far a reader's receipts have come.
#[derive(Serialize, ToSchema)]
struct Journal {
    epoch: String,
    newest: u64,
    recorded: u64,
    applied: u64,
}

/// Why a reader is not believed any more.
#[derive(Serialize, ToSchema)]
struct Contradicted {
    kind: &'static str,
    rseq: Option<u64>,
}

pub(super) fn routes() -> Vec<At> {
    vec![
        at("/v1/readers").post(
            enrol,
            does("Enrols a reader on a machine", Asker::Technician)
                .takes::<NewReader>(json!({
                    "public_key":
                        "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
                    "claim_code": "0123456789", "machine": 3,
                }))
                .answers::<Enrolled>(201),
        ),
        at("/v1/readers/{reader}").get(
            show,
            does("Shows a reader", Asker::Staff).answers::<ShownReader>(200),
        ),
        at("/v1/readers/{reader}/revoke").post(
            revoke,
            does("Believes a reader no more", Asker::Technician).answers::<ShownReader>(200),
        ),
    ]
}

async fn enrol(
    gateway: web::Data<Gateway>,
    Technician(staff): Technician,
    Body(new): Body<NewReader>,
) -> Result<HttpResponse, Problem> {
    let operator = staff.operator;
    let key = unhex(&new.public_key)
        .map(PublicKey::from_bytes)
        .ok_or_else(|| {
            Kind::Malformed
                .because("public_key: write the 64 hexadecimal digits that the reader shows")
        })?;
    if new.claim_code.parse() != Ok(channel::claim_code(&key)) {
        return Err(Kind::Malformed.because(
            "claim_code: it does not belong to this public key; compare both with the reader's",
        ));
    }
    let machine = MachineId::new(new.machine);
    let currency = machine::own(&gateway, machine, operator)
        .await?
        .currency()
        .ok_or_else(|| nothing("machine"))?;
    let id = channel::reader_id(&key);
    let reader = ReaderId::from_bytes(*id.as_bytes());
    let command = Command::Enrol {
        key: ReaderKey::from_bytes(*key.as_bytes()),
        machine,
        operator,
        currency,
    };
    gateway
        .engine()
        .reader_command(reader, command)
        .await
        .map_err(|failure| failure::told(failure, failure::reader))?;
    if own(&gateway, reader, operator).await?.life() == Life::Revoked {
        return Err(Kind::Conflict.because("the reader is revoked; it needs a new key"));
    }
    gateway
        .engine()
        .machine_command(machine, MachineCommand::Claim { reader })
        .await
        .map_err(|failure| failure::told(failure, failure::machine))?;
    note(&gateway, &staff, "reader.enrol", reader).await?;
    Ok(HttpResponse::Created().json(Enrolled {
        reader_id: id.to_string(),
        server_public_key: gateway.server().key.public().to_string(),
        server_epoch: gateway.server().epoch,
        operator: operator.number(),
    }))
}

async fn show(
    gateway: web::Data<Gateway>,
    staff: Staff,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let id = reader_id(&path)?;
    let reader = own(&gateway, id, staff.operator).await?;
    Ok(HttpResponse::Ok().json(shown(id, &reader)))
}

async fn revoke(
    gateway: web::Data<Gateway>,
    Technician(staff): Technician,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let id = reader_id(&path)?;
    let operator = staff.operator;
    own(&gateway, id, operator).await?;
    gateway
        .engine()
        .revoke_reader(id)
        .await
        .map_err(|failure| failure::told(failure, failure::reader))?;
    let reader = own(&gateway, id, operator).await?;
    note(&gateway, &staff, "reader.revoke", id).await?;
    Ok(HttpResponse::Ok().json(shown(id, &reader)))
}

async fn note(
    gateway: &Gateway,
    staff: &Staff,
    what: &'static str,
    reader: ReaderId,
) -> Result<(), Problem> {
    let (operator, line) = (
        staff.operator,
        staff.did(what, format_args!("reader {reader}")),
    );
    Ok(gateway
        .database()
        .write(move |transaction| staff_log::add(transaction, operator, &line))
        .await?)
}

fn reader_id(text: &str) -> Result<ReaderId, Problem> {
    let id: channel::ReaderId = named("reader", text)?;
    Ok(ReaderId::from_bytes(*id.as_bytes()))
}

async fn own(gateway: &Gateway, id: ReaderId, operator: OperatorId) -> Result<Reader, Problem> {
    let reader = gateway
        .engine()
        .reader(id)
        .await
        .map_err(failure::unread)?
        .into_inner();
    reader
        .filter(|reader| gateway.owns(operator, reader.operator()))
        .map(|reader| *reader)
        .ok_or_else(|| nothing("reader"))
}

fn shown(id: ReaderId, reader: &Reader) -> ShownReader {
    ShownReader {
        reader_id: id.to_string(),
        machine: reader.machine().map(MachineId::number),
        operator: reader.operator().map(OperatorId::number),
        currency: reader.currency().map(|currency| currency.code()),
        state: format!("{:?}", reader.life()).to_lowercase(),
        journal: reader.newest().map(|newest| Journal {
            epoch: newest.epoch.to_string(),
            newest: newest.rseq_newest,
            recorded: reader.recorded(newest.epoch).map_or(0, |(upto, _)| upto),
            applied: reader.applied(newest.epoch),
        }),
        contradiction: reader.contradiction().map(contradicted),
    }
}

fn contradicted(found: Contradiction) -> Contradicted {
    let (kind, rseq) = match found {
        Contradiction::OtherContent { rseq } => ("other_content", Some(rseq)),
        Contradiction::BrokenChain { rseq } => ("broken_chain", Some(rseq)),
        Contradiction::Rollback { rseq } => ("rollback", Some(rseq)),
        Contradiction::OldEpoch => ("old_epoch", None),
    };
    Contradicted { kind, rseq }
}
