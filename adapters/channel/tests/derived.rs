//! What is derived from keys, secrets and receipts, against values computed by a separate program in another language.

mod scene;

use gettone_channel::*;
use scene::*;

#[test]
fn a_reader_is_named_by_the_hash_of_its_key() {
    let public = reader().public();
    assert_eq!(
        public,
        id("07a37cbc142093c8b755dc1b10e86cb426374ad16aa853ed0bdfc0b2b86d1c7c")
    );
    assert_eq!(reader_id(&public), id("aaa8fff703b50b22"));
    assert_eq!(KeyCheck::of(&public), id("aaa8fff703b50b22"));
}

#[test]
fn holds_and_receipts_have_their_own_ids() {
    let reader = reader_id(&reader().public());
    assert_eq!(
        vend_id(reader, nonce()),
        id("aa79d7d39e3bb20933ebfc6499459443")
    );
    assert_eq!(
        receipt_vend_id(reader, EPOCH, 42),
        id("b3105254350f99eb8bb389c0d325fa95")
    );
}

#[test]
fn the_chain_starts_at_the_epoch_and_hashes_each_body() {
    assert_eq!(Chain::first(EPOCH), id("b2aaa79d46b69406"));
    assert_eq!(Chain::of(&receipt()), id("f866e185e633415c"));
}

#[test]
fn the_chain_moves_with_every_bit_of_a_receipt() {
    let body = receipt().to_bytes();
    for (bit, changed) in flipped(&body) {
        let changed: [u8; Receipt::LEN] = changed.try_into().expect("as long");
        if let Some(other) = Receipt::from_bytes(&changed) {
            assert_ne!(Chain::of(&other), Chain::of(&receipt()), "bit {bit}");
        }
    }
}

#[test]
fn a_bind_is_the_links_hash_or_the_calls() {
    let (phone, _) = linked();
    assert_eq!(
        Bind::from(phone.handshake()).as_bytes(),
        phone.handshake().as_bytes()
    );
    let call = Bind::of_call(CallId::from_bytes(bytes(0x30)));
    assert_eq!(
        call,
        id("56e35d2d922583d1a6f1380bbfd59c5ba19fe4dccca0cb888f949f4720adea18")
    );
}

#[test]
fn a_controller_is_recognised_by_what_it_says_of_itself() {
    let known = VmcId::of(b"ABC", b"123456789012", b"MODEL-000001");
    assert_eq!(known, id("8a260edc81d80792"));
    assert_ne!(VmcId::of(b"ABC", b"123456789013", b"MODEL-000001"), known);
}

#[test]
fn each_secret_gives_its_own_advertisement() {
    assert_eq!(Secret::light(bytes(0x60)).eid(), id("f9a46dcbd2a57202"));
    assert_eq!(Secret::token(bytes(0x60)).eid(), id("5f1d8c7dc997fb7b"));
    assert_eq!(
        ResumeSecret::from_bytes(bytes(0x60)).eid(),
        id("1ae3314aea0f1f37")
    );
}

#[test]
fn an_id_reads_what_it_writes_and_nothing_else() {
    let reader = reader_id(&reader().public());
    assert_eq!(reader.to_string().parse(), Ok(reader));
    assert_eq!(reader.to_string().to_uppercase().parse(), Ok(reader));
    for wrong in [
        "",
        "aaa8fff703b50b2",
        "aaa8fff703b50b2200",
        "aaa8fff703b50b2g",
        "+aa8fff703b50b22",
    ] {
        assert!(wrong.parse::<ReaderId>().is_err(), "{wrong}");
    }
    assert!(
        "ä".repeat(8).parse::<ReaderId>().is_err(),
        "as many bytes, no digits"
    );
}

#[test]
fn no_secret_shows_in_a_debug_line() {
    let shown = [
        format!("{:?}", secret()),
        format!("{:?}", secret().psk()),
        format!("{:?}", status().resume),
        format!("{:?}", ephemeral()),
        format!("{:?}", TokenKey::from_bytes(bytes(0xC0))),
        format!("{:?}", link1().0),
    ];
    for line in shown {
        assert!(
            line.ends_with("(..)") || line == "Some(ResumeSecret(..))",
            "{line}"
        );
    }
    let key = format!("{:?}", reader());
    assert_eq!(key, format!("StaticKey({})", reader().public()));
}

#[test]
fn a_key_comes_back_as_it_was_stored() {
    let stored = reader().to_bytes();
    assert_eq!(StaticKey::from_bytes(*stored).public(), reader().public());
}
