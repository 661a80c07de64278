//! What is written and played elsewhere is the code: the page other teams implement from, the page customers hold up.

use gettone_optical::{
    Kind, LADDER, LOOP_SYMBOLS, Palette, Payload, RefreshRate, SYMBOL_MAX_US, SYMBOL_MIN_US,
    colours, ladder_at,
};
use std::process::Command;

const SCRIPT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../gateway/pages/customer/optical.js"
);

#[test]
fn the_vectors_of_the_page_are_the_code() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/optical.md");
    let text = std::fs::read_to_string(page).expect("the page");
    let mut vectors = 0;
    for line in text.lines() {
        let cells: Vec<&str> = line.split('`').collect();
        let [_, payload, _, told, _] = cells[..] else {
            continue;
        };
        let Ok(payload) = Payload::from_hex(payload) else {
            continue;
        };
        let made: String = colours(&payload)
            .iter()
            .map(|colour| colour.letter())
            .collect();
        assert_eq!(told, made, "{}", payload.to_hex());
        vectors += 1;
    }
    assert!(vectors >= 3, "{vectors} vectors");
}

#[test]
fn the_customer_page_has_the_same_table() {
    let script = std::fs::read_to_string(SCRIPT).expect("the customer page's script");
    for line in [
        format!("export const LOOP_SYMBOLS = {LOOP_SYMBOLS};"),
        format!("export const SYMBOL_MIN_MS = {};", SYMBOL_MIN_US / 1_000),
        format!("export const SYMBOL_MAX_MS = {};", SYMBOL_MAX_US / 1_000),
        format!("export const LADDER = {LADDER:?};"),
    ] {
        assert!(script.contains(&line), "{line}");
    }
}

#[test]
fn the_customer_page_has_the_same_palettes() {
    let script = std::fs::read_to_string(SCRIPT).expect("the customer page's script");
    for palette in Palette::ALL {
        let codes = palette.codes().map(|(off, on)| format!("[{off}, {on}]"));
        let name = format!("{palette:?}").to_lowercase();
        let line = format!("  {name}: [{}],", codes.join(", "));
        assert!(script.contains(&line), "{line}");
    }
}

/// Needs node; the page's own encoder is also held against this one in the browser tests.
#[test]
fn the_customer_page_shows_the_pictures_of_the_encoder() {
    for (place, kind) in [Kind::Pairing, Kind::LightGrant].into_iter().enumerate() {
        for hz in [24, 60, 90, 120, 240] {
            let secret = [(hz as u8).wrapping_mul(37).wrapping_add(place as u8); 10];
            let payload = Payload::new(kind, secret);
            let rate = RefreshRate::new(hz).expect("a display's rate");
            let source = format!(
                "import {{ pictures }} from 'file://{SCRIPT}';
                 const bytes = Uint8Array.from(Buffer.from('{}', 'hex'));
                 console.log(pictures(bytes, 1000 / {hz}).join(''));",
                payload.to_hex()
            );
            let run = Command::new("node")
                .args(["--no-warnings", "--input-type=module", "-e", &source])
                .output();
            let Ok(output) = run else {
                eprintln!("NOT RUN: no node; nobody looked at the page's pictures");
                return;
            };
            let told = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{told}");
            let made: String = ladder_at(&payload, rate)
                .iter()
                .map(|frame| {
                    char::from(b'0' + frame.r / 255 * 4 + frame.g / 255 * 2 + frame.b / 255)
                })
                .collect();
            let shown = String::from_utf8_lossy(&output.stdout);
            assert_eq!(shown.trim(), made, "{kind:?} at {hz} Hz");
        }
    }
}
