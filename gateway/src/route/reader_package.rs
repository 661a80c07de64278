//! What a technician's phone takes with it to a reader: packages, each with what vouches for it.

use super::reader;
use crate::api::{Asker, At, at, does};
use crate::care;
use crate::database::reader_config;
use crate::gateway::Gateway;
use crate::problem::Problem;
use crate::request::{Technician, named, nothing};
use actix_web::{HttpResponse, web};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use core::str::FromStr;
use gettone_channel::{Manifest, PackageKind};
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
    let config = gateway
        .database()
        .read(move |connection| reader_config::find(connection, id))
        .await?;
    let manifests = config.as_ref().and_then(care::manifest);
    let packages = manifests.iter().map(shown).collect();
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
        PackageKind::Firmware => None,
    };
    let content = content.ok_or_else(|| nothing("package for this reader"))?;
    Ok(HttpResponse::Ok()
        .content_type("application/octet-stream")
        .body(content))
}

fn shown(manifest: &Manifest) -> Package {
    let told = manifest.config();
    Package {
        kind: word(told.kind()),
        version: told.version,
        number: told.number(),
        size: told.size,
        manifest: STANDARD.encode(manifest.to_bytes()),
    }
}

const fn word(kind: PackageKind) -> &'static str {
    match kind {
        PackageKind::Configuration => "configuration",
        PackageKind::Firmware => "firmware",
    }
}
