//! The items of an envelope, either way: what is read is written and read the same, byte for byte unless something was
//! skipped.
#![cfg_attr(fuzzing, no_main)]

use gettone_channel::{Direction, ItemFault, PLAINTEXT_LEN_MAX, SKIPPABLE_FROM, decode, encode};
use gettone_fuzz::{Tape, target};

fn run(bytes: &[u8]) {
    let mut tape = Tape::new(bytes);
    let direction = tape.one_of(&[Direction::ToServer, Direction::ToReader]);
    let list = tape.rest();
    let items = match decode(direction, list) {
        Ok(items) => items,
        Err(fault) => {
            let is_long = matches!(fault, ItemFault::TooLong { .. });
            return assert_eq!(is_long, list.len() > PLAINTEXT_LEN_MAX);
        }
    };
    let again = encode(direction, &items).expect("what was read fits");
    assert_eq!(decode(direction, &again), Ok(items));
    if again != list {
        assert!(again.len() < list.len() && list.iter().any(|byte| *byte >= SKIPPABLE_FROM));
    }
}

target!(run);
