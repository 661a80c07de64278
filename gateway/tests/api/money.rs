//! Money that moves without a vend: between customers, to operators' banks, out of what operators
//! earned, back by card or in a dispute. Each once, however often it is sent; each "no" with its
//! figures.

use crate::street::{
    Ask, Board, Credential, OPERATOR, OTHER_OPERATOR, PLATFORM, Relayed, Reply, Server, carried,
};
use gettone_channel::{Item, ReceiptKind};
use serde_json::{Value, json};

/// A customer who signed in, with a wallet in euro.
pub(crate) struct Person<'a> {
    server: &'a Server,
    cookie: String,
    number: u64,
    wallet: u64,
}

impl<'a> Person<'a> {
    pub(crate) fn with(server: &'a Server, name: &str, emoney: &str) -> Self {
        let (cookie, number) = server.person(&format!("{name}@example.com"));
        let mut person = Self {
            server,
            cookie,
            number,
            wallet: 0,
        };
        let opened = person.ask("post", "/v1/app/wallets", "", &json!({"currency": "EUR"}));
        person.wallet = opened.ok()["wallet"].as_u64().expect("a number");
        if emoney != "0.00" {
            let path = format!("/v1/wallets/{}/top-ups", person.wallet);
            let amount = json!({"amount": emoney});
            server.post_keyed(&path, PLATFORM, "first", &amount).ok();
        }
        person
    }

    /// Waits outside while the server is stopped.
    pub(crate) fn leave(self) -> Absent {
        Absent {
            cookie: self.cookie,
            number: self.number,
            wallet: self.wallet,
        }
    }

    fn ask(&self, method: &str, path: &str, key: &str, body: &Value) -> Reply {
        self.server.ask(Ask {
            method,
            path,
            credential: Credential::Cookie(&self.cookie),
            key: (!key.is_empty()).then_some(key),
            body: (!body.is_null()).then_some(body),
        })
    }

    pub(crate) fn emoney(&self) -> String {
        let shown = self.ask("get", "/v1/app/wallet", "", &Value::Null).ok();
        shown["emoney"].as_str().expect("text").to_owned()
    }

    /// The kinds of their receipts, the newest first, once there are so many.
    pub(crate) fn kinds(&self, count: usize) -> Vec<String> {
        loop {
            let shown = self.ask("get", "/v1/app/receipts", "", &Value::Null).ok();
            let lines = shown["receipts"].as_array().expect("lines");
            if lines.len() >= count {
                let kind = |line: &Value| line["kind"].as_str().expect("text").to_owned();
                return lines.iter().map(kind).collect();
            }
        }
    }

    /// Buys an espresso for 0.80; gives the vend.
    pub(crate) fn buy(&self, board: &mut Board) -> String {
        let hello = board.hello();
        let envelope = board.seal(&[Item::Hello(hello)]);
        let body = carried(Some(hello.bind), &[envelope]);
        let relayed = self.ask("post", "/v1/app/relay", "", &body).ok();
        let grant = board.answer(&Relayed::of(&relayed)).grant;
        let grant = grant.expect("a grant").grant;
        board.write(grant, ReceiptKind::VendOk, 11, 80);
        board.write(grant, ReceiptKind::Close, 1, 80);
        self.server.relay("", None, &[board.outbox(1)]);
        grant.to_string()
    }
}

/// A customer of a server that is stopped.
pub(crate) struct Absent {
    cookie: String,
    number: u64,
    wallet: u64,
}

impl Absent {
    pub(crate) fn back(self, server: &Server) -> Person<'_> {
        let Self {
            cookie,
            number,
            wallet,
        } = self;
        Person {
            server,
            cookie,
            number,
            wallet,
        }
    }
}

pub(crate) fn euro(amount: &str) -> Value {
    json!({"amount": amount, "currency": "EUR"})
}

pub(crate) fn available(server: &Server, credential: &str) -> Value {
    server.get("/v1/balance", credential).ok()["lines"][0]["available"].clone()
}

#[test]
fn a_customer_sends_money_once_and_both_have_a_receipt() {
    let server = Server::start();
    let ann = Person::with(&server, "ann", "5.00");
    let bob = Person::with(&server, "bob", "0.00");
    let path = "/v1/app/transfers";
    let to = |customer: u64, amount: &str| json!({"customer": customer, "amount": amount, "currency": "EUR"});
    for _ in 0..3 {
        let sent = ann.ask("post", path, "k", &to(bob.number, "2.00"));
        assert_eq!(sent.status, 201, "{sent:?}");
        assert_eq!(sent.body["emoney"], "3.00");
    }
    let other = ann.ask("post", path, "k", &to(bob.number, "2.01"));
    assert_eq!(other.problem(422)["type"], "urn:gettone:problem:key-reused");
    assert_eq!((ann.emoney(), bob.emoney()), ("3.00".into(), "2.00".into()));
    assert_eq!(ann.kinds(2), ["sent", "top_up"]);
    assert_eq!(bob.kinds(1), ["received"]);

    let short = ann.ask("post", path, "k2", &to(bob.number, "3.01"));
    let short = short.problem(422);
    assert_eq!(
        (&short["available"], &short["short_by"]),
        (&json!("3.00"), &json!("0.01"))
    );
    ann.ask("post", path, "k3", &to(ann.number, "1.00"))
        .problem(422);
    ann.ask("post", path, "k4", &to(1_000_000_000, "1.00"))
        .problem(404);
    ann.ask("post", path, "k5", &to(bob.number, "0.00"))
        .problem(400);
    let (poor, _) = server.person("eve@example.com");
    let poor = Ask {
        method: "post",
        path,
        credential: Credential::Cookie(&poor),
        key: Some("k"),
        body: Some(&to(bob.number, "1.00")),
    };
    server.ask(poor).problem(404);
}

#[test]
fn an_operator_orders_what_it_earned_to_its_bank_and_the_platform_settles_it() {
    let server = Server::start();
    let mut board = server.board();
    let ann = Person::with(&server, "ann", "5.00");
    ann.buy(&mut board);
    ann.buy(&mut board);
    // Two espressos; one per cent of 0.80 is less than a cent, and no fee.
    let earned = available(&server, OPERATOR);
    assert_eq!(earned, "1.60");
    let too_much = server.post_keyed("/v1/payouts", OPERATOR, "k", &euro("1.61"));
    let too_much = too_much.problem(422);
    assert_eq!(
        (&too_much["available"], &too_much["short_by"]),
        (&earned, &json!("0.01"))
    );
    let mut payout = Value::Null;
    for _ in 0..2 {
        let ordered = server.post_keyed("/v1/payouts", OPERATOR, "k", &euro("1.00"));
        assert_eq!(ordered.status, 201, "{ordered:?}");
        payout = ordered.body["transfer"].clone();
    }
    assert_eq!(available(&server, OPERATOR), "0.60");
    let listed = |path, credential| server.get(path, credential).ok()["lines"].clone();
    assert_eq!(listed("/v1/payouts", OPERATOR)[0]["payout"], payout);
    assert_eq!(listed("/v1/payouts", OTHER_OPERATOR), json!([]));
    assert_eq!(listed("/v1/platform/payouts", PLATFORM)[0]["operator"], 1);

    // A clerk sees the money and may not send it away.
    let key = json!({"name": "till", "role": "clerk"});
    let clerk = server.post("/v1/api-keys", OPERATOR, &key).ok();
    let clerk = clerk["key"].as_str().expect("a key");
    assert_eq!(available(&server, clerk), "0.60");
    server
        .post_keyed("/v1/payouts", clerk, "k", &euro("0.10"))
        .problem(403);

    let payout = payout.as_str().expect("a name");
    let end = |operator: u32, how: &str| {
        let path = format!("/v1/operators/{operator}/payouts/{payout}/{how}");
        server.post(&path, PLATFORM, &json!({}))
    };
    end(2, "settle").problem(422);
    for _ in 0..2 {
        assert_eq!(end(1, "settle").ok()["state"], "settled");
    }
    end(1, "fail").problem(422);
    assert_eq!(listed("/v1/platform/payouts", PLATFORM), json!([]));
    assert_eq!(available(&server, OPERATOR), "0.60");
    // The platform has the fees, and may have an operator pay it more.
    let charged = server.post_keyed("/v1/operators/1/charges", PLATFORM, "k", &euro("0.50"));
    charged.ok();
    assert_eq!(available(&server, OPERATOR), "0.10");
    let purse = listed("/v1/operators/0/balance", PLATFORM);
    assert_eq!(purse[0]["available"], "0.50");
    server
        .post_keyed("/v1/platform/payouts", PLATFORM, "k", &euro("0.50"))
        .ok();
    server
        .post_keyed("/v1/operators/77/deposits", PLATFORM, "k", &euro("1.00"))
        .problem(404);
}

#[test]
fn a_payout_under_way_is_listed_again_after_a_restart() {
    let mut server = Server::start();
    let deposit = "/v1/operators/1/deposits";
    server
        .post_keyed(deposit, PLATFORM, "k", &euro("9.00"))
        .ok();
    let ordered = server.post_keyed("/v1/payouts", OPERATOR, "k", &euro("4.00"));
    let ordered = ordered.ok();
    server.stop();
    server.resume();
    let lines = server.get("/v1/platform/payouts", PLATFORM).ok()["lines"].clone();
    assert_eq!(lines[0]["payout"], ordered["transfer"]);
    assert_eq!(available(&server, OPERATOR), "5.00");
    let again = server.post_keyed("/v1/payouts", OPERATOR, "k", &euro("4.00"));
    assert_eq!(again.ok(), ordered);
    let payout = ordered["transfer"].as_str().expect("a name");
    let path = format!("/v1/operators/1/payouts/{payout}/fail");
    server.post(&path, PLATFORM, &json!({})).ok();
    assert_eq!(available(&server, OPERATOR), "9.00");
}

#[test]
fn a_promotion_is_paid_out_of_what_the_operator_has() {
    let server = Server::start();
    let bob = Person::with(&server, "bob", "0.00");
    let gift = json!({"address": "bob@example.com", "amount": "1.00", "currency": "EUR"});
    let give = |credential| server.post_keyed("/v1/promotions", credential, "k", &gift);
    let refused = give(OPERATOR).problem(422);
    assert_eq!(refused["short_by"], "1.00");
    server
        .post_keyed("/v1/operators/1/deposits", PLATFORM, "k", &euro("1.50"))
        .ok();
    for _ in 0..2 {
        assert_eq!(give(OPERATOR).ok()["customer"], bob.number);
    }
    assert_eq!(bob.emoney(), "1.00");
    assert_eq!(available(&server, OPERATOR), "0.50");
    assert_eq!(bob.kinds(1), ["promotion"]);
    give(OTHER_OPERATOR).problem(422);
}

#[test]
fn a_sale_in_dispute_is_nobodys_until_the_platform_decides() {
    let server = Server::start();
    let mut board = server.board();
    let ann = Person::with(&server, "ann", "5.00");
    let eve = Person::with(&server, "eve", "5.00");
    let vend = ann.buy(&mut board);
    let earned = available(&server, OPERATOR);
    let argue = |who: &Person<'_>, key: &str, amount: &str| {
        let body = json!({"vend": vend, "rseq": 1, "amount": amount});
        who.ask("post", "/v1/app/disputes", key, &body)
    };
    argue(&eve, "k", "0.80").problem(404);
    let too_much = argue(&ann, "k0", "0.81").problem(422);
    assert_eq!(too_much["left"], "0.80");
    let mut dispute = Value::Null;
    for _ in 0..2 {
        let begun = argue(&ann, "k", "0.80");
        assert_eq!(begun.status, 201, "{begun:?}");
        dispute = begun.body["dispute"].clone();
    }
    assert_ne!(available(&server, OPERATOR), earned, "it is set aside");
    assert_eq!(ann.emoney(), "4.20", "and not back yet");
    let listed = ann.ask("get", "/v1/app/disputes", "", &Value::Null).ok();
    assert_eq!(listed["lines"][0]["dispute"], dispute);
    let none = eve.ask("get", "/v1/app/disputes", "", &Value::Null).ok();
    assert_eq!(none["lines"], json!([]));

    let of_wallet = format!("/v1/wallets/{}/disputes", ann.wallet);
    let listed = server.get(&of_wallet, PLATFORM).ok();
    assert_eq!(listed["lines"][0]["amount"], "0.80");
    let dispute = dispute.as_str().expect("a name");
    let decide = |favour: &str, credential: &str| {
        let path = format!("{of_wallet}/{dispute}/decide");
        server.post(&path, credential, &json!({"favour": favour}))
    };
    decide("operator", OPERATOR).problem(401);
    for _ in 0..2 {
        assert_eq!(decide("customer", PLATFORM).ok()["emoney"], "5.00");
    }
    decide("operator", PLATFORM).problem(422);
    assert_eq!(ann.kinds(4), ["refund", "disputed", "sale", "top_up"]);
    let sales = server.awaited("/v1/sales?kind=refund", OPERATOR, |shown| {
        shown["lines"]
            .as_array()
            .is_some_and(|lines| lines.len() == 1)
    });
    assert_eq!(sales["lines"][0]["amount"], "-0.80");
}

#[test]
fn a_card_payment_that_is_charged_back_is_taken_or_owed() {
    let server = Server::start();
    let mut board = server.board();
    let ann = Person::with(&server, "ann", "0.00");
    let path = format!("/v1/wallets/{}/card-payments", ann.wallet);
    let pay = || server.post_keyed(&path, PLATFORM, "k", &json!({"amount": "2.00"}));
    let paid = pay().ok();
    assert_eq!(pay().ok(), paid);
    let payment = paid["payment"].as_str().expect("a name");
    for _ in 0..2 {
        let settle = format!("{path}/{payment}/settle");
        assert_eq!(
            server.post(&settle, PLATFORM, &json!({})).ok()["emoney"],
            "2.00"
        );
    }
    ann.buy(&mut board);
    let chargebacks = format!("/v1/wallets/{}/chargebacks", ann.wallet);
    let back = |key: &str, amount: &str| {
        let body = json!({"payment": payment, "amount": amount});
        server.post_keyed(&chargebacks, PLATFORM, key, &body)
    };
    let too_much = back("k0", "2.01").problem(422);
    assert_eq!(too_much["left"], "2.00");
    for _ in 0..2 {
        let gone = back("k", "2.00").ok();
        assert_eq!(
            (&gone["emoney"], &gone["owed"]),
            (&json!("0.00"), &json!("0.80"))
        );
    }
    back("k1", "0.01").problem(422);
    let due = server.get("/v1/operators/0/balance", PLATFORM).ok();
    assert_eq!(due["lines"][0]["due"], "0.80");
    server
        .post_keyed("/v1/operators/0/deposits", PLATFORM, "k", &euro("2.00"))
        .ok();
    let cover =
        |key, amount| server.post_keyed("/v1/platform/covers", PLATFORM, key, &euro(amount));
    assert_eq!(cover("k0", "0.81").problem(422)["due"], "0.80");
    cover("k", "0.80").ok();

    // Who owes neither sends nor buys; a wallet without free money repays nothing.
    let repay = |key: &str| {
        ann.ask(
            "post",
            "/v1/app/repayments",
            key,
            &json!({"currency": "EUR"}),
        )
    };
    repay("k").problem(422);
    let eve = Person::with(&server, "eve", "0.00");
    let send = json!({"customer": eve.number, "amount": "0.10", "currency": "EUR"});
    let sent = ann
        .ask("post", "/v1/app/transfers", "k", &send)
        .problem(422);
    assert_eq!(sent["owed"], "0.80");
    // What it owes the platform no operator can give up.
    let body = json!({"customer": ann.number, "amount": "0.10", "currency": "EUR"});
    let given_up = server.post_keyed("/v1/write-offs", OPERATOR, "k", &body);
    assert_eq!(given_up.problem(422)["owed"], "0.00");
    // Money that comes in repays first.
    let send = json!({"customer": ann.number, "amount": "1.00", "currency": "EUR"});
    let rich = Person::with(&server, "rich", "1.00");
    assert_eq!(
        rich.ask("post", "/v1/app/transfers", "k", &send).status,
        201
    );
    assert_eq!(ann.emoney(), "0.20");
    assert_eq!(repay("k").problem(422)["owed"], "0.00");
    let kinds = ann.kinds(4);
    assert_eq!(kinds, ["received", "charged_back", "sale", "top_up"]);
}

#[test]
fn limits_are_set_by_whoever_the_wallet_belongs_to_and_hold_at_the_machine() {
    let server = Server::start();
    let mut board = server.board();
    let ann = Person::with(&server, "ann", "5.00");
    let limits = json!({"currency": "EUR", "day": "1.00", "month": "20.00"});
    for _ in 0..2 {
        let set = ann.ask("put", "/v1/app/limits", "k", &limits).ok();
        assert_eq!(set["limits"][0]["limit"], "1.00");
    }
    ann.buy(&mut board);
    let shown = ann.ask("get", "/v1/app/limits", "", &Value::Null).ok();
    let day = &shown["lines"][0]["limits"][0];
    assert_eq!(
        (&day["window"], &day["used"]),
        (&json!("day"), &json!("0.80"))
    );
    // What is left of the day is less than anything costs.
    let hello = board.hello();
    let envelope = board.seal(&[Item::Hello(hello)]);
    let body = carried(Some(hello.bind), &[envelope]);
    let relayed = ann.ask("post", "/v1/app/relay", "", &body).ok();
    assert!(board.answer(&Relayed::of(&relayed)).grant.is_none());
    let none = json!({"currency": "EUR"});
    let ended = ann.ask("put", "/v1/app/limits", "k2", &none).ok();
    assert_eq!(ended["limits"], json!([]));

    // The token of an operator's wallet shows its limits and changes none.
    let token = server.customer(42, "0.00");
    let path = format!("/v1/wallets/{}/limits", token.wallet);
    let put = |path: &str, credential: &str, key: &str, body: &Value| {
        server.ask(Ask {
            method: "put",
            path,
            credential: Credential::Bearer(credential),
            key: Some(key),
            body: Some(body),
        })
    };
    let body = json!({"week": "7.00"});
    put(&path, OTHER_OPERATOR, "k", &body).problem(404);
    put(&path, OPERATOR, "k", &body).ok();
    put("/v1/app/limits", &token.token, "k", &limits).problem(403);
    let shown = server.get("/v1/app/limits", &token.token).ok();
    assert_eq!(shown["lines"][0]["limits"][0]["window"], "week");
    put(&path, OPERATOR, "k2", &json!({"week": "1.001"})).problem(400);
}

#[test]
fn readiness_tells_how_the_work_beside_the_journal_goes() {
    let server = Server::start();
    let ready = server.get("/health/ready", "").ok();
    assert_eq!(ready["upkeep"], "done");
    assert_eq!(ready["complete"], true);
    assert!(ready["segments_waiting"].is_u64());
}
