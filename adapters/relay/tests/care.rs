//! Care by phone: the server names a configuration, phones bring its pieces, and what is kept is what
//! the server vouches for.

mod street;

use gettone_channel::{
    CAPS_CARRIES, Config, Item, LinkMessage, Manifest, PackageKind, Part, Piece, Secret,
};
use gettone_core::board::Code;
use gettone_relay::{CareOrder, CareStart, Fetch, Input, Keep, Notice};
use street::{Book, CODE, Phone, Street};

fn package(number: u32, len: usize) -> (Vec<u8>, Manifest) {
    let content: Vec<u8> = (0..len).map(|at| (at * 13 + at / 251) as u8).collect();
    let manifest = Manifest::of(PackageKind::Configuration, number, &content).expect("bounded");
    (content, manifest)
}

/// A board that takes packages, with a configuration of this version.
fn cared_for(server: &Book, configuration: u32, fetch: Option<Fetch>) -> Street {
    let mut street = Street::new(server);
    let start = CareStart {
        configuration,
        floor: 0,
        fetch,
    };
    let station = core::mem::replace(&mut street.station, Street::new(server).station);
    street.station = station.with_care(start);
    street
}

fn technician(street: &mut Street) -> Phone {
    street.tell(Input::CodeSeen(Code::from_bytes(CODE)));
    Phone::link_as(street, &Secret::light(CODE).psk(), CAPS_CARRIES)
}

/// Brings what is wanted, as long as something is.
fn bring(street: &mut Street, phone: &mut Phone, content: &[u8], manifest: &Manifest) {
    loop {
        phone.envelopes(street);
        let Some(want) = phone.wants.pop() else {
            return;
        };
        let whole = match want.part {
            Part::Manifest => manifest.to_bytes(),
            Part::Content => content.to_vec(),
        };
        for index in want.first..want.first + u32::from(want.count) {
            let piece = Piece::of(want.version, want.part, index, &whole);
            phone.say(street, &LinkMessage::Piece(piece.expect("there")));
        }
    }
}

fn installs(street: &Street) -> Vec<Config> {
    let orders = street.care.iter();
    let installs = orders.filter_map(|order| match order {
        CareOrder::Install(told) => Some(*told),
        CareOrder::Begin(_) | CareOrder::Keep(_) => None,
    });
    installs.collect()
}

#[test]
fn a_configuration_is_fetched_kept_and_named_by_the_next_hello() {
    let mut server = Book::new();
    let mut street = cared_for(&server, 2, None);
    let (content, manifest) = package(3, 60_000);
    let mut phone = technician(&mut street);
    phone.carry(&mut street, &mut server);
    assert_eq!(server.hello().cfg, 2);
    assert!(phone.wants.is_empty(), "nothing was named");
    phone.bring(&mut street, server.seal(&[Item::Config(manifest.config())]));
    bring(&mut street, &mut phone, &content, &manifest);
    assert_eq!(
        street.care.first(),
        Some(&CareOrder::Begin(manifest.config()))
    );
    let kept = street.care.iter().filter_map(|order| match order {
        CareOrder::Keep(Keep::Chunk { place, bytes }) => Some((*place, bytes.clone())),
        CareOrder::Begin(_) | CareOrder::Keep(Keep::Manifest(_)) | CareOrder::Install(_) => None,
    });
    let kept: std::collections::BTreeMap<usize, Vec<u8>> = kept.collect();
    assert_eq!(kept.into_values().flatten().collect::<Vec<u8>>(), content);
    assert_eq!(installs(&street), [manifest.config()]);

    street.tell(Input::Installed(3));
    assert!(street.notices.iter().all(Notice::is_usual));
    // What comes again, late or older is not begun again.
    let before = street.care.len();
    let (_, older) = package(2, 50);
    for config in [manifest.config(), older.config()] {
        phone.bring(&mut street, server.seal(&[Item::Config(config)]));
    }
    assert_eq!(street.care.len(), before);
    phone.say(&mut street, &LinkMessage::Leave);
    let mut phone = street.link();
    phone.carry(&mut street, &mut server);
    assert_eq!(server.hello().cfg, 3);
}

#[test]
fn a_customers_phone_is_not_asked_and_another_technician_goes_on() {
    let mut server = Book::new();
    let mut street = cared_for(&server, 0, None);
    let (content, manifest) = package(1, 40_000);
    let mut customer = street.link();
    customer.carry(&mut street, &mut server);
    customer.bring(&mut street, server.seal(&[Item::Config(manifest.config())]));
    customer.envelopes(&mut street);
    assert!(customer.wants.is_empty());
    customer.say(&mut street, &LinkMessage::Leave);

    let mut first = technician(&mut street);
    first.envelopes(&mut street);
    let want = first.wants.pop().expect("it lacks all");
    assert_eq!(want.part, Part::Manifest);
    let piece = Piece::of(want.version, want.part, 0, &manifest.to_bytes());
    first.say(&mut street, &LinkMessage::Piece(piece.expect("there")));
    // It hears what is wanted next, and goes.
    first.envelopes(&mut street);
    first.say(&mut street, &LinkMessage::Leave);

    let mut second = technician(&mut street);
    bring(&mut street, &mut second, &content, &manifest);
    assert_eq!(installs(&street), [manifest.config()]);
}

#[test]
fn what_no_server_vouches_for_is_never_kept() {
    let mut server = Book::new();
    let mut street = cared_for(&server, 0, None);
    let (content, manifest) = package(1, 9_000);
    let (_, foreign) = package(2, 9_000);
    let mut phone = technician(&mut street);
    phone.carry(&mut street, &mut server);
    // Nobody has named anything yet.
    let early = Piece::of(1, Part::Manifest, 0, &manifest.to_bytes()).expect("there");
    phone.say(&mut street, &LinkMessage::Piece(early.clone()));
    assert_eq!(street.care, []);
    phone.bring(&mut street, server.seal(&[Item::Config(manifest.config())]));
    let mut forged = Piece::of(1, Part::Manifest, 0, &foreign.to_bytes()).expect("there");
    forged.version = early.version;
    phone.say(&mut street, &LinkMessage::Piece(forged));
    let mut changed = content.clone();
    changed[5_000] ^= 1;
    for index in 0..5 {
        let piece = Piece::of(1, Part::Content, index, &changed);
        phone.say(&mut street, &LinkMessage::Piece(piece.expect("there")));
    }
    assert_eq!(street.care, [CareOrder::Begin(manifest.config())]);
    // The manifest, and then the same changed content: two of three chunks are as they should be.
    phone.say(&mut street, &LinkMessage::Piece(early));
    for index in 0..5 {
        let piece = Piece::of(1, Part::Content, index, &changed);
        phone.say(&mut street, &LinkMessage::Piece(piece.expect("there")));
    }
    assert_eq!(installs(&street), []);
    phone.wants.clear();
    phone.envelopes(&mut street);
    let missing = phone.wants.pop().expect("one chunk");
    assert_eq!(
        (missing.part, missing.first, missing.count),
        (Part::Content, 2, 2)
    );
    bring_from(&mut street, &mut phone, &content, missing);
    assert_eq!(installs(&street), [manifest.config()]);
}

fn bring_from(street: &mut Street, phone: &mut Phone, content: &[u8], want: gettone_channel::Want) {
    for index in want.first..want.first + u32::from(want.count) {
        let piece = Piece::of(want.version, want.part, index, content);
        phone.say(street, &LinkMessage::Piece(piece.expect("there")));
    }
}

#[test]
fn a_board_that_starts_again_wants_what_is_missing_of_what_it_was_fetching() {
    let server = Book::new();
    let (content, manifest) = package(4, 20_000);
    let chunk = |place: usize| {
        let mut chunks = content.chunks(gettone_channel::CHUNK_LEN);
        (place != 1).then(|| chunks.nth(place).map(<[u8]>::to_vec))?
    };
    let fetch = Fetch::resumed(manifest.config(), &manifest.to_bytes(), chunk);
    let mut street = cared_for(&server, 0, fetch);
    let mut phone = technician(&mut street);
    phone.envelopes(&mut street);
    let want = phone.wants.first().expect("one chunk");
    assert_eq!((want.part, want.first, want.count), (Part::Content, 2, 2));
    bring(&mut street, &mut phone, &content, &manifest);
    assert_eq!(installs(&street), [manifest.config()]);
}
