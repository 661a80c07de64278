//! Messages of a reader: what is read is written and read the same.
#![cfg_attr(fuzzing, no_main)]

use gettone_fuzz::{Tape, target};
use gettone_mdb::{Layout, Level, Message, Options};

fn run(bytes: &[u8]) {
    let mut tape = Tape::new(bytes);
    let level = tape.one_of(&[Level::One, Level::Two, Level::Three]);
    let options = Options::from_u32(u32::from(tape.u16())).and(Options::ALL);
    let layout = Layout::new(level, options);
    let messages: Result<Vec<_>, _> = Message::parse_all(tape.rest(), layout).collect();
    for message in messages.into_iter().flatten() {
        assert!(!message.to_string().is_empty());
        let again = message.block_in(layout.width());
        let back: Vec<_> = Message::parse_all(&again, layout).collect();
        // A text longer than any display is cut; a diagnosis of its maker's own is, by its code.
        if !matches!(message, Message::Display { .. } | Message::Diagnostic(_)) {
            assert_eq!(back, [Ok(message)]);
        }
    }
}

target!(run);
