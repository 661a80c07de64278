//! An adapter's talk, and a line's marked stream: words, breaks or noise, never more than there is room for.
#![cfg_attr(fuzzing, no_main)]

use std::time::Duration;

use gettone_fuzz::{Tape, target};
use gettone_mdb::bounds::{BLOCK_MAX, PACKET_MAX};
use gettone_mdb::bridge::Bridge;
use gettone_mdb::parmrk::{Decoder, Listener, Parity};
use gettone_mdb::{Block, Frame};

/// The adapter's talk with time passing and answers given between its packets.
fn talk(tape: &mut Tape<'_>) {
    let mut bridge = Bridge::new();
    let mut now = Duration::from_secs(1);
    while !tape.is_over() {
        match tape.below(8) {
            0 => {
                now += Duration::from_millis(u64::from(tape.byte()));
                bridge.tick(now);
            }
            1 => {
                let len = usize::from(tape.below(36));
                let answer = Block::of(tape.take(len)).expect("within a block");
                let frame = Frame::from_peripheral(&answer);
                let mut room = [0; BLOCK_MAX];
                assert!(bridge.answer(now, &frame, &mut room) <= BLOCK_MAX);
            }
            2 => {
                let mut words = 0;
                while bridge.next_word().is_some() {
                    words += 1;
                    assert!(words <= 2 * PACKET_MAX, "what waits has a bound");
                }
            }
            3 => bridge.take(tape.byte()),
            // A packet as the adapter writes it, of any bytes.
            _ => {
                let len = usize::from(tape.below(44));
                bridge.take(0x02);
                for byte in tape.take(len) {
                    for digit in format!("{byte:02X}").into_bytes() {
                        bridge.take(digit);
                    }
                }
                bridge.take(0x03);
            }
        }
        assert!(bridge.next_deadline() <= now + Duration::from_secs(60));
    }
}

/// The bytes that a line discipline marks for parity.
fn marked(tape: &mut Tape<'_>) {
    let listener = tape.one_of(&[Listener::Controller, Listener::Peripheral]);
    let mut decoder = Decoder::new(listener);
    let parities = tape.byte();
    let bytes = tape.rest();
    let signs = bytes.iter().enumerate().filter(|(at, byte)| {
        let parity = match parities >> (at % 8) & 1 {
            0 => Parity::Space,
            _ => Parity::Mark,
        };
        decoder.take(**byte, parity).is_some()
    });
    assert!(signs.count() <= bytes.len());
}

fn run(bytes: &[u8]) {
    let mut tape = Tape::new(bytes);
    match tape.flag() {
        false => talk(&mut tape),
        true => marked(&mut tape),
    }
}

target!(run);
