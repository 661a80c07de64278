//! The vectors of the page that other teams implement from.

use gettone_optical::{Payload, colours};

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
