//! Care by phone: the server names a configuration, phones bring its pieces, and what is kept is what
//! the server vouches for.

mod street;

use gettone_channel::{
    CAPS_CARRIES, Config, Item, LinkMessage, Manifest, PackageKind, Part, Piece, Secret,
};
use gettone_core::board::Code;
use gettone_relay::{CareOrder, CareStart, Fetch, FirmwareStart, Input, Keep, Notice};
use street::{Book, CODE, Phone, Street};

fn package(number: u32, len: usize) -> (Vec<u8>, Manifest) {
    package_of(PackageKind::Configuration, number, len)
}

fn package_of(kind: PackageKind, number: u32, len: usize) -> (Vec<u8>, Manifest) {
    let content: Vec<u8> = (0..len).map(|at| (at * 13 + at / 251) as u8).collect();
    let manifest = Manifest::of(kind, number, &content).expect("bounded");
    (content, manifest)
}

/// A board that takes packages, with a configuration of this version.
fn cared_for(server: &Book, configuration: u32, fetch: Option<Fetch>) -> Street {
    let start = CareStart {
        configuration,
        fetch,
        ..CareStart::default()
    };
    caring(server, start)
}

fn caring(server: &Book, start: CareStart) -> Street {
    let mut street = Street::new(server);
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
        CareOrder::Begin(_) | CareOrder::Keep(..) => None,
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
        CareOrder::Keep(_, Keep::Chunk { place, bytes }) => Some((*place, bytes.clone())),
        CareOrder::Begin(_) | CareOrder::Keep(_, Keep::Manifest(_)) | CareOrder::Install(_) => None,
    });
    let kept: std::collections::BTreeMap<usize, Vec<u8>> = kept.collect();
    assert_eq!(kept.into_values().flatten().collect::<Vec<u8>>(), content);
    assert_eq!(installs(&street), [manifest.config()]);

    street.tell(Input::Installed(PackageKind::Configuration, 3));
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

/// The power was cut before what was fetched of it was let go.
#[test]
fn a_whole_package_that_is_in_place_or_was_given_up_is_not_installed_again_at_a_start() {
    let server = Book::new();
    let number = 0x0700_0000;
    for kind in [PackageKind::Configuration, PackageKind::Firmware] {
        let (content, manifest) = package_of(kind, number, 20_000);
        let chunk = |place| {
            let mut chunks = content.chunks(gettone_channel::CHUNK_LEN);
            chunks.nth(place).map(<[u8]>::to_vec)
        };
        let whole = || Fetch::resumed(manifest.config(), &manifest.to_bytes(), chunk);
        let started = |runs: u32, floor: u32| {
            let start = match kind {
                PackageKind::Configuration => CareStart {
                    configuration: runs,
                    floor,
                    fetch: whole(),
                    firmware: None,
                },
                PackageKind::Firmware => CareStart {
                    firmware: Some(FirmwareStart {
                        floor: floor.max(runs),
                        fetch: whole(),
                    }),
                    ..CareStart::default()
                },
            };
            let mut street = caring(&server, start);
            street.tell(Input::Tick);
            installs(&street)
        };
        assert_eq!(started(number - 1, 0), [manifest.config()]);
        assert_eq!(started(number, 0), [], "{kind:?}: it is in place");
        assert_eq!(started(number - 1, number), [], "{kind:?}: it was given up");
    }
}

#[test]
fn a_technician_who_brings_what_is_missing_stays_and_one_who_brings_junk_does_not() {
    let mut server = Book::new();
    let mut street = cared_for(&server, 0, None);
    let (content, manifest) = package(1, 30_000);
    let mut phone = technician(&mut street);
    phone.carry(&mut street, &mut server);
    phone.bring(&mut street, server.seal(&[Item::Config(manifest.config())]));
    let piece = |part, index| {
        let whole = match part {
            Part::Manifest => manifest.to_bytes(),
            Part::Content => content.clone(),
        };
        LinkMessage::Piece(Piece::of(1, part, index, &whole).expect("there"))
    };
    street.wait(20);
    phone.say(&mut street, &piece(Part::Manifest, 0));
    // Two halves of a chunk, each time 10 s apart: 50 s in all, and 20 s are left.
    for place in 0..3 {
        street.wait(10);
        phone.say(&mut street, &piece(Part::Content, 2 * place));
        phone.say(&mut street, &piece(Part::Content, 2 * place + 1));
    }
    assert_eq!(street.dropped, []);
    // What is here already, halves of chunks, other bytes: nothing of it counts.
    for second in 0..19 {
        street.wait(1);
        phone.say(&mut street, &piece(Part::Manifest, 0));
        phone.say(&mut street, &piece(Part::Content, second % 6));
        phone.say(&mut street, &piece(Part::Content, 8));
        let mut changed = content.clone();
        changed[6 * 2_048] ^= 1;
        for index in 6..8 {
            let forged = Piece::of(1, Part::Content, index, &changed).expect("there");
            phone.say(&mut street, &LinkMessage::Piece(forged));
        }
    }
    assert_eq!(street.dropped, []);
    street.wait(1);
    assert_eq!(street.dropped.len(), 1, "its time is over");
}

#[test]
fn without_a_package_a_technician_has_no_more_than_half_a_minute() {
    let mut server = Book::new();
    let mut street = cared_for(&server, 0, None);
    let mut phone = technician(&mut street);
    phone.carry(&mut street, &mut server);
    street.wait(29);
    assert_eq!(street.dropped, []);
    street.wait(1);
    assert_eq!(street.dropped.len(), 1);
}

#[test]
fn a_configuration_goes_first_and_firmware_follows_on_the_same_link() {
    let mut server = Book::new();
    let (text, config) = package(1, 9_000);
    let (program, firmware) = package_of(PackageKind::Firmware, 0x0102_0004, 70_000);
    let start = CareStart {
        firmware: Some(FirmwareStart::default()),
        ..CareStart::default()
    };
    let mut street = caring(&server, start);
    let mut phone = technician(&mut street);
    phone.carry(&mut street, &mut server);
    // The one that runs, and one before it, are of no use.
    let (_, same) = package_of(PackageKind::Firmware, 0x0102_0003, 70_000);
    let named = [same, firmware.clone(), config.clone()];
    let items = named.map(|manifest| Item::Config(manifest.config()));
    phone.bring(&mut street, server.seal(&items));
    let begun = [
        CareOrder::Begin(firmware.config()),
        CareOrder::Begin(config.config()),
    ];
    assert_eq!(street.care, begun);
    phone.envelopes(&mut street);
    let last = phone.wants.pop().expect("two were asked for");
    assert_eq!(last.version, 1, "the configuration first");
    phone.wants.clear();
    phone.wants.push(last);
    bring(&mut street, &mut phone, &text, &config);
    assert_eq!(installs(&street), [config.config()]);
    street.tell(Input::Installed(PackageKind::Configuration, 1));
    bring(&mut street, &mut phone, &program, &firmware);
    assert_eq!(installs(&street), [config.config(), firmware.config()]);
    let number = firmware.config().number();
    street.tell(Input::Installed(PackageKind::Firmware, number));
    phone.envelopes(&mut street);
    assert!(phone.wants.is_empty());
    assert_eq!(street.dropped, []);
}

#[test]
fn a_board_that_takes_no_firmware_asks_for_none() {
    let mut server = Book::new();
    let mut street = cared_for(&server, 0, None);
    let (_, firmware) = package_of(PackageKind::Firmware, 0x0102_0004, 9_000);
    let mut phone = technician(&mut street);
    phone.carry(&mut street, &mut server);
    phone.bring(&mut street, server.seal(&[Item::Config(firmware.config())]));
    phone.envelopes(&mut street);
    assert!(phone.wants.is_empty() && street.care.is_empty());
}
