//! Options of level 3 through a whole reader: what is brought back, several items in one vend, and the machine's audit.

mod street;

use gettone_channel::{LastResult, LinkMessage, ReceiptFlags, ReceiptKind};
use std::fs;
use std::future::Future;
use street::phone::Phone;
use street::{Street, wait_for};

const CODE: [u8; 10] = [7, 6, 5, 4, 3, 2, 1, 0, 9, 8];
/// b0, b3 and b7 of the options.
const FILE_TRANSPORT: u32 = 1;
const NEGATIVE_VEND: u32 = 1 << 3;
const BASKET: u32 = 1 << 7;

const AUDIT: &str = "DXS*GTN0000001*VA*V0/6*1\r\nST*001*0001\r\nID1*SN-0042*Model 7*0100\r\n\
VA1*125000*1041*2400*20\r\nPA1*11*120*Espresso\r\nG85*1A2B\r\nSE*6*0001\r\nDXE*1*1\r\n";

fn act<T>(scene: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(scene)
}

#[test]
fn a_bottle_brought_back_becomes_one_receipt_and_no_cash() {
    let mut street = Street::new();
    street.mdb = "level = 3\noptions = [\"negative-vend\"]";
    let mut machine = street.machine();
    street.start_reader("");
    assert_eq!(machine.power_up_level_3(NEGATIVE_VEND), NEGATIVE_VEND);
    act(async {
        street.show(CODE);
        let mut phone = Phone::link(&street.air(), CODE).await;
        street.server.record(&phone.envelope().await);
        let grant = street.server.grant_cash(500, 1, 40);
        phone.bring(grant).await;
        assert_eq!(machine.await_session(), 500);
        assert_eq!(machine.bring_back(50, 9), None, "more than may be put in");
        assert_eq!(machine.bring_back(25, 9), Some(25));
        machine.deliver(9);
        let told = phone
            .status(|status| status.last == LastResult::CashTaken)
            .await;
        assert_eq!(told.remaining, 500, "nothing of the grant is spent");
        machine.await_cancel();
        phone.say(&LinkMessage::Leave).await;
        while street.server.receipts.len() < 3 {
            street.server.record(&phone.envelope().await);
        }
    });
    use ReceiptKind::{Close, EpochStart, NegativeVend};
    assert_eq!(street.server.kinds(), [EpochStart, NegativeVend, Close]);
    let back = &street.server.receipts[&2];
    assert_eq!((back.item, back.amount), (9, 25));
    assert!(back.flags.has(ReceiptFlags::NEGATIVE));
    let close = &street.server.receipts[&3];
    assert_eq!((close.item, close.amount), (1, 0));
    street.stop_reader();
}

#[test]
fn a_basket_is_paid_for_what_fell_and_no_more() {
    let mut street = Street::new();
    street.mdb = "level = 3\noptions = [\"basket\"]";
    let mut machine = street.machine();
    street.start_reader("");
    assert_eq!(machine.power_up_level_3(BASKET), BASKET);
    act(async {
        street.show(CODE);
        let mut phone = Phone::link(&street.air(), CODE).await;
        street.server.record(&phone.envelope().await);
        let grant = street.server.grant(500, 1);
        phone.bring(grant).await;
        assert_eq!(machine.await_session(), 500);
        assert_eq!(machine.select_basket(300, 2), Some(300));
        machine.deliver_part(11, 180, 1);
        machine.fail_part(12, 120, 0);
        machine.await_cancel();
        while street.server.receipts.len() < 3 {
            street.server.record(&phone.envelope().await);
        }
    });
    use ReceiptKind::{Close, EpochStart, VendOk};
    assert_eq!(street.server.kinds(), [EpochStart, VendOk, Close]);
    assert_eq!(street.server.receipts[&2].amount, 180);
    assert_eq!(street.server.receipts[&3].amount, 180);
    street.stop_reader();
}

#[test]
fn the_machine_is_asked_for_its_audit_and_the_newest_is_kept() {
    let mut street = Street::new();
    street.mdb = "level = 3\noptions = [\"file-transport\"]";
    let mut machine = street.machine();
    street.start_reader("");
    assert_eq!(machine.power_up_level_3(FILE_TRANSPORT), FILE_TRANSPORT);
    assert_eq!(machine.give_file(AUDIT.as_bytes()), 0x01);
    let kept = street.path("state").join("audit.dts");
    wait_for("the audit", || kept.exists());
    assert_eq!(fs::read_to_string(&kept).expect("readable"), AUDIT);
    street.stop_reader();
}

#[test]
fn a_machine_without_files_is_never_asked_for_one() {
    let mut street = Street::new();
    street.mdb = "level = 3\noptions = [\"file-transport\"]";
    let mut machine = street.machine();
    street.start_reader("");
    machine.power_up_level_3(0);
    machine.never_hears(0x1b, 20);
    street.stop_reader();
}
