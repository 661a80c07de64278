//! What a technician's phone takes with it to a reader: packages, each with what vouches for it.

use super::reader;
use crate::api::{Asker, At, at, does};
use crate::bounds::FIRMWARE_PART_LEN;
use crate::care;
use crate::database::{firmware, reader_config};
use crate::gateway::Gateway;
use crate::problem::Problem;
use crate::request::{Technician, named, nothing};
use crate::stream::{Chunks, chunks};
use actix_web::{HttpResponse, HttpResponseBuilder, rt, web};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use core::str::FromStr;
use gettone_channel::{Config, PackageKind};
use gettone_core::id::OperatorId;
use serde::Serialize;
use utoipa::ToSchema;

/// The packages that a reader is to have.
#[derive(Serialize, ToSchema)]
struct Packages {
    /// The configuration first: it is brought first.
    packages: Vec<Package>,
}

/// A package that a reader is to have; the reader itself decides whether it wants it.
#[derive(Serialize, ToSchema)]
struct Package {
    /// `configuration` or `firmware`.
    kind: &'static str,
    /// The version as CONFIG names it: bit 31 says that it is firmware.
    version: u32,
    /// The version among packages of its kind.
    number: u32,
    /// Bytes of its content.
    size: u32,
    /// What vouches for the content, in base64: the reader is told its hash by the server itself.
    manifest: String,
}

/// A package's kind, in a path.
struct Kind(PackageKind);

impl FromStr for Kind {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut kinds = PackageKind::ALL.iter().copied();
        kinds.find(|kind| word(*kind) == text).map(Self).ok_or(())
    }
}

pub(super) fn routes() -> Vec<At> {
    vec![
        at("/v1/readers/{reader}/packages").get(
            list,
            does(
                "Lists the packages that a reader is to have, for a phone to bring them there",
                Asker::Technician,
            )
            .answers::<Packages>(200),
        ),
        at("/v1/readers/{reader}/packages/{kind}").get(
            show,
            does(
                "Gives the content of a package that a reader is to have",
                Asker::Technician,
            )
            .answers_with(200, "application/octet-stream"),
        ),
    ]
}

async fn list(
    gateway: web::Data<Gateway>,
    Technician(staff): Technician,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let id = reader::reader_id(&path)?;
    reader::own(&gateway, id, staff.operator).await?;
    let operator = staff.operator;
    let (config, firmware) = gateway
        .database()
        .read(move |connection| {
            let config = reader_config::find(connection, id)?;
            Ok((config, firmware::manifest_for(connection, operator, id)?))
        })
        .await?;
    let config = config.as_ref().and_then(care::manifest);
    let config = config.map(|manifest| (manifest.config(), manifest.to_bytes()));
    let packages = [config, firmware].into_iter().flatten();
    let packages = packages
        .map(|(told, manifest)| shown(&told, &manifest))
        .collect();
    Ok(HttpResponse::Ok().json(Packages { packages }))
}

async fn show(
    gateway: web::Data<Gateway>,
    Technician(staff): Technician,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    let (reader, kind) = path.into_inner();
    let id = reader::reader_id(&reader)?;
    let Kind(kind) = named("kind of package", &kind)?;
    reader::own(&gateway, id, staff.operator).await?;
    let content = match kind {
        PackageKind::Configuration => gateway
            .database()
            .read(move |connection| reader_config::find(connection, id))
            .await?
            .map(|config| config.words),
        PackageKind::Firmware => {
            let operator = staff.operator;
            let found = gateway
                .database()
                .read(move |connection| firmware::manifest_for(connection, operator, id))
                .await?;
            let (told, _) = found.ok_or_else(|| nothing("package for this reader"))?;
            return Ok(octets().body(program(gateway, operator, told)));
        }
    };
    let content = content.ok_or_else(|| nothing("package for this reader"))?;
    Ok(octets().body(content))
}

fn octets() -> HttpResponseBuilder {
    let mut answer = HttpResponse::Ok();
    answer.content_type("application/octet-stream");
    answer
}

/// A firmware file, part by part, no faster than it is read; where a part is gone the connection
/// breaks off.
fn program(gateway: web::Data<Gateway>, operator: OperatorId, told: Config) -> Chunks {
    let (mouth, body) = chunks();
    let parts = told.size.div_ceil(FIRMWARE_PART_LEN as u32);
    rt::spawn(async move {
        for place in 0..parts {
            let number = told.number();
            let part = gateway
                .database()
                .read(move |connection| firmware::part(connection, operator, number, place))
                .await;
            let Ok(Some(part)) = part else {
                return mouth.cut().await;
            };
            if mouth.say(part).await.is_err() {
                return;
            }
        }
    });
    body
}

fn shown(told: &Config, manifest: &[u8]) -> Package {
    Package {
        kind: word(told.kind()),
        version: told.version,
        number: told.number(),
        size: told.size,
        manifest: STANDARD.encode(manifest),
    }
}

const fn word(kind: PackageKind) -> &'static str {
    match kind {
        PackageKind::Configuration => "configuration",
        PackageKind::Firmware => "firmware",
    }
}
