//! Whole vends on real bytes: light, link, MDB, journal; phone and server acted by the test.

mod street;

use gettone_channel::{BoardState, LastResult, ReceiptKind};
use street::Street;
use street::phone::Phone;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

const CODE: [u8; 10] = [7, 6, 5, 4, 3, 2, 1, 0, 9, 8];

#[test]
fn a_whole_vend_ends_in_receipts_that_the_server_acknowledges() {
    let mut street = Street::new();
    let mut machine = street.machine();
    street.start_reader("");
    machine.power_up();
    street.show(CODE);
    let air = street.air();
    runtime().block_on(async {
        let mut phone = Phone::link(&air, CODE).await;
        street.server.record(&phone.envelope().await);
        let grant = street.server.grant(500, 1);
        phone.bring(grant).await;
        let granted = phone.state(BoardState::Granted).await;
        assert_eq!(granted.remaining, 500);
        assert_eq!(machine.await_session(), 500);
        assert_eq!(machine.select(120, 23), Some(120));
        machine.deliver(23);
        machine.await_cancel();
        while street.server.receipts.len() < 3 {
            street.server.record(&phone.envelope().await);
        }
        let ack = street.server.ack();
        phone.bring(ack).await;
    });
    let (epoch, ok, close) = (1, 2, 3);
    let receipts = &street.server.receipts;
    assert_eq!(receipts[&epoch].kind, ReceiptKind::EpochStart);
    assert_eq!(receipts[&ok].kind, ReceiptKind::VendOk);
    assert_eq!((receipts[&ok].amount, receipts[&ok].item), (120, 23));
    assert_eq!(receipts[&close].kind, ReceiptKind::Close);
    assert_eq!((receipts[&close].amount, receipts[&close].item), (120, 1));
    street.stop_reader();
    let _ = LastResult::Vended;
}
