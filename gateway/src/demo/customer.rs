//! A customer with a phone: signs in by a code, links to a board, carries what it says.

use super::board::Board;
use super::client::{Client, StreetFault};
use crate::bounds::LIST_LEN_MAX;
use crate::key::random;
use core::time::Duration;
use gettone_channel::{Assembler, Ephemeral, Mtu, Secret, Status, segments};
use gettone_core::id::Rseq;
use gettone_phone::{Input, News, Output, Phase, Phone, Request};
use gettone_relay as relay;
use gettone_relay::Connection;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

/// How often somebody looks for what has to come, and how many times.
const LOOK_EVERY: Duration = Duration::from_millis(25);
const LOOKS_MAX: u32 = 200;
/// What the phones' radio agrees on.
const MTU: u16 = 185;
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
        let mut visit = Visit {
            client: &self.client,
            connection: None,
            phone: Phone::default(),
            heard: Assembler::new(),
            status: None,
            fault: None,
        };
        visit.tell(board, Input::Show(Secret::light(code)))?;
        board.see(code, seed)?;
        visit.connection = Some(board.connect()?);
        let input = Input::Connected {
            mtu: Mtu::new(MTU).map_err(StreetFault::link)?,
            ephemeral: Ephemeral::from_bytes(random()?),
        };
        visit.tell(board, input)?;
        let link_2 = board.message().ok_or(StreetFault::Silence("the link"))?;
        visit.hear(board, &link_2)?;
        match visit.phone.phase() {
            Phase::Linked => Ok(visit),
            Phase::Away | Phase::Seeking | Phase::Linking | Phase::Resuming | Phase::Relinking => {
                Err(StreetFault::link("it did not come about"))
            }
        }
    }
}

/// A phone that is linked to a board: the reference phone, on a radio of memory.
pub(super) struct Visit<'a> {
    client: &'a Client,
    connection: Option<Connection>,
    phone: Phone,
    /// What it has written, up to a whole message.
    heard: Assembler,
    /// What the board has said last.
    pub(super) status: Option<Status>,
    /// Why the server could not be asked.
    fault: Option<StreetFault>,
}

impl Visit<'_> {
    /// Carries all that the board has to say, and the answers back.
    pub(super) fn carry(&mut self, board: &mut Board) -> Result<(), StreetFault> {
        while let Some(sealed) = board.message() {
            self.hear(board, &sealed)?;
        }
        Ok(())
    }

    /// Ends the session, and waits until the board has said all.
    pub(super) fn leave(mut self, board: &mut Board) -> Result<(), StreetFault> {
        self.tell(board, Input::Leave)?;
        board.settle()?;
        self.carry(board)?;
        self.vanish(board)
    }

    /// Is gone from one moment to the next.
    pub(super) fn vanish(self, board: &mut Board) -> Result<(), StreetFault> {
        board.forget_messages();
        match self.connection {
            Some(connection) => board.tell(relay::Input::Disconnected(connection)),
            None => Ok(()),
        }
    }

    /// A message of the board's, as the radio gives it.
    fn hear(&mut self, board: &mut Board, message: &[u8]) -> Result<(), StreetFault> {
        let mtu = Mtu::new(MTU).map_err(StreetFault::link)?;
        for value in segments(message, mtu).map_err(StreetFault::link)? {
            self.tell(board, Input::Value(value))?;
        }
        Ok(())
    }

    /// Tells the phone one thing, and does what it asks for until it asks for nothing more.
    fn tell(&mut self, board: &mut Board, input: Input) -> Result<(), StreetFault> {
        let mut waiting = VecDeque::from([input]);
        while let Some(input) = waiting.pop_front() {
            self.phone.handle(board.now(), input);
            while let Some(output) = self.phone.poll() {
                match output {
                    Output::Write(value) => self.write(board, &value)?,
                    Output::Ask(request) => waiting.push_back(self.ask(&request)),
                    Output::News(News::Status(status)) => self.status = Some(status),
                    Output::News(News::Broken(why)) => return Err(StreetFault::link(why)),
                    // The street brings them together, and nobody stores anything.
                    Output::Seek(_)
                    | Output::Rest
                    | Output::HangUp
                    | Output::Keep
                    | Output::News(_) => {}
                }
            }
            if let Some(fault) = self.fault.take() {
                return Err(fault);
            }
        }
        Ok(())
    }

    fn write(&mut self, board: &mut Board, value: &[u8]) -> Result<(), StreetFault> {
        let message = self.heard.push(value).map_err(StreetFault::link)?;
        match (message, self.connection) {
            (Some(message), Some(connection)) => {
                board.tell(relay::Input::Heard(connection, message))
            }
            (Some(_) | None, _) => Ok(()),
        }
    }

    /// The demo ends where its server does not answer: nobody waits for it.
    fn ask(&mut self, request: &Request) -> Input {
        match self.client.send(request.path, &request.body) {
            Ok((status, body)) => Input::Answered { status, body },
            Err(fault) => {
                self.fault = Some(fault);
                Input::Unanswered
            }
        }
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
