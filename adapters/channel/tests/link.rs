//! The link: what passes, what is refused, and what a refusal leaves behind.

mod scene;

use gettone_channel::*;
use scene::*;

fn stranger() -> Psk {
    Secret::light(bytes(0x61)).psk()
}

fn piece() -> Piece {
    Piece {
        version: 3,
        part: Part::Content,
        index: 7,
        bytes: vec![9; 2_048],
    }
}

fn want() -> Want {
    Want {
        version: 3,
        part: Part::Manifest,
        first: 2,
        count: 16,
    }
}

#[test]
fn pieces_and_wants_with_nothing_in_them_or_too_much_are_refused() {
    let (mut phone, mut reader) = linked();
    for len in [0, 2_049] {
        let long = Piece {
            bytes: vec![0; len],
            ..piece()
        };
        let sealed = phone.seal(&LinkMessage::Piece(long));
        assert_eq!(sealed, Err(LinkFault::Body), "{len}");
    }
    let nothing = Want { count: 0, ..want() };
    let sealed = reader.seal(&LinkMessage::Want(nothing));
    assert_eq!(sealed, Err(LinkFault::Body));
}

fn envelope() -> LinkMessage {
    LinkMessage::Envelope(vec![0xEE; ENVELOPE_LEN_MIN])
}

// Computed by a separate program in another language.
const LINK_1: &str = "5f09b7f97a40b50220697064b43b27411b07a4aa1fe05370b27519826983d30d
                      5b4b03d386a263f4dc3257bdc3bb09adff2433";
const LINK_2: &str = "d214723afdfe2cddbdc929b18a5e43017e44445fc5d6c8fcf88b1868c53f395c
                      58e231b1bedfeff987291cfb06e49563";
const H: &str = "af69a945e6d0e1dde9212b9f50e3a3c0eb254fa8f46373d47f1c2b7da83fc6b8";
const STATUS: &str = "90cf03b34260874a57d6e8f319c0ca99df077fc8cd5cc57fb5abe15d2ef4cdf6
                      008c1f7d8dd9c46f115adca9e9224f33299838f394287650f074b7a4091ba4";
const LEAVE: &str = "31596389428f1ae44378f35c645c9c46d5";
const AGAIN: &str = "efe0e9985b4f77232b0475d9d50d7ca41f";

#[test]
fn a_whole_link_has_the_bytes_that_another_implementation_gives_it() {
    let (phone, link1) = link1();
    assert_eq!(link1, hex(LINK_1));
    let (mut reader, link2, said) = accept(&link1).expect("Link 2");
    assert_eq!((link2.clone(), said), (hex(LINK_2), hello1()));
    let mut phone = phone.finish(&link2).expect("a link");
    assert_eq!((phone.handshake(), reader.handshake()), (id(H), id(H)));

    assert_eq!(reader.seal(&LinkMessage::Status(status())), Ok(hex(STATUS)));
    assert_eq!(phone.open(&hex(STATUS)), Ok(LinkMessage::Status(status())));
    assert_eq!(phone.seal(&LinkMessage::Leave), Ok(hex(LEAVE)));
    assert_eq!(phone.seal(&LinkMessage::Again), Ok(hex(AGAIN)));
    assert_eq!(reader.open(&hex(LEAVE)), Ok(LinkMessage::Leave));
    assert_eq!(reader.open(&hex(AGAIN)), Ok(LinkMessage::Again));
}

#[test]
fn a_stranger_is_refused_at_the_first_message() {
    let (_, link1) =
        Initiator::start(&stranger(), Ephemeral::from_bytes(bytes(1)), hello1()).expect("Link 1");
    assert_eq!(accept(&link1).err(), Some(LinkFault::Refused));
}

#[test]
fn a_reader_without_the_secret_cannot_answer() {
    let (phone, _) = link1();
    let ephemeral = Ephemeral::from_bytes(bytes(0x31));
    let (_, for_a_stranger) = Initiator::start(&stranger(), ephemeral, hello1()).expect("Link 1");
    let (_, link2, _) = Responder::accept(
        &stranger(),
        Ephemeral::from_bytes(bytes(2)),
        &for_a_stranger,
    )
    .expect("strangers understand each other");
    assert_eq!(phone.finish(&link2).err(), Some(LinkFault::Refused));
}

#[test]
fn a_token_and_a_resume_secret_of_the_same_bytes_are_strangers() {
    let (token, resume) = (Secret::token(bytes(5)), ResumeSecret::from_bytes(bytes(5)));
    assert_ne!(token.eid(), resume.eid());
    let (_, link1) =
        Initiator::start(&resume.psk(), Ephemeral::from_bytes(bytes(1)), hello1()).expect("Link 1");
    let fault = Responder::accept(&token.psk(), Ephemeral::from_bytes(bytes(2)), &link1).err();
    assert_eq!(fault, Some(LinkFault::Refused));
}

#[test]
fn a_second_link_has_another_hash() {
    let (_, link1) = link1();
    let (first, ..) = accept(&link1).expect("Link 2");
    let (second, ..) =
        Responder::accept(&secret().psk(), Ephemeral::from_bytes(bytes(0x72)), &link1)
            .expect("Link 2");
    assert_ne!(first.handshake(), second.handshake());
}

#[test]
fn another_version_is_refused_at_both_ends() {
    let other = Hello1 {
        version: 2,
        caps: 0,
    };
    let fault = Initiator::start(&secret().psk(), ephemeral(), other).err();
    assert_eq!(fault, Some(LinkFault::Version(2)));
    // A phone of the future, made with another implementation.
    let mut phone = elsewhere().build_initiator().expect("an initiator");
    let mut link1 = [0; LINK_1_LEN];
    phone.write_message(&[2, 0, 0], &mut link1).expect("Link 1");
    assert_eq!(accept(&link1).err(), Some(LinkFault::Version(2)));
}

#[test]
fn any_flipped_bit_of_link_1_is_refused() {
    let (_, link1) = link1();
    for (bit, changed) in flipped(&link1) {
        assert_eq!(
            accept(&changed).err(),
            Some(LinkFault::Refused),
            "bit {bit}"
        );
    }
    assert!(accept(&link1).is_ok(), "the true one passes");
}

#[test]
fn any_flipped_bit_of_link_2_is_refused() {
    let (_, first) = link1();
    let (_, link2, _) = accept(&first).expect("Link 2");
    for (bit, changed) in flipped(&link2) {
        assert_eq!(
            link1().0.finish(&changed).err(),
            Some(LinkFault::Refused),
            "bit {bit}"
        );
    }
    assert!(link1().0.finish(&link2).is_ok(), "the true one passes");
}

#[test]
fn any_flipped_bit_of_a_transport_message_is_refused_and_changes_nothing() {
    let (mut phone, mut reader) = linked();
    for message in [LinkMessage::Status(status()), envelope()] {
        let sealed = reader.seal(&message).expect("sealed");
        for (bit, changed) in flipped(&sealed) {
            assert_eq!(phone.open(&changed), Err(LinkFault::Refused), "bit {bit}");
        }
        assert_eq!(
            phone.open(&sealed),
            Ok(message),
            "garbage did not move the nonce"
        );
    }
}

#[test]
fn a_message_cut_or_grown_at_any_length_is_refused() {
    let (_, first) = link1();
    let (_, second, _) = accept(&first).expect("Link 2");
    for len in (0..=80).filter(|&len| len != LINK_1_LEN) {
        let mut wrong = first.clone();
        wrong.resize(len, 0);
        assert_eq!(accept(&wrong).err(), Some(LinkFault::Length { len }));
    }
    for len in (0..=80).filter(|&len| len != LINK_2_LEN) {
        let mut wrong = second.clone();
        wrong.resize(len, 0);
        assert_eq!(
            link1().0.finish(&wrong).err(),
            Some(LinkFault::Length { len })
        );
    }
    let (mut phone, mut reader) = linked();
    let sealed = reader.seal(&LinkMessage::Status(status())).expect("sealed");
    for len in (0..=sealed.len() + 20).filter(|&len| len != sealed.len()) {
        let mut wrong = sealed.clone();
        wrong.resize(len, 0);
        assert_eq!(phone.open(&wrong), Err(LinkFault::Refused), "{len} bytes");
    }
    assert!(phone.open(&sealed).is_ok());
    let len = LINK_MESSAGE_MAX + 1;
    assert_eq!(phone.open(&vec![0; len]), Err(LinkFault::Length { len }));
}

#[test]
fn a_replayed_reordered_reflected_or_foreign_message_is_refused() {
    let (mut phone, mut reader) = linked();
    let first = reader.seal(&envelope()).expect("sealed");
    let second = reader.seal(&envelope()).expect("sealed");
    assert_eq!(phone.open(&second), Err(LinkFault::Refused), "out of order");
    assert!(phone.open(&first).is_ok());
    assert_eq!(phone.open(&first), Err(LinkFault::Refused), "replayed");
    assert_eq!(reader.open(&second), Err(LinkFault::Refused), "reflected");
    assert!(phone.open(&second).is_ok());

    let (_, link1) = link1();
    let (mut other, ..) =
        Responder::accept(&secret().psk(), Ephemeral::from_bytes(bytes(0x72)), &link1)
            .expect("Link 2");
    let foreign = other.seal(&envelope()).expect("sealed");
    assert_eq!(
        phone.open(&foreign),
        Err(LinkFault::Refused),
        "of another link"
    );
}

#[test]
fn each_message_travels_its_way_only() {
    let messages = [
        envelope(),
        LinkMessage::Status(status()),
        LinkMessage::Leave,
        LinkMessage::Again,
        LinkMessage::Piece(piece()),
        LinkMessage::Want(want()),
    ];
    let mut picture =
        String::from("sealed by  Envelope  Status    Leave     Again     Piece     Want\n");
    for sender in ["phone", "reader"] {
        let mut row = format!("{sender:<11}");
        for message in &messages {
            let (mut phone, mut reader) = linked();
            let (from, to) = match sender {
                "phone" => (&mut phone, &mut reader),
                _ => (&mut reader, &mut phone),
            };
            let cell = match from.seal(message) {
                Ok(sealed) if to.open(&sealed).as_ref() == Ok(message) => "opens",
                Ok(_) => "lost",
                Err(LinkFault::Kind(_)) => ".",
                Err(_) => "?",
            };
            row += &format!("{cell:<10}");
        }
        picture += row.trim_end();
        picture += "\n";
    }
    assert_eq!(
        picture,
        "\
sealed by  Envelope  Status    Leave     Again     Piece     Want
phone      opens     .         opens     opens     opens     .
reader     opens     opens     .         .         .         opens
"
    );
}

#[test]
fn a_display_line_is_at_most_64_bytes() {
    let (mut phone, mut reader) = linked();
    for line in [String::new(), "x".repeat(64), "€".repeat(21)] {
        let message = LinkMessage::Status(Status {
            line,
            resume: None,
            ..status()
        });
        let sealed = reader.seal(&message).expect("sealed");
        assert_eq!(phone.open(&sealed), Ok(message));
    }
    let long = Status {
        line: "€".repeat(22),
        ..status()
    };
    assert_eq!(
        reader.seal(&LinkMessage::Status(long)),
        Err(LinkFault::Line { len: 66 })
    );
    assert!(
        phone
            .open(&reader.seal(&envelope()).expect("sealed"))
            .is_ok(),
        "and the link goes on"
    );
}

#[test]
fn an_envelope_of_no_possible_length_is_not_carried() {
    let (_, mut reader) = linked();
    for len in [0, ENVELOPE_LEN_MIN - 1, ENVELOPE_LEN_MAX + 1] {
        let fault = reader.seal(&LinkMessage::Envelope(vec![0; len]));
        assert_eq!(fault, Err(LinkFault::Length { len }));
    }
}

#[test]
fn random_and_mutated_bytes_link_nothing_and_panic_nowhere() {
    let (mut phone, mut reader) = linked();
    let (_, true_link1) = link1();
    for seed in 200..204 {
        let mut chance = Chance(seed);
        for round in 0..500 {
            let len = chance.below(120);
            let noise = chance.bytes(len);
            let keyed = [&true_link1[..32], &chance.bytes(19)].concat();
            let shown = format!("seed {seed}, round {round}");
            assert!(
                accept(&noise).is_err() && accept(&keyed).is_err(),
                "{shown}"
            );
            assert!(link1().0.finish(&noise).is_err(), "{shown}");
            assert!(
                phone.open(&noise).is_err() && reader.open(&noise).is_err(),
                "{shown}"
            );
        }
    }
}

#[test]
fn authentic_nonsense_panics_nowhere_and_never_opens_to_other_bytes() {
    let (mut phone, mut other) = linked_elsewhere();
    // [message.rs] type, state, remaining, last, reason, short_by, line, resume
    let line = "Präzise: 1,50 €";
    let line_len = u8::try_from(line.len()).expect("short");
    let fixed = [2, 3, 0, 0, 1, 0x5E, 1, 7, 0, 0, 0, 20, line_len];
    let status = [&fixed[..], line.as_bytes(), &bytes::<16>(0x60)].concat();
    let (mut second_phone, mut second_reader) = linked();
    let mut opened = 0;
    for seed in 300..304 {
        let mut chance = Chance(seed);
        for round in 0..5_000 {
            let mut plaintext = status.clone();
            for _ in 0..chance.below(4) {
                let at = chance.below(plaintext.len());
                plaintext[at] = chance.bytes(1)[0];
            }
            if chance.below(3) == 0 {
                plaintext.truncate(chance.below(plaintext.len()));
            }
            let mut sealed = vec![0; plaintext.len() + 16];
            other
                .write_message(&plaintext, &mut sealed)
                .expect("sealed");
            let Ok(LinkMessage::Status(read)) = phone.open(&sealed) else {
                continue;
            };
            opened += 1;
            // What was read can be written, and reads the same.
            let message = LinkMessage::Status(read);
            let again = second_reader
                .seal(&message)
                .expect("what was read can be written");
            assert_eq!(again.len(), sealed.len(), "seed {seed}, round {round}");
            assert_eq!(
                second_phone.open(&again),
                Ok(message),
                "seed {seed}, round {round}"
            );
        }
    }
    assert!(opened > 1_000, "the untouched ones at least: {opened}");
}

#[test]
fn a_status_beyond_its_bounds_is_not_read() {
    let (mut phone, mut other) = linked_elsewhere();
    let status = |len: usize, rest: &[u8]| {
        let line_len = u8::try_from(len).expect("short");
        [
            &[2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, line_len][..],
            &vec![b'x'; len],
            rest,
        ]
        .concat()
    };
    for (plaintext, read) in [
        (status(64, &[]), true),
        (status(64, &[7; 16]), true),
        (status(65, &[]), false),
        (status(64, &[7; 15]), false),
        (status(64, &[7; 17]), false),
        (
            status(1, &[])
                .into_iter()
                .map(|byte| if byte == b'x' { 0xFF } else { byte })
                .collect(),
            false,
        ),
    ] {
        let mut sealed = vec![0; plaintext.len() + 16];
        other
            .write_message(&plaintext, &mut sealed)
            .expect("sealed");
        let opened = phone.open(&sealed);
        assert_eq!(opened.is_ok(), read, "{plaintext:?}");
        assert!(read || opened == Err(LinkFault::Body));
    }
}

/// A link whose reader is another implementation.
fn linked_elsewhere() -> (Link, snow::TransportState) {
    let (phone, link1) = link1();
    let mut reader = elsewhere().build_responder().expect("a responder");
    let mut link2 = [0; LINK_2_LEN];
    reader.read_message(&link1, &mut [0; 3]).expect("Link 1");
    reader.write_message(&[], &mut link2).expect("Link 2");
    (
        phone.finish(&link2).expect("a link"),
        reader.into_transport_mode().expect("finished"),
    )
}

/// The scene's link in another implementation.
fn elsewhere() -> snow::Builder<'static> {
    // The pre-shared key of the scene's light code, derived by a separate program.
    const PSK: [u8; 32] = [
        0xEA, 0xD3, 0x9A, 0x17, 0x23, 0x6B, 0xC3, 0x78, 0x60, 0x28, 0x51, 0x6D, 0x6F, 0x8A, 0xE7,
        0xCB, 0x02, 0x6B, 0x85, 0xEC, 0xAE, 0x98, 0x40, 0x81, 0x28, 0x97, 0x3D, 0x9E, 0x56, 0x47,
        0x1D, 0xAD,
    ];
    let pattern = "Noise_NNpsk0_25519_AESGCM_SHA256"
        .parse()
        .expect("a Noise name");
    snow::Builder::new(pattern).psk(0, &PSK).expect("once")
}

#[test]
fn a_link_may_cross_threads() {
    fn crosses<T: Send + Sync>() {}
    crosses::<Link>();
    crosses::<Initiator>();
    crosses::<StaticKey>();
}
