//! Audits of machines (EVA-DTS): what an operator brings, and what comes of it.

use crate::street::{Ask, Credential, OPERATOR, OTHER_OPERATOR, Reply, Server};
use serde_json::{Value, json};
use std::process::Command;

/// Espresso is item 11 of the catalogue at 0.80, tea 12 at 1.20; here tea costs 1.50.
const AUDIT: &str = "DXS*GTN0000001*VA*V0/6*1\r\nST*001*0001\r\nID1*SN-0042*Model 7*0100\r\n\
ID4*2*978*EUR\r\nVA1*125000*1041*2400*20\r\nCA2*90000*750*1800*15\r\n\
CA3*2000*1500*400*500*99000*70000*20000*9000\r\nDA2*35000*291*600*5\r\n\
PA1*11*80*Espresso\r\nPA2*600*72000*12*1440\r\nPA1*12*150*Tea\r\nPA1*B1*90*Soup\r\n\
EA2*EJL*2*17\r\nG85*1A2B\r\nSE*14*0001\r\nDXE*1*1\r\n";

fn bring(server: &Server, key: &str, words: &str) -> Reply {
    server.ask(Ask {
        method: "put",
        path: "/v1/machines/3/dts",
        credential: Credential::Bearer(key),
        key: None,
        body: Some(&json!({"words": words})),
    })
}

fn shown(server: &Server, key: &str) -> Reply {
    server.get("/v1/machines/3/dts", key)
}

#[test]
fn an_audit_tells_prices_that_drifted_and_cash_with_its_source() {
    let server = Server::start();
    let _board = server.board();
    shown(&server, OPERATOR).problem(404);
    let audit = bring(&server, OPERATOR, AUDIT).ok();
    assert_eq!(audit, shown(&server, OPERATOR).ok(), "it is kept");
    assert_eq!(audit["serial"], "SN-0042");
    assert_eq!(
        (&audit["sold"]["value"], &audit["sold"]["vends"]),
        (&json!("1250.00"), &json!(1041))
    );
    let product = |item: Value, id: &str, seen: &str, wanted: Value, drifted: bool| {
        let found = audit["products"].as_array().into_iter().flatten();
        let found = found
            .clone()
            .find(|it| it["id"] == id)
            .unwrap_or_else(|| panic!("{id}: {audit}"));
        let told = [
            &found["item"],
            &found["seen"],
            &found["wanted"],
            &found["drifted"],
        ];
        assert_eq!(
            told,
            [&item, &json!(seen), &wanted, &json!(drifted)],
            "{id}"
        );
    };
    product(json!(11), "11", "0.80", json!("0.80"), false);
    product(json!(12), "12", "1.50", json!("1.20"), true);
    product(Value::Null, "B1", "0.90", Value::Null, false);
    assert_eq!(audit["drifts"], 1);
    // Coins and notes that went to the box, said beside what the ledger expects there.
    assert_eq!(
        audit["cash"],
        json!({"by_machine": "20.00", "source": "CA302 + CA304", "by_ledger": "0.00"})
    );
    assert_eq!(audit["events"][0]["id"], "EJL");
}

#[test]
fn amounts_in_other_decimals_are_not_guessed() {
    let server = Server::start();
    let _board = server.board();
    let audit = bring(&server, OPERATOR, &AUDIT.replace("ID4*2*", "ID4*3*")).ok();
    assert_eq!(audit["sold"]["value"], Value::Null);
    assert_eq!(audit["sold"]["vends"], 1041);
    assert_eq!(
        (&audit["cash"]["by_machine"], &audit["drifts"]),
        (&Value::Null, &json!(0))
    );
}

#[test]
fn what_is_no_audit_is_refused_and_nobody_elses_machine_is_told_of() {
    let server = Server::start();
    let _board = server.board();
    let problem = bring(&server, OPERATOR, "hello").problem(400);
    let detail = problem["detail"].as_str().expect("text");
    assert!(detail.starts_with("words: no audit"), "{detail}");
    bring(&server, OTHER_OPERATOR, AUDIT).problem(404);
    bring(&server, OPERATOR, AUDIT).ok();
    shown(&server, OTHER_OPERATOR).problem(404);
    let cut = bring(&server, OPERATOR, AUDIT.split("G85").next().expect("text")).ok();
    assert_eq!(cut["whole"], "cut");
}

#[test]
fn the_program_brings_an_audit_of_a_file_and_prints_what_it_says() {
    let server = Server::start();
    let _board = server.board();
    let home = tempfile::tempdir().expect("a directory");
    let (key, audit) = (home.path().join("key"), home.path().join("audit"));
    std::fs::write(&audit, AUDIT).expect("written");
    let bring = |holder: &str| {
        std::fs::write(&key, format!("{holder}\n")).expect("written");
        let reached = format!("http://{}", server.address);
        Command::new(env!("CARGO_BIN_EXE_gettone-gateway"))
            .args(["dts", "--server", &reached, "--machine", "3"])
            .arg("--api-key-file")
            .args([&key, &audit])
            .output()
            .expect("it runs")
    };
    let brought = bring(OPERATOR);
    assert!(brought.status.success(), "{brought:?}");
    let told: Value = serde_json::from_slice(&brought.stdout).expect("JSON");
    assert_eq!(told, shown(&server, OPERATOR).ok());
    let refused = bring(OTHER_OPERATOR);
    let words = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2));
    assert!(words.contains("refused it (404)"), "{words}");
}
