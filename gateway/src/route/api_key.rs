//! API keys that owners make for programs; each is shown once.

use super::Lines;
use super::staff::fresh;
use crate::api::{Asker, At, at, does};
use crate::bounds::{API_KEYS_MAX, NAME_LEN_MAX};
use crate::database::api_key;
use crate::database::staff::Role;
use crate::database::staff_log;
use crate::gateway::{Gateway, now};
use crate::problem::{Kind, Problem};
use crate::request::{Body, Owner, named, nothing};
use crate::text::some_words;
use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

/// By what a key is recognised wherever it should not be.
const PREFIX: &str = "gettone_";

/// A key to make.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewApiKey {
    /// What it is for.
    name: String,
    /// What it may do.
    role: Role,
}

/// A key that was made.
#[derive(Serialize, ToSchema)]
struct MadeApiKey {
    id: i64,
    /// What it is for.
    name: String,
    /// What it may do.
    role: Role,
    /// The key; nobody can show it again.
    key: String,
}

/// A key as it is listed.
#[derive(Serialize, ToSchema)]
struct ShownApiKey {
    id: i64,
    /// What it is for.
    name: String,
    /// What it may do.
    role: Role,
    /// Who made it.
    made_by: String,
    /// Since when, in milliseconds since 1970.
    since_ms: u64,
}

pub(super) fn routes() -> Vec<At> {
    vec![
        at("/v1/api-keys")
            .get(
                all,
                does("Lists API keys, without the keys", Asker::Owner).lists::<ShownApiKey>(),
            )
            .post(
                make,
                does("Makes an API key, and shows it this once", Asker::Owner)
                    .takes::<NewApiKey>(json!({"name": "till", "role": "clerk"}))
                    .answers::<MadeApiKey>(201),
            ),
        at("/v1/api-keys/{id}").delete(
            revoke,
            does("Revokes an API key", Asker::Owner).answers_nothing(204),
        ),
    ]
}

async fn all(
    gateway: web::Data<Gateway>,
    Owner(staff): Owner,
) -> Result<web::Json<Lines<ShownApiKey>>, Problem> {
    let keys = gateway
        .database()
        .read(move |connection| api_key::all(connection, staff.operator))
        .await?;
    let lines: Vec<ShownApiKey> = keys
        .into_iter()
        .map(|key| ShownApiKey {
            id: key.id,
            name: key.name,
            role: key.role,
            made_by: key.made_by,
            since_ms: key.since.as_millis(),
        })
        .collect();
    Ok(web::Json(lines.into()))
}

async fn make(
    gateway: web::Data<Gateway>,
    Owner(staff): Owner,
    Body(new): Body<NewApiKey>,
) -> Result<HttpResponse, Problem> {
    let name = some_words("name", &new.name, NAME_LEN_MAX)?;
    let ticket = fresh(PREFIX)?;
    let (operator, role, digest) = (staff.operator, new.role, ticket.digest());
    let mut line = staff.did("api-key.add", &name);
    line.after = Some(json!({"role": role}));
    let noted = name.clone();
    let id = gateway
        .database()
        .write(move |transaction| {
            if api_key::all(transaction, operator)?.len() >= API_KEYS_MAX {
                return Ok(None);
            }
            let made = (line.who.as_str(), now());
            let id = api_key::make(transaction, (operator, &digest), &noted, role, made)?;
            staff_log::add(transaction, operator, &line)?;
            Ok(Some(id))
        })
        .await?
        .ok_or_else(|| {
            Kind::Refused.because(format!("at most {API_KEYS_MAX} API keys; revoke one first"))
        })?;
    Ok(HttpResponse::Created().json(MadeApiKey {
        id,
        name,
        role,
        key: ticket.as_str().to_owned(),
    }))
}

async fn revoke(
    gateway: web::Data<Gateway>,
    Owner(staff): Owner,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let id = named("API key", &path)?;
    let operator = staff.operator;
    let mut line = staff.did("api-key.remove", "");
    gateway
        .database()
        .write(move |transaction| {
            let gone = api_key::revoke(transaction, operator, id)?;
            if let Some(key) = &gone {
                line.subject.clone_from(&key.name);
                line.before = Some(json!({"role": key.role}));
                staff_log::add(transaction, operator, &line)?;
            }
            Ok(gone)
        })
        .await?
        .ok_or_else(|| nothing("API key"))?;
    Ok(HttpResponse::NoContent().finish())
}
