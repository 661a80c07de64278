//! The sizes of protocol section 5.3.

mod scene;

use gettone_channel::*;
use scene::*;

fn sealed_len(direction: Direction, items: &[Item]) -> usize {
    let (own, peer) = match direction {
        Direction::ToServer => (reader(), server()),
        Direction::ToReader => (server(), reader()),
    };
    seal(
        addressed(direction),
        &own,
        &peer.public(),
        ephemeral(),
        items,
    )
    .expect("sealed")
    .len()
}

#[test]
fn the_handshake_is_51_and_48_bytes() {
    let (_, link1) = link1();
    let (_, link2, said) = accept(&link1).expect("Link 2");
    assert_eq!((link1.len(), link2.len()), (51, 48));
    assert_eq!(said, hello1());
}

#[test]
fn items_are_as_long_as_the_table_says() {
    assert_eq!(hello().encoded_len(), 150);
    assert_eq!(Item::Receipt(receipt()).encoded_len(), 66);
    assert_eq!(grant().encoded_len(), 91);
}

#[test]
fn envelopes_are_as_long_as_the_table_says() {
    let with_receipts = [&[hello()][..], &vec![Item::Receipt(receipt()); 4]].concat();
    assert_eq!(sealed_len(Direction::ToServer, &[hello()]), 218);
    assert_eq!(sealed_len(Direction::ToServer, &with_receipts), 482);
    assert_eq!(
        sealed_len(
            Direction::ToServer,
            &[Item::Epoch(EPOCH), Item::Receipt(receipt())]
        ),
        145
    );
    assert_eq!(
        sealed_len(Direction::ToReader, &[ack(), time(), grant()]),
        213
    );
}

#[test]
fn a_link_message_adds_17_bytes() {
    let (mut phone, mut reader) = linked();
    let hello_envelope = vec![0; 218];
    assert_eq!(
        reader
            .seal(&LinkMessage::Envelope(hello_envelope))
            .expect("sealed")
            .len(),
        218 + 17
    );
    assert_eq!(
        phone.seal(&LinkMessage::Leave).expect("sealed").len(),
        LINK_OVERHEAD
    );
}

#[test]
fn link_up_to_grant_is_572_bytes_of_values_and_836_with_4_receipts() {
    // Four messages, one segment of 2 bytes each.
    let values = |hello| 51 + 48 + (hello + LINK_OVERHEAD) + (213 + LINK_OVERHEAD) + 4 * 2;
    assert_eq!((values(218), values(482)), (572, 836));
}

#[test]
fn the_longest_envelope_fits_into_a_link_message() {
    let full = vec![Item::Receipt(receipt()); 30];
    let envelope = seal(
        addressed(Direction::ToServer),
        &reader(),
        &server().public(),
        ephemeral(),
        &full,
    )
    .expect("sealed");
    assert!(envelope.len() <= ENVELOPE_LEN_MAX);
    let (mut phone, mut reader) = linked();
    let longest = LinkMessage::Envelope(vec![0; ENVELOPE_LEN_MAX]);
    let carried = reader.seal(&longest).expect("sealed");
    assert!(carried.len() <= LINK_MESSAGE_MAX);
    assert_eq!(phone.open(&carried), Ok(longest));
}
