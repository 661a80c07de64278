//! A server, its clients, and a reader board.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gettone_channel::{
    Ack, Bind, Chain, Direction, Ephemeral, FirmwareFormat, FirmwareHeader, Grant, Header, Hello,
    HelloFlags, Item, JournalEpoch, Lock, MdbState, Nonce, PublicKey, Receipt, ReceiptFlags,
    ReceiptKind, RefuseReason, StaticKey, VendId, VmcId, open, reader_id, seal,
};
use gettone_gateway::{Config, Records, ServeFault, serve};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::io::BufReader;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::oneshot;

pub(crate) const OPERATOR: &str = "the first operator's key";
pub(crate) const OTHER_OPERATOR: &str = "the second operator's key";
pub(crate) const PLATFORM: &str = "the platform's key";

/// Where it is set, every server keeps its tables in the PostgreSQL server that it names, each in a
/// schema of its own.
pub(crate) const TABLES: &str = "GETTONE_TABLES";

/// Questions after which what is waited for is not coming.
const ASKED_MAX: u32 = 20_000;

/// What a client got back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) media_type: String,
    pub(crate) headers: ureq::http::HeaderMap,
    pub(crate) body: Value,
}

/// How a client says who it is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Credential<'a> {
    None,
    Bearer(&'a str),
    /// A cookie, as `name=value`.
    Cookie(&'a str),
}

/// What a client asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) credential: Credential<'a>,
    /// The idempotency key, when there is one.
    pub(crate) key: Option<&'a str>,
    pub(crate) body: Option<&'a Value>,
}

impl Reply {
    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        assert!((200..300).contains(&self.status), "{self:?}");
        self.body
    }

    /// The cookie it gives, as `name=value`.
    #[track_caller]
    pub(crate) fn cookie(&self) -> String {
        self.header("set-cookie")
            .split(';')
            .next()
            .expect("a cookie")
            .to_owned()
    }

    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .unwrap_or_else(|| panic!("no {name}: {self:?}"))
            .to_str()
            .expect("text")
    }

    #[track_caller]
    pub(crate) fn problem(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.media_type, "application/problem+json");
        for field in ["type", "title", "detail"] {
            assert!(self.body[field].is_string(), "no {field}: {}", self.body);
        }
        assert_eq!(self.body["status"], status);
        self.body
    }
}

/// A server in this process, on a directory of its own.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    home: TempDir,
    change: Box<dyn Fn(&mut Config) + Send + Sync>,
    records: Option<Records>,
    running: Option<Running>,
    agent: ureq::Agent,
}

/// The next schema, where a server is named.
fn records() -> Option<Records> {
    static NEXT: AtomicU16 = AtomicU16::new(1);
    let words = std::env::var(TABLES).ok()?;
    let partition = NEXT.fetch_add(1, Ordering::Relaxed);
    Some(Records::parse(&words, partition).expect("an address"))
}

struct Running {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<Result<(), ServeFault>>,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::start_as(|_| {})
    }

    /// Starts with another configuration.
    pub(crate) fn start_as(change: impl Fn(&mut Config) + Send + Sync + 'static) -> Self {
        let home = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(home.path().join(LETTERS)).expect("made");
        let mut server = Self {
            address: ([127, 0, 0, 1], 0).into(),
            home,
            change: Box::new(change),
            records: records(),
            running: None,
            agent: ureq::Agent::config_builder()
                .http_status_as_error(false)
                .timeout_global(Some(Duration::from_secs(60)))
                .build()
                .new_agent(),
        };
        server.resume();
        server
    }

    pub(crate) fn state(&self) -> std::path::PathBuf {
        self.home.path().join("state")
    }

    /// What it is told before it starts.
    pub(crate) fn config(&self) -> Config {
        let mut config = Config::parse(&configuration(), self.home.path()).expect("sound");
        (self.change)(&mut config);
        config.records = config.records.or_else(|| self.records.clone());
        config
    }

    /// Starts again where it was stopped.
    pub(crate) fn resume(&mut self) {
        let config = self.config();
        let (stop, stopped) = oneshot::channel();
        let (told, reached) = mpsc::channel();
        let thread = thread::spawn(move || {
            actix_web::rt::System::new().block_on(serve(
                config,
                |address| told.send(address).expect("somebody listens"),
                async {
                    // A test that panicked dropped its end; that stops the server as well.
                    let _ = stopped.await;
                },
            ))
        });
        match reached.recv() {
            Ok(address) => self.address = address,
            Err(_) => panic!("it does not listen: {:?}", thread.join()),
        }
        self.running = Some(Running { stop, thread });
    }

    pub(crate) fn stop(&mut self) {
        let Running { stop, thread } = self.running.take().expect("it runs");
        stop.send(()).expect("it waits");
        thread.join().expect("no panic").expect("a clean end");
    }

    pub(crate) fn ask(&self, ask: Ask<'_>) -> Reply {
        let mut request = ureq::http::Request::builder()
            .method(ask.method.to_uppercase().as_str())
            .uri(self.url(ask.path));
        match ask.credential {
            Credential::None => {}
            Credential::Bearer(key) => {
                request = request.header("authorization", format!("Bearer {key}"));
            }
            Credential::Cookie(cookie) => request = request.header("cookie", cookie),
        }
        if let Some(key) = ask.key {
            request = request.header("idempotency-key", key);
        }
        // What changes something has to be JSON, also when there is nothing to say.
        if ask.method != "get" {
            request = request.header("content-type", "application/json");
        }
        let text = ask.body.map(Value::to_string).unwrap_or_default();
        let request = request.body(text).expect("a request");
        let agent = &self.agent;
        let reply = agent.run(request).expect("an answer");
        read(reply)
    }

    /// Takes the oldest letter to `address`, and gives its code; waits for it, because nobody who
    /// asks for a code waits.
    pub(crate) fn code(&self, address: &str) -> String {
        let folder = self.home.path().join(LETTERS);
        loop {
            let mut letters: Vec<_> = std::fs::read_dir(&folder)
                .expect("listed")
                .map(|entry| entry.expect("an entry").path())
                .filter(|path| path.extension().is_some_and(|ending| ending == "txt"))
                .collect();
            // Their names are in their order.
            letters.sort();
            for path in letters {
                let letter = std::fs::read_to_string(&path).expect("read");
                let (to, text) = letter.split_once('\n').expect("two lines");
                if to == address {
                    std::fs::remove_file(&path).expect("removed");
                    return text[..6].to_owned();
                }
            }
            thread::yield_now();
        }
    }

    /// Waits until this many more letters went to `address`; gives the newest code.
    pub(crate) fn last_code(&self, address: &str, letters: usize) -> String {
        let mut codes: Vec<String> = (0..letters).map(|_| self.code(address)).collect();
        codes.pop().expect("some letters")
    }

    /// Posts bytes of this media type with a cookie, as a form of another site would.
    pub(crate) fn post_as(
        &self,
        path: &str,
        media_type: &str,
        cookie: &str,
        bytes: &[u8],
    ) -> Reply {
        let request = self
            .agent
            .post(self.url(path))
            .header("content-type", media_type)
            .header("cookie", cookie);
        read(request.send(bytes).expect("an answer"))
    }

    /// Posts JSON with the signature of whoever sends it.
    pub(crate) fn post_signed(&self, path: &str, signature: &str, bytes: &[u8]) -> Reply {
        let request = self
            .agent
            .post(self.url(path))
            .header("content-type", "application/json")
            .header("gettone-signature", signature);
        read(request.send(bytes).expect("an answer"))
    }

    /// Signs a customer in by a code; gives their cookie and number.
    pub(crate) fn person(&self, address: &str) -> (String, u64) {
        let sent = self.post("/v1/app/codes", "", &json!({"address": address}));
        assert_eq!(sent.status, 202, "{sent:?}");
        let code = self.code(address);
        let reply = self.post(
            "/v1/app/sign-in",
            "",
            &json!({"address": address, "code": code}),
        );
        let cookie = reply.cookie();
        let number = reply.ok()["customer"].as_u64().expect("a number");
        (cookie, number)
    }

    pub(crate) fn get(&self, path: &str, credential: &str) -> Reply {
        let credential = match credential {
            "" => Credential::None,
            key => Credential::Bearer(key),
        };
        self.ask(Ask {
            method: "get",
            path,
            credential,
            key: None,
            body: None,
        })
    }

    /// Puts what is no text.
    pub(crate) fn put_octets(&self, path: &str, credential: &str, bytes: &[u8]) -> Reply {
        let request = self
            .agent
            .put(self.url(path))
            .header("content-type", "application/octet-stream")
            .header("authorization", format!("Bearer {credential}"));
        read(request.send(bytes).expect("an answer"))
    }

    /// Gets what is no text.
    pub(crate) fn octets(&self, path: &str, credential: &str) -> Vec<u8> {
        let request = self
            .agent
            .get(self.url(path))
            .header("authorization", format!("Bearer {credential}"));
        let mut reply = request.call().expect("an answer");
        assert_eq!(reply.status(), 200);
        reply.body_mut().read_to_vec().expect("bytes")
    }

    /// Asks until the answer is what is waited for: lists follow the journal at their own pace.
    pub(crate) fn awaited(
        &self,
        path: &str,
        credential: &str,
        is: impl Fn(&Value) -> bool,
    ) -> Value {
        let mut shown = Value::Null;
        for _ in 0..ASKED_MAX {
            shown = self.get(path, credential).ok();
            if is(&shown) {
                return shown;
            }
        }
        panic!("{path} never became what was waited for: {shown}");
    }

    /// Opens a stream of events, after the one that was seen last.
    pub(crate) fn stream(
        &self,
        path: &str,
        credential: &str,
        last: Option<&str>,
    ) -> BufReader<ureq::BodyReader<'static>> {
        let mut request = self
            .agent
            .get(self.url(path))
            .header("authorization", format!("Bearer {credential}"));
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let reply = request.call().expect("an answer");
        assert_eq!(reply.status(), 200);
        BufReader::new(reply.into_body().into_reader())
    }

    pub(crate) fn post(&self, path: &str, credential: &str, body: &Value) -> Reply {
        self.post_keyed(path, credential, "", body)
    }

    pub(crate) fn post_keyed(
        &self,
        path: &str,
        credential: &str,
        key: &str,
        body: &Value,
    ) -> Reply {
        let mut request = self.agent.post(self.url(path));
        if !credential.is_empty() {
            request = request.header("authorization", format!("Bearer {credential}"));
        }
        if !key.is_empty() {
            request = request.header("idempotency-key", key);
        }
        read(request.send_json(body).expect("an answer"))
    }

    pub(crate) fn post_bytes(&self, path: &str, media_type: &str, bytes: &[u8]) -> Reply {
        let request = self
            .agent
            .post(self.url(path))
            .header("content-type", media_type);
        read(request.send(bytes).expect("an answer"))
    }

    /// Registers machine 3 with an espresso at 0.80 and a tea at 1.20, and enrols a board on it.
    pub(crate) fn board(&self) -> Board {
        self.post(
            "/v1/machines",
            OPERATOR,
            &json!({"machine": 3, "currency": "EUR", "cap": "5.00", "vends_max": 3, "fee_basis_points": 100}),
        )
        .ok();
        for (item, name, price) in [(11, "espresso", "0.80"), (12, "tea", "1.20")] {
            self.post(
                "/v1/machines/3/products",
                OPERATOR,
                &json!({"item": item, "name": name, "price": price}),
            )
            .ok();
        }
        self.enrol(Board::new(7), 3)
    }

    pub(crate) fn enrol(&self, mut board: Board, machine: u32) -> Board {
        let enrolled = self
            .post(
                "/v1/readers",
                OPERATOR,
                &json!({
                    "public_key": board.key.public().to_string(),
                    "claim_code": claim_code(&board.key.public()),
                    "machine": machine,
                }),
            )
            .ok();
        assert_eq!(enrolled["reader_id"], board.id());
        assert_eq!(enrolled["operator"], 1);
        let server = enrolled["server_public_key"].as_str().expect("a key");
        board.server = Some(server.parse().expect("a key"));
        board.server_epoch =
            u16::try_from(enrolled["server_epoch"].as_u64().expect("an epoch")).expect("16 bits");
        board
    }

    /// Opens the operator's wallet `number` with that much e-money on it.
    pub(crate) fn customer(&self, number: u64, emoney: &str) -> Customer {
        let opened = self
            .post(
                "/v1/wallets",
                OPERATOR,
                &json!({"wallet": number, "currency": "EUR"}),
            )
            .ok();
        let customer = Customer {
            wallet: opened["wallet"].as_u64().expect("a name"),
            token: opened["token"].as_str().expect("a token").to_owned(),
        };
        if emoney != "0.00" {
            let path = format!("/v1/wallets/{}/top-ups", customer.wallet);
            self.post_keyed(&path, PLATFORM, "first", &json!({"amount": emoney}))
                .ok();
        }
        customer
    }

    /// E-money, pending and owed.
    #[track_caller]
    pub(crate) fn balance(&self, customer: &Customer) -> [String; 3] {
        let shown = self.get("/v1/app/wallet", &customer.token).ok();
        ["emoney", "pending", "owed"].map(|field| shown[field].as_str().expect("text").to_owned())
    }

    pub(crate) fn relay(
        &self,
        token: &str,
        link: Option<Bind>,
        envelopes: &[impl AsRef<[u8]>],
    ) -> Relayed {
        let body = carried(link, envelopes);
        Relayed::of(&self.post("/v1/app/relay", token, &body).ok())
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

pub(crate) fn configuration() -> String {
    let digest = |key: &str| hex(&Sha256::digest(key));
    format!(
        r#"
        listen = "127.0.0.1:0"
        state = "state"
        [limits]
        workers = 1
        shards = 2
        segment_bytes = 1048576
        body_timeout_ms = 1000
        head_timeout_ms = 1000
        [courier]
        folder = "letters"
        [platform]
        api_key_sha256 = "{}"
        [[operator]]
        number = 1
        name = "Caffè Uno"
        api_key_sha256 = "{}"
        [[operator]]
        number = 2
        name = "Bar Due"
        api_key_sha256 = "{}"
        "#,
        digest(PLATFORM),
        digest(OPERATOR),
        digest(OTHER_OPERATOR),
    )
}

pub(crate) fn carried(link: Option<Bind>, envelopes: &[impl AsRef<[u8]>]) -> Value {
    let envelopes: Vec<String> = envelopes
        .iter()
        .map(|bytes| STANDARD.encode(bytes))
        .collect();
    json!({"envelopes": envelopes, "h": link.map(|link| link.to_string())})
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn claim_code(key: &PublicKey) -> String {
    let digest = Sha256::new()
        .chain_update(b"gettone claim v1")
        .chain_update(key.as_bytes())
        .finalize();
    hex(&digest[..5])
}

/// Audits a stopped server's journal: how many records, when they balance.
#[track_caller]
pub(crate) fn audited(state: &Path) -> u64 {
    let audited = gettone_gateway::audit(state).expect("a journal");
    assert!(audited.is_balanced(), "{audited}");
    audited.to_json()["records"].as_u64().expect("a number")
}

/// The folder of the courier.
pub(crate) const LETTERS: &str = "letters";

fn read(mut response: ureq::http::Response<ureq::Body>) -> Reply {
    let media_type = response
        .headers()
        .get("content-type")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    let text = if media_type.starts_with("text/event-stream") {
        // It never ends.
        String::new()
    } else {
        response.body_mut().read_to_string().expect("text")
    };
    Reply {
        status,
        media_type,
        headers,
        body: serde_json::from_str(&text).unwrap_or(Value::String(text)),
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Customer {
    pub(crate) wallet: u64,
    pub(crate) token: String,
}

/// What a relay gave.
#[derive(Debug)]
pub(crate) struct Relayed {
    pub(crate) envelopes: Vec<Vec<u8>>,
    pub(crate) results: Vec<Value>,
}

impl Relayed {
    pub(crate) fn of(body: &Value) -> Self {
        let texts = body["envelopes"].as_array().expect("a list");
        Self {
            envelopes: texts
                .iter()
                .map(|text| {
                    STANDARD
                        .decode(text.as_str().expect("text"))
                        .expect("base64")
                })
                .collect(),
            results: body["results"].as_array().expect("a list").clone(),
        }
    }

    /// What became of its only envelope, and why.
    #[track_caller]
    pub(crate) fn outcome(&self) -> (&str, &str) {
        let [result] = &self.results[..] else {
            panic!("not one result: {self:?}");
        };
        (
            result["outcome"].as_str().expect("an outcome"),
            result["reason"].as_str().unwrap_or_default(),
        )
    }
}

/// A reader board: its key, its journal, and nothing that decides.
pub(crate) struct Board {
    pub(crate) key: StaticKey,
    pub(crate) server: Option<PublicKey>,
    pub(crate) server_epoch: u16,
    pub(crate) epoch: JournalEpoch,
    pub(crate) boot: u32,
    pub(crate) uptime_ms: u64,
    pub(crate) receipts: Vec<Receipt>,
    pub(crate) acked: u64,
    made: u8,
}

impl Board {
    pub(crate) fn new(seed: u8) -> Self {
        Self::with_key([seed; 32], seed)
    }

    /// One of very many.
    pub(crate) fn numbered(number: u32) -> Self {
        Self::with_key(Sha256::digest(number.to_be_bytes()).into(), 7)
    }

    fn with_key(key: [u8; 32], seed: u8) -> Self {
        Self {
            key: StaticKey::from_bytes(key),
            server: None,
            server_epoch: 0,
            epoch: JournalEpoch::from_bytes([seed; 8]),
            boot: 1,
            uptime_ms: 0,
            receipts: Vec::new(),
            acked: 0,
            made: 0,
        }
    }

    pub(crate) fn id(&self) -> String {
        reader_id(&self.key.public()).to_string()
    }

    /// The next HELLO, over a link of its own.
    pub(crate) fn hello(&mut self) -> Hello {
        self.uptime_ms += 1_000;
        self.made += 1;
        let newest = self.receipts.len() as u64;
        Hello {
            journal_epoch: self.epoch,
            boot: self.boot,
            nonce: Nonce::from_bytes([self.made; 16]),
            bind: Bind::from_bytes([self.made; 32]),
            rseq_oldest: 1,
            rseq_newest: newest,
            acked: self.acked,
            chain: self.chain(),
            uptime_ms: self.uptime_ms,
            utc_est: None,
            utc_err_s: 0,
            cfg: 0,
            fw: 0,
            mdb_state: MdbState::Enabled,
            flags: HelloFlags::NONE,
            currency: 978,
            exponent: 2,
            scale: 1,
            max_price: u32::MAX,
            vmc_level: 1,
            vmc_id: VmcId::from_bytes([9; 8]),
            step: 0,
        }
    }

    /// Writes a receipt into the journal.
    pub(crate) fn write(&mut self, grant: VendId, kind: ReceiptKind, item: u16, amount: u32) {
        self.uptime_ms += 10;
        self.receipts.push(Receipt {
            rseq: self.receipts.len() as u64 + 1,
            kind,
            grant,
            item,
            amount,
            boot: self.boot,
            mono_ms: self.uptime_ms,
            utc_est: None,
            flags: ReceiptFlags::NONE,
            ms: 500,
            prev: self.chain(),
        });
    }

    /// An envelope of all receipts from number `from` on, with their epoch.
    pub(crate) fn outbox(&mut self, from: u64) -> Vec<u8> {
        let mut items = vec![Item::Epoch(self.epoch)];
        items.extend(
            self.receipts
                .iter()
                .filter(|receipt| receipt.rseq >= from)
                .cloned()
                .map(Item::Receipt),
        );
        self.seal(&items)
    }

    /// An envelope of so many receipts from number `from` on, with their epoch.
    pub(crate) fn some(&mut self, from: u64, count: usize) -> Vec<u8> {
        let mut items = vec![Item::Epoch(self.epoch)];
        let receipts = self.receipts.iter().filter(|receipt| receipt.rseq >= from);
        items.extend(receipts.take(count).cloned().map(Item::Receipt));
        self.seal(&items)
    }

    pub(crate) fn seal(&mut self, items: &[Item]) -> Vec<u8> {
        self.made += 1;
        let header = Header {
            direction: Direction::ToServer,
            server_epoch: self.server_epoch,
            reader_id: reader_id(&self.key.public()),
            sequence: u64::from(self.made),
        };
        let server = self.server.expect("it is enrolled");
        let ephemeral = Ephemeral::from_bytes([self.made; 32]);
        seal(header, &self.key, &server, ephemeral, items).expect("it seals")
    }

    /// Opens the only answer of a relay.
    #[track_caller]
    pub(crate) fn answer(&self, relayed: &Relayed) -> Answer {
        let [envelope] = &relayed.envelopes[..] else {
            panic!("not one answer: {relayed:?}");
        };
        let server = self.server.expect("it is enrolled");
        let (header, items) = open(envelope, &self.key, &server).expect("it opens");
        assert_eq!(header.direction, Direction::ToReader);
        assert_eq!(header.reader_id, reader_id(&self.key.public()));
        let mut answer = Answer::default();
        for item in items {
            match item {
                Item::Ack(ack) => answer.ack = Some(ack),
                Item::Grant(grant) => answer.grant = Some(grant),
                Item::Refuse { nonce, reason } => answer.refuse = Some((nonce, reason)),
                Item::Resend(resend) => answer.resend = Some(resend.from),
                Item::Time(time) => answer.time = time.utc.map(|utc| (time.nonce, utc.unix_ms())),
                other @ (Item::Hello(_)
                | Item::Receipt(_)
                | Item::KeyUpdate(_)
                | Item::Epoch(_)
                | Item::TokenKey(_)
                | Item::Counters(_)
                | Item::Audit(_)
                | Item::ServerKey(_)
                | Item::Call(_)
                | Item::KeyAck(_)
                | Item::Diagnostics(_)) => panic!("{other:?}"),
                // Named for as long as the board does not run with it.
                Item::Config(_) => {}
                Item::Diagnose(asked) => answer.diagnose = Some(asked.id),
                Item::Lock(lock) => answer.lock = Some(lock),
                Item::AuditAck(noticed) => answer.noticed = Some(noticed.upto),
            }
        }
        answer
    }

    fn chain(&self) -> Chain {
        self.receipts
            .last()
            .map_or(Chain::first(self.epoch), Chain::of)
    }
}

/// What the server told a board.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) ack: Option<Ack>,
    pub(crate) grant: Option<Grant>,
    pub(crate) refuse: Option<(Nonce, RefuseReason)>,
    pub(crate) resend: Option<u64>,
    pub(crate) time: Option<(Nonce, u64)>,
    pub(crate) lock: Option<Lock>,
    pub(crate) noticed: Option<u64>,
    /// The report that it is asked for.
    pub(crate) diagnose: Option<u32>,
}

/// A firmware file that nobody has signed: the gateway vouches for none.
pub(crate) fn firmware(number: u32, board: &str) -> Vec<u8> {
    firmware_of(number, board, b"a program")
}

pub(crate) fn firmware_of(number: u32, board: &str, program: &[u8]) -> Vec<u8> {
    let len = u32::try_from(program.len()).expect("bounded");
    let header = FirmwareHeader {
        format: FirmwareFormat::Plain,
        board: board.to_owned(),
        number,
        body_len: len,
        program_len: len,
        program: Sha256::digest(program).into(),
    };
    let mut file = header.to_signed().expect("sound");
    file.resize(FirmwareHeader::LEN, 0);
    file.extend_from_slice(program);
    file
}
