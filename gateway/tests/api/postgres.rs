//! A gateway that has nothing but its keys on its own disk: journal and tables are in a PostgreSQL
//! server.
//!
//! Ignored by default, for they need one (Debian: postgresql-15).

#[expect(dead_code, reason = "the journal's tests use the rest of it")]
#[path = "../../../adapters/store/tests/postgres/server.rs"]
mod server;

use crate::money::{Person, available, euro};
use crate::street::{OPERATOR, PLATFORM, Server, TABLES};
use gettone_gateway::Records;
use serde_json::json;
use server::with_server;
use std::process::Command;

/// A gateway with everything there.
fn gateway(postgres: &server::Server) -> Server {
    let (journal, words) = (postgres.settings(), postgres.address());
    Server::start_as(move |config| {
        config.journal = Some(journal.clone());
        config.records = Some(Records::parse(&words, 0).expect("an address"));
    })
}

fn lines(server: &Server, path: &str, count: usize) -> serde_json::Value {
    server.awaited(path, OPERATOR, |shown| {
        let lines = shown["lines"].as_array();
        lines.is_some_and(|lines| lines.len() == count) && shown["complete"] != false
    })
}

#[test]
#[ignore = "needs a PostgreSQL server"]
fn a_day_goes_on_over_a_server_that_is_killed_and_a_gateway_that_is_restarted() {
    with_server(|mut postgres| {
        let mut server = gateway(&postgres);
        let mut board = server.board();
        let ann = Person::with(&server, "ann", "5.00");
        ann.buy(&mut board);
        lines(&server, "/v1/sales", 1);
        postgres.kill();
        postgres.start();
        ann.buy(&mut board);
        assert_eq!(ann.emoney(), "3.40");
        assert_eq!(ann.kinds(3), ["sale", "sale", "top_up"]);
        assert_eq!(available(&server, OPERATOR), "1.60");
        let paid = || server.post_keyed("/v1/payouts", OPERATOR, "k", &euro("1.00"));
        let ordered = paid().ok();
        postgres.kill();
        postgres.start();
        assert_eq!(paid().ok(), ordered, "the answer was kept");
        let who = ann.leave();

        server.stop();
        let state = server.state();
        for gone in ["journal", "gateway.sqlite"] {
            assert!(!state.join(gone).exists(), "{gone} is not here");
        }
        server.resume();
        let ann = who.back(&server);
        assert_eq!(ann.emoney(), "3.40", "she is still signed in");
        assert_eq!(available(&server, OPERATOR), "0.60");
        let payout = ordered["transfer"].as_str().expect("a name");
        let path = format!("/v1/operators/1/payouts/{payout}/settle");
        server.post(&path, PLATFORM, &json!({})).ok();
        lines(&server, "/v1/sales", 2);
        drop(ann);
        server.stop();
        let mut audited = postgres.settings();
        audited.partition = 0;
        let audited = gettone_gateway::audit_postgres(&audited).expect("a journal");
        assert!(audited.is_balanced(), "{audited}");
    });
}

#[test]
#[ignore = "needs a PostgreSQL server"]
fn lists_say_that_they_are_behind_and_catch_up_by_themselves() {
    with_server(|postgres| {
        let server = gateway(&postgres);
        let mut board = server.board();
        let ann = Person::with(&server, "ann", "5.00");
        ann.buy(&mut board);
        lines(&server, "/v1/sales", 1);
        postgres.run(
            "create function refuse() returns trigger language plpgsql as $$ \
             begin raise exception 'no room'; end $$; \
             create trigger refuse before insert on gettone_records_0.sale \
             for each row execute function refuse()",
        );
        // No decision waits for a list.
        ann.buy(&mut board);
        server.awaited("/v1/sales", OPERATOR, |shown| shown["complete"] == false);
        assert_eq!(ann.emoney(), "3.40");
        postgres.run("drop function refuse cascade");
        let sales = server.awaited("/v1/sales", OPERATOR, |shown| shown["complete"] == true);
        assert_eq!(sales["lines"].as_array().map(Vec::len), Some(2));
        assert_eq!(available(&server, OPERATOR), "1.60");
    });
}

/// Claims about the API that say nothing of where the tables are.
const CLAIMS: [&str; 14] = [
    "console::",
    "dts::",
    "favourite::",
    "keys::a_mark",
    "keys::sales_carry",
    "light::",
    "money::",
    "once::",
    "operator::",
    "person::",
    "relay::",
    "restart::a_rebuild",
    "restart::a_restart",
    "staff::",
];

#[test]
#[ignore = "needs a PostgreSQL server"]
fn the_api_keeps_its_claims_with_its_tables_in_postgres() {
    with_server(|postgres| {
        let claims = std::env::current_exe().expect("this program");
        let status = Command::new(claims)
            .args(CLAIMS)
            .args(["--test-threads", "4"])
            .env(TABLES, postgres.address())
            .status()
            .expect("it runs");
        assert!(status.success(), "{status}");
    });
}
