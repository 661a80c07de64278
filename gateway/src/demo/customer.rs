//! A customer with a phone: signs in by a code, links to a board, carries what it says.

use super::board::Board;
use super::client::{Client, StreetFault};
use crate::bounds::LIST_LEN_MAX;
use crate::key::random;
use crate::text::hex;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use core::time::Duration;
use gettone_channel::{
    Ephemeral, Hello1, Initiator, LINK_VERSION, Link, LinkMessage, Secret, Status,
};
use gettone_core::id::Rseq;
use gettone_relay::{Connection, Input};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

/// How often somebody looks for what has to come, and how many times.
const LOOK_EVERY: Duration = Duration::from_millis(25);
const LOOKS_MAX: u32 = 200;
/// What everybody is given to begin with.
const GIFT: &str = "20.00";

/// Somebody with a phone on which they are signed in.
pub(super) struct Customer {
    pub(super) address: &'static str,
    client: Client,
}

impl Customer {
    /// Signs in by the code that comes to their address, opens a wallet, and is given some credit.
    pub(super) fn sign_in(
        client: &Client,
        operator: &Client,
        folder: &Path,
        address: &'static str,
    ) -> Result<Self, StreetFault> {
        let before: Vec<PathBuf> = letters(folder).collect();
        client.post("/v1/app/codes", &json!({"address": address}))?;
        let code = read_code(folder, &before, address)?;
        let (_, cookie) = client.post_for_cookie(
            "/v1/app/sign-in",
            &json!({"address": address, "code": code}),
        )?;
        let cookie = cookie.ok_or(StreetFault::Silence("a cookie"))?;
        let customer = Self {
            address,
            client: client.with_cookie(&cookie),
        };
        customer
            .client
            .post("/v1/app/wallets", &json!({"currency": "EUR"}))?;
        customer.credit(operator)?;
        Ok(customer)
    }

    /// What people call them.
    pub(super) fn name(&self) -> &'static str {
        self.address.split('@').next().unwrap_or(self.address)
    }

    /// Has the operator put money on their closed wallet.
    pub(super) fn credit(&self, operator: &Client) -> Result<(), StreetFault> {
        operator.post(
            "/v1/credits",
            &json!({
                "address": self.address, "amount": GIFT, "currency": "EUR",
                "note": "a present of the house",
            }),
        )?;
        Ok(())
    }

    /// Wants this made at once at a machine, short and without sugar; or nothing any more.
    pub(super) fn favour(&self, machine: u32, item: Option<u16>) -> Result<(), StreetFault> {
        let favourite = match item {
            Some(item) => json!({"machine": machine, "item": item, "sugar": 1, "cup": 1}),
            None => json!({"machine": machine, "item": null}),
        };
        self.client.put("/v1/app/favourites", &favourite)?;
        Ok(())
    }

    /// The receipt of what a machine sold them, once it is listed: receipts are folded beside the
    /// purchase.
    pub(super) fn receipt(&self, machine: u32, rseq: Rseq) -> Result<Value, StreetFault> {
        for _ in 0..LOOKS_MAX {
            let answer = self
                .client
                .ask(&format!("/v1/app/receipts?limit={LIST_LEN_MAX}"))?;
            let mut receipts = answer["receipts"].as_array().into_iter().flatten();
            let found = receipts
                .find(|receipt| receipt["machine"] == machine && receipt["rseq"] == rseq.number());
            if let Some(receipt) = found {
                return Ok(receipt.clone());
            }
            thread::sleep(LOOK_EVERY);
        }
        Err(StreetFault::Silence("the receipt of a sale"))
    }

    /// Says that something was charged and did not come.
    pub(super) fn claim(&self, receipt: &Value) -> Result<(), StreetFault> {
        self.client.post(
            "/v1/app/claims",
            &json!({
                "vend": receipt["vend"], "rseq": receipt["rseq"],
                "words": "I paid, and nothing fell.",
            }),
        )?;
        Ok(())
    }

    /// Shows the light code and links to the board that saw it.
    pub(super) fn tap(&self, board: &mut Board, seed: u64) -> Result<Visit<'_>, StreetFault> {
        let code: [u8; 10] = random()?;
        board.see(code, seed)?;
        let connection = board.connect()?;
        let hello = Hello1 {
            version: LINK_VERSION,
            caps: 0,
        };
        let ephemeral = Ephemeral::from_bytes(random()?);
        let (waiting, link_1) = Initiator::start(&Secret::light(code).psk(), ephemeral, hello)
            .map_err(StreetFault::link)?;
        board.tell(Input::Heard(connection, link_1))?;
        let link_2 = board.message().ok_or(StreetFault::Silence("the link"))?;
        let link = waiting.finish(&link_2).map_err(StreetFault::link)?;
        Ok(Visit {
            client: &self.client,
            connection,
            h: hex(link.handshake().as_bytes()),
            link,
            status: None,
        })
    }
}

/// A phone that is linked to a board.
pub(super) struct Visit<'a> {
    client: &'a Client,
    connection: Connection,
    link: Link,
    h: String,
    /// What the board has said last.
    pub(super) status: Option<Status>,
}

impl Visit<'_> {
    /// Carries all that the board has to say, and the answers back.
    pub(super) fn carry(&mut self, board: &mut Board) -> Result<(), StreetFault> {
        while let Some(sealed) = board.message() {
            match self.link.open(&sealed).map_err(StreetFault::link)? {
                LinkMessage::Envelope(envelope) => self.bring(board, &envelope)?,
                LinkMessage::Status(status) => self.status = Some(status),
                // Nobody here said that it carries packages.
                LinkMessage::Want(_) => {}
                LinkMessage::Leave | LinkMessage::Again | LinkMessage::Piece(_) => {
                    return Err(StreetFault::link("a board that speaks as a phone"));
                }
            }
        }
        Ok(())
    }

    fn bring(&mut self, board: &mut Board, envelope: &[u8]) -> Result<(), StreetFault> {
        let body = json!({"envelopes": [BASE64.encode(envelope)], "h": self.h});
        let answer = self.client.post("/v1/app/relay", &body)?;
        for text in answer["envelopes"].as_array().into_iter().flatten() {
            let envelope = BASE64
                .decode(text.as_str().unwrap_or_default())
                .map_err(StreetFault::link)?;
            self.say(board, &LinkMessage::Envelope(envelope))?;
        }
        Ok(())
    }

    /// Ends the session, and waits until the board has said all.
    pub(super) fn leave(mut self, board: &mut Board) -> Result<(), StreetFault> {
        self.say(board, &LinkMessage::Leave)?;
        board.settle()?;
        self.carry(board)?;
        self.vanish(board)
    }

    /// Is gone from one moment to the next.
    pub(super) fn vanish(self, board: &mut Board) -> Result<(), StreetFault> {
        board.forget_messages();
        board.tell(Input::Disconnected(self.connection))
    }

    fn say(&mut self, board: &mut Board, message: &LinkMessage) -> Result<(), StreetFault> {
        let sealed = self.link.seal(message).map_err(StreetFault::link)?;
        board.tell(Input::Heard(self.connection, sealed))
    }
}

/// Letters that the courier has put down.
pub(super) fn letters(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let files = fs::read_dir(folder).into_iter().flatten();
    files
        .filter_map(Result::ok)
        .map(|file| file.path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "txt"))
}

fn read_code(folder: &Path, before: &[PathBuf], address: &str) -> Result<String, StreetFault> {
    for _ in 0..LOOKS_MAX {
        let new = letters(folder).filter(|letter| !before.contains(letter));
        for letter in new {
            let text = fs::read_to_string(&letter).unwrap_or_default();
            let Some((to, words)) = text.split_once('\n') else {
                continue;
            };
            let code = words
                .split(|c: char| !c.is_ascii_digit())
                .find(|digits| digits.len() == 6);
            if let Some(code) = code.filter(|_| to == address) {
                return Ok(code.to_owned());
            }
        }
        thread::sleep(LOOK_EVERY);
    }
    Err(StreetFault::Silence("a sign-in code"))
}
