//! Readers, for their operator: enrolment, state, replacement, revocation.

use super::{Lines, Paging, machine};
use crate::api::{Asker, At, at, does};
use crate::database::staff_log;
use crate::failure;
use crate::fleet;
use crate::gateway::Gateway;
use crate::problem::{Kind, Problem};
use crate::reported;
use crate::request::{Body, Staff, Technician, named, nothing};
use crate::text::unhex;
use actix_web::{HttpResponse, web};
use gettone_channel as channel;
use gettone_channel::PublicKey;
use gettone_core::id::{MachineId, OperatorId, ReaderId, ReaderKey};
use gettone_core::machine::Command as MachineCommand;
use gettone_core::reader::{Command, Contradiction, Life, Reader};
use gettone_core::time::Timestamp;
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

/// The new board of a reader that is replaced.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Replacement {
    /// The 64 hexadecimal digits that the new board shows.
    public_key: String,
    /// The ten digits beside them.
    claim_code: String,
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
    /// When it was heard last.
    last_seen_ms: Option<u64>,
    /// How often it has started.
    boot: Option<u32>,
    /// Its firmware's version.
    firmware: Option<String>,
    /// The version of the configuration that it runs with, 0 for its own files alone; null until it was
    /// heard.
    configuration: Option<u32>,
    /// Its machine's controller, by a digest of what that says of itself.
    controller: Option<String>,
    /// Whether that is another one than before, and nobody has confirmed it: what is sold meanwhile may
    /// have been sold by another machine.
    controller_doubted: bool,
    /// Receipts that it has written and the server does not have yet, as far as it has told.
    receipts_waiting: Option<u64>,
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
        at("/v1/readers")
            .get(
                all,
                does(
                    "Lists readers in the order of their enrolment",
                    Asker::Staff,
                )
                .paged()
                .lists::<ShownReader>(),
            )
            .post(
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
        at("/v1/readers/{reader}/confirm").post(
            confirm,
            does(
                "Confirms that a reader is at the right machine, after it named another controller",
                Asker::Technician,
            )
            .answers::<ShownReader>(200),
        ),
        at("/v1/readers/{reader}/replace").post(
            replace,
            does(
                "Puts a new board in a reader's place on its machine, and revokes the old one",
                Asker::Technician,
            )
            .takes::<Replacement>(json!({
                "public_key":
                    "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
                "claim_code": "0123456789",
            }))
            .answers::<Enrolled>(201),
        ),
    ]
}

async fn all(
    gateway: web::Data<Gateway>,
    staff: Staff,
    paging: web::Query<Paging>,
) -> Result<HttpResponse, Problem> {
    let page = gateway
        .database()
        .read(move |connection| {
            fleet::readers(connection, staff.operator, paging.cursor, paging.len())
        })
        .await?;
    reported::recall(&gateway).await?;
    let mut lines = Vec::with_capacity(page.lines.len());
    for heard in page.lines {
        // One that was enrolled anew for somebody else is not this operator's any more.
        if let Ok(reader) = own(&gateway, heard.reader, staff.operator).await {
            lines.push(shown(&gateway, heard.reader, &reader, heard.last_seen));
        }
    }
    Ok(HttpResponse::Ok().json(Lines {
        lines,
        next: page.next,
    }))
}

async fn enrol(
    gateway: web::Data<Gateway>,
    Technician(staff): Technician,
    Body(new): Body<NewReader>,
) -> Result<HttpResponse, Problem> {
    let key = key(&new.public_key, &new.claim_code)?;
    let machine = MachineId::new(new.machine);
    let enrolled = take_on(&gateway, staff.operator, (machine, key)).await?;
    note(&gateway, &staff, "reader.enrol", reader_of(&key)).await?;
    Ok(HttpResponse::Created().json(enrolled))
}

async fn replace(
    gateway: web::Data<Gateway>,
    Technician(staff): Technician,
    path: web::Path<String>,
    Body(new): Body<Replacement>,
) -> Result<HttpResponse, Problem> {
    let old = reader_id(&path)?;
    let key = key(&new.public_key, &new.claim_code)?;
    let machine = own(&gateway, old, staff.operator)
        .await?
        .machine()
        .ok_or_else(|| nothing("machine of this reader"))?;
    if reader_of(&key) == old {
        return Err(Kind::Conflict.because("public_key: this is the old board's own key"));
    }
    let fresh = (reader_of(&key), ReaderKey::from_bytes(*key.as_bytes()));
    gateway
        .engine()
        .replace_reader(old, fresh)
        .await
        .map_err(|failure| failure::told(failure, failure::replacement))?;
    let enrolled = take_on(&gateway, staff.operator, (machine, key)).await?;
    note(&gateway, &staff, "reader.replace", old).await?;
    note(&gateway, &staff, "reader.enrol", reader_of(&key)).await?;
    Ok(HttpResponse::Created().json(enrolled))
}

/// Reads a board's key; its claim code proves that it was not mistyped.
fn key(public_key: &str, claim_code: &str) -> Result<PublicKey, Problem> {
    let key = unhex(public_key)
        .map(PublicKey::from_bytes)
        .ok_or_else(|| {
            Kind::Malformed
                .because("public_key: write the 64 hexadecimal digits that the reader shows")
        })?;
    if claim_code.parse() != Ok(channel::claim_code(&key)) {
        return Err(Kind::Malformed.because(
            "claim_code: it does not belong to this public key; compare both with the reader's",
        ));
    }
    Ok(key)
}

fn reader_of(key: &PublicKey) -> ReaderId {
    ReaderId::from_bytes(*channel::reader_id(key).as_bytes())
}

/// Enrols a board, and has it serve a machine.
async fn take_on(
    gateway: &Gateway,
    operator: OperatorId,
    place: (MachineId, PublicKey),
) -> Result<Enrolled, Problem> {
    let (machine, key) = place;
    let reader = reader_of(&key);
    let currency = machine::own(gateway, machine, operator)
        .await?
        .currency()
        .ok_or_else(|| nothing("machine"))?;
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
    if own(gateway, reader, operator).await?.life() == Life::Revoked {
        return Err(Kind::Conflict.because("the reader is revoked; it needs a new key"));
    }
    gateway
        .engine()
        .machine_command(machine, MachineCommand::Claim { reader })
        .await
        .map_err(|failure| failure::told(failure, failure::machine))?;
    Ok(Enrolled {
        reader_id: reader.to_string(),
        server_public_key: gateway.server().key.public().to_string(),
        server_epoch: gateway.server().epoch,
        operator: operator.number(),
    })
}

async fn show(
    gateway: web::Data<Gateway>,
    staff: Staff,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let id = reader_id(&path)?;
    let reader = own(&gateway, id, staff.operator).await?;
    Ok(HttpResponse::Ok().json(with_last_seen(&gateway, id, &reader).await?))
}

async fn revoke(
    gateway: web::Data<Gateway>,
    Technician(staff): Technician,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let id = reader_id(&path)?;
    own(&gateway, id, staff.operator).await?;
    let done = gateway.engine().revoke_reader(id).await;
    done.map_err(|failure| failure::told(failure, failure::reader))?;
    changed(&gateway, &staff, "reader.revoke", id).await
}

async fn confirm(
    gateway: web::Data<Gateway>,
    Technician(staff): Technician,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let id = reader_id(&path)?;
    own(&gateway, id, staff.operator).await?;
    let done = gateway
        .engine()
        .reader_command(id, Command::TrustController)
        .await;
    done.map_err(|failure| failure::told(failure, failure::reader))?;
    changed(&gateway, &staff, "reader.confirm", id).await
}

/// Writes down who did what to a reader, and shows what has become of it.
async fn changed(
    gateway: &Gateway,
    staff: &Staff,
    what: &'static str,
    id: ReaderId,
) -> Result<HttpResponse, Problem> {
    let reader = own(gateway, id, staff.operator).await?;
    note(gateway, staff, what, id).await?;
    Ok(HttpResponse::Ok().json(with_last_seen(gateway, id, &reader).await?))
}

pub(super) async fn note(
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

pub(super) fn reader_id(text: &str) -> Result<ReaderId, Problem> {
    let id: channel::ReaderId = named("reader", text)?;
    Ok(ReaderId::from_bytes(*id.as_bytes()))
}

pub(super) async fn own(
    gateway: &Gateway,
    id: ReaderId,
    operator: OperatorId,
) -> Result<Reader, Problem> {
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

async fn with_last_seen(
    gateway: &Gateway,
    id: ReaderId,
    reader: &Reader,
) -> Result<ShownReader, Problem> {
    let last_seen = gateway
        .database()
        .read(move |connection| fleet::last_seen(connection, id))
        .await?;
    reported::recall(gateway).await?;
    Ok(shown(gateway, id, reader, last_seen.map(|(at, _)| at)))
}

fn shown(
    gateway: &Gateway,
    id: ReaderId,
    reader: &Reader,
    last_seen: Option<Timestamp>,
) -> ShownReader {
    let newest = reader.newest();
    let recorded = newest.map_or(0, |newest| {
        reader.recorded(newest.epoch).map_or(0, |(upto, _)| upto)
    });
    ShownReader {
        reader_id: id.to_string(),
        machine: reader.machine().map(MachineId::number),
        operator: reader.operator().map(OperatorId::number),
        currency: reader.currency().map(|currency| currency.code()),
        state: format!("{:?}", reader.life()).to_lowercase(),
        journal: newest.map(|newest| Journal {
            epoch: newest.epoch.to_string(),
            newest: newest.rseq_newest,
            recorded,
            applied: reader.applied(newest.epoch),
        }),
        contradiction: reader.contradiction().map(contradicted),
        last_seen_ms: last_seen.map(Timestamp::as_millis),
        boot: newest.map(|newest| newest.order.boot),
        firmware: newest.map(|newest| version(newest.facts.firmware)),
        configuration: gateway.reported().configuration(id),
        controller: newest.map(|newest| newest.facts.vmc.to_string()),
        controller_doubted: reader.doubted_controller().is_some(),
        receipts_waiting: newest.map(|newest| newest.rseq_newest.saturating_sub(recorded)),
    }
}

/// A firmware's version as people write it.
pub(super) fn version(firmware: u32) -> String {
    let [_, major, minor, patch] = firmware.to_be_bytes();
    format!("{major}.{minor}.{patch}")
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
