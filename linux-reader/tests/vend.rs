//! Whole vends on real bytes: light, link, MDB, journal; phone and server acted by the test.

mod street;

use gettone_channel::{BoardState, Favourite, LastResult, LinkMessage, ReceiptKind, StatusReason};
use gettone_core::board::{Limits, Record, Stamp, Written};
use gettone_core::id::{Item, JournalEpoch, Order, Rseq, VendId};
use gettone_core::money::Amount;
use gettone_core::receipt::{Flags, Receipt, ReceiptKind as CoreReceiptKind};
use gettone_core::time::Timestamp;
use gettone_reader::{Journal, Opening};
use std::future::Future;
use street::Street;
use street::machine::Machine;
use street::phone::Phone;

const CODE: [u8; 10] = [7, 6, 5, 4, 3, 2, 1, 0, 9, 8];
const OTHER_CODE: [u8; 10] = [1, 1, 2, 3, 5, 8, 13, 21, 34, 55];

fn act<T>(scene: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(scene)
}

fn open(more: &str) -> (Street, Machine) {
    let mut street = Street::new();
    let mut machine = street.machine();
    street.start_reader(more);
    machine.power_up();
    (street, machine)
}

/// From the light to the machine's session.
async fn begin(street: &mut Street, machine: &mut Machine, cap: u32, vends: u8) -> Phone {
    let air = street.air();
    street.show(CODE);
    let mut phone = Phone::link(&air, CODE).await;
    street.server.record(&phone.envelope().await);
    let grant = street.server.grant(cap, vends);
    phone.bring(grant).await;
    let granted = phone.state(BoardState::Granted).await;
    assert_eq!(granted.remaining, cap);
    assert_eq!(u32::from(machine.await_session()), cap);
    phone
}

async fn drain(street: &mut Street, phone: &mut Phone, upto: usize) {
    while street.server.receipts.len() < upto {
        street.server.record(&phone.envelope().await);
    }
    let ack = street.server.ack();
    phone.bring(ack).await;
}

#[test]
fn a_whole_vend_ends_in_receipts_that_the_server_acknowledges() {
    let (mut street, mut machine) = open("");
    act(async {
        let mut phone = begin(&mut street, &mut machine, 500, 1).await;
        assert_eq!(machine.select(120, 23), Some(120));
        machine.deliver(23);
        let told = phone
            .status(|status| status.last == LastResult::Vended)
            .await;
        assert_eq!(told.line, "Thank you");
        machine.await_cancel();
        drain(&mut street, &mut phone, 3).await;
        let traffic = phone.traffic();
        assert!(traffic.round_trips <= 6, "{traffic:?}");

        // The next HELLO on this link says that the ACK has arrived.
        phone.state(BoardState::Linked).await;
        phone.say(&LinkMessage::Again).await;
        street.server.record(&phone.envelope().await);
        let hello = street.server.hello.as_ref().expect("a HELLO");
        assert_eq!((hello.acked, hello.rseq_newest), (3, 3));
        assert_eq!(hello.mdb_state, gettone_channel::MdbState::Enabled);
        assert_eq!(hello.max_price, 300);
    });
    let receipts = &street.server.receipts;
    assert_eq!(receipts[&1].kind, ReceiptKind::EpochStart);
    assert_eq!(receipts[&2].kind, ReceiptKind::VendOk);
    assert_eq!((receipts[&2].amount, receipts[&2].item), (120, 23));
    assert_eq!(receipts[&3].kind, ReceiptKind::Close);
    assert_eq!((receipts[&3].amount, receipts[&3].item), (120, 1));
    street.stop_reader();
}

#[test]
fn a_machine_that_fails_to_deliver_charges_nothing() {
    let (mut street, mut machine) = open("");
    act(async {
        let mut phone = begin(&mut street, &mut machine, 500, 1).await;
        assert_eq!(machine.select(120, 23), Some(120));
        machine.fail();
        let told = phone
            .status(|status| status.last == LastResult::Failed)
            .await;
        assert_eq!(told.line, "Not delivered, not charged");
        assert_eq!(told.remaining, 500);
        // The grant goes on: the machine gets another session with all of it.
        machine.await_cancel();
        assert_eq!(machine.await_session(), 500);
        phone.say(&LinkMessage::Leave).await;
        machine.await_cancel();
        drain(&mut street, &mut phone, 3).await;
    });
    use ReceiptKind::{Close, EpochStart, VendFail};
    assert_eq!(street.server.kinds(), [EpochStart, VendFail, Close]);
    assert_eq!(street.server.receipts[&3].amount, 0);
    street.stop_reader();
}

#[test]
fn a_price_above_the_cap_is_denied_and_the_phone_says_what_is_missing() {
    let (mut street, mut machine) = open("");
    act(async {
        let mut phone = begin(&mut street, &mut machine, 210, 1).await;
        assert_eq!(machine.select(300, 23), None);
        let told = phone
            .status(|status| status.reason == StatusReason::AboveCap)
            .await;
        assert_eq!((told.short_by, told.line.as_str()), (90, "0.90 EUR short"));
        machine.end_session();
        drain(&mut street, &mut phone, 2).await;
    });
    use ReceiptKind::{Close, EpochStart};
    assert_eq!(street.server.kinds(), [EpochStart, Close]);
    street.stop_reader();
}

#[test]
fn a_phone_that_disappears_leaves_its_receipt_to_the_next_customer() {
    let (mut street, mut machine) = open("[limits]\nresume_s = 1");
    act(async {
        let phone = begin(&mut street, &mut machine, 500, 2).await;
        assert_eq!(machine.select(120, 23), Some(120));
        drop(phone);
        machine.deliver(23);
        machine.await_cancel();
        // The lost phone has a second to come back; then its grant is closed and another may come.
        assert_eq!(machine.await_session(), 380);
        machine.await_cancel();
        let air = street.air();
        street.show(OTHER_CODE);
        let mut other = Phone::link(&air, OTHER_CODE).await;
        drain(&mut street, &mut other, 3).await;
    });
    use ReceiptKind::{Close, EpochStart, VendOk};
    assert_eq!(street.server.kinds(), [EpochStart, VendOk, Close]);
    street.stop_reader();
}

#[test]
fn a_lost_phone_comes_back_with_its_secret_and_goes_on() {
    let (mut street, mut machine) = open("");
    act(async {
        let mut phone = begin(&mut street, &mut machine, 500, 1).await;
        let resume = phone.resume.take().expect("told on entering GRANTED");
        drop(phone);
        let mut phone = Phone::come_back(&street.air(), &resume).await;
        phone.state(BoardState::Granted).await;
        assert!(phone.resume.is_some(), "a new secret for the next time");
        assert_eq!(machine.select(120, 23), Some(120));
        machine.deliver(23);
        machine.await_cancel();
        drain(&mut street, &mut phone, 3).await;
    });
    use ReceiptKind::{Close, EpochStart, VendOk};
    assert_eq!(street.server.kinds(), [EpochStart, VendOk, Close]);
    street.stop_reader();
}

#[test]
fn a_machine_reset_after_the_approval_is_charged_and_says_so() {
    let (mut street, mut machine) = open("");
    act(async {
        let mut phone = begin(&mut street, &mut machine, 500, 1).await;
        assert_eq!(machine.select(120, 23), Some(120));
        machine.idle(2);
        machine.reset();
        drain(&mut street, &mut phone, 3).await;
    });
    let vend = &street.server.receipts[&2];
    assert_eq!(vend.kind, ReceiptKind::VendOk);
    assert!(vend.flags.has(gettone_channel::ReceiptFlags::BY_RESET));
    street.stop_reader();
}

#[test]
fn a_machine_hears_end_session_only_when_the_close_is_in_the_journal() {
    let (mut street, mut machine) = open("");
    act(async {
        let mut phone = begin(&mut street, &mut machine, 500, 1).await;
        machine.end_session_by_poll();
        assert_eq!(newest_receipt(&street), CoreReceiptKind::Close);
        drain(&mut street, &mut phone, 2).await;
    });
    street.stop_reader();
}

/// What the journal says while its reader goes on, read from a copy.
fn newest_receipt(street: &Street) -> CoreReceiptKind {
    let copy = tempfile::tempdir().expect("a directory");
    let journal = street.path("state").join("journal");
    std::fs::copy(journal, copy.path().join("journal")).expect("a journal");
    let (journal, _) = Journal::open(copy.path(), &opening()).expect("a good journal");
    let past = journal.past().expect("nothing is open");
    let newest = past.outbox.kept().last().expect("a receipt");
    newest.receipt.kind
}

fn opening() -> Opening {
    Opening {
        fresh_epoch: JournalEpoch::from_bytes([0xe1; 8]),
        ending: None,
        stamp: Stamp {
            order: Order {
                boot: 0,
                uptime_ms: 1,
            },
            utc: Timestamp::default(),
        },
        limits: Limits::PROTOCOL,
    }
}

/// A journal with `count` receipts that no server has heard of.
fn leave_receipts(street: &Street, count: u64) {
    let opening = opening();
    let (mut journal, _) = Journal::open(&street.path("state"), &opening).expect("a new journal");
    let mut before = journal.past().expect("nothing is open").chain;
    for rseq in 2..=count {
        let mut written = Written {
            receipt: Receipt {
                rseq: Rseq::new(rseq),
                kind: CoreReceiptKind::VendFail,
                grant: VendId::from_bytes([4; 16]),
                item: Item::new(1),
                amount: Amount::from_minor(100),
                order: opening.stamp.order,
                flags: Flags::default(),
                after_ms: 0,
                prev: before,
                chain: before,
            },
            utc: Timestamp::default(),
        };
        before = gettone_relay::chain_of(&written);
        written.receipt.chain = before;
        let record = Record::Receipt(written);
        journal.append_unsynced(&record).expect("room");
    }
}

#[test]
fn a_long_backlog_leaves_on_one_link_without_a_gap() {
    const BACKLOG: u64 = 501;
    let mut street = Street::new();
    leave_receipts(&street, BACKLOG);
    let mut machine = street.machine();
    street.start_reader("");
    machine.power_up();
    act(async {
        street.show(CODE);
        let mut phone = Phone::link(&street.air(), CODE).await;
        let count = usize::try_from(BACKLOG).expect("small");
        let began = std::time::Instant::now();
        drain(&mut street, &mut phone, count).await;
        println!("{BACKLOG} receipts in {:?}", began.elapsed());
    });
    assert!(street.server.receipts.keys().copied().eq(1..=BACKLOG));
    street.stop_reader();
}

#[test]
fn receipts_and_starts_are_remembered_over_a_restart() {
    let (mut street, mut machine) = open("");
    act(async {
        let phone = begin(&mut street, &mut machine, 500, 1).await;
        assert_eq!(machine.select(120, 23), Some(120));
        machine.deliver(23);
        machine.await_cancel();
        drop(phone);
    });
    street.stop_reader();
    let first = street.server.hello.take().expect("a HELLO");
    drop(machine);
    let mut machine = street.machine();
    street.start_reader("");
    machine.power_up();
    act(async {
        street.show(OTHER_CODE);
        let mut phone = Phone::link(&street.air(), OTHER_CODE).await;
        drain(&mut street, &mut phone, 3).await;
    });
    let second = street.server.hello.as_ref().expect("a HELLO");
    assert_eq!(second.boot, first.boot + 1);
    assert_eq!(second.journal_epoch, first.journal_epoch);
    use ReceiptKind::{Close, EpochStart, VendOk};
    assert_eq!(street.server.kinds(), [EpochStart, VendOk, Close]);
    street.stop_reader();
}

/// b6 of the options: remote vend.
const REMOTE_VEND: u32 = 1 << 6;
/// Sugar 1 (none) and cup 1 (the smallest), in the bits of the standard's item options.
const SHORT_WITHOUT_SUGAR: u32 = 1 << 2 | 1 << 5;

/// From the light to the machine's session, with a favourite in the grant.
async fn begin_favourite(street: &mut Street, machine: &mut Machine, item: u16) -> Phone {
    street.show(CODE);
    let mut phone = Phone::link(&street.air(), CODE).await;
    street.server.record(&phone.envelope().await);
    let favourite = Favourite::new(item, SHORT_WITHOUT_SUGAR).expect("an item");
    let grant = street.server.grant_favourite(500, favourite);
    phone.bring(grant).await;
    assert_eq!(machine.await_session(), 500);
    phone
}

#[test]
fn a_favourite_is_ordered_with_its_options_in_the_machines_own_numbers_and_paid() {
    let mut street = Street::new();
    street.mdb = "level = 3\noptions = [\"remote-vend\"]\nitem_coding = \"bcd\"";
    let mut machine = street.machine();
    street.start_reader("");
    assert_eq!(machine.power_up_level_3(REMOTE_VEND), REMOTE_VEND);
    act(async {
        let mut phone = begin_favourite(&mut street, &mut machine, 40).await;
        // The keypad's digits 4 and 0.
        assert_eq!(machine.await_selection(), (0x0040, SHORT_WITHOUT_SUGAR));
        assert_eq!(machine.select(120, 0x0040), Some(120));
        machine.deliver(0x0040);
        machine.await_cancel();
        drain(&mut street, &mut phone, 3).await;
    });
    use ReceiptKind::{Close, EpochStart, VendOk};
    assert_eq!(street.server.kinds(), [EpochStart, VendOk, Close]);
    let sold = &street.server.receipts[&2];
    assert_eq!((sold.item, sold.amount), (40, 120));
    street.stop_reader();
}

#[test]
fn a_favourite_that_the_machine_refuses_leaves_the_customer_free_to_choose() {
    let mut street = Street::new();
    street.mdb = "level = 3\noptions = [\"remote-vend\"]";
    let mut machine = street.machine();
    street.start_reader("");
    machine.power_up_level_3(REMOTE_VEND);
    act(async {
        let mut phone = begin_favourite(&mut street, &mut machine, 40).await;
        assert_eq!(machine.await_selection().0, 40);
        machine.refuse_selection(40, 0x02);
        machine.never_hears(0x14, 20);
        let told = phone
            .status(|status| status.reason == StatusReason::NoFavourite)
            .await;
        assert_eq!((told.state, told.remaining), (BoardState::Granted, 500));
        assert_eq!(machine.select(80, 5), Some(80));
        machine.deliver(5);
        machine.await_cancel();
        drain(&mut street, &mut phone, 3).await;
    });
    assert_eq!(street.server.receipts[&2].amount, 80);
    street.stop_reader();
}

#[test]
fn a_favourite_is_never_ordered_from_a_machine_that_did_not_switch_it_on() {
    let mut street = Street::new();
    street.mdb = "level = 3\noptions = [\"remote-vend\"]";
    let mut machine = street.machine();
    street.start_reader("");
    machine.power_up_level_3(0);
    act(async {
        let mut phone = begin_favourite(&mut street, &mut machine, 40).await;
        machine.never_hears(0x14, 20);
        assert_eq!(machine.select(80, 5), Some(80));
        machine.deliver(5);
        machine.await_cancel();
        drain(&mut street, &mut phone, 3).await;
    });
    street.stop_reader();
}
