//! The code on show, its news and the light that answers it: sizes, vectors, and every single bit.

use gettone_channel::{
    CapClass, JournalEpoch, LightGrant, LightPlace, Order, ReaderId, ReceiptKind, SLIP_LEN_MAX,
    SLIP_LEN_MIN, SLIP_RECEIPTS_MAX, Slip, SlipReceipt, TOKEN_LINK_LEN_MAX, TokenFault, TokenKey,
    TokenLink,
};

const READER: ReaderId = ReaderId::from_bytes(*b"reader-1");

fn key() -> TokenKey {
    TokenKey::from_bytes(core::array::from_fn(|n| n as u8))
}

fn slip(count: usize) -> Slip {
    Slip {
        order: Order {
            boot: 7,
            uptime_ms: (1 << 48) - 1,
        },
        journal_epoch: JournalEpoch::from_bytes(*b"epoch-01"),
        rseq_newest: u64::MAX,
        receipts: (0..count)
            .map(|n| SlipReceipt {
                rseq_low: u32::MAX - n as u32,
                kind: ReceiptKind::VendOk,
                flags: 9,
                grant: [1, 2, 3, 4],
                item: 23,
                amount: 120,
            })
            .collect(),
    }
}

fn link(step: u64, count: usize) -> TokenLink {
    TokenLink {
        reader: READER,
        step,
        token: key().token(step),
        slip: slip(count).seal(&key(), READER, step).expect("it fits"),
    }
}

#[test]
fn a_code_comes_back_from_its_url_and_the_sizes_are_those_of_the_table() {
    for count in 0..=SLIP_RECEIPTS_MAX {
        let link = link(u64::MAX, count);
        assert_eq!(link.slip.as_bytes().len(), SLIP_LEN_MIN + 16 * count);
        let text = link.to_string();
        assert!(text.len() <= TOKEN_LINK_LEN_MAX, "{}", text.len());
        let read: TokenLink = text.parse().expect("its own text");
        assert_eq!(read, link);
        assert_eq!(read.open(&key()), Ok(slip(count)));
    }
    assert_eq!(link(u64::MAX, 6).to_string().len(), TOKEN_LINK_LEN_MAX);
    assert_eq!(link(1, 6).slip.as_bytes().len(), SLIP_LEN_MAX);
    assert_eq!(slip(7).seal(&key(), READER, 1), Err(TokenFault::TooLong));
}

#[test]
fn every_changed_letter_of_a_code_is_refused() {
    let text = link(59_000_000, 2).to_string();
    for at in 0..text.len() {
        for bit in 0..8 {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            let Ok(changed) = String::from_utf8(bytes) else {
                continue;
            };
            let opened = changed
                .parse()
                .and_then(|link: TokenLink| link.open(&key()));
            assert!(opened.is_err(), "{changed}");
        }
    }
}

#[test]
fn every_changed_bit_of_the_news_is_refused() {
    let sealed = link(5, 3);
    let text = sealed.to_string();
    let head = text.rsplit_once('.').expect("four parts").0.to_owned();
    let bytes = sealed.slip.as_bytes().to_vec();
    let mut refused = 0;
    for at in 0..bytes.len() * 8 {
        let mut changed = bytes.clone();
        changed[at / 8] ^= 1 << (at % 8);
        let text = format!("{head}.{}", base64url(&changed));
        let link: TokenLink = text.parse().expect("it has the form");
        assert_eq!(link.open(&key()), Err(TokenFault::Forged), "bit {at}");
        refused += 1;
    }
    assert_eq!(refused, bytes.len() * 8);
    // The control: nothing changed opens.
    let text = format!("{head}.{}", base64url(&bytes));
    assert!(
        text.parse::<TokenLink>()
            .expect("its own")
            .open(&key())
            .is_ok()
    );
}

#[test]
fn every_changed_bit_of_a_light_grant_is_refused() {
    let place = LightPlace {
        boot: 3,
        step: 9,
        slip: link(9, 1).slip.digest(),
    };
    let grant = LightGrant::seal(&key(), CapClass::within(500, 1).expect("enough"), &place);
    let bytes = grant.to_bytes();
    assert!(
        LightGrant::from_bytes(bytes).is_of(&key(), &place),
        "the control"
    );
    for at in 0..80 {
        let mut changed = bytes;
        changed[at / 8] ^= 1 << (at % 8);
        assert!(
            !LightGrant::from_bytes(changed).is_of(&key(), &place),
            "bit {at}"
        );
    }
    let other_slip = link(9, 2).slip.digest();
    for other in [
        LightPlace { boot: 4, ..place },
        LightPlace { step: 10, ..place },
        LightPlace {
            slip: other_slip,
            ..place
        },
    ] {
        assert!(!grant.is_of(&key(), &other), "{other:?}");
    }
    assert!(!grant.is_of(&TokenKey::from_bytes([1; 32]), &place));
}

#[test]
fn a_code_is_of_one_reader_and_one_step() {
    let mut elsewhere = link(9, 1);
    elsewhere.reader = ReaderId::from_bytes(*b"reader-2");
    assert_eq!(elsewhere.open(&key()), Err(TokenFault::Forged));
    let mut later = link(9, 1);
    later.step = 10;
    assert_eq!(later.open(&key()), Err(TokenFault::Forged));
    let mut mixed = link(9, 1);
    mixed.slip = link(10, 1).slip;
    assert_eq!(mixed.open(&key()), Err(TokenFault::Forged));
}

#[test]
fn text_that_no_reader_writes_is_malformed_and_nothing_panics() {
    let good = link(12, 0).to_string();
    let parts: Vec<&str> = good.split('.').collect();
    let joined =
        |reader: &str, step: &str, token: &str, slip: &str| [reader, step, token, slip].join(".");
    let [reader, step, token, slip] = parts[..] else {
        panic!("four parts");
    };
    for text in [
        String::new(),
        "...".to_owned(),
        good.clone() + ".x",
        good.to_uppercase(),
        joined(reader, "012", token, slip),
        joined(reader, "+12", token, slip),
        joined(reader, "18446744073709551616", token, slip),
        joined(reader, "", token, slip),
        joined(&reader[1..], step, token, slip),
        joined(reader, step, &token[1..], slip),
        joined(reader, step, token, &slip[1..]),
        joined(reader, step, token, ""),
        "a".repeat(TOKEN_LINK_LEN_MAX + 1),
    ] {
        assert_eq!(
            text.parse::<TokenLink>(),
            Err(TokenFault::Malformed),
            "{text}"
        );
    }
}

#[test]
fn a_cap_class_is_never_above_what_was_held() {
    for minor in 0..4_000 {
        for vends in 0..=6 {
            let Some(class) = CapClass::within(minor, vends) else {
                assert!(minor < 50 || vends == 0);
                continue;
            };
            assert!(class.cap_minor() <= minor && class.vends_max() <= vends);
            assert!(minor - class.cap_minor() < 50 || class.cap_minor() == 3_200);
            assert_eq!(CapClass::from_byte(class.byte()), class);
        }
    }
}

/// Of HMAC-SHA256 as another implementation computes it: `hmac.new(bytes(range(32)), ...)` in Python.
#[test]
fn the_vectors_of_another_implementation_hold() {
    let hex = |bytes: &[u8]| {
        bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    assert_eq!(hex(key().token(1).as_bytes()), TOKEN_OF_STEP_1);
    assert_eq!(key().typed(1, 7), TYPED_OF_STEP_1);
    let place = LightPlace {
        boot: 1,
        step: 2,
        slip: [0x55; 32],
    };
    let grant = LightGrant::seal(&key(), CapClass::from_byte(9), &place);
    assert_eq!(hex(&grant.to_bytes()), LIGHT_GRANT);
}

const TOKEN_OF_STEP_1: &str = "31f93a6368210be1b618a41da905d417";
const TYPED_OF_STEP_1: u32 = 1_318_670;
const LIGHT_GRANT: &str = "09753b98220aed2c5a74";

fn base64url(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bits: String = bytes.iter().map(|byte| format!("{byte:08b}")).collect();
    bits.as_bytes()
        .chunks(6)
        .map(|chunk| {
            let text = core::str::from_utf8(chunk).expect("digits");
            let number = usize::from_str_radix(&format!("{text:0<6}"), 2).expect("six bits");
            char::from(LETTERS[number])
        })
        .collect()
}
