//! People who work for an operator: signing in and out, who they are, and what they did.

use super::{Lines, Paging};
use crate::address::email;
use crate::api::{Asker, At, at, does};
use crate::bounds::{NAME_LEN_MAX, PASSWORD_LEN_LEAST, PASSWORD_LEN_MAX, STAFF_MAX};
use crate::cookie::Cookie;
use crate::credential::Ticket;
use crate::database::session::{self, Holder};
use crate::database::staff::{self, Hired, Member, Recruit, Role, StaffId};
use crate::database::staff_log;
use crate::gateway::{Gateway, later, now};
use crate::key;
use crate::password::Password;
use crate::problem::{Kind, Problem};
use crate::request::{self, Body, Client, Owner, Staff, Who, named, nothing};
use crate::text::some_words;
use crate::worker::Undone;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

/// Who signs in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PasswordSignIn {
    /// The e-mail address.
    email: String,
    /// The password.
    password: String,
}

/// Somebody to take on.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewMember {
    /// The e-mail address to sign in with.
    email: String,
    /// What they are called.
    name: String,
    /// What they may do.
    role: Role,
    /// At least ten characters.
    password: String,
}

/// A new password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewPassword {
    /// The one until now.
    old: String,
    /// The one from now on, of at least ten characters.
    new: String,
}

/// Who is signed in.
#[derive(Serialize, ToSchema)]
struct StaffMember {
    /// What they are called.
    name: String,
    /// For whom they work.
    operator: ShownOperator,
    /// What they may do.
    role: Role,
}

/// An operator.
#[derive(Serialize, ToSchema)]
struct ShownOperator {
    number: u32,
    name: String,
}

/// One member of staff.
#[derive(Serialize, ToSchema)]
struct ShownMember {
    id: i64,
    email: String,
    name: String,
    role: Role,
    /// Since when, in milliseconds since 1970.
    since_ms: u64,
}

pub(super) fn routes() -> Vec<At> {
    vec![
        at("/v1/staff/sign-in").post(
            sign_in,
            does("Signs somebody of staff in, by a cookie", Asker::Anyone)
                .takes::<PasswordSignIn>(json!({
                    "email": "ann@example.org", "password": "correct horse battery",
                }))
                .answers::<StaffMember>(200),
        ),
        at("/v1/staff/sign-out").post(
            sign_out,
            does("Signs somebody of staff out", Asker::Anyone).answers_nothing(204),
        ),
        at("/v1/staff/me").get(
            me,
            does("Tells who is signed in", Asker::Staff).answers::<StaffMember>(200),
        ),
        at("/v1/staff/me/password").put(
            change_password,
            does("Changes the password of who is signed in", Asker::Staff)
                .takes::<NewPassword>(json!({
                    "old": "correct horse battery", "new": "staple is not enough",
                }))
                .answers_nothing(204),
        ),
        at("/v1/staff")
            .get(
                all,
                does("Lists everybody of your staff", Asker::Owner).lists::<ShownMember>(),
            )
            .post(
                hire,
                does("Takes somebody on", Asker::Owner)
                    .takes::<NewMember>(json!({
                        "email": "bob@example.org", "name": "Bob", "role": "technician",
                        "password": "correct horse battery",
                    }))
                    .answers::<ShownMember>(201),
            ),
        at("/v1/staff/{id}").delete(
            dismiss,
            does("Lets somebody go; their sessions end", Asker::Owner).answers_nothing(204),
        ),
        at("/v1/staff-log").get(
            log,
            does("Lists what staff did, the newest first", Asker::Owner)
                .paged()
                .lists::<staff_log::Line>(),
        ),
    ]
}

async fn sign_in(
    gateway: web::Data<Gateway>,
    request: HttpRequest,
    Client(client): Client,
    Body(tried): Body<PasswordSignIn>,
) -> Result<HttpResponse, Problem> {
    gateway.count_client(client)?;
    let wrong = || Kind::Unauthorized.because("the e-mail address or the password is wrong");
    let email = email(&tried.email).ok_or_else(wrong)?;
    gateway.count_email(&email)?;
    let password = Password::tried(tried.password).ok_or_else(wrong)?;
    let found = gateway
        .database()
        .read(move |connection| staff::find_by_email(connection, &email))
        .await?;
    let (member, hash) = found.unzip();
    let is_right = gateway
        .passwords()
        .check(password, hash)
        .await
        .map_err(undone)?;
    let member = member.filter(|_| is_right).ok_or_else(wrong)?;
    let operator = gateway.operator_name(member.operator).ok_or_else(wrong)?;
    let shown = StaffMember {
        name: member.name,
        operator: ShownOperator {
            number: member.operator.number(),
            name: operator.to_owned(),
        },
        role: member.role,
    };
    let token = fresh("")?;
    let (digest, begun) = (token.digest(), now());
    let life = (begun, later(begun, Cookie::Staff.life()));
    gateway
        .database()
        .write(move |transaction| {
            session::begin(transaction, &digest, Holder::Staff(member.id), life)
        })
        .await?;
    Ok(HttpResponse::Ok()
        .insert_header(Cookie::Staff.given(&request, &token))
        .json(shown))
}

async fn sign_out(
    gateway: web::Data<Gateway>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    end_session(&gateway, &request, Cookie::Staff).await
}

/// Ends the session of a cookie, and takes the cookie away.
pub(super) async fn end_session(
    gateway: &Gateway,
    request: &HttpRequest,
    cookie: Cookie,
) -> Result<HttpResponse, Problem> {
    if let Some(token) = request::cookie(request, cookie.name()) {
        gateway
            .database()
            .write(move |transaction| session::end(transaction, &token))
            .await?;
    }
    Ok(HttpResponse::NoContent()
        .insert_header(cookie.taken(request))
        .finish())
}

async fn me(gateway: web::Data<Gateway>, staff: Staff) -> web::Json<StaffMember> {
    web::Json(StaffMember {
        name: match staff.who {
            Who::Member { name, .. } => name,
            who @ (Who::Configured | Who::ApiKey(_)) => who.to_string(),
        },
        operator: ShownOperator {
            number: staff.operator.number(),
            name: gateway
                .operator_name(staff.operator)
                .unwrap_or_default()
                .to_owned(),
        },
        role: staff.role,
    })
}

async fn change_password(
    gateway: web::Data<Gateway>,
    staff: Staff,
    Body(new): Body<NewPassword>,
) -> Result<HttpResponse, Problem> {
    let Who::Member { id, email, .. } = &staff.who else {
        return Err(Kind::Forbidden.because("an API key has no password; make another key"));
    };
    gateway.count_email(email)?;
    let wrong = || Kind::Forbidden.because("old: that is not your password");
    let old = Password::tried(new.old).ok_or_else(wrong)?;
    let chosen = chosen("new", new.new)?;
    let (id, email) = (*id, email.clone());
    let hash = gateway
        .database()
        .read(move |connection| staff::find_by_email(connection, &email))
        .await?
        .map(|(_, hash)| hash);
    if !gateway.passwords().check(old, hash).await.map_err(undone)? {
        return Err(wrong());
    }
    let hash = hashed(&gateway, chosen).await?;
    let (operator, line) = (staff.operator, staff.did("staff.password", &staff.who));
    gateway
        .database()
        .write(move |transaction| {
            staff::change_password(transaction, id, &hash)?;
            staff_log::add(transaction, operator, &line)
        })
        .await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn all(
    gateway: web::Data<Gateway>,
    Owner(staff): Owner,
) -> Result<web::Json<Lines<ShownMember>>, Problem> {
    let members = gateway
        .database()
        .read(move |connection| staff::all(connection, staff.operator))
        .await?;
    let lines: Vec<ShownMember> = members.into_iter().map(shown).collect();
    Ok(web::Json(lines.into()))
}

async fn hire(
    gateway: web::Data<Gateway>,
    Owner(staff): Owner,
    Body(new): Body<NewMember>,
) -> Result<HttpResponse, Problem> {
    let recruit = Recruit {
        operator: staff.operator,
        email: email(&new.email)
            .ok_or_else(|| Kind::Malformed.because("email: write an e-mail address"))?,
        name: some_words("name", &new.name, NAME_LEN_MAX)?,
        role: new.role,
        password: hashed(&gateway, chosen("password", new.password)?).await?,
    };
    let mut line = staff.did("staff.add", &recruit.email);
    line.after = Some(json!({"name": recruit.name, "role": recruit.role}));
    let at = now();
    let hired = gateway
        .database()
        .write(move |transaction| {
            if staff::all(transaction, recruit.operator)?.len() >= STAFF_MAX {
                return Ok(None);
            }
            let hired = staff::hire(transaction, &recruit, at)?;
            if let Hired::As(_) = hired {
                staff_log::add(transaction, recruit.operator, &line)?;
            }
            Ok(Some((hired, recruit)))
        })
        .await?;
    match hired {
        None => Err(Kind::Refused.because(format!("at most {STAFF_MAX} of staff"))),
        Some((Hired::EmailTaken, _)) => {
            Err(Kind::Conflict.because("email: somebody signs in with it already"))
        }
        Some((Hired::As(id), recruit)) => Ok(HttpResponse::Created().json(ShownMember {
            id: id.number(),
            email: recruit.email,
            name: recruit.name,
            role: recruit.role,
            since_ms: at.as_millis(),
        })),
    }
}

async fn dismiss(
    gateway: web::Data<Gateway>,
    Owner(staff): Owner,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let id = StaffId::new(named("member of staff", &path)?);
    let operator = staff.operator;
    let mut line = staff.did("staff.remove", "");
    gateway
        .database()
        .write(move |transaction| {
            let gone = staff::dismiss(transaction, operator, id)?;
            if let Some(member) = &gone {
                line.subject.clone_from(&member.email);
                line.before = Some(json!({"name": member.name, "role": member.role}));
                staff_log::add(transaction, operator, &line)?;
            }
            Ok(gone)
        })
        .await?
        .ok_or_else(|| nothing("member of staff"))?;
    Ok(HttpResponse::NoContent().finish())
}

async fn log(
    gateway: web::Data<Gateway>,
    Owner(staff): Owner,
    paging: web::Query<Paging>,
) -> Result<web::Json<Lines<staff_log::Line>>, Problem> {
    let page = gateway
        .database()
        .read(move |connection| {
            staff_log::all(connection, staff.operator, paging.cursor, paging.len())
        })
        .await?;
    Ok(web::Json(page.into()))
}

/// A fresh secret to give away.
pub(super) fn fresh(prefix: &str) -> Result<Ticket, Problem> {
    key::random()
        .map(|bytes| Ticket::new(prefix, &bytes))
        .map_err(|fault| {
            tracing::error!(%fault, "no secret can be made");
            Kind::Internal.because("no secret can be made")
        })
}

fn chosen(field: &str, text: String) -> Result<Password, Problem> {
    Password::chosen(text).ok_or_else(|| {
        Kind::Malformed.because(format!(
            "{field}: write at least {PASSWORD_LEN_LEAST} characters and at most \
             {PASSWORD_LEN_MAX} bytes"
        ))
    })
}

async fn hashed(gateway: &Gateway, password: Password) -> Result<String, Problem> {
    gateway
        .passwords()
        .hash(password)
        .await
        .map_err(undone)?
        .ok_or_else(|| Kind::Internal.because("the password cannot be hashed"))
}

fn undone(undone: Undone) -> Problem {
    match undone {
        Undone::Full => Kind::Busy
            .because("too many sign in at once")
            .retry_after(core::time::Duration::from_secs(1)),
        Undone::BrokenOff => Kind::Internal.because("the password could not be checked"),
    }
}

fn shown(member: Member) -> ShownMember {
    ShownMember {
        id: member.id.number(),
        email: member.email,
        name: member.name,
        role: member.role,
        since_ms: member.since.as_millis(),
    }
}
