//! Programs for readers: entered by an operator as firmware files, brought by a technician's phone.
//! The gateway signs none and vouches for none: a reader takes what its own release key vouches for.

use super::reader;
use crate::api::{Asker, At, at, does};
use crate::bounds::{FIRMWARE_MAX, FIRMWARE_TIME_MAX, READERS_AT_ONCE};
use crate::database::firmware::{self, Firmware, NewFirmware, Put};
use crate::database::staff_log;
use crate::fleet;
use crate::gateway::{Gateway, now};
use crate::problem::{Kind, Problem};
use crate::request::{Body, Staff, Technician, is_octets, named, nothing};
use actix_web::{HttpRequest, HttpResponse, rt, web};
use gettone_channel::{
    Config, FirmwareFormat, FirmwareHeader, Manifest, PACKAGE_LEN_MAX, PackageKind,
};
use gettone_core::id::ReaderId;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

/// One program is taken in at a time: each may fill a package.
const UPLOAD: [u8; 32] = [0xf1; 32];

/// A program for readers.
#[derive(Serialize, ToSchema)]
struct ShownFirmware {
    /// Greater is newer.
    number: u32,
    /// The number as a version.
    version: String,
    /// For which kind of board.
    board: String,
    /// Bytes of the firmware file.
    size: u32,
    /// When it was entered.
    at_ms: u64,
    /// Readers that are to have it.
    readers: u64,
}

/// An operator's programs.
#[derive(Serialize, ToSchema)]
struct ShownFirmwares {
    /// The newest number first.
    firmware: Vec<ShownFirmware>,
}

/// The program that a reader is to have.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Wanted {
    number: u32,
}

/// Which readers are to have a program.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Rollout {
    /// Their names; left out for every reader of the operator.
    readers: Option<Vec<String>>,
}

/// What readers are to have.
#[derive(Serialize, ToSchema)]
struct Assigned {
    number: u32,
    /// How many.
    readers: usize,
}

pub(super) fn routes() -> Vec<At> {
    vec![
        at("/v1/firmware").get(
            list,
            does("Lists the programs for readers", Asker::Technician)
                .answers::<ShownFirmwares>(200),
        ),
        at("/v1/firmware/{number}")
            .put(
                put,
                does(
                    "Enters a firmware file: a number is used once",
                    Asker::Technician,
                )
                .takes_octets()
                .answers::<ShownFirmware>(200),
            )
            .delete(
                remove,
                does(
                    "Forgets a program, and that readers are to have it",
                    Asker::Technician,
                )
                .answers_nothing(204),
            ),
        at("/v1/firmware/{number}/readers").post(
            roll_out,
            does(
                "Gives a program to some readers, or to all of the operator's",
                Asker::Technician,
            )
            .takes::<Rollout>(json!({}))
            .answers::<Assigned>(200),
        ),
        at("/v1/readers/{reader}/firmware").put(
            assign,
            does(
                "Gives a reader another program: any technician's phone brings it",
                Asker::Technician,
            )
            .takes::<Wanted>(json!({"number": 7}))
            .answers::<Assigned>(200),
        ),
    ]
}

async fn list(
    gateway: web::Data<Gateway>,
    Technician(staff): Technician,
) -> Result<HttpResponse, Problem> {
    let all = gateway
        .database()
        .read(move |connection| firmware::list(connection, staff.operator))
        .await?;
    let firmware = all.into_iter().map(shown).collect();
    Ok(HttpResponse::Ok().json(ShownFirmwares { firmware }))
}

async fn put(
    gateway: web::Data<Gateway>,
    Technician(staff): Technician,
    path: web::Path<String>,
    request: HttpRequest,
    body: web::Payload,
) -> Result<HttpResponse, Problem> {
    let number: u32 = named("number of a program", &path)?;
    if !is_octets(&request) {
        return Err(Kind::MediaType
            .because("send a firmware file with content-type: application/octet-stream"));
    }
    let Some(_upload) = gateway.take_up(UPLOAD) else {
        return Err(Kind::Busy
            .because("another firmware file is under way")
            .retry_after(core::time::Duration::from_secs(5)));
    };
    let content = rt::time::timeout(FIRMWARE_TIME_MAX, body.to_bytes_limited(PACKAGE_LEN_MAX))
        .await
        .map_err(|_| Kind::TooSlow.because("the rest of the file did not come"))?
        .map_err(|_| {
            Kind::TooLong
                .because(format!("at most {PACKAGE_LEN_MAX} bytes"))
                .with("limit", PACKAGE_LEN_MAX)
        })?
        .map_err(|fault| Kind::Malformed.because(fault))?;
    let new = checked(&staff, number, &content)?;
    let (kept, told) = (new.clone(), new.told);
    let put = gateway
        .database()
        .write(move |transaction| firmware::put(transaction, &kept, &content, FIRMWARE_MAX))
        .await?;
    match put {
        Put::Kept | Put::Same => {}
        Put::Other => {
            return Err(
                Kind::Conflict.because("another program has this number; use a greater one")
            );
        }
        Put::Full => {
            return Err(Kind::Refused
                .because("there are as many programs as are kept; delete one first")
                .with("limit", FIRMWARE_MAX));
        }
    }
    note(&gateway, &staff, "firmware.put", number).await?;
    Ok(HttpResponse::Ok().json(shown(Firmware {
        number,
        at: new.at,
        board: new.board,
        size: told.size,
        readers: 0,
    })))
}

/// What is entered here has to be what a reader could take; who signed it, readers find out.
fn checked(staff: &Staff, number: u32, content: &[u8]) -> Result<NewFirmware, Problem> {
    let lame = |why: &str| Kind::Malformed.because(format!("no firmware file: {why}"));
    let (header, ..) = FirmwareHeader::from_bytes(content).ok_or_else(|| lame("its header"))?;
    if header.number != number {
        return Err(lame("it has another number").with("number", header.number));
    }
    let body = content.get(FirmwareHeader::LEN..).unwrap_or_default();
    let is_whole = u32::try_from(body.len()) == Ok(header.body_len);
    let is_told = match header.format {
        FirmwareFormat::Plain => header.program == <[u8; 32]>::from(Sha256::digest(body)),
        // Nobody inflates here: the reader does, and looks at the hash.
        FirmwareFormat::Deflated => true,
    };
    if !is_whole || !is_told {
        return Err(lame("its program is not whole"));
    }
    let manifest = Manifest::of(PackageKind::Firmware, number, content)
        .ok_or_else(|| lame("its length or its number"))?;
    Ok(NewFirmware {
        operator: staff.operator,
        number,
        at: now(),
        board: header.board,
        told: manifest.config(),
        manifest,
    })
}

async fn remove(
    gateway: web::Data<Gateway>,
    Technician(staff): Technician,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let number: u32 = named("program", &path)?;
    let operator = staff.operator;
    let found = gateway
        .database()
        .write(move |transaction| firmware::remove(transaction, operator, number))
        .await?;
    if !found {
        return Err(nothing("program"));
    }
    gateway.packages().forget_firmware(operator, number);
    note(&gateway, &staff, "firmware.delete", number).await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn roll_out(
    gateway: web::Data<Gateway>,
    Technician(staff): Technician,
    path: web::Path<String>,
    Body(rollout): Body<Rollout>,
) -> Result<HttpResponse, Problem> {
    let number: u32 = named("program", &path)?;
    let told = find(&gateway, &staff, number).await?;
    let readers = match rollout.readers {
        Some(names) if names.len() > READERS_AT_ONCE => {
            return Err(Kind::Malformed
                .because(format!("readers: at most {READERS_AT_ONCE} at once"))
                .with("limit", READERS_AT_ONCE));
        }
        Some(names) => {
            let mut readers = Vec::with_capacity(names.len());
            for name in &names {
                let id = reader::reader_id(name)?;
                reader::own(&gateway, id, staff.operator).await?;
                readers.push(id);
            }
            readers
        }
        None => every(&gateway, &staff).await?,
    };
    give(&gateway, &staff, told, readers).await
}

async fn assign(
    gateway: web::Data<Gateway>,
    Technician(staff): Technician,
    path: web::Path<String>,
    Body(wanted): Body<Wanted>,
) -> Result<HttpResponse, Problem> {
    let id = reader::reader_id(&path)?;
    reader::own(&gateway, id, staff.operator).await?;
    let told = find(&gateway, &staff, wanted.number).await?;
    give(&gateway, &staff, told, vec![id]).await
}

/// Every reader of the operator that still is one.
async fn every(gateway: &Gateway, staff: &Staff) -> Result<Vec<ReaderId>, Problem> {
    let operator = staff.operator;
    let (mut readers, mut cursor) = (Vec::new(), None);
    loop {
        let page = gateway
            .database()
            .read(move |connection| fleet::readers(connection, operator, cursor, READERS_AT_ONCE))
            .await?;
        for heard in page.lines {
            if reader::own(gateway, heard.reader, operator).await.is_ok() {
                readers.push(heard.reader);
            }
        }
        cursor = page.next;
        if cursor.is_none() {
            return Ok(readers);
        }
    }
}

async fn find(gateway: &Gateway, staff: &Staff, number: u32) -> Result<Config, Problem> {
    let operator = staff.operator;
    gateway
        .database()
        .read(move |connection| firmware::find(connection, operator, number))
        .await?
        .ok_or_else(|| nothing("program"))
}

async fn give(
    gateway: &Gateway,
    staff: &Staff,
    told: Config,
    readers: Vec<ReaderId>,
) -> Result<HttpResponse, Problem> {
    let (operator, number, kept) = (staff.operator, told.number(), readers.clone());
    gateway
        .database()
        .write(move |transaction| firmware::assign(transaction, operator, number, &kept))
        .await?;
    gateway.packages().note_firmware(&readers, operator, told);
    match readers[..] {
        [reader] => reader::note(gateway, staff, "reader.firmware", reader).await?,
        _ => note(gateway, staff, "firmware.readers", number).await?,
    }
    Ok(HttpResponse::Ok().json(Assigned {
        number,
        readers: readers.len(),
    }))
}

async fn note(
    gateway: &Gateway,
    staff: &Staff,
    what: &'static str,
    number: u32,
) -> Result<(), Problem> {
    let (operator, line) = (
        staff.operator,
        staff.did(what, format_args!("firmware {number}")),
    );
    Ok(gateway
        .database()
        .write(move |transaction| staff_log::add(transaction, operator, &line))
        .await?)
}

fn shown(firmware: Firmware) -> ShownFirmware {
    ShownFirmware {
        number: firmware.number,
        version: reader::version(firmware.number),
        board: firmware.board,
        size: firmware.size,
        at_ms: firmware.at.as_millis(),
        readers: firmware.readers,
    }
}
