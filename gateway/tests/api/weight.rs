//! What a large fleet weighs. It takes minutes, so it runs when it is asked for by name.

use crate::street::{Board, LETTERS, OPERATOR, PLATFORM, Server, configuration};
use gettone_channel::{Item, ReceiptKind};
use serde_json::json;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::thread;

const MACHINES: u32 = 10_000;
const SALES: u32 = 100_000;
/// Receipts of one envelope.
const SALES_OF_ONE: u32 = 32;
const CLIENTS: u32 = 16;
const RESIDENT_MAX_KIB: u64 = 64 * 1_024;

#[test]
#[ignore = "minutes; ask for it by name"]
fn ten_thousand_machines_and_a_hundred_thousand_sales_fit_in_64_mib() {
    let mut server = Server::start();
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let server = &server;
            scope.spawn(move || fill(server, client));
        }
    });
    let sales = loop {
        let page = server.get("/v1/sales?limit=1", OPERATOR).ok();
        if page["lines"][0]["rseq"].is_u64() {
            break page;
        }
    };
    assert_eq!(sales["complete"], true);
    server.stop();

    let home = tempfile::tempdir().expect("a directory");
    fs::create_dir(home.path().join(LETTERS)).expect("made");
    let config = home.path().join("gateway.toml");
    let state = format!("state = {:?}", server.state());
    let text = configuration().replace("state = \"state\"", &state);
    fs::write(&config, text).expect("written");
    let mut child = Command::new(env!("CARGO_BIN_EXE_gettone-gateway"))
        .args(["serve", "--config"])
        .arg(&config)
        .stdout(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("piped"))
        .read_line(&mut line)
        .expect("a line");
    let url = line
        .trim_end()
        .strip_prefix("listening on ")
        .expect("a line");
    let agent = ureq::Agent::new_with_defaults();
    let mut lines = 0;
    let mut cursor = String::new();
    loop {
        let page: serde_json::Value = agent
            .get(format!("{url}/v1/sales?limit=200{cursor}"))
            .header("authorization", format!("Bearer {OPERATOR}"))
            .call()
            .and_then(|mut reply| reply.body_mut().read_json())
            .expect("an answer");
        lines += page["lines"].as_array().expect("a list").len();
        match page["next"].as_u64() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).expect("read");
    child.kill().expect("killed");
    child.wait().expect("gone");
    let kib = |name: &str| -> u64 {
        let line = status.lines().find(|line| line.starts_with(name));
        let words = line.expect("it tells").split_whitespace().nth(1);
        words.expect("a number").parse().expect("a number")
    };
    let database = fs::metadata(server.state().join("gateway.sqlite")).expect("there");
    println!(
        "{MACHINES} machines and readers, {lines} sales: resident {} KiB, at most {} KiB, database {} KiB",
        kib("VmRSS"),
        kib("VmHWM"),
        database.len() / 1_024,
    );
    assert_eq!(lines, SALES as usize, "every sale is listed");
    assert!(kib("VmRSS") <= RESIDENT_MAX_KIB);
}

/// Fills in one client's share: machines with their readers, and the sales of some of them.
fn fill(server: &Server, client: u32) {
    let anna = server.customer(u64::from(client), "0.00");
    let path = format!("/v1/wallets/{}/top-ups", anna.wallet);
    server
        .post_keyed(&path, PLATFORM, "much", &json!({"amount": "10000.00"}))
        .ok();
    for machine in (client..MACHINES).step_by(CLIENTS as usize) {
        server
            .post(
                "/v1/machines",
                OPERATOR,
                &json!({
                    "machine": machine, "currency": "EUR", "cap": "5.00", "vends_max": SALES_OF_ONE,
                    "fee_basis_points": 100, "name": format!("Machine {machine}"),
                }),
            )
            .ok();
        for item in 1..=10 {
            if machine % 10 != 0 {
                break;
            }
            let product = json!({"item": item, "name": "Something warm", "price": "0.10"});
            let path = format!("/v1/machines/{machine}/products");
            server.post(&path, OPERATOR, &product).ok();
        }
        let mut board = server.enrol(Board::numbered(machine), machine);
        if machine >= SALES / SALES_OF_ONE {
            continue;
        }
        let hello = board.hello();
        let envelope = board.seal(&[Item::Hello(hello)]);
        let relayed = server.relay(&anna.token, Some(hello.bind), &[envelope]);
        let grant = board.answer(&relayed).grant.expect("a grant").grant;
        for _ in 0..SALES_OF_ONE {
            board.write(grant, ReceiptKind::VendOk, 1, 10);
        }
        let (count, total) = (SALES_OF_ONE as u16, SALES_OF_ONE * 10);
        board.write(grant, ReceiptKind::Close, count, total);
        for from in (1..=u64::from(SALES_OF_ONE) + 1).step_by(16) {
            server.relay("", None, &[board.some(from, 16)]);
        }
    }
}
