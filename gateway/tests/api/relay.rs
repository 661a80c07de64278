//! Purchases, on the real wire format, over a road that nobody trusts.

use crate::street::{
    Answer, Board, Customer, OPERATOR, OTHER_OPERATOR, Relayed, Server, audited, carried,
};
use gettone_channel::{
    Bind, Hello, HelloFlags, Item, JournalEpoch, LockState, MdbState, Nonce, ReceiptKind,
    RefuseReason, VendId, reader_id, vend_id,
};
use serde_json::{Value, json};

fn ask(server: &Server, board: &mut Board, hello: &Hello, who: &Customer) -> (Relayed, Answer) {
    let envelope = board.seal(&[Item::Hello(*hello)]);
    let relayed = server.relay(&who.token, Some(hello.bind), &[envelope]);
    let answer = board.answer(&relayed);
    (relayed, answer)
}

/// Gets a grant and gives its hold's name.
#[track_caller]
fn granted(server: &Server, board: &mut Board, who: &Customer) -> VendId {
    let hello = board.hello();
    let (relayed, answer) = ask(server, board, &hello, who);
    assert_eq!(relayed.outcome(), ("granted", ""), "{relayed:?}");
    answer.grant.expect("a grant").grant
}

#[test]
fn a_hello_over_its_own_link_is_granted_what_is_held() {
    let server = Server::start();
    let mut board = server.board();
    let anna = server.customer(1, "3.50");
    let hello = board.hello();
    let (relayed, answer) = ask(&server, &mut board, &hello, &anna);
    assert_eq!(
        relayed.results,
        [json!({
            "reader_id": board.id(), "machine": 3, "outcome": "granted", "held": "3.50",
            "vends_max": 3, "balance": "3.50", "currency": "EUR", "receipts": 0, "recorded": 0,
            "vend": vend_id(reader_id(&board.key.public()), hello.nonce).to_string(),
        })]
    );
    let grant = answer.grant.expect("a grant");
    assert_eq!(
        grant.grant,
        vend_id(reader_id(&board.key.public()), hello.nonce)
    );
    assert_eq!((grant.nonce, grant.bind), (hello.nonce, hello.bind));
    assert_eq!((grant.currency, grant.exponent), (978, 2));
    assert_eq!(
        (grant.max_spend, grant.max_vends, grant.max_revalue),
        (350, 3, 0)
    );
    assert_eq!(
        (grant.show_balance, grant.ttl_s, grant.favourite),
        (350, 300, None)
    );
    let (nonce, utc_ms) = answer.time.expect("the time");
    assert_eq!(nonce, hello.nonce);
    assert!(utc_ms > 1_700_000_000_000);
    assert_eq!(server.balance(&anna), ["3.50", "3.50", "0.00"]);
}

#[test]
fn the_same_relay_again_gets_the_same_grant_and_one_hold() {
    let server = Server::start();
    let mut board = server.board();
    let anna = server.customer(1, "20.00");
    let hello = board.hello();
    let envelope = board.seal(&[Item::Hello(hello)]);
    let relay = || server.relay(&anna.token, Some(hello.bind), &[&envelope]);
    let (first, second) = (relay(), relay());
    assert_eq!(first.results, second.results);
    assert_ne!(first.envelopes, second.envelopes, "sealed anew each time");
    assert_eq!(board.answer(&first).grant, board.answer(&second).grant);
    assert!(board.answer(&first).grant.is_some());
    assert_eq!(server.balance(&anna), ["20.00", "5.00", "0.00"]);
}

#[test]
fn another_account_on_a_claimed_hello_gets_nothing() {
    let server = Server::start();
    let mut board = server.board();
    let (anna, bruno) = (server.customer(1, "5.00"), server.customer(2, "5.00"));
    let hello = board.hello();
    let envelope = board.seal(&[Item::Hello(hello)]);
    let relay = |who: &Customer| server.relay(&who.token, Some(hello.bind), &[&envelope]);
    assert_eq!(relay(&anna).outcome(), ("granted", ""));
    let taken = relay(&bruno);
    assert_eq!(taken.outcome(), ("refused", "taken"));
    assert_eq!(board.answer(&taken).grant, None);
    assert_eq!(server.balance(&bruno), ["5.00", "0.00", "0.00"]);
    assert_eq!(relay(&anna).outcome(), ("granted", ""), "the claim stands");
}

#[test]
fn a_wrong_h_or_no_account_claims_nothing() {
    let server = Server::start();
    let mut board = server.board();
    let (anna, bruno) = (server.customer(1, "5.00"), server.customer(2, "5.00"));
    let hello = board.hello();
    let envelope = board.seal(&[Item::Hello(hello)]);
    let wrong = Bind::from_bytes([0xee; 32]);
    for (token, link) in [
        (bruno.token.as_str(), Some(wrong)),
        (&bruno.token, None),
        ("", Some(hello.bind)),
    ] {
        let relayed = server.relay(token, link, &[&envelope]);
        assert_eq!(relayed.outcome(), ("recorded", ""));
        let answer = board.answer(&relayed);
        assert_eq!((answer.grant, answer.refuse), (None, None));
    }
    assert_eq!(server.balance(&bruno), ["5.00", "0.00", "0.00"]);
    let relayed = server.relay(&anna.token, Some(hello.bind), &[envelope]);
    assert_eq!(relayed.outcome(), ("granted", ""), "it was still free");
}

#[test]
fn anybody_may_bring_a_receipt_and_its_own_customer_pays() {
    let server = Server::start();
    let mut board = server.board();
    let (anna, bruno) = (server.customer(1, "5.00"), server.customer(2, "5.00"));
    let grant = granted(&server, &mut board, &anna);
    board.write(grant, ReceiptKind::VendOk, 11, 80);
    board.write(grant, ReceiptKind::Close, 1, 80);
    let relayed = server.relay(&bruno.token, None, &[board.outbox(1)]);
    assert_eq!(relayed.outcome(), ("recorded", ""));
    assert_eq!(relayed.results[0]["receipts"], 2);
    assert_eq!(relayed.results[0]["recorded"], 2);
    let answer = board.answer(&relayed);
    let ack = answer.ack.expect("an ACK");
    assert_eq!((ack.journal_epoch, ack.upto), (board.epoch, 2));
    assert_eq!(ack.chain, gettone_channel::Chain::of(&board.receipts[1]));
    assert_eq!(answer.time, None, "no HELLO, no time");
    assert_eq!(server.balance(&anna), ["4.20", "0.00", "0.00"]);
    assert_eq!(server.balance(&bruno), ["5.00", "0.00", "0.00"]);
}

#[test]
fn a_receipt_that_comes_again_changes_nothing() {
    let server = Server::start();
    let mut board = server.board();
    let anna = server.customer(1, "5.00");
    let grant = granted(&server, &mut board, &anna);
    board.write(grant, ReceiptKind::VendOk, 11, 80);
    for _ in 0..3 {
        // Sealed anew, and once more byte for byte.
        let outbox = board.outbox(1);
        for _ in 0..2 {
            let relayed = server.relay("", None, &[&outbox]);
            assert_eq!(board.answer(&relayed).ack.expect("an ACK").upto, 1);
            assert_eq!(server.balance(&anna), ["4.20", "4.20", "0.00"]);
        }
    }
}

#[test]
fn the_next_hello_frees_what_the_grant_before_it_held() {
    let server = Server::start();
    let mut board = server.board();
    let (anna, bruno) = (server.customer(1, "5.00"), server.customer(2, "5.00"));
    granted(&server, &mut board, &anna);
    assert_eq!(server.balance(&anna), ["5.00", "5.00", "0.00"]);
    granted(&server, &mut board, &bruno);
    assert_eq!(server.balance(&anna), ["5.00", "0.00", "0.00"]);
    assert_eq!(server.balance(&bruno), ["5.00", "5.00", "0.00"]);
}

#[test]
fn an_older_hello_is_stale_and_holds_nothing() {
    let server = Server::start();
    let mut board = server.board();
    let anna = server.customer(1, "5.00");
    let older = board.hello();
    granted(&server, &mut board, &anna);
    let bruno = server.customer(2, "5.00");
    let (relayed, answer) = ask(&server, &mut board, &older, &bruno);
    assert_eq!(relayed.outcome(), ("refused", "stale"));
    assert_eq!(answer.refuse, Some((older.nonce, RefuseReason::Stale)));
    assert_eq!(server.balance(&bruno), ["5.00", "0.00", "0.00"]);
    assert_eq!(
        server.balance(&anna),
        ["5.00", "5.00", "0.00"],
        "nothing is fenced"
    );
}

#[test]
fn a_refusal_for_want_of_money_says_what_is_missing() {
    let server = Server::start();
    let mut board = server.board();
    let poor = server.customer(1, "0.50");
    let hello = board.hello();
    let (relayed, answer) = ask(&server, &mut board, &hello, &poor);
    assert_eq!(relayed.outcome(), ("refused", "funds"));
    assert_eq!(relayed.results[0]["short_by"], "0.30");
    assert_eq!(relayed.results[0]["currency"], "EUR");
    assert_eq!(answer.refuse, Some((hello.nonce, RefuseReason::Funds)));
    assert_eq!(server.balance(&poor), ["0.50", "0.00", "0.00"]);
}

#[test]
fn money_that_is_held_elsewhere_is_called_pending_not_missing() {
    let server = Server::start();
    let mut board = server.board();
    let anna = server.customer(1, "3.00");
    granted(&server, &mut board, &anna);
    server
        .post(
            "/v1/machines",
            OPERATOR,
            &json!({"machine": 4, "currency": "EUR", "cap": "5.00", "vends_max": 1, "fee_basis_points": 0}),
        )
        .ok();
    let mut second = server.enrol(Board::new(8), 4);
    let hello = second.hello();
    let (relayed, answer) = ask(&server, &mut second, &hello, &anna);
    assert_eq!(relayed.outcome(), ("refused", "pending"));
    assert_eq!(answer.refuse, Some((hello.nonce, RefuseReason::Pending)));
}

#[test]
fn a_machine_that_cannot_sell_now_is_granted_nothing() {
    let server = Server::start();
    let mut board = server.board();
    let anna = server.customer(1, "5.00");
    type Change = fn(&mut Hello);
    let cases: [(Change, &str); 5] = [
        (|hello| hello.mdb_state = MdbState::Disabled, "machine_off"),
        (
            |hello| hello.mdb_state = MdbState::SessionIdle,
            "machine_off",
        ),
        (
            |hello| hello.flags = HelloFlags::JOURNAL_FULL,
            "machine_off",
        ),
        (|hello| hello.currency = 756, "currency"),
        (|hello| hello.exponent = 3, "currency"),
    ];
    for (change, reason) in cases {
        let mut hello = board.hello();
        change(&mut hello);
        let (relayed, answer) = ask(&server, &mut board, &hello, &anna);
        assert_eq!(relayed.outcome(), ("refused", reason));
        assert_eq!(answer.refuse, Some((hello.nonce, RefuseReason::MachineOff)));
        assert_eq!(server.balance(&anna), ["5.00", "0.00", "0.00"]);
    }
    granted(&server, &mut board, &anna);
}

#[test]
fn a_wallet_in_another_currency_pays_nothing_here() {
    let server = Server::start();
    let mut board = server.board();
    let opened = server
        .post(
            "/v1/wallets",
            OPERATOR,
            &json!({"wallet": 9, "currency": "CHF"}),
        )
        .ok();
    let swiss = Customer {
        wallet: opened["wallet"].as_u64().expect("a name"),
        token: opened["token"].as_str().expect("a token").to_owned(),
    };
    let path = format!("/v1/wallets/{}/gifts", swiss.wallet);
    server
        .post_keyed(&path, OPERATOR, "k", &json!({"amount": "9.00"}))
        .ok();
    let hello = board.hello();
    let (relayed, answer) = ask(&server, &mut board, &hello, &swiss);
    assert_eq!(relayed.outcome(), ("refused", "blocked"));
    assert_eq!(answer.refuse, Some((hello.nonce, RefuseReason::Blocked)));
    assert_eq!(server.balance(&swiss), ["0.00", "0.00", "0.00"]);
}

#[test]
fn no_more_is_held_than_the_machine_could_charge() {
    let server = Server::start();
    let mut board = server.board();
    let anna = server.customer(1, "20.00");
    for (max_price, held) in [(120, 360), (0, 500), (u32::MAX, 500), (1_000, 500)] {
        let mut hello = board.hello();
        hello.max_price = max_price;
        let (_, answer) = ask(&server, &mut board, &hello, &anna);
        let grant = answer.grant.expect("a grant");
        assert_eq!(grant.max_spend, held, "at most {max_price} each");
        assert_eq!(grant.show_balance, 2_000);
    }
}

#[test]
fn a_reader_that_was_replaced_or_revoked_is_granted_nothing() {
    let server = Server::start();
    let mut old = server.board();
    let anna = server.customer(1, "5.00");
    let mut new = server.enrol(Board::new(8), 3);
    let hello = old.hello();
    let (relayed, answer) = ask(&server, &mut old, &hello, &anna);
    assert_eq!(relayed.outcome(), ("refused", "reader"));
    assert_eq!(answer.refuse, Some((hello.nonce, RefuseReason::Reader)));

    let grant = granted(&server, &mut new, &anna);
    let path = format!("/v1/readers/{}/revoke", new.id());
    let shown = server.post(&path, OPERATOR, &json!({})).ok();
    assert_eq!(shown["state"], "revoked");
    new.write(grant, ReceiptKind::VendOk, 11, 80);
    let mut hello = new.hello();
    hello.bind = Bind::from_bytes([0x77; 32]);
    let envelope = new.seal(&[Item::Hello(hello), Item::Receipt(new.receipts[0])]);
    let relayed = server.relay(&anna.token, Some(hello.bind), &[envelope]);
    assert_eq!(relayed.outcome(), ("refused", "reader"));
    let answer = new.answer(&relayed);
    assert_eq!(answer.refuse, Some((hello.nonce, RefuseReason::Reader)));
    assert_eq!(answer.ack, None, "what has no effect is not acknowledged");
    let lock = answer.lock.expect("it is put out of service");
    assert_eq!((lock.version, lock.state), (u32::MAX, LockState::Locked));
    // It waits for a person, once however often it comes; and nobody else sees it.
    let told = format!("/v1/readers/{}/receipts", new.id());
    server.relay("", None, &[new.outbox(1), new.outbox(1)]);
    let kept = server.get(&told, OPERATOR).ok();
    assert_eq!(kept["lines"].as_array().map(Vec::len), Some(1), "{kept}");
    let receipt = &kept["lines"][0];
    assert_eq!(
        (&receipt["kind"], &receipt["amount"]),
        (&json!("vend_ok"), &json!("0.80"))
    );
    assert_eq!(receipt["vend"], grant.to_string());
    server.get(&told, OTHER_OPERATOR).problem(404);
    let listed = server.get("/v1/sales", OPERATOR).ok();
    assert_eq!(listed["lines"], json!([]));
    // Of who tells without an end so much is kept.
    let first = new.receipts[0];
    for _ in 0..60 {
        let from = new.receipts.len() as u64 + 1;
        for _ in 0..20 {
            new.write(first.grant, ReceiptKind::VendOk, 11, 80);
        }
        server.relay("", None, &[new.outbox(from)]);
    }
    let kept = server.get(&told, OPERATOR).ok();
    assert_eq!(kept["lines"].as_array().map(Vec::len), Some(1_024));
    // Nothing of a revoked reader can still be proved: its hold is decided as an unknown outcome,
    // and the first one of a customer is let go.
    assert_eq!(server.balance(&anna), ["5.00", "0.00", "0.00"]);
}

#[test]
fn a_reader_that_knows_more_than_the_server_is_asked_again() {
    let server = Server::start();
    let mut board = server.board();
    let anna = server.customer(1, "5.00");
    for _ in 0..3 {
        board.write(VendId::from_bytes([0; 16]), ReceiptKind::EpochStart, 0, 0);
    }
    board.acked = 2;
    let hello = board.hello();
    let (relayed, answer) = ask(&server, &mut board, &hello, &anna);
    assert_eq!(relayed.outcome(), ("resend", ""));
    assert_eq!((answer.resend, answer.grant), (Some(1), None));
    assert_eq!(server.balance(&anna), ["5.00", "0.00", "0.00"]);

    server.relay("", None, &[board.outbox(1)]);
    granted(&server, &mut board, &anna);
}

#[test]
fn a_receipt_that_was_rewritten_quarantines_its_reader() {
    let server = Server::start();
    let mut board = server.board();
    let anna = server.customer(1, "5.00");
    let grant = granted(&server, &mut board, &anna);
    board.write(grant, ReceiptKind::VendOk, 11, 80);
    server.relay("", None, &[board.outbox(1)]);
    board.receipts[0].amount = 500;
    server.relay("", None, &[board.outbox(1)]);
    assert_eq!(server.balance(&anna), ["4.20", "4.20", "0.00"]);
    let shown = server
        .get(&format!("/v1/readers/{}", board.id()), OPERATOR)
        .ok();
    assert_eq!(shown["state"], "quarantined");
    assert_eq!(
        shown["contradiction"],
        json!({"kind": "other_content", "rseq": 1})
    );
    let hello = board.hello();
    let (relayed, answer) = ask(&server, &mut board, &hello, &anna);
    assert_eq!(relayed.outcome(), ("refused", "reader"));
    assert_eq!(answer.grant, None);
}

#[test]
fn envelopes_of_strangers_and_changed_ones_are_rejected_and_leave_no_record() {
    let mut server = Server::start();
    let mut board = server.board();
    let anna = server.customer(1, "5.00");
    let mut stranger = Board::new(99);
    (stranger.server, stranger.server_epoch) = (board.server, board.server_epoch);
    server.stop();
    let before = audited(&server.state());
    server.resume();

    let hello = board.hello();
    let sound = board.seal(&[Item::Hello(hello)]);
    let mut hostile = vec![
        stranger.seal(&[Item::Hello(hello)]),
        Vec::new(),
        vec![0; 4_097],
        board.seal(&[Item::Hello(hello), Item::Hello(hello)]),
        board.seal(&[]),
    ];
    board.write(VendId::from_bytes([1; 16]), ReceiptKind::VendOk, 11, 80);
    let receipt = Item::Receipt(board.receipts[0]);
    hostile.push(board.seal(core::slice::from_ref(&receipt)));
    let epochs = [
        Item::Epoch(JournalEpoch::from_bytes([1; 8])),
        Item::Epoch(board.epoch),
        receipt,
    ];
    hostile.push(board.seal(&epochs));
    board.server_epoch += 1;
    hostile.push(board.seal(&[Item::Hello(hello)]));
    for bit in 0..sound.len() * 8 {
        // Every bit of the header, and a spread of the rest.
        if bit < 20 * 8 || bit % 37 == 0 {
            let mut changed = sound.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            hostile.push(changed);
        }
    }
    for sixteen in hostile.chunks(16) {
        let relayed = server.relay(&anna.token, Some(hello.bind), sixteen);
        assert!(relayed.envelopes.is_empty(), "{relayed:?}");
        for result in &relayed.results {
            assert_eq!(result["outcome"], "rejected");
            assert_eq!(result["reader_id"], Value::Null);
        }
    }
    server.stop();
    assert_eq!(audited(&server.state()), before, "nothing was written");

    // The negative control: the envelope that was changed so often is good itself.
    server.resume();
    let relayed = server.relay(&anna.token, Some(hello.bind), &[sound]);
    assert_eq!(relayed.outcome(), ("granted", ""));
}

#[test]
fn a_recorded_session_played_back_byte_for_byte_changes_no_balance() {
    let mut server = Server::start();
    let mut board = server.board();
    let (anna, bruno) = (server.customer(1, "5.00"), server.customer(2, "5.00"));
    let mut recorded: Vec<(String, Value)> = Vec::new();
    let mut relay = |server: &Server, token: &str, link: Option<Bind>, envelope: Vec<u8>| {
        let body = carried(link, &[envelope]);
        recorded.push((token.to_owned(), body.clone()));
        Relayed::of(&server.post("/v1/app/relay", token, &body).ok())
    };
    for who in [&anna, &bruno, &anna] {
        let hello = board.hello();
        let envelope = board.seal(&[Item::Hello(hello)]);
        let relayed = relay(&server, &who.token, Some(hello.bind), envelope);
        let grant = board.answer(&relayed).grant.expect("a grant").grant;
        board.write(grant, ReceiptKind::VendOk, 11, 80);
        board.write(grant, ReceiptKind::VendFail, 12, 120);
        board.write(grant, ReceiptKind::Close, 2, 80);
        let outbox = board.outbox(1);
        relay(&server, "", None, outbox);
    }
    let balances = |server: &Server| [server.balance(&anna), server.balance(&bruno)];
    let settled = balances(&server);
    assert_eq!(
        settled,
        [["3.40", "0.00", "0.00"], ["4.20", "0.00", "0.00"]]
    );

    let play = |server: &Server, order: &mut dyn Iterator<Item = &(String, Value)>| {
        for (token, body) in order {
            server.post("/v1/app/relay", token, body).ok();
            assert_eq!(balances(server), settled);
        }
    };
    play(&server, &mut recorded.iter());
    play(&server, &mut recorded.iter().rev());
    server.stop();
    server.resume();
    play(&server, &mut recorded.iter());
    server.stop();
    audited(&server.state());
}

#[test]
fn several_envelopes_go_in_the_order_in_which_they_came() {
    let server = Server::start();
    let mut board = server.board();
    let anna = server.customer(1, "0.90");
    let grant = granted(&server, &mut board, &anna);
    board.write(grant, ReceiptKind::VendOk, 11, 80);
    board.write(grant, ReceiptKind::Close, 1, 80);
    let outbox = board.outbox(1);
    let hello = board.hello();
    let envelope = board.seal(&[Item::Hello(hello)]);
    let relayed = server.relay(&anna.token, Some(hello.bind), &[outbox, envelope]);
    assert_eq!(relayed.envelopes.len(), 2);
    assert_eq!(relayed.results[0]["outcome"], "recorded");
    assert_eq!(relayed.results[1]["outcome"], "refused");
    assert_eq!(relayed.results[1]["short_by"], "0.70");
}

#[test]
fn a_nonce_that_comes_again_in_a_newer_hello_holds_nothing_new() {
    let server = Server::start();
    let mut board = server.board();
    let anna = server.customer(1, "20.00");
    let first = board.hello();
    ask(&server, &mut board, &first, &anna);
    let mut again = board.hello();
    again.nonce = Nonce::from_bytes(*first.nonce.as_bytes());
    ask(&server, &mut board, &again, &anna);
    assert_eq!(server.balance(&anna), ["20.00", "5.00", "0.00"]);
}
