//! How fast receipts leave, counted in events of a modelled radio link and not in seconds.

mod street;

use core::time::Duration;
use gettone_ble::{Mtu, segments};
use gettone_channel::{LINK_1_LEN, LinkMessage};
use gettone_core::board::Limits;
use gettone_relay::Verdict;
use street::{Book, Street};

/// A common connection interval of phones.
const INTERVAL: Duration = Duration::from_millis(45);
/// A common MTU of phones.
const MTU: u16 = 185;
const SPAN: Duration = Duration::from_secs(10);
const RECEIPTS: u64 = 520;

/// One value for each event, either way: the least that any radio does.
fn events(message: &[u8]) -> usize {
    let mtu = Mtu::new(MTU).expect("allowed");
    segments(message, mtu).expect("a message").len()
}

#[test]
fn five_hundred_receipts_leave_in_ten_seconds_of_link() {
    let mut server = Book::new();
    let mut street = Street::laden(&server, Limits::PROTOCOL, RECEIPTS);
    let mut phone = street.link();
    // MTU, subscription, Link 1 and Link 2; what follows is counted as it is said.
    let mut spent = 2 + events(&[1; LINK_1_LEN]) + 1;
    let budget = usize::try_from(SPAN.as_millis() / INTERVAL.as_millis()).expect("small");
    let mut acked = 0;
    while spent < budget {
        let Some(sealed) = street.message(phone.connection) else {
            break;
        };
        spent += events(&sealed);
        if spent > budget {
            break;
        }
        if let LinkMessage::Envelope(envelope) = phone.link.open(&sealed).expect("sealed") {
            server.record(&envelope);
        }
        // The server's word travels on the same link, now and then.
        if server.receipts.len() / 200 > acked {
            acked += 1;
            let answer = LinkMessage::Envelope(server.answer(Verdict::Nothing));
            let sealed = phone.link.seal(&answer).expect("it travels this way");
            spent += events(&sealed);
            street.tell(gettone_relay::Input::Heard(phone.connection, sealed));
        }
    }
    let count = server.receipts.len();
    println!("{count} receipts in {spent} of {budget} events of {INTERVAL:?}");
    assert!(count >= 500, "{count} receipts");
}
