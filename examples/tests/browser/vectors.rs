//! The page's own encoder and cryptography against the Rust ones, in the browser they run in.

use crate::chromium::{Browser, Page, Radio};
use crate::scene::Shop;
use crate::{Outcome, trial};
use gettone_ble::{Assembler, Mtu, segments};
use gettone_channel::{
    BoardState, ENVELOPE_LEN_MIN, Ephemeral, LastResult, Link, LinkMessage, Psk, Responder,
    ResumeSecret, Secret, Status, StatusReason,
};
use gettone_optical::{Kind, Payload, colours};
use libtest_mimic::Trial;
use serde_json::{Value, json};

const CODES: u64 = 200;
const LINKS: u64 = 20;

/// Link 1, Link 2 and the handshake hash of a whole link, computed by a separate program in
/// another language: as in the channel's own tests.
const LINK_1: &str = "5f09b7f97a40b50220697064b43b27411b07a4aa1fe05370b27519826983d30d\
                      5b4b03d386a263f4dc3257bdc3bb09adff2433";
const LINK_2: &str = "d214723afdfe2cddbdc929b18a5e43017e44445fc5d6c8fcf88b1868c53f395c\
                      58e231b1bedfeff987291cfb06e49563";
const HASH: &str = "af69a945e6d0e1dde9212b9f50e3a3c0eb254fa8f46373d47f1c2b7da83fc6b8";

/// What the page's modules are called in what is evaluated here.
const MODULES: &str = "\
    globalThis.modules ??= Promise.all(['bytes', 'link', 'noise', 'optical', 'segments', 'words', 'flash']
        .map((name) => import(`/assets/customer/${name}.js`)))
        .then((all) => Object.assign({}, ...all));";

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial(
            "the_page_paints_every_code_as_the_encoder_does",
            the_page_paints_every_code_as_the_encoder_does,
        ),
        trial(
            "a_link_has_the_bytes_that_other_implementations_give_it",
            a_link_has_the_bytes_that_other_implementations_give_it,
        ),
        trial(
            "page_and_reader_open_each_others_messages_and_nothing_else",
            page_and_reader_open_each_others_messages_and_nothing_else,
        ),
        trial(
            "a_key_of_low_order_links_nothing",
            a_key_of_low_order_links_nothing,
        ),
        trial(
            "messages_are_cut_and_joined_alike_at_both_ends",
            messages_are_cut_and_joined_alike_at_both_ends,
        ),
        trial(
            "every_language_has_every_sentence",
            every_language_has_every_sentence,
        ),
        trial(
            "fast_and_slow_displays_hold_a_symbol_long_enough",
            fast_and_slow_displays_hold_a_symbol_long_enough,
        ),
    ]
}

/// A page that has the modules.
struct Desk {
    page: Page,
    _browser: Browser,
    _shop: Shop,
}

impl Desk {
    fn open() -> Result<Self, libtest_mimic::Failed> {
        let shop = Shop::open()?;
        let browser = Browser::start(Radio::Absent)?;
        let page = browser.open(shop.url())?;
        page.eval(&format!("{MODULES} modules.then(() => true)"))?;
        Ok(Self {
            page,
            _browser: browser,
            _shop: shop,
        })
    }

    /// Evaluates a body in which `m` is everything that the modules export.
    fn eval(&self, body: &str) -> Result<Value, libtest_mimic::Failed> {
        Ok(self
            .page
            .eval(&format!("modules.then(async (m) => {{ {body} }})"))?)
    }
}

/// `N` bytes from a seed (SplitMix64).
fn bytes<const N: usize>(seed: u64) -> [u8; N] {
    let mut state = seed;
    core::array::from_fn(|_| {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        (mixed >> 33).to_be_bytes()[7]
    })
}

fn counting<const N: usize>(first: u8) -> [u8; N] {
    let mut next = first;
    core::array::from_fn(|_| {
        let byte = next;
        next = next.wrapping_add(1);
        byte
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let (pairs, _) = text.as_bytes().as_chunks::<2>();
    let digit = |digit: u8| char::from(digit).to_digit(16).unwrap_or_default() as u8;
    pairs
        .iter()
        .map(|[high, low]| digit(*high) << 4 | digit(*low))
        .collect()
}

fn said(value: &Value) -> Vec<u8> {
    unhex(value.as_str().unwrap_or_default())
}

fn the_page_paints_every_code_as_the_encoder_does() -> Outcome {
    let desk = Desk::open()?;
    let secrets: Vec<[u8; 10]> = (0..CODES).map(bytes).collect();
    let written: Vec<String> = secrets.iter().map(|secret| hex(secret)).collect();
    let painted = desk.eval(&format!(
        "return {}.map((secret) => m.colours(m.unhex(secret)));",
        json!(written)
    ))?;
    for (seed, secret) in secrets.into_iter().enumerate() {
        let meant: Vec<u8> = colours(&Payload::new(Kind::Pairing, secret))
            .iter()
            .map(|colour| colour.bits())
            .collect();
        assert_eq!(painted[seed], json!(meant), "seed {seed}");
    }
    Ok(())
}

fn a_link_has_the_bytes_that_other_implementations_give_it() -> Outcome {
    let desk = Desk::open()?;
    let linked = desk.eval(&format!(
        "const {{ psk }} = await m.fromLight(m.unhex('{secret}'));
         const {{ message, finish }} = await m.start(psk, m.unhex('018001'), m.unhex('{key}'));
         const {{ hash }} = await finish(m.unhex('{LINK_2}'));
         return [m.hex(message), m.hex(hash)];",
        secret = hex(&counting::<10>(0x60)),
        key = hex(&counting::<32>(0x31)),
    ))?;
    assert_eq!(linked, json!([LINK_1, HASH]));
    Ok(())
}

/// Links a page to a reader of ours; `door` says what both share.
fn linked(desk: &Desk, seed: u64, door: &str, psk: &Psk) -> Result<Link, libtest_mimic::Failed> {
    let link1 = desk.eval(&format!(
        "globalThis.door = await {door};
         globalThis.initiated = await m.initiate(door.psk);
         return m.hex(initiated.message);"
    ))?;
    let ephemeral = Ephemeral::from_bytes(bytes(seed ^ 0xE9));
    let (link, link2, _) = Responder::accept(psk, ephemeral, &said(&link1))
        .map_err(|fault| format!("seed {seed}: {fault}"))?;
    let hash = desk.eval(&format!(
        "globalThis.link = await initiated.finish(m.unhex('{}'));
         return m.hex(link.handshake);",
        hex(&link2)
    ))?;
    assert_eq!(hash, json!(link.handshake().to_string()), "seed {seed}");
    Ok(link)
}

fn page_and_reader_open_each_others_messages_and_nothing_else() -> Outcome {
    let desk = Desk::open()?;
    for seed in 0..LINKS {
        let (light, resume) = (bytes::<10>(seed), bytes::<16>(seed + 1_000));
        let (door, psk, eid) = if seed % 2 == 0 {
            let secret = Secret::light(light);
            let door = format!("m.fromLight(m.unhex('{}'))", hex(&light));
            (door, secret.psk(), secret.eid())
        } else {
            let secret = ResumeSecret::from_bytes(resume);
            let door = format!("m.fromResume(m.unhex('{}'))", hex(&resume));
            (door, secret.psk(), secret.eid())
        };
        let mut reader = linked(&desk, seed, &door, &psk)?;
        assert_eq!(
            desk.eval("return m.hex(door.eid);")?,
            json!(eid.to_string())
        );

        // The reader speaks.
        let status = Status {
            state: BoardState::ALL[seed as usize % BoardState::ALL.len()],
            remaining: 400 + seed as u32,
            last: LastResult::ALL[seed as usize % LastResult::ALL.len()],
            reason: StatusReason::ALL[seed as usize % StatusReason::ALL.len()],
            short_by: u32::MAX,
            line: "Präzise: 1,50 €".to_owned(),
            resume: (seed % 2 == 0).then(|| ResumeSecret::from_bytes(resume)),
        };
        let sealed = reader.seal(&LinkMessage::Status(status.clone()))?;
        let mut bent = sealed.clone();
        bent[seed as usize % sealed.len()] ^= 1 << (seed % 8);
        let heard = desk.eval(&format!(
            "const bent = await link.open(m.unhex('{}')).then(() => 'opened', () => 'refused');
             const {{ status }} = await link.open(m.unhex('{}'));
             return {{ bent, ...status, resume: status.resume && m.hex(status.resume) }};",
            hex(&bent),
            hex(&sealed),
        ))?;
        assert_eq!(heard["bent"], "refused", "seed {seed}");
        assert_eq!(heard["remaining"], json!(status.remaining));
        assert_eq!(heard["shortBy"], json!(u32::MAX));
        assert_eq!(heard["line"], json!(status.line));
        assert_eq!(heard["state"], json!(snake(&format!("{:?}", status.state))));
        assert_eq!(heard["last"], json!(snake(&format!("{:?}", status.last))));
        assert_eq!(
            heard["reason"],
            json!(snake(&format!("{:?}", status.reason)))
        );
        assert_eq!(heard["resume"].is_null(), status.resume.is_none());

        // The phone speaks.
        let envelope = vec![0xEE; ENVELOPE_LEN_MIN + seed as usize];
        let spoken = desk.eval(&format!(
            "return Promise.all([link.sealEnvelope(m.unhex('{}')), link.sealLeave(), link.sealAgain()]
                .map(async (sealed) => m.hex(await sealed)));",
            hex(&envelope)
        ))?;
        assert_eq!(
            reader.open(&said(&spoken[0])),
            Ok(LinkMessage::Envelope(envelope))
        );
        assert_eq!(reader.open(&said(&spoken[1])), Ok(LinkMessage::Leave));
        assert_eq!(reader.open(&said(&spoken[2])), Ok(LinkMessage::Again));
        assert!(reader.open(&said(&spoken[2])).is_err(), "a replay opens");
    }
    Ok(())
}

/// `MachineOff` as `machine_off`.
fn snake(name: &str) -> String {
    let mut words = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !words.is_empty() {
            words.push('_');
        }
        words.extend(letter.to_lowercase());
    }
    words
}

fn a_key_of_low_order_links_nothing() -> Outcome {
    let desk = Desk::open()?;
    // The points of order 1, 2 and 8 that RFC 7748's security considerations are about.
    for point in [
        hex(&[0; 32]),
        format!("01{}", hex(&[0; 31])),
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800".to_owned(),
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157".to_owned(),
    ] {
        let refused = desk.eval(&format!(
            "const {{ psk }} = await m.fromLight(m.random(10));
             const {{ finish }} = await m.initiate(psk);
             return finish(m.unhex('{point}{tag}'))
                .then(() => 'linked', (fault) => fault instanceof m.Refused && fault.message);",
            tag = hex(&[0; 16]),
        ))?;
        assert_eq!(refused, "a key of low order", "{point}");
    }
    Ok(())
}

fn messages_are_cut_and_joined_alike_at_both_ends() -> Outcome {
    let desk = Desk::open()?;
    for len in [1, 2, 177, 178, 179, 500, 4_095, 4_096] {
        let message: Vec<u8> = (0..len)
            .map(|place: usize| (place * 31 % 251) as u8)
            .collect();
        let cut = desk.eval(&format!(
            "return m.segments(m.unhex('{}')).map(m.hex);",
            hex(&message)
        ))?;
        let mut assembler = Assembler::new();
        let mut whole = None;
        for value in cut.as_array().into_iter().flatten() {
            whole = assembler.push(&said(value))?;
        }
        assert_eq!(
            whole.as_deref(),
            Some(message.as_slice()),
            "{len} bytes from the page"
        );

        let mtu = Mtu::new(64)?;
        let values: Vec<String> = segments(&message, mtu)?
            .iter()
            .map(|value| hex(value))
            .collect();
        let joined = desk.eval(&format!(
            "const assembler = new m.Assembler();
             let whole = null;
             for (const value of {}) whole = assembler.push(m.unhex(value)) ?? whole;
             return m.hex(whole);",
            json!(values)
        ))?;
        assert_eq!(said(&joined), message, "{len} bytes from the reader");
    }
    let gap = desk.eval(
        "const assembler = new m.Assembler();
         assembler.push(m.unhex('000001'));
         try { assembler.push(m.unhex('000203')); } catch (fault) { return fault instanceof m.Gap; }",
    )?;
    assert_eq!(gap, true);
    Ok(())
}

fn every_language_has_every_sentence() -> Outcome {
    let desk = Desk::open()?;
    let missing = desk.eval(
        "const gaps = (sentence) => (sentence.match(/\\{\\w+\\}/g) ?? []).sort().join();
         return Object.entries(m.WORDS).flatMap(([tag, words]) => [
             ...Object.keys(m.WORDS.en).filter((name) => !words[name] || gaps(words[name]) !== gaps(m.WORDS.en[name])),
             ...Object.keys(words).filter((name) => !m.WORDS.en[name]),
         ].map((name) => `${tag}: ${name}`));",
    )?;
    assert_eq!(missing, json!([]));
    let missing = desk.eval(
        "const { CARE_WORDS } = await import('/assets/technician/words.js');
         const gaps = (sentence) => (sentence?.match(/\\{\\w+\\}/g) ?? []).sort().join();
         const names = (words) => Object.keys(words).sort().map((name) => `${name} ${gaps(words[name])}`).join('|');
         return Object.keys(m.WORDS).filter((tag) => !CARE_WORDS[tag] || names(CARE_WORDS[tag]) !== names(CARE_WORDS.en));",
    )?;
    assert_eq!(missing, json!([]), "the technician's");
    let amounts = desk.eval(
        "return [m.decimal(5, 2), m.decimal(120, 2), m.decimal(7, 0), m.money('9007199254740993.10', 'EUR')];",
    )?;
    assert_eq!(
        amounts,
        json!(["0.05", "1.20", "7", "€9,007,199,254,740,993.10"])
    );
    Ok(())
}

fn fast_and_slow_displays_hold_a_symbol_long_enough() -> Outcome {
    let desk = Desk::open()?;
    let holds = desk.eval(
        "const times = (hz) => Array.from({ length: 16 }, (_, n) => n * 1000 / hz);
         const frames = (hz, pace) => m.holds(m.frameMsOf(times(hz)), pace)[0];
         return [frames(60, 1), frames(90, 1), frames(120, 1), frames(240, 1), frames(30, 1),
                 frames(60, 3), frames(120, 3), frames(24, 3), frames(1000, 1)];",
    )?;
    assert_eq!(holds, json!([1, 1, 1, 2, 1, 3, 3, 1, 1]));
    Ok(())
}
