//! The server's keys: announced, activated, and never in use before they are on flash.

mod street;

use gettone_channel::{Item, LinkMessage, ServerKey, StaticKey};
use gettone_relay::{Input, Verdict};
use street::{Book, Street};

const NEXT: [u8; 32] = [5; 32];

fn told(activate: bool) -> Item {
    Item::ServerKey(ServerKey {
        epoch: 2,
        s_pub: StaticKey::from_bytes(NEXT).public(),
        activate,
    })
}

#[test]
fn a_key_is_sealed_to_once_it_is_activated_and_on_flash() {
    let mut server = Book::new();
    let mut street = Street::new(&server);
    let mut phone = street.link();
    phone.carry(&mut street, &mut server);
    phone.bring(&mut street, server.seal(&[told(false)]));
    assert!(street.kept.take().is_some());
    street.tell(Input::ServersKept);
    phone.bring(&mut street, server.seal(&[told(true)]));
    let kept = street.kept.take().expect("to be written");
    assert_eq!(kept.active().epoch, 2);

    // Not on flash yet: the old key goes on.
    phone.bring(&mut street, server.answer(Verdict::Nothing));
    phone.say(&mut street, &LinkMessage::Leave);
    let mut phone = street.link();
    phone.carry(&mut street, &mut server);
    assert_eq!(server.epochs.last(), Some(&1));

    street.tell(Input::ServersKept);
    phone.say(&mut street, &LinkMessage::Leave);
    let mut phone = street.link();
    server.key = StaticKey::from_bytes(NEXT);
    phone.carry(&mut street, &mut server);
    assert_eq!(server.epochs.last(), Some(&2));
    // What the server had sealed under the epoch before still opens.
    server.key = StaticKey::from_bytes([4; 32]);
    let late = server.seal_under(1, &[told(true)]);
    phone.bring(&mut street, late);
    assert!(street.notices.iter().all(gettone_relay::Notice::is_usual));
    assert_eq!(street.kept, None, "a replay changes nothing");
}

#[test]
fn keys_that_could_not_be_written_are_taken_when_they_come_again() {
    let mut server = Book::new();
    let mut street = Street::new(&server);
    let mut phone = street.link();
    phone.carry(&mut street, &mut server);
    phone.bring(&mut street, server.seal(&[told(false)]));
    assert!(street.kept.take().is_some());
    phone.bring(&mut street, server.seal(&[told(false)]));
    assert_eq!(street.kept, None, "one change at a time");
    street.tell(Input::ServersLost);
    phone.bring(&mut street, server.seal(&[told(false)]));
    assert!(street.kept.take().is_some());
}
