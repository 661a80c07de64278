//! What has to be on a street, whatever went wrong.

use super::stage::{LOOK_EVERY, PATIENCE, Stage};
use crate::fault::StreetFault;
use crate::phone::Phone;
use crate::server::Key;
use serde_json::{Value, json};
use std::time::Instant;

/// What has to be.
impl Stage {
    /// Waits until the ledger has so much e-money for a customer, of which so much is held.
    pub(super) fn expect(
        &self,
        phone: &Phone<'_>,
        emoney: &str,
        held: Held,
    ) -> Result<(), StreetFault> {
        let until = Instant::now() + PATIENCE;
        loop {
            let wallet = phone.ask("/v1/app/wallet")?;
            let text = |name: &str| wallet[name].as_str().unwrap_or_default().to_owned();
            let (found, pending) = (text("emoney"), text("pending"));
            if found == emoney && held.is(&pending) {
                let owner = phone.name();
                self.say(
                    "ledger",
                    format_args!("{owner}: e-money {found}, of it held {pending}"),
                );
                return Ok(());
            }
            if Instant::now() >= until {
                return Err(StreetFault::Other {
                    what: format!("the wallet of {}", phone.name()),
                    found: format!("{found}, of it held {pending}"),
                    expected: format!("{emoney}, of it held: {held:?}"),
                });
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Waits until a vend of this kind is put before a person.
    pub(super) fn case(&self, kind: &str) -> Result<(), StreetFault> {
        let until = Instant::now() + PATIENCE;
        loop {
            let cases = self.server.get(Key::Operator, "/v1/refunds?state=open")?;
            let found = cases["lines"][0]["kind"].as_str().unwrap_or("nothing");
            if found == kind {
                self.say("operator", format_args!("is asked to decide: {kind}"));
                return Ok(());
            }
            if Instant::now() >= until {
                return self.same("what a person has to look at", found, kind);
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// The operator gives the money of the newest such vend back.
    pub(super) fn refund(&self) -> Result<(), StreetFault> {
        let cases = self.server.get(Key::Operator, "/v1/refunds?state=open")?;
        let path = format!("/v1/refunds/{}/decide", cases["lines"][0]["id"]);
        let body = json!({"verdict": "refund", "words": "Sorry for the jam."});
        self.server.post(Key::Operator, &path, &body).map(drop)
    }

    /// The newest receipt of a customer, once there is one.
    pub(super) fn receipt(&self, phone: &Phone<'_>) -> Result<Value, StreetFault> {
        let until = Instant::now() + PATIENCE;
        loop {
            let receipts = phone.ask("/v1/app/receipts")?;
            let newest = &receipts["receipts"][0];
            if !newest.is_null() {
                return Ok(newest.clone());
            }
            if Instant::now() >= until {
                return Err(StreetFault::Silence {
                    what: "a receipt".to_owned(),
                    seconds: PATIENCE.as_secs(),
                });
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Claims that a customer's money at this operator is one of these amounts.
    pub(super) fn closed(&self, phone: &Phone<'_>, expected: &[&str]) -> Result<(), StreetFault> {
        let wallet = phone.ask("/v1/app/wallet")?;
        let closed = wallet["closed"][0]["amount"].as_str().unwrap_or("0.00");
        self.say(
            "ledger",
            format_args!("{}: {closed} at this operator", phone.name()),
        );
        if expected.contains(&closed) {
            return Ok(());
        }
        self.same("the closed wallet", closed, &expected.join(" or "))
    }

    /// Claims that two words are the same.
    pub(super) fn same(&self, what: &str, found: &str, expected: &str) -> Result<(), StreetFault> {
        if found == expected {
            return Ok(());
        }
        Err(StreetFault::Other {
            what: what.to_owned(),
            found: found.to_owned(),
            expected: expected.to_owned(),
        })
    }
}

/// Whether money is held.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Held {
    Nothing,
    Something,
    Exactly(&'static str),
}

impl Held {
    fn is(self, pending: &str) -> bool {
        match self {
            Self::Nothing => pending == "0.00",
            Self::Something => pending != "0.00",
            Self::Exactly(amount) => pending == amount,
        }
    }
}
