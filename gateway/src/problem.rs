//! What a client is told when it does not get what it asked for: RFC 9457, never internals.

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use core::fmt;
use core::time::Duration;
use serde_json::{Map, Value};

/// The media type of a problem.
pub(crate) const MEDIA_TYPE: &str = "application/problem+json";

/// One problem, as a client sees it.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Problem {
    kind: Kind,
    detail: String,
    figures: Map<String, Value>,
    retry_after: Option<Duration>,
}

/// Declares the kinds of problems: name in the type URI, status, title.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = ($name:literal, $status:ident, $title:literal),)*) => {
        /// What kind of problem it is; each has one type URI that never changes.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub(crate) enum Kind { $($(#[$doc])* $kind,)* }

        impl Kind {
            /// The last part of its type URI.
            pub(crate) const fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)* }
            }

            /// The status it travels with.
            pub(crate) const fn status(self) -> StatusCode {
                match self { $(Self::$kind => StatusCode::$status,)* }
            }

            /// The kind in a few words.
            pub(crate) const fn title(self) -> &'static str {
                match self { $(Self::$kind => $title,)* }
            }
        }
    };
}

kinds! {
    /// The request is not what the route takes.
    Malformed = ("malformed", BAD_REQUEST, "The request is malformed"),
    /// There is no such thing, or it is somebody else's.
    NotFound = ("not-found", NOT_FOUND, "There is no such thing here"),
    /// The route knows other methods.
    Method = ("method", METHOD_NOT_ALLOWED, "The route does not take this method"),
    /// No credential, or none that is known.
    Unauthorized = ("unauthorized", UNAUTHORIZED, "A valid credential is needed"),
    /// The credential is known, and does not suffice.
    Forbidden = ("forbidden", FORBIDDEN, "The credential does not suffice"),
    /// It contradicts what stands already.
    Conflict = ("conflict", CONFLICT, "It contradicts what stands already"),
    /// The same idempotency key came with another body.
    KeyReused = ("key-reused", UNPROCESSABLE_ENTITY, "The idempotency key was used for something else"),
    /// The rules of the money forbid it.
    Refused = ("refused", UNPROCESSABLE_ENTITY, "The request was refused"),
    /// The body is too long.
    TooLong = ("too-long", PAYLOAD_TOO_LARGE, "The body is too long"),
    /// The body is not JSON.
    MediaType = ("media-type", UNSUPPORTED_MEDIA_TYPE, "The body has to be application/json"),
    /// The body did not come in time.
    TooSlow = ("too-slow", REQUEST_TIMEOUT, "The body did not come in time"),
    /// The same request is under way already.
    InFlight = ("in-flight", CONFLICT, "The same request is under way"),
    /// Too many tries.
    TooMany = ("too-many", TOO_MANY_REQUESTS, "Too many tries"),
    /// Something that the operator of the gateway has to set up is not.
    Unserved = ("unserved", SERVICE_UNAVAILABLE, "The gateway is not set up for this"),
    /// Too much is under way.
    Busy = ("busy", SERVICE_UNAVAILABLE, "Too much is under way; come again"),
    /// It is not known whether the request had its effect; the same again is harmless.
    Unknown = ("outcome-unknown", SERVICE_UNAVAILABLE, "The outcome is unknown; a retry is harmless"),
    /// The gateway is stopping.
    Stopping = ("stopping", SERVICE_UNAVAILABLE, "The gateway is stopping; a retry is harmless"),
    /// A fault of the gateway's own.
    Internal = ("internal", INTERNAL_SERVER_ERROR, "The gateway has a fault"),
}

impl Kind {
    /// A problem of this kind, with what is the matter in this case.
    pub(crate) fn because(self, detail: impl fmt::Display) -> Problem {
        Problem {
            kind: self,
            detail: detail.to_string(),
            figures: Map::new(),
            retry_after: None,
        }
    }
}

impl Problem {
    /// Its kind.
    pub(crate) const fn kind(&self) -> Kind {
        self.kind
    }

    /// Adds a figure that a program can use.
    #[must_use]
    pub(crate) fn with(mut self, name: &str, figure: impl Into<Value>) -> Self {
        self.figures.insert(name.to_owned(), figure.into());
        self
    }

    /// Says when to come again.
    #[must_use]
    pub(crate) const fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// When to come again.
    pub(crate) const fn wait(&self) -> Option<Duration> {
        self.retry_after
    }

    /// The body that travels.
    pub(crate) fn to_json(&self) -> Value {
        let mut body = self.figures.clone();
        body.insert(
            "type".to_owned(),
            format!("urn:gettone:problem:{}", self.kind.name()).into(),
        );
        body.insert("title".to_owned(), self.kind.title().into());
        body.insert("status".to_owned(), self.kind.status().as_u16().into());
        body.insert("detail".to_owned(), self.detail.clone().into());
        Value::Object(body)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.name(), self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.kind.status()
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        let mut response = HttpResponse::build(self.status_code());
        response.content_type(MEDIA_TYPE);
        if let Some(wait) = self.retry_after {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            response.insert_header((RETRY_AFTER, seconds.max(1).to_string()));
        }
        if self.kind == Kind::Unauthorized {
            response.insert_header((WWW_AUTHENTICATE, "Bearer"));
        }
        response.body(self.to_json().to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_names_type_title_status_detail_and_its_figures() {
        let problem = Kind::Refused.because("0.20 short").with("short_by", "0.20");
        assert_eq!(
            problem.to_json(),
            serde_json::json!({
                "type": "urn:gettone:problem:refused",
                "title": "The request was refused",
                "status": 422,
                "detail": "0.20 short",
                "short_by": "0.20",
            })
        );
    }

    #[test]
    fn a_figure_cannot_replace_what_every_problem_says() {
        let problem = Kind::Busy.because("full").with("status", 200);
        assert_eq!(problem.to_json()["status"], 503);
    }

    #[test]
    fn a_wait_is_told_in_whole_seconds_and_never_as_none() {
        let told = |wait| {
            Kind::Busy
                .because("full")
                .retry_after(wait)
                .error_response()
                .headers()
                .get(RETRY_AFTER)
                .and_then(|value| value.to_str().ok().map(str::to_owned))
        };
        assert_eq!(told(Duration::ZERO).as_deref(), Some("1"));
        assert_eq!(told(Duration::from_millis(1_001)).as_deref(), Some("2"));
    }
}
