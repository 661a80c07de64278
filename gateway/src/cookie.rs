//! The cookies of who signed in: out of reach of scripts, never sent from another site, and only
//! over TLS, except on this very machine.

use crate::bounds::{APP_SESSION_LIFE, STAFF_SESSION_LIFE};
use crate::credential::Ticket;
use crate::origin::is_plain_loopback;
use crate::request::{APP_COOKIE, STAFF_COOKIE};
use actix_web::HttpRequest;
use actix_web::http::header::{HeaderName, SET_COOKIE};
use core::time::Duration;

/// Whose cookie it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Cookie {
    /// Somebody's of staff.
    Staff,
    /// A customer's.
    App,
}

impl Cookie {
    /// Its name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Staff => STAFF_COOKIE,
            Self::App => APP_COOKIE,
        }
    }

    /// How long it counts.
    pub(crate) const fn life(self) -> Duration {
        match self {
            Self::Staff => STAFF_SESSION_LIFE,
            Self::App => APP_SESSION_LIFE,
        }
    }

    /// The header that gives it to a browser.
    pub(crate) fn given(self, request: &HttpRequest, token: &Ticket) -> (HeaderName, String) {
        self.header(request, token.as_str(), self.life())
    }

    /// The header that takes it away.
    pub(crate) fn taken(self, request: &HttpRequest) -> (HeaderName, String) {
        self.header(request, "", Duration::ZERO)
    }

    fn header(self, request: &HttpRequest, value: &str, life: Duration) -> (HeaderName, String) {
        let secure = if is_plain_loopback(request) {
            ""
        } else {
            "; Secure"
        };
        let cookie = format!(
            "{}={value}; Path=/; Max-Age={}; HttpOnly; SameSite=Strict{secure}",
            self.name(),
            life.as_secs(),
        );
        (SET_COOKIE, cookie)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    fn given(headers: &[(&'static str, &'static str)], peer: &str) -> String {
        let request = headers
            .iter()
            .fold(TestRequest::default(), |request, header| {
                request.insert_header(*header)
            })
            .peer_addr(peer.parse().expect("an address"))
            .to_http_request();
        Cookie::Staff.given(&request, &Ticket::new("", &[0; 32])).1
    }

    #[test]
    fn a_cookie_travels_without_tls_on_this_very_machine_only() {
        let here = "127.0.0.1:5000";
        let plain = given(&[("host", "localhost:8080")], here);
        assert!(plain.ends_with("; HttpOnly; SameSite=Strict"), "{plain}");
        assert!(plain.contains("; Max-Age=43200;"), "{plain}");
        for (headers, peer) in [
            (&[("host", "localhost:8080")][..], "192.0.2.1:5000"),
            (&[("host", "gettone.example")], here),
            (&[], here),
            (
                &[("host", "127.0.0.1:8080"), ("x-forwarded-for", "192.0.2.1")],
                here,
            ),
        ] {
            let secure = given(headers, peer);
            assert!(secure.ends_with("; Secure"), "{secure}");
        }
    }
}
