//! What a phone does for its customer, and what it does not lose.

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "a test looks at what it is about"
)]

mod street;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use gettone_channel::{BoardState, LastResult, ReceiptKind};
use gettone_phone::{Asker, Broken, Input, News, Outcome, Phase, Phone, WAITING_MAX};
use street::{Street, Works};

fn kinds(street: &Street) -> Vec<ReceiptKind> {
    let receipts = street.book.receipts.values();
    receipts.map(|receipt| receipt.kind).collect()
}

#[test]
fn a_whole_purchase_goes_through_the_phone() {
    let mut street = Street::new();
    street.tap();
    street.vend();
    street.phone(Input::Leave);
    street.complete();
    let last = street.statuses().map(|status| status.last).max();
    assert_eq!(last, Some(LastResult::Vended));
    assert_eq!(
        kinds(&street),
        [
            ReceiptKind::EpochStart,
            ReceiptKind::VendOk,
            ReceiptKind::Close
        ]
    );
    assert_eq!(
        street.station.outbox().unacked(),
        0,
        "every answer came back"
    );
    assert_eq!(street.phone.undelivered().count(), 0);
    assert!(street.told().any(|told| told.outcome == Outcome::Granted));
    street.phone(Input::End);
    assert_eq!(
        street.phases(),
        [Phase::Seeking, Phase::Linking, Phase::Linked, Phase::Away]
    );
}

#[test]
fn again_buys_once_more_on_the_same_link() {
    let mut street = Street::new();
    street.tap();
    street.vend();
    street.phone(Input::Leave);
    street.complete();
    street.phone(Input::Again);
    assert_eq!(street.book.grants.len(), 2);
    street.vend();
    assert_eq!(street.phone.phase(), Phase::Linked);
}

#[test]
fn a_link_lost_in_a_session_is_taken_up_again() {
    let mut street = Street::new();
    street.tap();
    street.ask();
    street.radio = Works::NotAtAll;
    street.break_link();
    assert_eq!(street.phone.phase(), Phase::Resuming);
    street.wait(5);
    street.radio = Works::Well;
    street.wait(1);
    assert_eq!(street.phone.phase(), Phase::Linked);
    // And once more: the reader gave another secret.
    street.break_link();
    street.meet();
    assert_eq!(street.phone.phase(), Phase::Linked);
    let state = street.statuses().last().map(|status| status.state);
    assert_eq!(state, Some(BoardState::Vending));
    assert!(street.statuses().all(|status| status.resume.is_none()));
}

#[test]
fn a_reader_that_does_not_come_back_ends_the_visit_after_twenty_seconds() {
    let mut street = Street::new();
    street.tap();
    street.radio = Works::NotAtAll;
    street.break_link();
    assert_eq!(street.phone.phase(), Phase::Resuming);
    street.wait(20);
    assert_eq!(street.phone.phase(), Phase::Away);
}

#[test]
fn without_a_network_everything_is_kept_and_goes_out_later() {
    let mut street = Street::new();
    street.tap();
    street.network = Works::NotAtAll;
    street.vend();
    street.phone(Input::Leave);
    street.complete();
    street.phone(Input::End);
    assert_eq!(kinds(&street), [ReceiptKind::EpochStart]);
    let kept: Vec<Vec<u8>> = street.phone.undelivered().map(<[u8]>::to_vec).collect();
    assert!(kept.len() >= 2, "the vend and the CLOSE");

    // The program ends, and begins again with what was stored.
    street.phone = Phone::new(kept);
    street.network = Works::Well;
    street.wait(1);
    assert_eq!(street.phone.undelivered().count(), 0);
    assert_eq!(
        kinds(&street),
        [
            ReceiptKind::EpochStart,
            ReceiptKind::VendOk,
            ReceiptKind::Close
        ]
    );
    let last = street.requests.last().expect("a request");
    assert!(!last.body.contains("\"h\""), "{}", last.body);
}

#[test]
fn a_request_that_fails_comes_again_and_its_pause_grows() {
    let mut street = Street::new();
    street.network = Works::With(503);
    street.tap();
    let asked = |street: &Street| street.requests.len();
    assert_eq!(asked(&street), 1);
    let mut pauses = Vec::new();
    for _ in 0..4 {
        let before = street.now;
        let due = street.phone.next_deadline().expect("it comes again");
        street.now = due;
        street.phone(Input::Tick);
        pauses.push((due - before).as_millis());
    }
    assert_eq!(pauses, [300, 600, 1_200, 2_400]);
    assert_eq!(asked(&street), 5);
    assert!(street.requests.windows(2).all(|two| two[0] == two[1]));
    street.network = Works::Well;
    street.wait(10);
    assert_eq!(street.book.grants.len(), 1);
    let state = street.statuses().last().map(|status| status.state);
    assert_eq!(state, Some(BoardState::Granted), "it was in time");
}

#[test]
fn an_unfinished_relay_is_asked_for_again() {
    let mut street = Street::new();
    street.book.unfinished = 2;
    street.tap();
    street.wait(1);
    street.wait(1);
    assert_eq!(street.book.grants.len(), 1);
    assert_eq!(street.requests.len(), 3);
}

#[test]
fn a_credential_that_is_not_taken_does_not_keep_receipts_back() {
    let mut street = Street::new();
    street.network = Works::With(401);
    street.tap();
    assert!(street.news.contains(&News::SignedOut));
    let askers: Vec<Asker> = street.requests.iter().map(|one| one.asker).collect();
    assert_eq!(askers, [Asker::Customer, Asker::Nobody]);
    assert_eq!(street.station.outbox().unacked(), 0);
}

#[test]
fn what_the_server_never_takes_is_given_up() {
    let mut street = Street::new();
    street.network = Works::With(413);
    street.tap();
    assert!(street.news.contains(&News::Refused { status: 413 }));
    assert_eq!(street.phone.undelivered().count(), 0);
    assert_eq!(street.station.outbox().unacked(), 1, "the reader has it");
}

#[test]
fn an_answer_that_is_none_is_taken_for_no_answer() {
    let mut street = Street::new();
    street.network = Works::With(200);
    street.tap();
    assert_eq!(street.phone.undelivered().count(), 1);
    street.network = Works::Well;
    street.wait(1);
    assert_eq!(street.phone.undelivered().count(), 0);
}

#[test]
fn no_more_is_kept_than_the_bound() {
    let many = (0..2 * WAITING_MAX).map(|number| {
        let mut envelope = vec![0; 100];
        envelope[..8].copy_from_slice(&(number as u64).to_be_bytes());
        envelope
    });
    let many: Vec<Vec<u8>> = many.collect();
    let phone = Phone::new(many.clone());
    let kept: Vec<&[u8]> = phone.undelivered().collect();
    assert_eq!(kept, many[WAITING_MAX..], "the newest");
}

#[test]
fn one_changed_bit_on_the_way_to_the_phone_gets_nobody_a_grant_unnoticed() {
    let mut sound = Street::new();
    sound.tap();
    let values = sound.notified;
    assert!(values > 5, "{values} values");
    let is_granted = |street: &Street| street.statuses().any(|s| s.state == BoardState::Granted);
    assert!(is_granted(&sound), "the negative control");
    for place in 0..values {
        for bit in (0..100 * 8).step_by(7) {
            let mut street = Street::new();
            street.flipped = Some((place, bit));
            street.tap();
            let is_broken = street
                .news
                .iter()
                .any(|news| matches!(news, News::Broken(Broken::Segment(_) | Broken::Link(_))));
            assert!(
                is_broken || !is_granted(&street),
                "value {place}, bit {bit}"
            );
        }
    }
}

#[test]
fn inputs_out_of_place_change_nothing_and_panic_nowhere() {
    for seed in 0..100_u64 {
        let mut street = Street::new();
        let mut dice = seed;
        for _ in 0..60 {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            match dice >> 60 {
                0 => street.tap(),
                1 => street.phone(Input::Leave),
                2 => street.phone(Input::Again),
                3 => street.phone(Input::End),
                4 => street.phone(Input::Disconnected),
                5 => street.phone(Input::Unanswered),
                6 => street.break_link(),
                7 => street.phone(Input::Value(dice.to_be_bytes().to_vec())),
                8 => street.network = Works::NotAtAll,
                9 => street.network = Works::Well,
                10 => street.network = Works::With((dice >> 40 & 0x3ff) as u16),
                11 => street.phone(Input::Answered {
                    status: 200,
                    body: br#"{"envelopes":["AA=="],"results":[{"outcome":"new word"}]}"#.to_vec(),
                }),
                12 => street.radio = Works::NotAtAll,
                13 => street.radio = Works::Well,
                _ => street.wait(dice >> 32 & 31),
            }
            assert!(
                street.phone.undelivered().count() <= WAITING_MAX,
                "seed {seed}"
            );
        }
        // Once everything works, everything arrives.
        (street.network, street.radio) = (Works::Well, Works::Well);
        street.phone(Input::End);
        street.wait(200);
        street.tap();
        street.wait(40);
        assert_eq!(street.phone.undelivered().count(), 0, "seed {seed}");
    }
}

#[test]
fn an_envelope_that_came_by_another_way_goes_to_the_reader_that_is_here() {
    let mut street = Street::new();
    street.network = Works::NotAtAll;
    street.tap();
    let hello = street.requests.last().expect("a HELLO").body.clone();
    let answer: serde_json::Value = serde_json::from_str(&street.book.relay(&hello)).expect("JSON");
    let answer = answer["envelopes"][0].as_str().expect("text");
    let answer = BASE64.decode(answer).expect("base64");
    // What is no envelope, or is on its way to a server, goes to no reader.
    let mut turned = answer.clone();
    turned[1] = 1;
    let mut elsewhere = answer.clone();
    elsewhere[4] ^= 1;
    for other in [Vec::new(), vec![0; 80], turned, elsewhere] {
        let before = street.notified;
        street.phone(Input::Bring(other));
        assert_eq!(street.notified, before, "the reader heard nothing");
    }
    street.phone(Input::Bring(answer));
    let state = street.statuses().last().map(|status| status.state);
    assert_eq!(state, Some(BoardState::Granted));
}
