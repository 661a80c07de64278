//! A phone between a reader and a server that both say anything: it stays within its bounds, asks one thing at a time,
//! and gives away nothing that it still has to carry.
#![cfg_attr(fuzzing, no_main)]

use core::time::Duration;
use gettone_channel::{
    Assembler, Ephemeral, LINK_MESSAGE_MAX, Link, LinkMessage, MTU_MAX, MTU_MIN, Mtu, Responder,
    Secret, segments,
};
use gettone_fuzz::{Tape, target};
use gettone_phone::{Input, Output, Phase, Phone, WAITING_MAX};

const CODE: [u8; 10] = [7; 10];

/// The reader's side, as far as it is there.
#[derive(Default)]
struct Reader {
    heard: Assembler,
    link: Option<Link>,
}

fn run(bytes: &[u8]) {
    let mut tape = Tape::new(bytes);
    let mut phone = Phone::default();
    let mut reader = Reader::default();
    let (mut now, mut is_out) = (Duration::ZERO, false);
    while !tape.is_over() {
        let inputs = match tape.below(14) {
            0 => vec![Input::Tick],
            1 => vec![Input::Show(Secret::light(CODE))],
            2 | 3 => {
                reader = Reader::default();
                let offered = MTU_MIN.saturating_add(tape.u16() % (MTU_MAX - MTU_MIN));
                let mtu = Mtu::new(offered).expect("in range");
                let ephemeral = Ephemeral::from_bytes([tape.byte(); 32]);
                vec![Input::Connected { mtu, ephemeral }]
            }
            4 => {
                let len = usize::from(tape.u16() % 520);
                vec![Input::Value(tape.take(len).to_vec())]
            }
            5 => vec![Input::Disconnected],
            6 => {
                is_out = false;
                let (status, len) = (tape.u16() % 600, usize::from(tape.byte()));
                let body = tape.take(len).to_vec();
                vec![Input::Answered { status, body }]
            }
            7 => {
                is_out = false;
                vec![Input::Unanswered]
            }
            8 => vec![Input::Again],
            9 => vec![Input::Leave],
            10 => vec![Input::End],
            // The reader says something that is its own, and may be nonsense for a server.
            11 | 12 => {
                let len = 68 + usize::from(tape.byte());
                let mut envelope = tape.take(len).to_vec();
                envelope.resize(len, 1);
                said(&mut reader, &LinkMessage::Envelope(envelope))
            }
            _ => {
                now += Duration::from_millis(u64::from(tape.u16()));
                vec![Input::Tick]
            }
        };
        for input in inputs {
            phone.handle(now, input);
            while let Some(output) = phone.poll() {
                match output {
                    Output::Write(value) => write(&mut reader, &mut phone, now, &value),
                    Output::Ask(request) => {
                        assert!(!is_out, "one request at a time");
                        is_out = true;
                        assert!(request.body.starts_with('{') && request.body.ends_with('}'));
                    }
                    _ => {}
                }
            }
        }
        assert!(phone.undelivered().count() <= WAITING_MAX);
        assert!(phone.handshake().is_none() || phone.phase() == Phase::Linked);
    }
}

fn said(reader: &mut Reader, message: &LinkMessage) -> Vec<Input> {
    let Some(link) = &mut reader.link else {
        return Vec::new();
    };
    let sealed = link.seal(message).expect("a reader may say it");
    values(&sealed)
}

fn values(message: &[u8]) -> Vec<Input> {
    let mtu = Mtu::new(MTU_MAX).expect("allowed");
    let values = segments(message, mtu).expect("short enough");
    values.into_iter().map(Input::Value).collect()
}

/// What a phone writes is in order, and opens.
fn write(reader: &mut Reader, phone: &mut Phone, now: Duration, value: &[u8]) {
    let whole = reader.heard.push(value).expect("a phone writes well");
    let Some(message) = whole else { return };
    assert!(message.len() <= LINK_MESSAGE_MAX);
    match &mut reader.link {
        Some(link) => {
            link.open(&message).expect("a phone seals well");
        }
        None => {
            let ephemeral = Ephemeral::from_bytes([9; 32]);
            let psk = Secret::light(CODE).psk();
            if let Ok((link, link_2, _)) = Responder::accept(&psk, ephemeral, &message) {
                reader.link = Some(link);
                for input in values(&link_2) {
                    phone.handle(now, input);
                }
            }
        }
    }
}

target!(run);
