//! Items on the wire: their bytes, their lengths, and what is refused.

mod scene;

use gettone_channel::*;
use scene::{Chance, EPOCH, answers, bytes, hex, receipt, reports};

// Written out by a separate program in another language, from protocol sections 5.1 and 5.2.
const REPORTS: &str = "
    010093 1011121314151617 00000007 202122232425262728292a2b2c2d2e2f
           404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f
           000000000000000b 000000000000002a 0000000000000028 7071727374757677
           00000000075bcd15 0000018bcfe5687b 00000005 00000003 00010203 03 01 03d2 02 05
           0000015e 02 8081828384858687 0000000000000063
    02003f 000000000000002a 01 909192939495969798999a9b9c9d9e9f 0011 00000096 00000007
           00000000075bb290 0000000000000000 0009 0280 a0a1a2a3a4a5a6a7
    030022 b0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecf 0002
    040008 1011121314151617
    050028 c0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedf 0000000000000063
    060040 1011121314151617 0000000000000006
           0011 00000096 00000003 00000000000001c2
           0012 000000c8 00000001 00000000000000c8
           000000000000028a 00000002
    070029 1011121314151617 0000000000000005 05 00000004 00000007 000000000000007b d0d1d2d3d4d5d6d7
    90001e 00000009 01 03 000000000000007b 00000007 757074696d655f732036310a";

const ANSWERS: &str = "
    110058 909192939495969798999a9b9c9d9e9f 202122232425262728292a2b2c2d2e2f
           404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f
           03d2 02 000001f4 03 000007d0 ffffff83 012c 0011 01020304
    120018 1011121314151617 000000000000002a 7071727374757677
    130018 0000018bcfe569c8 202122232425262728292a2b2c2d2e2f
    140028 00000004 e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff 00010000
    150011 202122232425262728292a2b2c2d2e2f 03
    160023 0006 b0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecf 01
    170005 00000008 01
    180010 303132333435363738393a3b3c3d3e3f
    19000a 0002 ddcf8eaa91361b80
    1a0020 202122232425262728292a2b2c2d2e2f 1011121314151617 000000000000000c
    1b0010 1011121314151617 0000000000000005
    910004 00000009";

#[test]
fn every_item_has_the_bytes_that_the_protocol_gives_it() {
    for (direction, items, wire) in [
        (Direction::ToServer, reports(), REPORTS),
        (Direction::ToReader, answers(), ANSWERS),
    ] {
        assert_eq!(encode(direction, &items), Ok(hex(wire)));
        assert_eq!(decode(direction, &hex(wire)), Ok(items));
    }
}

#[test]
fn every_item_says_its_own_length() {
    for item in reports().into_iter().chain(answers()) {
        let encoded = encode(item.direction(), core::slice::from_ref(&item)).expect("fits");
        assert_eq!(item.encoded_len(), encoded.len(), "{item:?}");
    }
}

#[test]
fn a_body_one_byte_longer_or_shorter_is_refused() {
    // A report's text may have any length; the test after this one has its bounds.
    let fixed = |item: &Item| !matches!(item, Item::Diagnostics(_));
    for item in reports().into_iter().chain(answers()).filter(fixed) {
        let encoded = encode(item.direction(), core::slice::from_ref(&item)).expect("fits");
        let len = encoded.len() - ITEM_HEADER_LEN;
        for (wrong, body) in [
            (len + 1, [&encoded[ITEM_HEADER_LEN..], &[0]].concat()),
            (
                len - 1,
                encoded[ITEM_HEADER_LEN..encoded.len() - 1].to_vec(),
            ),
            (0, Vec::new()),
        ] {
            let list = framed(item.kind(), &body);
            let refused = Err(ItemFault::Length {
                kind: item.kind(),
                len: wrong,
            });
            assert_eq!(decode(item.direction(), &list), refused, "{item:?}");
        }
    }
}

#[test]
fn a_report_has_text_and_no_more_of_it_than_its_bound() {
    let part = |part: u8, of: u8, text: &[u8]| {
        let head = [&9_u32.to_be_bytes()[..], &[part, of], &[0; 12]].concat();
        decode(Direction::ToServer, &framed(0x90, &[&head, text].concat()))
    };
    let full = [b'x'; REPORT_PART_LEN_MAX + 1];
    assert_eq!(part(7, 8, &full[1..]).expect("it fits").len(), 1);
    let refused = Err(ItemFault::Value { kind: 0x90 });
    for (at, of, text) in [
        (7, 8, &full[..]),
        (1, 1, b"x"),
        (0, 0, b"x"),
        (0, 9, b"x"),
        (0, 1, b"\xc3\xa4"),
        (0, 1, b"\x1b[2J"),
    ] {
        assert_eq!(part(at, of, text), refused);
    }
    let empty = Err(ItemFault::Length {
        kind: 0x90,
        len: 18,
    });
    assert_eq!(part(0, 1, b""), empty);
    let Item::Diagnostics(sample) = &reports()[7] else {
        panic!("a report")
    };
    let text = "x".repeat(REPORT_PART_LEN_MAX + 1);
    let long = Diagnostics {
        text,
        ..sample.clone()
    };
    assert_eq!(
        encode(Direction::ToServer, &[Item::Diagnostics(long)]),
        Err(ItemFault::Value { kind: 0x90 })
    );
}

#[test]
fn a_list_cut_anywhere_but_between_items_is_refused() {
    for (direction, wire) in [
        (Direction::ToServer, REPORTS),
        (Direction::ToReader, ANSWERS),
    ] {
        let wire = hex(wire);
        let mut boundaries = vec![0];
        while let Some(&at) = boundaries.last()
            && at < wire.len()
        {
            let len = u16::from_be_bytes([wire[at + 1], wire[at + 2]]);
            boundaries.push(at + ITEM_HEADER_LEN + usize::from(len));
        }
        for len in 0..=wire.len() {
            match boundaries.iter().position(|&at| at == len) {
                Some(items) => {
                    assert_eq!(decode(direction, &wire[..len]).expect("whole").len(), items);
                }
                None => assert_eq!(decode(direction, &wire[..len]), Err(ItemFault::CutShort)),
            }
        }
    }
}

#[test]
fn an_unknown_type_refuses_the_list_below_0x80_and_is_skipped_from_there() {
    for direction in [Direction::ToServer, Direction::ToReader] {
        let (own, others) = match direction {
            Direction::ToServer => (reports(), answers()),
            Direction::ToReader => (answers(), reports()),
        };
        for kind in 0..=u8::MAX {
            if own.iter().any(|item| item.kind() == kind) {
                continue;
            }
            let list = [
                framed(kind, &[9; 5]),
                encode(direction, &own[..1]).expect("fits"),
            ]
            .concat();
            let expected = if kind >= SKIPPABLE_FROM {
                Ok(own[..1].to_vec())
            } else {
                Err(ItemFault::Kind { kind })
            };
            assert_eq!(decode(direction, &list), expected, "type {kind:#04x}");
        }
        for item in others {
            let refused = Err(ItemFault::Kind { kind: item.kind() });
            assert_eq!(encode(direction, &[item]), refused, "the wrong way");
        }
    }
}

#[test]
fn a_skipped_item_must_still_end_inside_the_list() {
    let mut list = framed(0x80, &[0; 4]);
    list.pop();
    assert_eq!(decode(Direction::ToServer, &list), Err(ItemFault::CutShort));
}

#[test]
fn an_impossible_value_refuses_the_list() {
    let mut receipt = encode(Direction::ToServer, &[Item::Receipt(receipt())]).expect("fits");
    let kind = ITEM_HEADER_LEN + 8;
    for code in 0..=u8::MAX {
        receipt[kind] = code;
        let known = matches!(code, 1..=6 | 9..=12);
        assert_eq!(
            decode(Direction::ToServer, &receipt).is_ok(),
            known,
            "receipt kind {code}"
        );
    }
    let refused = |kind, body: &[u8]| {
        let fault = decode(Direction::ToReader, &framed(kind, body));
        assert_eq!(fault, Err(ItemFault::Value { kind }));
    };
    refused(0x15, &[0; 17]);
    refused(0x15, &[7; 17]);
    refused(0x16, &[2; 35]);
    refused(0x17, &[2; 5]);
    let mut no_favourite = [0; 88];
    no_favourite[82..].copy_from_slice(&[0xFF, 0xFF, 0, 0, 0, 1]);
    refused(0x11, &no_favourite);
}

#[test]
fn a_grant_without_a_favourite_says_ffff() {
    let Item::Grant(mut grant) = scene::grant() else {
        panic!("a grant")
    };
    grant.favourite = None;
    let items = [Item::Grant(grant)];
    let encoded = encode(Direction::ToReader, &items).expect("fits");
    assert!(encoded.ends_with(&[0xFF, 0xFF, 0, 0, 0, 0]));
    assert_eq!(decode(Direction::ToReader, &encoded), Ok(items.to_vec()));
    assert_eq!(
        Favourite::new(0xFFFF, 3),
        None,
        "FFFF is nobody's favourite"
    );
}

#[test]
fn counters_are_bounded_and_leave_room_for_a_hello() {
    let counters = |rows| {
        let row = CounterRow {
            item: 1,
            price: 2,
            count: 3,
            value: 4,
        };
        Item::Counters(Counters {
            journal_epoch: EPOCH,
            seq: 1,
            rows: vec![row; rows],
            cash_in: 5,
            errors: 6,
        })
    };
    for rows in [0, 1, COUNTER_ROWS_MAX] {
        let items = [scene::hello(), counters(rows)];
        let encoded = encode(Direction::ToServer, &items).expect("fits beside a HELLO");
        assert_eq!(decode(Direction::ToServer, &encoded), Ok(items.to_vec()));
    }
    let rows = COUNTER_ROWS_MAX + 1;
    assert_eq!(
        encode(Direction::ToServer, &[counters(rows)]),
        Err(ItemFault::Rows { rows })
    );
    let body = vec![0; 28 + 18 * rows];
    let fault = decode(Direction::ToServer, &framed(0x06, &body));
    assert_eq!(fault, Err(ItemFault::Value { kind: 0x06 }));
    let fault = decode(Direction::ToServer, &framed(0x06, &[0; 28 + 17]));
    assert_eq!(
        fault,
        Err(ItemFault::Length {
            kind: 0x06,
            len: 28 + 17
        })
    );
}

#[test]
fn more_than_2000_bytes_are_neither_written_nor_read() {
    let receipts = |n| vec![Item::Receipt(receipt()); n];
    assert_eq!(
        encode(Direction::ToServer, &receipts(30))
            .expect("fits")
            .len(),
        1_980
    );
    let fault = Err(ItemFault::TooLong { len: 2_046 });
    assert_eq!(encode(Direction::ToServer, &receipts(31)), fault);
    let full = framed(0x80, &[0; PLAINTEXT_LEN_MAX - ITEM_HEADER_LEN]);
    assert_eq!(decode(Direction::ToServer, &full), Ok(Vec::new()));
    let over = framed(0x80, &[0; PLAINTEXT_LEN_MAX - ITEM_HEADER_LEN + 1]);
    assert_eq!(
        decode(Direction::ToServer, &over),
        Err(ItemFault::TooLong { len: 2_001 })
    );
}

#[test]
fn unknown_flags_and_audit_codes_come_back_as_they_were() {
    let flags = ReceiptFlags::from_bits(0xFFF0);
    let odd = Receipt { flags, ..receipt() };
    let back = Receipt::from_bytes(&odd.to_bytes()).expect("a receipt");
    assert_eq!(back.flags.bits(), 0xFFF0, "the chain hashes them");
    assert!(!back.flags.has(ReceiptFlags::BY_RESET));
    assert_eq!(AuditCode::from_code(200).code(), 200);
}

#[test]
fn a_later_start_or_a_later_moment_is_a_greater_order() {
    let order = |boot, uptime_ms| Order { boot, uptime_ms };
    assert!(order(1, 900) < order(2, 0));
    assert!(order(2, 0) < order(2, 1));
    let Item::Hello(hello) = scene::hello() else {
        panic!("a hello")
    };
    assert!(receipt().order() < hello.order());
}

#[test]
fn random_and_mutated_lists_never_panic_and_never_decode_to_other_bytes() {
    for seed in 0..8 {
        let mut chance = Chance(seed);
        for round in 0..10_000 {
            let (direction, template) = match chance.below(2) {
                0 => (Direction::ToServer, hex(REPORTS)),
                _ => (Direction::ToReader, hex(ANSWERS)),
            };
            let list = match chance.below(3) {
                0 => {
                    let len = chance.below(PLAINTEXT_LEN_MAX + 100);
                    chance.bytes(len)
                }
                _ => mutated(&mut chance, template),
            };
            if let Ok(items) = decode(direction, &list)
                && !skips(direction, &list)
            {
                assert_eq!(
                    encode(direction, &items),
                    Ok(list),
                    "seed {seed}, round {round}"
                );
            }
        }
    }
}

fn framed(kind: u8, body: &[u8]) -> Vec<u8> {
    let len = u16::try_from(body.len()).expect("short");
    [&[kind], &len.to_be_bytes()[..], body].concat()
}

/// A list that decodes carries skipped items exactly where an unknown type is 0x80 or more; the two
/// known ones are skipped the other way.
fn skips(direction: Direction, mut list: &[u8]) -> bool {
    let known = match direction {
        Direction::ToServer => 0x90,
        Direction::ToReader => 0x91,
    };
    while let [kind, high, low, rest @ ..] = list {
        if *kind >= SKIPPABLE_FROM && *kind != known {
            return true;
        }
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        list = rest.get(len..).unwrap_or_default();
    }
    false
}

fn mutated(chance: &mut Chance, mut list: Vec<u8>) -> Vec<u8> {
    for _ in 0..=chance.below(4) {
        let at = chance.below(list.len());
        match chance.below(4) {
            0 => list[at] ^= 1 << chance.below(8),
            1 => list[at] = bytes::<1>(chance.draw().to_be_bytes()[0])[0],
            2 => {
                list.remove(at);
            }
            _ => list.insert(at, chance.draw().to_be_bytes()[0]),
        }
    }
    list
}
