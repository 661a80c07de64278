//! A phone between a reader and a server that both say anything: it stays within its bounds, asks one thing at a time,
//! and gives away nothing that it still has to carry.
#![cfg_attr(fuzzing, no_main)]

use core::time::Duration;
use gettone_channel::{
    Assembler, CallId, Direction, Ephemeral, Header, Item, JournalEpoch, LINK_MESSAGE_MAX, Link,
    LinkMessage, MTU_MAX, MTU_MIN, Mtu, ReaderId, Responder, Secret, StaticKey, seal, segments,
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
        let inputs = match tape.below(15) {
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
            14 => match tape.flag() {
                true => {
                    let envelope = sealed(&mut tape, Direction::ToServer);
                    said(&mut reader, &LinkMessage::Envelope(envelope))
                }
                false => vec![Input::Bring(told_apart(&mut tape))],
            },
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

/// An envelope of one of three readers, or for it: a phone sees no more of it than the header.
fn sealed(tape: &mut Tape<'_>, direction: Direction) -> Vec<u8> {
    let own = StaticKey::from_bytes([3; 32]);
    let peer = StaticKey::from_bytes([4; 32]).public();
    let header = Header {
        direction,
        server_epoch: 1,
        reader_id: ReaderId::from_bytes([1 + tape.below(3); 8]),
        sequence: u64::from(tape.byte()),
    };
    let item = match direction {
        Direction::ToReader => Item::Call(CallId::from_bytes([2; 16])),
        Direction::ToServer => Item::Epoch(JournalEpoch::from_bytes([2; 8])),
    };
    let sealed = seal(header, &own, &peer, Ephemeral::from_bytes([9; 32]), &[item]);
    sealed.expect("one item of its direction")
}

/// What the server has told apart: to this reader, to another one, or to nobody.
fn told_apart(tape: &mut Tape<'_>) -> Vec<u8> {
    let direction = tape.one_of(&[Direction::ToReader, Direction::ToServer]);
    let mut envelope = sealed(tape, direction);
    match tape.below(4) {
        0 => envelope.truncate(tape.byte().into()),
        1 => envelope = tape.take(90).to_vec(),
        _ => {}
    }
    envelope
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
