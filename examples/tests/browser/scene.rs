//! What stands around the browser: a shop with its server, and a street with machine and reader.

use crate::chromium::Page;
use crate::front::{Authority, Front, write_authority};
use gettone_examples::{
    Board, Codes, Key, Machine, Pace, Places, Seen, Server, StreetFault, Transcript,
};
use libtest_mimic::Failed;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The machine's number, and what it sells.
pub(crate) const MACHINE: u32 = 1;
pub(crate) const ESPRESSO: u16 = 2;
pub(crate) const SALAD: u16 = 5;
/// Where the machine stands.
pub(crate) const NAME: &str = "Coffee, hall B";
pub(crate) const PLACE: &str = "Central station";

/// A server with one machine's catalogue.
pub(crate) struct Shop {
    server: Option<Server>,
    home: TempDir,
}

impl Shop {
    /// Opens one with a store of its own.
    pub(crate) fn open() -> Result<Self, Failed> {
        let home = tempfile::tempdir()?;
        let server = Server::start(home.path(), &Transcript::quiet())?;
        server.post(
            Key::Operator,
            "/v1/machines",
            &json!({
                "machine": MACHINE, "currency": "EUR", "cap": "4.00", "vends_max": 2,
                "fee_basis_points": 150, "name": NAME, "place": PLACE,
            }),
        )?;
        for (item, name, price) in [
            (ESPRESSO, "Espresso", "1.20"),
            (SALAD, "Salad", "1.90"),
            (7, "Water", "0.60"),
        ] {
            server.post(
                Key::Operator,
                &format!("/v1/machines/{MACHINE}/products"),
                &json!({"item": item, "name": name, "price": price}),
            )?;
        }
        Ok(Self {
            server: Some(server),
            home,
        })
    }

    /// The server.
    pub(crate) fn server(&self) -> &Server {
        self.server.as_ref().expect("it runs until it is closed")
    }

    /// Where its pages are.
    pub(crate) fn url(&self) -> &str {
        self.server().url()
    }

    /// The code of the newest letter to an address, once there is one that is not in `known`.
    pub(crate) fn code(&self, known: &BTreeSet<PathBuf>, address: &str) -> Result<String, Failed> {
        let until = std::time::Instant::now() + Page::patience();
        while std::time::Instant::now() < until {
            for path in self.letters().difference(known) {
                let letter = std::fs::read_to_string(path)?;
                if let Some(text) = letter.strip_prefix(&format!("{address}\n")) {
                    return Ok(text.chars().take_while(char::is_ascii_digit).collect());
                }
            }
            std::thread::park_timeout(std::time::Duration::from_millis(20));
        }
        Err(format!("no code came for {address}").into())
    }

    /// Every letter that was carried so far.
    pub(crate) fn letters(&self) -> BTreeSet<PathBuf> {
        let files = std::fs::read_dir(self.server().letters())
            .into_iter()
            .flatten();
        files
            .filter_map(Result::ok)
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|ending| ending == "txt"))
            .collect()
    }

    /// Signs a new customer in on a page, as they would, and opens their wallet; its number.
    pub(crate) fn welcome(&self, page: &Page, address: &str) -> Result<u64, Failed> {
        page.visit(&format!("{}/", self.url()))?;
        let wallet = self.register(page, address)?;
        page.text("[data-name='available']")?;
        Ok(wallet)
    }

    /// Signs a new customer in on a page that asks who they are; the number of their wallet.
    pub(crate) fn register(&self, page: &Page, address: &str) -> Result<u64, Failed> {
        let known = self.letters();
        page.write("#address", address)?;
        page.tap("[data-name='address-form'] button.main")?;
        page.until("document.querySelector('#code')")?;
        let code = self.code(&known, address)?;
        page.write("#code", &code)?;
        page.tap("button.choice[lang='en']")?;
        page.until("document.querySelector('#currency')")?;
        page.tap("[data-name='wallet-form'] button.main")?;
        page.until("document.querySelector('ol.how')")?;
        page.tap("button.main")?;
        let me = page.eval("fetch('/v1/app/me').then((answer) => answer.json())")?;
        Ok(me["wallets"][0]["wallet"].as_u64().unwrap_or_default())
    }

    /// Puts e-money into a wallet, as the issuer confirms it.
    pub(crate) fn top_up(&self, wallet: u64, amount: &str) -> Result<Value, StreetFault> {
        self.server().post(
            Key::Platform,
            &format!("/v1/wallets/{wallet}/top-ups"),
            &json!({"amount": amount}),
        )
    }

    /// Closes it, and proves its books.
    pub(crate) fn close(mut self) -> Result<(), Failed> {
        let Some(server) = self.server.take() else {
            return Ok(());
        };
        let config = server.stop()?;
        let args = ["audit".as_ref(), "--config".as_ref(), config.as_os_str()];
        let (said, balanced) = gettone_examples::run("gateway", &args)?;
        if balanced { Ok(()) } else { Err(said.into()) }
    }
}

/// A shop whose machine stands on the street, with a reader on its front.
pub(crate) struct Street {
    pub(crate) shop: Shop,
    pub(crate) machine: Machine,
    pub(crate) places: Places,
    board: Option<Board>,
}

impl Street {
    /// Opens one.
    pub(crate) fn open() -> Result<Self, Failed> {
        Self::open_with(Shop::open()?, None)
    }

    /// Opens one whose reader shows codes.
    pub(crate) fn showing() -> Result<(Self, Codes), Failed> {
        let shop = Shop::open()?;
        let codes = Codes::under(shop.home.path());
        let street = Self::open_with(shop, Some(codes.clone()))?;
        Ok((street, codes))
    }

    /// Opens one whose reader shows codes and has a road of its own, through what ends TLS.
    pub(crate) fn on_a_road() -> Result<(Self, Codes), Failed> {
        let shop = Shop::open()?;
        let dir = shop.home.path();
        let front = Front::open(shop.url());
        let ca = dir.join("ca.pem");
        write_authority(&ca, Authority::Ours);
        let files = dir.join("reader.d");
        std::fs::create_dir(&files)?;
        let road = format!(
            "[road]\nurl = \"wss://localhost:{}\"\nca = \"{}\"\n",
            front.port(),
            ca.display()
        );
        std::fs::write(files.join("road.toml"), road)?;
        let codes = Codes::under(dir);
        let street = Self::open_with(shop, Some(codes.clone()))?;
        Ok((street, codes))
    }

    /// Where the reader keeps what it knows.
    pub(crate) fn state(&self) -> PathBuf {
        self.shop.home.path().join("reader")
    }

    fn open_with(shop: Shop, codes: Option<Codes>) -> Result<Self, Failed> {
        let quiet = Transcript::quiet();
        let dir = shop.home.path();
        let machine = Machine::start(dir, Pace::Real, &quiet)?;
        let (link, server) = (machine.link(), shop.server());
        let (board, places) = Board::start_showing(dir, MACHINE, link, server, codes, &quiet)?;
        machine.wait("the reader to be enabled", |seen| seen == Seen::Ready)?;
        Ok(Self {
            shop,
            machine,
            places,
            board: Some(board),
        })
    }

    /// Ends the reader and starts it again, as its service manager does.
    pub(crate) fn restart(&mut self) -> Result<(), Failed> {
        if let Some(board) = self.board.take() {
            board.stop()?;
        }
        self.start(Board::start_again)
    }

    /// Has the reader take programs that this key signed; it runs under its launcher from here on.
    pub(crate) fn launch(&mut self, release_key: &str) -> Result<(), Failed> {
        let files = self.shop.home.path().join("reader.d");
        std::fs::create_dir(&files)?;
        let words = format!("[firmware]\nrelease_keys = [\"{release_key}\"]\n");
        std::fs::write(files.join("firmware.toml"), words)?;
        if let Some(board) = self.board.take() {
            board.stop()?;
        }
        self.start(Board::launch)
    }

    /// Waits until the reader has ended by itself, and starts its launcher again, as a service
    /// manager does.
    pub(crate) fn renew(&mut self) -> Result<(), Failed> {
        if let Some(board) = self.board.take() {
            board.end()?;
        }
        self.start(Board::launch)
    }

    fn start(
        &mut self,
        how: fn(&Path, &Transcript) -> Result<Board, StreetFault>,
    ) -> Result<(), Failed> {
        self.board = Some(how(self.shop.home.path(), &Transcript::quiet())?);
        self.machine
            .wait("the reader to be enabled", |seen| seen == Seen::Ready)?;
        Ok(())
    }

    /// Closes it, and proves the books.
    pub(crate) fn close(self) -> Result<(), Failed> {
        if let Some(board) = self.board {
            board.stop()?;
        }
        self.machine.stop()?;
        self.shop.close()
    }
}
