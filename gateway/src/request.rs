//! What routes take from a request: who asks, and the body, each refused with a problem.

use crate::bounds::BODY_LEN_MAX;
use crate::config::OperatorEntry;
use crate::credential::Bearer;
use crate::gateway::Gateway;
use crate::problem::{Kind, Problem};
use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::header::AUTHORIZATION;
use actix_web::{FromRequest, HttpMessage, HttpRequest, rt, web};
use core::future::{Ready, ready};
use core::pin::Pin;
use core::str::FromStr;
use gettone_core::id::{OperatorId, WalletId};
use serde::de::DeserializeOwned;

/// The operator that asks; never taken from the URL.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operator(pub OperatorId);

/// The platform that asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Platform;

/// The customer that asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Customer(pub WalletId);

/// The customer that asks, or anybody.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Anyone(pub Option<WalletId>);

/// A JSON body.
#[derive(Debug)]
pub(crate) struct Body<T>(pub T);

impl FromRequest for Operator {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(known(request, |gateway, bearer| {
            gateway
                .operator(bearer)
                .map(|OperatorEntry { id, .. }| Self(*id))
        }))
    }
}

impl FromRequest for Platform {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(known(request, |gateway, bearer| {
            gateway.is_platform(bearer).then_some(Self)
        }))
    }
}

impl FromRequest for Customer {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(known(request, |gateway, bearer| {
            gateway.customer(bearer).map(Self)
        }))
    }
}

impl FromRequest for Anyone {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        if !request.headers().contains_key(AUTHORIZATION) {
            return ready(Ok(Self(None)));
        }
        let customer = Customer::from_request(request, payload).into_inner();
        ready(customer.map(|Customer(wallet)| Self(Some(wallet))))
    }
}

impl<T: DeserializeOwned + 'static> FromRequest for Body<T> {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let is_json = request.content_type() == "application/json";
        let wait = gateway(request).map(|gateway| gateway.body_timeout());
        let bytes = web::Bytes::from_request(request, payload);
        Box::pin(async move {
            if !is_json {
                return Err(
                    Kind::MediaType.because("send a JSON body with content-type: application/json")
                );
            }
            let bytes = rt::time::timeout(wait?, bytes)
                .await
                .map_err(|_| Kind::TooSlow.because("the rest of the body did not come"))?
                .map_err(|fault| unread(&fault))?;
            serde_json::from_slice(&bytes)
                .map(Self)
                .map_err(|fault| Kind::Malformed.because(fault))
        })
    }
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

fn known<T>(
    request: &HttpRequest,
    find: impl FnOnce(&Gateway, &Bearer<'_>) -> Option<T>,
) -> Result<T, Problem> {
    let gateway = gateway(request)?;
    request
        .headers()
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(Bearer::from_header)
        .and_then(|bearer| find(gateway, &bearer))
        .ok_or_else(|| {
            Kind::Unauthorized
                .because("send authorization: Bearer with a credential for this route")
        })
}

fn gateway(request: &HttpRequest) -> Result<&web::Data<Gateway>, Problem> {
    request
        .app_data::<web::Data<Gateway>>()
        .ok_or_else(|| Kind::Internal.because("a route without its gateway"))
}

fn unread(fault: &actix_web::Error) -> Problem {
    match fault.as_error::<PayloadError>() {
        Some(PayloadError::Overflow) => {
            Kind::TooLong.because(format!("at most {BODY_LEN_MAX} bytes"))
        }
        _ => Kind::Malformed.because("the body could not be read"),
    }
}
