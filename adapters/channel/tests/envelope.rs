//! The envelope: what opens, and that nothing else does.

mod scene;

use gettone_channel::*;
use scene::*;

// Computed by a separate program in another language: {EPOCH, RECEIPT} and {ACK, TIME, GRANT}.
const REPORT: &str = "
    01010006aaa8fff703b50b22000000000000004dad438bfae31f6c093d61d4339255ea798092c9fadd07b97827f4b0ae
    9dee7c1c3cc0b6f9ba097c465a1ba8c5d895ba6926fbf882d1826c45ebafb277284f457709c4518f800e36e237d7ecfe
    7fc0a5139868cb34f7ebaad6f5edeac2e27877efca33b6a10c6def2f0482a202af0fad9fe928e76b2007b095c7fb0e44
    af";
const ANSWER: &str = "
    01020006aaa8fff703b50b22000000000000004dad438bfae31f6c093d61d4339255ea798092c9fadd07b97827f4b0ae
    9dee7c1c451971a9410bc78be3fbf8dd5a76277451369a00d8081f4ff1e7289229419ee11446113fd7e4ea64a74df8e3
    8b46cf0d0792979832c39980e0fd3c6789cbba1d2d9b93c9524e44ac730ee843103427ca0446d977f48346fffd921f6c
    338d34d2bb2fd556fda6326bff8bb18862572ddae627defeb2f98389fdd5e2357db087d6b9cc7a1cc386e53b0033bfcf
    85587141308ed01a6215f82768891285248090c4b6";

#[test]
fn envelopes_have_the_bytes_that_another_implementation_gives_them() {
    assert_eq!(report_envelope(), hex(REPORT));
    assert_eq!(answer_envelope(), hex(ANSWER));
    let items = vec![Item::Epoch(EPOCH), Item::Receipt(receipt())];
    let opened = open(&hex(REPORT), &server(), &reader().public());
    assert_eq!(opened, Ok((addressed(Direction::ToServer), items)));
    let opened = open(&hex(ANSWER), &reader(), &server().public());
    assert_eq!(
        opened,
        Ok((addressed(Direction::ToReader), vec![ack(), time(), grant()]))
    );
}

#[test]
fn every_item_passes_in_its_direction() {
    let reports = reports();
    let sealed = seal(
        addressed(Direction::ToServer),
        &reader(),
        &server().public(),
        ephemeral(),
        &reports,
    );
    let opened = open(&sealed.expect("sealed"), &server(), &reader().public());
    assert_eq!(opened.map(|(_, items)| items), Ok(reports));
    let answers = answers();
    let sealed = seal(
        addressed(Direction::ToReader),
        &server(),
        &reader().public(),
        ephemeral(),
        &answers,
    );
    let opened = open(&sealed.expect("sealed"), &reader(), &server().public());
    assert_eq!(opened.map(|(_, items)| items), Ok(answers));
}

#[test]
fn the_header_is_read_without_opening() {
    let peeked = header(&report_envelope());
    assert_eq!(peeked, Ok(addressed(Direction::ToServer)));
}

#[test]
fn any_flipped_bit_of_a_reports_envelope_is_refused() {
    refuses_every_flip(&report_envelope(), &server(), &reader());
}

#[test]
fn any_flipped_bit_of_an_answers_envelope_is_refused() {
    refuses_every_flip(&answer_envelope(), &reader(), &server());
}

fn refuses_every_flip(envelope: &[u8], own: &StaticKey, peer: &StaticKey) {
    let mut refused = [0; 3];
    for (bit, changed) in flipped(envelope) {
        let at = match open(&changed, own, &peer.public()) {
            Err(EnvelopeFault::Version(_)) => 0,
            Err(EnvelopeFault::Direction(_)) => 1,
            Err(EnvelopeFault::Refused) => 2,
            other => panic!("bit {bit}: {other:?}"),
        };
        refused[at] += 1;
    }
    // Bits of the version and of the direction already fail in the clear; no single flip of 1 gives 2.
    assert_eq!(refused, [8, 8, envelope.len() * 8 - 16]);
    assert!(
        open(envelope, own, &peer.public()).is_ok(),
        "the true one opens"
    );
}

#[test]
fn an_envelope_turned_round_is_refused() {
    let mut turned = report_envelope();
    turned[1] = Direction::ToReader.code();
    assert_eq!(
        open(&turned, &server(), &reader().public()),
        Err(EnvelopeFault::Refused)
    );
    assert_eq!(
        open(&turned, &reader(), &server().public()),
        Err(EnvelopeFault::Refused)
    );
    let reflected = report_envelope();
    assert_eq!(
        open(&reflected, &reader(), &server().public()),
        Err(EnvelopeFault::Refused)
    );
}

#[test]
fn another_key_on_either_side_opens_nothing() {
    let envelope = report_envelope();
    let other = StaticKey::from_bytes(bytes(0x99));
    assert_eq!(
        open(&envelope, &other, &reader().public()),
        Err(EnvelopeFault::Refused)
    );
    assert_eq!(
        open(&envelope, &server(), &other.public()),
        Err(EnvelopeFault::Refused)
    );
    let forged = seal(
        addressed(Direction::ToServer),
        &other,
        &server().public(),
        ephemeral(),
        &[Item::Epoch(EPOCH)],
    );
    let opened = open(&forged.expect("sealed"), &server(), &reader().public());
    assert_eq!(
        opened,
        Err(EnvelopeFault::Refused),
        "a forger cannot be the reader"
    );
}

#[test]
fn an_envelope_cut_or_grown_at_any_length_is_refused() {
    let envelope = report_envelope();
    for len in (0..=envelope.len() + 20).filter(|&len| len != envelope.len()) {
        let mut wrong = envelope.clone();
        wrong.resize(len, 0);
        let fault = if len < ENVELOPE_LEN_MIN {
            EnvelopeFault::Length { len }
        } else {
            EnvelopeFault::Refused
        };
        assert_eq!(
            open(&wrong, &server(), &reader().public()),
            Err(fault),
            "{len} bytes"
        );
    }
    let len = ENVELOPE_LEN_MAX + 1;
    let fault = Err(EnvelopeFault::Length { len });
    assert_eq!(header(&vec![1; len]), fault);
}

#[test]
fn items_of_the_other_side_are_not_sealed() {
    let fault = seal(
        addressed(Direction::ToServer),
        &reader(),
        &server().public(),
        ephemeral(),
        &[grant()],
    );
    assert_eq!(
        fault,
        Err(EnvelopeFault::Items(ItemFault::Kind { kind: 0x11 }))
    );
}

#[test]
fn an_envelope_of_nothing_opens_to_nothing() {
    let header = addressed(Direction::ToServer);
    let empty = seal(header, &reader(), &server().public(), ephemeral(), &[]).expect("sealed");
    assert_eq!(empty.len(), ENVELOPE_LEN_MIN);
    assert_eq!(
        open(&empty, &server(), &reader().public()),
        Ok((header, Vec::new()))
    );
}

#[test]
fn the_same_envelope_opens_again() {
    // Noise K does not guard against replay; whoever reads the items must. This test keeps that in view.
    let envelope = report_envelope();
    let once = open(&envelope, &server(), &reader().public());
    assert_eq!(open(&envelope, &server(), &reader().public()), once);
}

#[test]
fn an_authentic_envelope_with_wrong_items_is_refused_whole() {
    let cases: [(&[u8], ItemFault); 4] = [
        (&[0x04, 0, 8, 1], ItemFault::CutShort),
        (&[0x11, 0, 0], ItemFault::Kind { kind: 0x11 }),
        (&[0x7F, 0, 0], ItemFault::Kind { kind: 0x7F }),
        (&[0x04, 0, 1, 1], ItemFault::Length { kind: 0x04, len: 1 }),
    ];
    for (items, fault) in cases {
        let good = encode(Direction::ToServer, &[Item::Epoch(EPOCH)]).expect("fits");
        let envelope = sealed_elsewhere(&[&good, items].concat());
        let opened = open(&envelope, &server(), &reader().public());
        assert_eq!(opened, Err(EnvelopeFault::Items(fault)));
    }
    let skipped = sealed_elsewhere(&[0x80, 0, 2, 1, 2]);
    let opened = open(&skipped, &server(), &reader().public());
    assert_eq!(opened.map(|(_, items)| items), Ok(Vec::new()));
}

/// Seals any bytes from the reader to the server, with another implementation's primitives.
fn sealed_elsewhere(plaintext: &[u8]) -> Vec<u8> {
    let clear = report_envelope()[..HEADER_LEN].to_vec();
    let mut sealed = vec![0; plaintext.len() + NOISE_K_OVERHEAD];
    snow::Builder::new("Noise_K_25519_AESGCM_SHA256".parse().expect("Noise"))
        .local_private_key(reader().to_bytes().as_slice())
        .and_then(|b| {
            b.remote_public_key(server().public().as_bytes())?
                .prologue(&[b"gettone-env-1", &clear[..]].concat())?
                .build_initiator()
        })
        .expect("an initiator")
        .write_message(plaintext, &mut sealed)
        .expect("sealed");
    [clear, sealed].concat()
}

#[test]
fn random_and_mutated_bytes_open_nothing_and_panic_nowhere() {
    for seed in 100..104 {
        let mut chance = Chance(seed);
        for round in 0..500 {
            let bytes = match chance.below(3) {
                0 => {
                    let len = chance.below(ENVELOPE_LEN_MAX + 50);
                    chance.bytes(len)
                }
                1 => {
                    let len = chance.below(300);
                    [&report_envelope()[..HEADER_LEN], &chance.bytes(len)].concat()
                }
                _ => {
                    let mut bytes = report_envelope();
                    let at = chance.below(bytes.len());
                    bytes[at] = bytes[at].wrapping_add(1 + chance.bytes(1)[0] % 255);
                    bytes
                }
            };
            let opened = open(&bytes, &server(), &reader().public());
            assert!(opened.is_err(), "seed {seed}, round {round}: {opened:?}");
            let _ = header(&bytes);
        }
    }
}
