//! Configurations of readers: entered by an operator, brought by a technician's phone.

use super::reader;
use crate::api::{Asker, At, at, does};
use crate::care;
use crate::database::reader_config::{self, ReaderConfig};
use crate::gateway::{Gateway, now};
use crate::problem::{Kind, Problem};
use crate::request::{Body, Technician, nothing};
use actix_web::{HttpResponse, web};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gettone_relay::CONFIGURATION_LEN_MAX;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

/// A configuration for a reader.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewConfig {
    /// What stands over the reader's own files, as one of them would say it (TOML).
    text: String,
}

/// A configuration that a reader is to have.
#[derive(Serialize, ToSchema)]
struct ShownConfig {
    /// Counts up with each one.
    version: u32,
    text: String,
    /// What vouches for it, in base64: the reader is told its hash by the server itself.
    manifest: String,
}

pub(super) fn routes() -> Vec<At> {
    vec![
        at("/v1/readers/{reader}/config")
            .get(
                show,
                does(
                    "Gives the configuration that a reader is to have, for a phone to bring it there",
                    Asker::Technician,
                )
                .answers::<ShownConfig>(200),
            )
            .put(
                change,
                does(
                    "Gives a reader another configuration: any technician's phone brings it",
                    Asker::Technician,
                )
                .takes::<NewConfig>(json!({"text": "language = \"it\"\n"}))
                .answers::<ShownConfig>(200),
            ),
    ]
}

async fn show(
    gateway: web::Data<Gateway>,
    Technician(staff): Technician,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let id = reader::reader_id(&path)?;
    reader::own(&gateway, id, staff.operator).await?;
    let found = gateway
        .database()
        .read(move |connection| reader_config::find(connection, id))
        .await?
        .ok_or_else(|| nothing("configuration of this reader"))?;
    Ok(HttpResponse::Ok().json(shown(&found)?))
}

async fn change(
    gateway: web::Data<Gateway>,
    Technician(staff): Technician,
    path: web::Path<String>,
    Body(new): Body<NewConfig>,
) -> Result<HttpResponse, Problem> {
    let id = reader::reader_id(&path)?;
    reader::own(&gateway, id, staff.operator).await?;
    let len = new.text.len();
    let is_bounded = u32::try_from(len).is_ok_and(|len| (1..=CONFIGURATION_LEN_MAX).contains(&len));
    if !is_bounded {
        return Err(Kind::Malformed
            .because(format!("text: 1 to {CONFIGURATION_LEN_MAX} bytes"))
            .with("limit", CONFIGURATION_LEN_MAX));
    }
    let words = new.text.into_bytes();
    let kept = words.clone();
    let version = gateway
        .database()
        .write(move |transaction| reader_config::put(transaction, id, &kept, now()))
        .await?;
    let config = ReaderConfig { version, words };
    if let Some(manifest) = care::manifest(&config) {
        gateway.packages().note(id, manifest.config());
    }
    reader::note(&gateway, &staff, "reader.config", id).await?;
    Ok(HttpResponse::Ok().json(shown(&config)?))
}

fn shown(config: &ReaderConfig) -> Result<ShownConfig, Problem> {
    let manifest = care::manifest(config)
        .ok_or_else(|| Kind::Internal.because("the configuration kept here is none"))?;
    Ok(ShownConfig {
        version: config.version,
        text: String::from_utf8_lossy(&config.words).into_owned(),
        manifest: STANDARD.encode(manifest.to_bytes()),
    })
}
