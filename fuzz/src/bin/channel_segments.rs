//! Values of a radio: what a stranger writes stays within the bound, and every message comes out as it went in.
#![cfg_attr(fuzzing, no_main)]

use gettone_channel::{
    Assembler, LINK_MESSAGE_MAX, MTU_MIN, Mtu, SEGMENTS_MAX, VALUE_MAX, segments,
};
use gettone_fuzz::{Tape, target};

fn run(bytes: &[u8]) {
    let mut tape = Tape::new(bytes);
    let mtu = Mtu::new(tape.u16().max(MTU_MIN)).expect("in range");
    let mut assembler = Assembler::new();
    for _ in 0..tape.byte() {
        let len = usize::from(tape.u16() % 600);
        match assembler.push(tape.take(len)) {
            Ok(Some(message)) => assert!(message.len() <= LINK_MESSAGE_MAX),
            Ok(None) => {}
            // Any fault closes the link.
            Err(_) => assembler = Assembler::new(),
        }
    }
    let message = tape.rest();
    let Ok(values) = segments(message, mtu) else {
        return assert!(message.is_empty() || message.len() > LINK_MESSAGE_MAX);
    };
    assert!(values.len() <= SEGMENTS_MAX);
    let mut assembler = Assembler::new();
    let mut whole = None;
    for value in &values {
        assert!(value.len() <= VALUE_MAX && value.len() <= mtu.value_max());
        assert_eq!(whole, None, "the last one completes it");
        whole = assembler.push(value).expect("in order");
    }
    assert_eq!(whole.as_deref(), Some(message));
}

target!(run);
