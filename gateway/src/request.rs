//! What routes take from a request: who asks, and the body, each refused with a problem.

use crate::bounds::BODY_LEN_MAX;
use crate::credential::{Bearer, KeyDigest};
use crate::database::person::{self, CustomerNumber};
use crate::database::session::{self, Holder};
use crate::database::staff::{self, Role, StaffId};
use crate::database::{api_key, staff_log};
use crate::gateway::{Gateway, now};
use crate::origin::client;
use crate::problem::{Kind, Problem};
use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::header::{AUTHORIZATION, COOKIE};
use actix_web::{FromRequest, HttpMessage, HttpRequest, rt, web};
use core::fmt;
use core::future::{Ready, ready};
use core::pin::Pin;
use core::str::FromStr;
use gettone_core::id::{OperatorId, WalletId};
use gettone_core::money::Currency;
use serde::de::DeserializeOwned;
use std::net::IpAddr;

/// The cookie of somebody of staff who signed in.
pub(crate) const STAFF_COOKIE: &str = "gettone_staff";
/// The cookie of a customer who signed in.
pub(crate) const APP_COOKIE: &str = "gettone_app";

/// Who asks for an operator, which is never taken from the URL; any role.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Staff {
    /// For which operator.
    pub operator: OperatorId,
    /// With which rights.
    pub role: Role,
    /// Who exactly.
    pub who: Who,
}

/// By what somebody of an operator is known.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Who {
    /// By the API key in the configuration.
    Configured,
    /// By an API key that somebody made, with this name.
    ApiKey(String),
    /// By an e-mail address and a password.
    Member {
        /// Which.
        id: StaffId,
        /// The address.
        email: String,
        /// The name.
        name: String,
    },
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configured => f.write_str("configured API key"),
            Self::ApiKey(name) => write!(f, "API key {name:?}"),
            Self::Member { email, .. } => f.write_str(email),
        }
    }
}

impl Staff {
    /// Whose idempotency keys these are.
    pub(crate) fn principal(&self) -> String {
        format!("operator {}", self.operator)
    }

    /// A line for the log of what staff did.
    pub(crate) fn did(&self, what: &'static str, subject: impl fmt::Display) -> staff_log::Line {
        staff_log::Line::new(now(), self.who.to_string(), what, subject.to_string())
    }
}

/// Declares who may ask: an extractor for each set of roles.
macro_rules! duties {
    ($($(#[$doc:meta])* $name:ident = [$($role:ident),*], $words:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub(crate) struct $name(pub Staff);

        impl FromRequest for $name {
            type Error = Problem;
            type Future = Later<Self>;

            fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
                let request = request.clone();
                Box::pin(async move {
                    let staff = signed_in(&request).await?;
                    match staff.role {
                        $(Role::$role)|* => Ok(Self(staff)),
                        #[allow(unreachable_patterns, reason = "a duty may be everybody's")]
                        other => Err(Kind::Forbidden.because(format!(
                            concat!("this is for ", $words, ", not for a {}"),
                            other
                        ))),
                    }
                })
            }
        }
    )*};
}

duties! {
    /// Somebody who may do everything for an operator.
    Owner = [Owner], "an owner";
    /// Somebody who may move an operator's money.
    Clerk = [Owner, Clerk], "an owner or a clerk";
    /// Somebody who may change an operator's machines.
    Technician = [Owner, Technician], "an owner or a technician";
}

/// The platform that asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Platform;

/// The customer that asks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Customer {
    /// By the token of one wallet, which an operator gave out.
    Token(WalletId),
    /// By having signed in, with every wallet of theirs.
    Person(CustomerNumber, Vec<(Currency, WalletId)>),
}

impl Customer {
    /// The wallet to pay from in a currency. A token names its wallet, whatever the currency.
    pub(crate) fn wallet_in(&self, currency: Currency) -> Option<WalletId> {
        match self {
            Self::Token(wallet) => Some(*wallet),
            Self::Person(_, wallets) => wallets
                .iter()
                .find(|(other, _)| *other == currency)
                .map(|(_, wallet)| *wallet),
        }
    }

    /// Who it is, for the names of what is asked for.
    pub(crate) fn principal(&self) -> String {
        match self {
            Self::Token(wallet) => format!("wallet {wallet}"),
            Self::Person(number, _) => format!("customer {}", number.number()),
        }
    }

    /// Every wallet.
    pub(crate) fn wallets(&self) -> Vec<WalletId> {
        match self {
            Self::Token(wallet) => vec![*wallet],
            Self::Person(_, wallets) => wallets.iter().map(|(_, wallet)| *wallet).collect(),
        }
    }

    /// Who signed in.
    ///
    /// # Errors
    /// `Forbidden` for a token, which names a wallet and nobody.
    pub(crate) fn person(&self) -> Result<CustomerNumber, Problem> {
        match self {
            Self::Token(_) => Err(Kind::Forbidden
                .because("a token names a wallet and nobody; sign in with an address")),
            Self::Person(number, _) => Ok(*number),
        }
    }
}

/// The customer that asks, or anybody.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Anyone(pub Option<Customer>);

/// The network address that a request comes from; IPv6 networks are one client each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Client(pub IpAddr);

/// A JSON body.
#[derive(Debug)]
pub(crate) struct Body<T>(pub T);

/// A JSON body, as it came.
#[derive(Debug)]
pub(crate) struct RawJson(pub web::Bytes);

/// What is known later.
pub(crate) type Later<T> = Pin<Box<dyn Future<Output = Result<T, Problem>>>>;

impl FromRequest for Staff {
    type Error = Problem;
    type Future = Later<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { signed_in(&request).await })
    }
}

impl FromRequest for Platform {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(gateway(request).and_then(|gateway| {
            bearer(request)
                .is_some_and(|bearer| gateway.is_platform(&bearer))
                .then_some(Self)
                .ok_or_else(unknown)
        }))
    }
}

impl FromRequest for Customer {
    type Error = Problem;
    type Future = Later<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { customer(&request).await?.ok_or_else(unknown) })
    }
}

impl FromRequest for Anyone {
    type Error = Problem;
    type Future = Later<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            match customer(&request).await? {
                // A wrong credential is not taken for none; a session that has ended is, because
                // nobody can take its cookie away in the middle of a relay.
                None if request.headers().contains_key(AUTHORIZATION) => Err(unknown()),
                found => Ok(Self(found)),
            }
        })
    }
}

impl FromRequest for Client {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(gateway(request).map(|gateway| Self(client(request, gateway))))
    }
}

impl<T: DeserializeOwned + 'static> FromRequest for Body<T> {
    type Error = Problem;
    type Future = Later<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let bytes = json_bytes(request, payload);
        Box::pin(async move { parsed(&bytes.await?).map(Self) })
    }
}

impl FromRequest for RawJson {
    type Error = Problem;
    type Future = Later<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let bytes = json_bytes(request, payload);
        Box::pin(async move { bytes.await.map(Self) })
    }
}

/// The bytes of a JSON body, within its bounds of length and time.
pub(crate) fn json_bytes(request: &HttpRequest, payload: &mut Payload) -> Later<web::Bytes> {
    let is_json = is_json(request);
    let wait = gateway(request).map(|gateway| gateway.body_timeout());
    let bytes = web::Bytes::from_request(request, payload);
    Box::pin(async move {
        if !is_json {
            return Err(no_json());
        }
        rt::time::timeout(wait?, bytes)
            .await
            .map_err(|_| Kind::TooSlow.because("the rest of the body did not come"))?
            .map_err(|fault| unread(&fault))
    })
}

/// Reads a JSON body.
///
/// # Errors
/// `Malformed`, with what is wrong where.
pub(crate) fn parsed<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(bytes).map_err(|fault| Kind::Malformed.because(fault))
}

/// Reads a name out of the path; what is no such name names nothing.
///
/// # Errors
/// `NotFound`.
pub(crate) fn named<T: FromStr>(what: &str, text: &str) -> Result<T, Problem> {
    text.parse().map_err(|_| nothing(what))
}

/// The answer to who names what is not there, or is somebody else's.
pub(crate) fn nothing(what: &str) -> Problem {
    Kind::NotFound.because(format!("there is no such {what}"))
}

/// The token in a cookie, when there is one.
pub(crate) fn cookie(request: &HttpRequest, name: &str) -> Option<KeyDigest> {
    request
        .headers()
        .get_all(COOKIE)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(other, _)| *other == name)
        .and_then(|(_, token)| Bearer::from_cookie(token))
        .map(|token| token.digest())
}

async fn signed_in(request: &HttpRequest) -> Result<Staff, Problem> {
    let gateway = gateway(request)?;
    if request.headers().contains_key(AUTHORIZATION) {
        let bearer = bearer(request).ok_or_else(unknown)?;
        if let Some(entry) = gateway.operator(&bearer) {
            return Ok(Staff {
                operator: entry.id,
                role: Role::Owner,
                who: Who::Configured,
            });
        }
        let digest = bearer.digest();
        let key = gateway
            .database()
            .read(move |connection| api_key::find(connection, &digest))
            .await?
            .ok_or_else(unknown)?;
        return serving(
            gateway,
            Staff {
                operator: key.operator,
                role: key.role,
                who: Who::ApiKey(key.name),
            },
        );
    }
    let token = cookie(request, STAFF_COOKIE).ok_or_else(unknown)?;
    let member = gateway
        .database()
        .read(move |connection| {
            Ok(match session::find(connection, &token, now())? {
                Some(Holder::Staff(id)) => staff::find(connection, id)?,
                Some(Holder::Customer(_)) | None => None,
            })
        })
        .await?
        .ok_or_else(unknown)?;
    not_a_form(request)?;
    serving(
        gateway,
        Staff {
            operator: member.operator,
            role: member.role,
            who: Who::Member {
                id: member.id,
                email: member.email,
                name: member.name,
            },
        },
    )
}

/// Lets nobody in for an operator that the configuration has no more.
fn serving(gateway: &Gateway, staff: Staff) -> Result<Staff, Problem> {
    match gateway.operator_name(staff.operator) {
        Some(_) => Ok(staff),
        None => Err(unknown()),
    }
}

async fn customer(request: &HttpRequest) -> Result<Option<Customer>, Problem> {
    let gateway = gateway(request)?;
    if request.headers().contains_key(AUTHORIZATION) {
        return Ok(bearer(request)
            .and_then(|bearer| gateway.wallet(&bearer))
            .map(Customer::Token));
    }
    let Some(token) = cookie(request, APP_COOKIE) else {
        return Ok(None);
    };
    let found = gateway
        .database()
        .read(move |connection| {
            Ok(match session::find(connection, &token, now())? {
                Some(Holder::Customer(number)) => {
                    Some((number, person::wallets(connection, number)?))
                }
                Some(Holder::Staff(_)) | None => None,
            })
        })
        .await?;
    if found.is_some() {
        not_a_form(request)?;
    }
    Ok(found.map(|(number, wallets)| Customer::Person(number, wallets)))
}

/// A browser adds cookies to forms of other sites too, where it is told to; but no form has this
/// content type, and a script of another site may not send it.
fn not_a_form(request: &HttpRequest) -> Result<(), Problem> {
    if request.method().is_safe() || is_json(request) || is_octets(request) {
        Ok(())
    } else {
        Err(no_json())
    }
}

fn bearer(request: &HttpRequest) -> Option<Bearer<'_>> {
    request
        .headers()
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(Bearer::from_header)
}

fn unknown() -> Problem {
    Kind::Unauthorized
        .because("sign in, or send authorization: Bearer with a credential for this route")
}

fn gateway(request: &HttpRequest) -> Result<&web::Data<Gateway>, Problem> {
    request
        .app_data::<web::Data<Gateway>>()
        .ok_or_else(|| Kind::Internal.because("a route without its gateway"))
}

fn is_json(request: &HttpRequest) -> bool {
    request.content_type() == "application/json"
}

/// Whether the body is a file.
pub(crate) fn is_octets(request: &HttpRequest) -> bool {
    request.content_type() == "application/octet-stream"
}

fn no_json() -> Problem {
    Kind::MediaType.because("send a JSON body with content-type: application/json")
}

fn unread(fault: &actix_web::Error) -> Problem {
    match fault.as_error::<PayloadError>() {
        Some(PayloadError::Overflow) => {
            Kind::TooLong.because(format!("at most {BODY_LEN_MAX} bytes"))
        }
        _ => Kind::Malformed.because("the body could not be read"),
    }
}
