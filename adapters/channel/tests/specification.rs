//! The specification's vectors are the code: `docs/vectors/protocol.txt` is written by this test and read by other teams.

mod scene;

use core::fmt::{Display, Write};
use gettone_channel::*;
use scene::*;
use std::fs;
use std::path::PathBuf;

fn docs() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs"))
}

/// The file of vectors, line by line.
struct Vectors(String);

impl Vectors {
    fn part(&mut self, heading: &str) {
        writeln!(self.0, "\n# {heading}").expect("a String takes all");
    }

    fn put(&mut self, name: &str, value: impl Display) {
        writeln!(self.0, "{name} = {value}").expect("a String takes all");
    }

    fn bytes(&mut self, name: &str, bytes: &[u8]) {
        let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        self.put(name, digits);
    }
}

fn header() -> String {
    "# Vectors of docs/protocol.md: name = value, bytes in hexadecimal digits, numbers in decimal ones.\n\
     # A test of adapters/channel writes and checks this file; a private key or an ephemeral here is for tests alone.\n"
        .to_owned()
}

fn keys(out: &mut Vectors) {
    out.part("Keys and names (section 2)");
    out.bytes("reader.private", reader().to_bytes().as_slice());
    out.put("reader.public", reader().public());
    out.bytes("server.private", server().to_bytes().as_slice());
    out.put("server.public", server().public());
    let id = reader_id(&reader().public());
    out.put("reader.id", id);
    out.put("reader.claim_code", claim_code(&reader().public()));
    out.put("nonce", nonce());
    out.put("hold.vend_id", vend_id(id, nonce()));
    out.put("journal_epoch", EPOCH);
    out.put("receipt.42.vend_id", receipt_vend_id(id, EPOCH, 42));
    out.put("chain.first", Chain::first(EPOCH));
    out.put("chain.at_receipt", Chain::of(&receipt()));
    out.put("call.id", CallId::from_bytes(bytes(0x30)));
    out.put("call.bind", Bind::of_call(CallId::from_bytes(bytes(0x30))));
    let controller = VmcId::of(b"GTN", b"000000000042", b"ESPRESSO-012");
    out.put(
        "vmc.manufacturer_serial_model",
        "GTN000000000042ESPRESSO-012",
    );
    out.put("vmc.id", controller);
    out.put(
        "key_ack.check",
        KeyCheck::of(&PublicKey::from_bytes(bytes(0xB0))),
    );
}

fn link(out: &mut Vectors) {
    out.part("Secrets out of band (section 3)");
    let code: [u8; 10] = bytes(0x60);
    out.bytes("light.secret", &code);
    out.put("light.eid", Secret::light(code).eid());
    let token: [u8; 16] = bytes(0x60);
    out.bytes("token.secret", &token);
    out.put("token.eid", Secret::token(token).eid());
    out.bytes("resume.secret", &token);
    out.put("resume.eid", ResumeSecret::from_bytes(token).eid());

    out.part("A link under light.secret (section 5)");
    out.bytes("link1.ephemeral_private", &bytes::<32>(0x31));
    out.put("link1.version", hello1().version);
    out.put("link1.caps", hello1().caps);
    let (phone, link1) = link1();
    out.bytes("link1", &link1);
    out.bytes("link2.ephemeral_private", &bytes::<32>(0x71));
    let (mut reader, link2, _) = accept(&link1).expect("Link 2");
    out.bytes("link2", &link2);
    let mut phone = phone.finish(&link2).expect("a link");
    out.put("link.h", phone.handshake());

    let mut said = |name: &str, from: &mut Link, message: &LinkMessage| {
        out.bytes(name, &from.seal(message).expect("it travels"));
    };
    said(
        "reader.0.status",
        &mut reader,
        &LinkMessage::Status(status()),
    );
    let report = LinkMessage::Envelope(report_envelope());
    said("reader.1.envelope", &mut reader, &report);
    let answer = LinkMessage::Envelope(answer_envelope());
    said("phone.0.envelope", &mut phone, &answer);
    said("phone.1.again", &mut phone, &LinkMessage::Again);
    said("phone.2.leave", &mut phone, &LinkMessage::Leave);
}

fn envelopes(out: &mut Vectors) {
    out.part("Envelopes (section 6); the ephemeral is the same in both, which no sender may do");
    out.bytes("envelope.ephemeral_private", &bytes::<32>(0xA1));
    out.bytes("envelope.epoch_receipt", &report_envelope());
    out.bytes("envelope.ack_time_grant", &answer_envelope());

    out.part("Items, with their type and length (section 7)");
    for item in reports().iter().chain(&answers()) {
        let encoded = encode(item.direction(), core::slice::from_ref(item)).expect("it fits");
        out.bytes(&format!("item.{:02x}", item.kind()), &encoded);
    }
}

fn codes(out: &mut Vectors) {
    out.part("A code on show and the light that answers it (section 11)");
    let key = TokenKey::from_bytes(bytes(0xC0));
    out.bytes("k_tok", key.to_bytes().as_slice());
    let id = reader_id(&reader().public());
    let (step, boot) = (99, 7);
    out.put("step", step);
    out.bytes("t_n", key.token(step).as_bytes());
    out.put("t_n.eid", key.token(step).secret().eid());
    out.put("typed.7_digits", format_args!("{:07}", key.typed(step, 7)));
    let slip = Slip {
        order: Order {
            boot,
            uptime_ms: 123_456_789,
        },
        journal_epoch: EPOCH,
        rseq_newest: 42,
        receipts: vec![SlipReceipt {
            rseq_low: 42,
            kind: ReceiptKind::VendOk,
            flags: 9,
            grant: bytes(0x90),
            item: 17,
            amount: 150,
        }],
    };
    let slip = slip.seal(&key, id, step).expect("it fits");
    out.bytes("u", slip.as_bytes());
    let place = LightPlace {
        boot,
        step,
        slip: slip.digest(),
    };
    let link = TokenLink {
        reader: id,
        step,
        token: key.token(step),
        slip,
    };
    out.put("url.behind_t", link);
    let class = CapClass::within(500, 3).expect("a class");
    out.put("light_grant.cap_minor", class.cap_minor());
    out.put("light_grant.vends_max", class.vends_max());
    let light = LightGrant::seal(&key, class, &place);
    out.bytes("light_grant", &light.to_bytes());
}

#[test]
fn the_vectors_of_the_specification_are_the_code() {
    let mut out = Vectors(header());
    keys(&mut out);
    link(&mut out);
    envelopes(&mut out);
    codes(&mut out);
    let place = docs().join("vectors/protocol.txt");
    if std::env::var_os("GETTONE_REWRITE_GOLDEN").is_some() {
        fs::write(&place, &out.0).expect("the file is ours");
    }
    let kept = fs::read_to_string(&place).expect("the file is there");
    for (number, (kept, made)) in kept.lines().zip(out.0.lines()).enumerate() {
        assert_eq!(kept, made, "line {}", number + 1);
    }
    assert_eq!(kept.lines().count(), out.0.lines().count());
}

/// The rows of a table of the document: the cells of every line that begins with a code in back quotes.
fn rows(document: &str) -> Vec<Vec<String>> {
    let lines = document.lines().filter(|line| line.starts_with("| `"));
    let cell = |cell: &str| cell.trim().trim_matches('`').to_owned();
    let cells = |line: &str| line.trim_matches('|').split('|').map(cell).collect();
    lines.map(cells).collect()
}

#[test]
fn the_tables_of_the_specification_are_the_code() {
    let document = fs::read_to_string(docs().join("protocol.md")).expect("the specification");
    let rows = rows(&document);
    let row = |first: String| {
        let found = rows.iter().filter(|row| row[0] == first);
        let [row] = found.collect::<Vec<_>>()[..] else {
            panic!("the document has not exactly one row `{first}`");
        };
        row.clone()
    };

    // Every item: its type, its name and how long its body is.
    for item in reports().iter().chain(&answers()) {
        let row = row(format!("0x{:02X}", item.kind()));
        let name = format!("{item:?}");
        let name = name.split(|c: char| !c.is_alphanumeric()).next();
        assert_eq!(
            Some(row[1].replace('_', "").to_lowercase()),
            name.map(str::to_lowercase)
        );
        let told = if matches!(item, Item::Counters(_)) {
            "28 + 18 a row".to_owned()
        } else if matches!(item, Item::Diagnostics(_)) {
            "19 to 1,042".to_owned()
        } else {
            (item.encoded_len() - ITEM_HEADER_LEN).to_string()
        };
        assert_eq!(row[2], told, "{}", row[1]);
    }

    // Every constant that another team has to share.
    for (name, value) in [
        ("LINK_VERSION", usize::from(LINK_VERSION)),
        ("LINK_1_LEN", LINK_1_LEN),
        ("LINK_2_LEN", LINK_2_LEN),
        ("LINK_MESSAGE_MAX", LINK_MESSAGE_MAX),
        ("LINE_LEN_MAX", LINE_LEN_MAX),
        ("CHUNK_LEN", CHUNK_LEN),
        ("PIECE_LEN_MAX", PIECE_LEN_MAX),
        ("PACKAGE_LEN_MAX", PACKAGE_LEN_MAX),
        ("ENVELOPE_VERSION", usize::from(ENVELOPE_VERSION)),
        ("HEADER_LEN", HEADER_LEN),
        ("PLAINTEXT_LEN_MAX", PLAINTEXT_LEN_MAX),
        ("ENVELOPE_LEN_MIN", ENVELOPE_LEN_MIN),
        ("ENVELOPE_LEN_MAX", ENVELOPE_LEN_MAX),
        ("COUNTER_ROWS_MAX", COUNTER_ROWS_MAX),
        ("REPORT_PART_LEN_MAX", REPORT_PART_LEN_MAX),
        ("REPORT_PARTS_MAX", REPORT_PARTS_MAX),
        ("SLIP_RECEIPTS_MAX", SLIP_RECEIPTS_MAX),
        ("TOKEN_LINK_LEN_MAX", TOKEN_LINK_LEN_MAX),
    ] {
        assert_eq!(row(name.to_owned())[1], value.to_string(), "{name}");
    }
}

/// `0 none, 1 funds, ...` as the document lists what one byte can say.
fn listed<T: core::fmt::Debug + Copy>(all: &[T], code: impl Fn(T) -> u8) -> String {
    let words = all.iter().map(|value| {
        let mut name = String::new();
        for letter in format!("{value:?}").chars() {
            if letter.is_uppercase() && !name.is_empty() {
                name.push('_');
            }
            name.extend(letter.to_lowercase());
        }
        format!("{} {name}", code(*value))
    });
    words.collect::<Vec<_>>().join(", ")
}

#[test]
fn the_codes_of_the_specification_are_the_code() {
    let document = fs::read_to_string(docs().join("protocol.md")).expect("the specification");
    let flowing = document.split_whitespace().collect::<Vec<_>>().join(" ");
    for (what, list) in [
        ("state", listed(BoardState::ALL, BoardState::code)),
        ("last", listed(LastResult::ALL, LastResult::code)),
        ("reason", listed(StatusReason::ALL, StatusReason::code)),
        ("kind", listed(ReceiptKind::ALL, ReceiptKind::code)),
        ("mdb_state", listed(MdbState::ALL, MdbState::code)),
        ("refuse", listed(RefuseReason::ALL, RefuseReason::code)),
        ("lock", listed(LockState::ALL, LockState::code)),
    ] {
        assert!(flowing.contains(&format!("{list}.")), "{what}: {list}.");
    }
}

/// The tests that the specification names for its claims: their file, and their names.
fn claims(document: &str) -> Vec<(String, Vec<String>)> {
    let (_, table) = document
        .split_once("| Claim | Held by |")
        .expect("a table of claims");
    let rows = table.lines().skip(2).take_while(|row| row.starts_with('|'));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").collect();
        let [_, held] = cells.as_slice() else {
            panic!("two cells in: {row}");
        };
        let mut words = held.split('`').skip(1).step_by(2).map(str::to_owned);
        let file = words.next().expect("a file");
        (file, words.collect())
    })
    .collect()
}

/// Names of these that are no test of that file.
fn missing(file: &str, names: &[String]) -> Vec<String> {
    let path = docs().join("..").join(file);
    let text = fs::read_to_string(&path).unwrap_or_default();
    let is_there = |name: &String| {
        let (plain, listed) = (format!("fn {name}("), format!("\"{name}\""));
        text.contains(&plain) || text.contains(&listed)
    };
    names
        .iter()
        .filter(|name| !is_there(name))
        .cloned()
        .collect()
}

#[test]
fn every_test_that_the_specification_names_is_there() {
    let document = fs::read_to_string(docs().join("protocol.md")).expect("the specification");
    let claims = claims(&document);
    assert!(claims.len() >= 15, "the table was not found whole");
    for (file, names) in claims {
        assert!(!names.is_empty(), "{file}: no test");
        assert_eq!(missing(&file, &names), Vec::<String>::new(), "{file}");
    }
    // What is looked for can be missed.
    let wrong = ["a_test_that_nobody_wrote".to_owned()];
    assert_eq!(missing("adapters/channel/tests/sizes.rs", &wrong), wrong);
}
