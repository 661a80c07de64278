//! Boards with a road of their own: the real gateway behind TLS, the real reader, a machine on a
//! pseudo-terminal, and customers who do nothing but type digits.
//!
//! The gateway and the reader run in processes of their own: this executable, started again.

mod errand;
mod front;

use front::{Authority, Front, write_authority};
use gettone_channel::{TokenKey, TokenLink};
use gettone_examples::{
    Ending, Key, Machine, Pace, Program, Seen, Server, Transcript, message, run,
};
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

type Outcome = Result<(), Failed>;

const MACHINE: u32 = 17;
const ESPRESSO: u16 = 2;
/// Nothing here takes longer; what does is a failure.
const PATIENCE: Duration = Duration::from_secs(60);
/// Digits of a code that is typed.
const DIGITS: u8 = 7;

fn main() -> ExitCode {
    gettone_examples::part().unwrap_or_else(test)
}

fn test() -> ExitCode {
    let trials = vec![
        Trial::test(
            "typed_digits_buy_over_tls_where_there_is_no_radio_and_a_cut_in_the_middle_costs_nothing",
            bought_over_tls,
        ),
        Trial::test(
            "a_road_leads_nowhere_that_nobody_vouches_for",
            vouched_by_somebody_else,
        ),
        Trial::test(
            "a_technicians_phone_brings_a_configuration_empties_the_outbox_and_is_told_how_the_reader_is",
            errand::run,
        ),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// A shop with one machine, its reader's road through a front that speaks TLS.
struct Shop {
    dir: tempfile::TempDir,
    server: Server,
    machine: Machine,
    reader: Program,
    front: Front,
}

impl Shop {
    fn open(authority: Authority) -> Result<Self, Failed> {
        let dir = tempfile::tempdir()?;
        let quiet = Transcript::quiet();
        let server = Server::start(dir.path(), &quiet)?;
        let terms = json!({
            "machine": MACHINE, "currency": "EUR", "cap": "4.00", "vends_max": 1,
            "fee_basis_points": 0,
        });
        server.post(Key::Operator, "/v1/machines", &terms)?;
        let espresso = json!({"item": ESPRESSO, "name": "espresso", "price": "1.20"});
        let products = format!("/v1/machines/{MACHINE}/products");
        server.post(Key::Operator, &products, &espresso)?;
        let machine = Machine::start(dir.path(), Pace::Hurried, &quiet)?;
        let front = Front::open(server.url());
        let reader = start_reader(dir.path(), &server, &machine, (&front, authority))?;
        Ok(Self {
            dir,
            server,
            machine,
            reader,
            front,
        })
    }

    /// The digits on the sign.
    fn digits(&self) -> Option<String> {
        let key = fs::read(self.path("reader").join("token-key")).ok()?;
        let key = TokenKey::from_bytes(key.try_into().ok()?);
        let sign = fs::read_to_string(self.path("sign")).ok()?;
        let link: TokenLink = sign.split_once("/t/")?.1.parse().ok()?;
        // A board that does not know the time counts its steps from 1.
        (link.step > 1_000_000).then(|| format!("{:07}", key.typed(link.step, DIGITS)))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn type_in(&self, digits: &str, token: &str) -> Result<Value, Failed> {
        let typed = json!({"machine": MACHINE, "code": digits});
        let who = Key::Customer(token);
        Ok(self.server.post(who, "/v1/app/token/typed", &typed)?)
    }

    /// Ends all of it; the ledger has to be balanced.
    fn close(self) -> Outcome {
        self.reader.stop()?;
        self.machine.stop()?;
        let config = self.server.stop()?;
        let args = ["audit".as_ref(), "--config".as_ref(), config.as_os_str()];
        let (said, is_balanced) = run("gateway", &args)?;
        assert!(is_balanced, "{said}");
        Ok(())
    }
}

fn start_reader(
    dir: &Path,
    server: &Server,
    machine: &Machine,
    (front, authority): (&Front, Authority),
) -> Result<Program, Failed> {
    let place = |name: &str| dir.join(name).display().to_string();
    let config = dir.join("reader.toml");
    let ca = dir.join("ca.pem");
    write_authority(&ca, authority);
    fs::create_dir_all(dir.join("air"))?;
    let text = format!(
        "state = \"{}\"\nmachine = {MACHINE}\nair = \"folder:{}\"\nlight = \"socket:{}\"\n\
         [mdb]\nlink = \"words:{}\"\ncurrency = \"EUR\"\n\
         [token]\nurl = \"https://gettone.example\"\nshow = [\"text:{}\"]\n\
         [road]\nurl = \"wss://localhost:{}\"\nca = \"{}\"\n",
        place("reader"),
        place("air"),
        place("light.sock"),
        machine.link().display(),
        place("sign"),
        front.port(),
        ca.display(),
    );
    fs::write(&config, &text)?;
    let args = ["enrol".as_ref(), "--config".as_ref(), config.as_os_str()];
    let (said, is_enrolled) = run("reader", &args)?;
    assert!(is_enrolled, "{said}");
    let enrolment: Value = serde_json::from_str(&said)?;
    let enrolment = json!({
        "public_key": enrolment["public_key"],
        "claim_code": enrolment["claim_code"],
        "machine": MACHINE,
    });
    let answer = server.post(Key::Operator, "/v1/readers", &enrolment)?;
    let (epoch, key) = (&answer["server_epoch"], &answer["server_public_key"]);
    fs::write(
        &config,
        format!("{text}\n[[server]]\nepoch = {epoch}\nkey = {key}\n"),
    )?;
    let args = ["run".as_ref(), "--config".as_ref(), config.as_os_str()];
    let mut reader = Program::start("reader", &args)?;
    reader.follow("reader", &Transcript::quiet(), message);
    Ok(reader)
}

fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "{what} did not come");
        std::thread::yield_now();
    }
}

fn bought_over_tls() -> Outcome {
    let shop = Shop::open(Authority::Ours)?;
    let token = shop.server.customer(1, "5.00")?;
    shop.machine
        .wait("the reader", |seen| seen == Seen::Ready)?;
    let digits = wait_for("digits on the sign", || shop.digits());
    let told = shop.type_in(&digits, &token)?;
    assert_eq!(told["outcome"], "granted", "{told}");
    assert_eq!(told["held"], "4.00");
    shop.machine.wait("a credit", Seen::is_credit)?;
    // The road falls in the middle; the session goes on without it.
    shop.front.cut();
    shop.machine.select(ESPRESSO, 120, Ending::Dispensed)?;
    shop.machine
        .wait("the espresso", |seen| seen == Seen::Dispensed)?;
    // It comes back by itself, and brings what happened.
    let wallet = wait_for("the receipt", || {
        let wallet = shop.server.get(Key::Customer(&token), "/v1/app/wallet");
        wallet.ok().filter(|wallet| wallet["pending"] == "0.00")
    });
    assert_eq!(wallet["emoney"], "3.80", "{wallet}");
    assert!(shop.front.taken() >= 2, "it was cut");
    // The same digits again are used up; who types them is not charged twice.
    let other = shop.server.customer(2, "5.00")?;
    let told = shop.type_in(&digits, &other)?;
    assert_eq!(told["outcome"], "rejected", "{told}");
    shop.close()
}

fn vouched_by_somebody_else() -> Outcome {
    let shop = Shop::open(Authority::SomebodyElses)?;
    shop.machine
        .wait("the reader", |seen| seen == Seen::Ready)?;
    // It came, saw the certificate, and went; and it comes again.
    wait_for("two tries", || (shop.front.tried() >= 2).then_some(()));
    assert_eq!(shop.front.taken(), 0);
    assert_eq!(shop.digits(), None, "nobody told it the time");
    shop.close()
}
