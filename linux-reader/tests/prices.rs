//! The price table through a whole reader: the product's name on the machine's display, and a price that
//! differs told to the server. The machine's own price counts.

mod street;

use gettone_channel::BoardState;
use gettone_core::notice::Code;
use std::future::Future;
use street::Street;
use street::machine::Machine;
use street::phone::Phone;

const CODE: [u8; 10] = [7, 6, 5, 4, 3, 2, 1, 0, 9, 8];
const TABLE: &str = r#"
    [[price]]
    item = 23
    name = "Crème brûlée"
    price = "1.00"
    [[price]]
    item = 24
    name = "Cacao"
    price = "1.20"
"#;

fn act(scene: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(scene);
}

/// Buys this item for 1.20, and gives what the notices say of prices.
fn buy(item: u16) -> (Vec<[u8; 8]>, String) {
    let mut street = Street::new();
    let mut machine: Machine = street.machine();
    street.start_reader(TABLE);
    machine.power_up_level_2();
    let mut told = Vec::new();
    act(async {
        street.show(CODE);
        let mut phone = Phone::link(&street.air(), CODE).await;
        street.server.record(&phone.envelope().await);
        let grant = street.server.grant(500, 1);
        phone.bring(grant).await;
        phone.state(BoardState::Granted).await;
        machine.await_session();
        assert_eq!(machine.select(120, item), Some(120), "its own price");
        machine.deliver(item);
        machine.await_cancel();
        // Notices follow the receipts; the first one of a start is there in any case.
        while street.server.receipts.len() < 3 || street.server.audits.is_empty() {
            if item == 24 && street.server.receipts.len() == 3 {
                break;
            }
            street.server.record(&phone.envelope().await);
        }
        let differs = Code::PRICE_DIFFERS.to_wire();
        let audits = street.server.audits.iter();
        told.extend(
            audits
                .filter(|audit| audit.code.code() == differs)
                .map(|audit| audit.data),
        );
    });
    street.stop_reader();
    (told, machine.shown)
}

#[test]
fn a_price_that_differs_is_told_and_the_product_is_named_on_the_display() {
    let (told, shown) = buy(23);
    assert_eq!(told, [[0, 23, 0, 0, 0, 0, 0, 120]]);
    assert!(shown.contains("CREME BRULEE"), "{shown}");
    let (told, shown) = buy(24);
    assert_eq!(told, [[0; 8]; 0], "it is as in the table");
    assert!(shown.contains("CACAO"), "{shown}");
}
