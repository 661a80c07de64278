//! Cash through a whole reader: put in by a customer, taken by the machine for itself, and what the
//! operator and the technician hear of it.

mod street;

use gettone_channel::{
    BoardState, LinkMessage, LockState, ReceiptKind, RefuseReason, StatusReason,
};
use gettone_core::notice::Code;
use std::future::Future;
use street::Street;
use street::phone::Phone;

/// So often may one link ask again.
const AGAINS_MAX: u32 = 3;
const VISITS_MAX: u8 = 20;
const CODE: [u8; 10] = [7, 6, 5, 4, 3, 2, 1, 0, 9, 8];

fn act<T>(scene: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(scene)
}

#[test]
fn cash_that_a_customer_puts_in_becomes_one_receipt() {
    let mut street = Street::new();
    let mut machine = street.machine();
    street.start_reader("");
    machine.power_up_level_2();
    act(async {
        street.show(CODE);
        let mut phone = Phone::link(&street.air(), CODE).await;
        street.server.record(&phone.envelope().await);
        let grant = street.server.grant_cash(500, 1, 2_000);
        phone.bring(grant).await;
        assert_eq!(machine.await_session(), 500);
        assert_eq!(machine.cash_limit(), Some(2_000));
        assert!(machine.put_in(1_500));
        assert!(!machine.put_in(1_000), "more than is left");
        assert_eq!(machine.cash_limit(), Some(500));
        machine.end_session();
        while street.server.receipts.len() < 3 {
            street.server.record(&phone.envelope().await);
        }
    });
    use ReceiptKind::{Close, EpochStart, RevalueOk};
    assert_eq!(street.server.kinds(), [EpochStart, RevalueOk, Close]);
    assert_eq!(street.server.receipts[&2].amount, 1_500);
    street.stop_reader();
}

/// How many cash sales the server has been told of.
fn sold(street: &Street) -> u32 {
    let counters = street.server.counters.iter();
    counters
        .flat_map(|counters| &counters.rows)
        .map(|row| row.count)
        .sum()
}

#[test]
fn what_is_sold_for_cash_is_counted_and_told_with_the_next_hello() {
    let mut street = Street::new();
    let mut machine = street.machine();
    street.start_reader("");
    machine.power_up_level_2();
    // The same sale twice in a row, within five seconds, is one that the machine repeats.
    machine.sell_for_cash(120, 23);
    machine.sell_for_cash(80, 24);
    machine.sell_for_cash(120, 23);
    // A price above what SETUP announced: denied by the device, and the technician hears of it.
    act(async {
        street.show(CODE);
        let mut phone = Phone::link(&street.air(), CODE).await;
        street.server.record(&phone.envelope().await);
        let grant = street.server.grant(500, 1);
        phone.bring(grant).await;
        machine.await_session();
        assert_eq!(machine.select(400, 23), None);
        machine.end_session();
        let is_priced =
            |audit: &gettone_channel::Audit| audit.code.code() == Code::PRICE_REFUSED.to_wire();
        while !street.server.audits.iter().any(is_priced) {
            street.server.record(&phone.envelope().await);
        }
        // What was not yet on flash at one HELLO comes with the next.
        phone.state(BoardState::Linked).await;
        for _ in 0..AGAINS_MAX {
            phone.say(&LinkMessage::Again).await;
            street.server.hello = None;
            while street.server.hello.is_none() {
                street.server.record(&phone.envelope().await);
            }
            if sold(&street) == 3 {
                break;
            }
            let no = street.server.refuse(RefuseReason::Pending);
            phone.bring(no).await;
            phone
                .status(|status| status.reason == StatusReason::Pending)
                .await;
        }
        // A disk that is slow has time until the next phones.
        drop(phone);
        for visit in 1..=VISITS_MAX {
            if sold(&street) == 3 {
                break;
            }
            let code = [visit; CODE.len()];
            street.show(code);
            let mut phone = Phone::link(&street.air(), code).await;
            street.server.record(&phone.envelope().await);
        }
    });
    assert_eq!(sold(&street), 3);
    let counters = street.server.counters.take().expect("told");
    let row = counters.rows.iter().find(|row| row.item == 23);
    assert_eq!(row.map(|row| (row.count, row.value)), Some((2, 240)));
    street.stop_reader();
}

#[test]
fn a_locked_machine_begins_no_session_until_it_is_opened() {
    let mut street = Street::new();
    let mut machine = street.machine();
    street.start_reader("");
    machine.power_up_level_2();
    act(async {
        street.show(CODE);
        let mut phone = Phone::link(&street.air(), CODE).await;
        street.server.record(&phone.envelope().await);
        let lock = street.server.lock(7, LockState::Locked);
        phone.bring(lock).await;
        let grant = street.server.grant(500, 1);
        phone.bring(grant).await;
        let is_taken =
            |audit: &gettone_channel::Audit| audit.code.code() == Code::LOCK_TAKEN.to_wire();
        while !street.server.audits.iter().any(is_taken) {
            street.server.record(&phone.envelope().await);
        }
    });
    machine.never_hears(0x03, 20);
    street.stop_reader();
}
