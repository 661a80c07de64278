//! What the server keeps of one reader, whatever that reader seals: items behind a valid seal, news behind a valid MAC
//! of a code. What is recorded has no gap and is never taken back, and nothing panics.
#![cfg_attr(fuzzing, no_main)]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gettone_channel::{
    Direction, JournalEpoch, Order, ReaderId, Slip, StaticKey, TokenKey, TokenLink, decode,
};
use gettone_core::entity::Entity;
use gettone_core::grant::{Purpose, Terms};
use gettone_core::id::{MachineId, Nonce, OperatorId, ReaderKey, Rseq, VendId, WalletId};
use gettone_core::money::{Amount, Currency};
use gettone_core::reader::{Ask, Command, Life, NextKeys, Reader};
use gettone_core::time::Timestamp;
use gettone_fuzz::{Tape, target};
use gettone_relay::{Letter, epoch_in, scan_in, token_key_in, token_nonce, tokens_in};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

const READER: ReaderId = ReaderId::from_bytes([7; 8]);
/// A body that is no longer fits in no code.
const BODY_MAX: usize = 123;

fn run(bytes: &[u8]) {
    let mut tape = Tape::new(bytes);
    let tokens = TokenKey::from_bytes([0xC0; 32]);
    let mut reader = enrolled(&tokens);
    let mut marks: Vec<(JournalEpoch, u64)> = Vec::new();
    while !tape.is_over() {
        let len = usize::from(tape.byte());
        match tape.below(8) {
            0..=3 => {
                let Ok(items) = decode(Direction::ToServer, tape.take(len * 2)) else {
                    continue;
                };
                let Ok(letter) = Letter::of(items) else {
                    continue;
                };
                if marks.len() < 64 {
                    marks.push((letter.epoch, 0));
                }
                let ask = tape.flag().then(|| ask(Nonce::from_bytes([9; 16])));
                for command in tokens_in(&letter).into_iter().chain(letter.forgotten()) {
                    tell(&mut reader, &command);
                }
                tell(&mut reader, &Command::Hear(letter.news(ask)));
            }
            4 | 5 => {
                let step = u64::from(tape.u16());
                let code = sealed(&tokens, step, tape.take(len.min(BODY_MAX)));
                // Who has the key may write anything into it: what is no slip is refused.
                let Some(slip) = code.and_then(|code| Some((code.open(&tokens).ok()?, code)))
                else {
                    continue;
                };
                let (slip, code) = slip;
                let ask = tape.flag().then(|| ask(token_nonce(&code.token)));
                tell(&mut reader, &Command::Scan(scan_in(&code, &slip, ask)));
            }
            6 => {
                let next = NextKeys {
                    epoch: u16::from(tape.byte()),
                    key: ReaderKey::from_bytes([tape.byte(); 32]),
                    token: None,
                };
                tell(&mut reader, &Command::Announce(next));
                let epoch = u16::from(tape.byte());
                tell(&mut reader, &Command::Switch { epoch });
            }
            _ => {
                let Some((mark, _)) = marks.last().copied() else {
                    continue;
                };
                let rseq = Rseq::new(u64::from(tape.byte()));
                let epoch = epoch_in(mark);
                tell(&mut reader, &Command::Apply { epoch, rseq });
            }
        }
        for (epoch, before) in &mut marks {
            let epoch = epoch_in(*epoch);
            let recorded = reader.recorded(epoch).map_or(0, |(upto, _)| upto);
            // A journal that was replaced and is all in may be forgotten.
            assert!(
                recorded >= *before || recorded == 0,
                "{before}, then {recorded}"
            );
            assert!(reader.applied(epoch) <= recorded.max(*before));
            *before = recorded;
        }
        let _ = reader.due();
    }
}

fn enrolled(tokens: &TokenKey) -> Reader {
    let mut reader = Reader::default();
    let key = StaticKey::from_bytes([3; 32]).public();
    let enrol = Command::Enrol {
        key: ReaderKey::from_bytes(*key.as_bytes()),
        machine: MachineId::new(1),
        operator: OperatorId::new(1),
        currency: Currency::EUR,
    };
    tell(&mut reader, &enrol);
    assert_ne!(reader.life(), Life::Unknown);
    let key = Some(token_key_in(tokens));
    tell(&mut reader, &Command::KeepTokens { key, step: 0 });
    reader
}

fn tell(reader: &mut Reader, command: &Command) {
    if let Ok(Some(event)) = reader.decide(command, Timestamp::from_millis(1)) {
        reader.evolve(&event);
    }
}

fn ask(nonce: Nonce) -> Ask {
    Ask {
        nonce,
        vend: VendId::from_bytes(*nonce.as_bytes()),
        wallet: WalletId::new(1),
        terms: Terms {
            operator: OperatorId::new(1),
            machine: MachineId::new(1),
            cap: Amount::from_minor(300),
            least: Amount::from_minor(50),
            vends_max: 2,
            fee_basis_points: 150,
            revalue_max: Amount::ZERO,
            purpose: Purpose::Sale,
        },
    }
}

/// A code of this step whose news are these bytes, under a MAC that is right.
fn sealed(tokens: &TokenKey, step: u64, body: &[u8]) -> Option<TokenLink> {
    let empty = Slip {
        order: Order {
            boot: 1,
            uptime_ms: 1,
        },
        journal_epoch: JournalEpoch::from_bytes([1; 8]),
        rseq_newest: 0,
        receipts: Vec::new(),
    };
    let code = TokenLink {
        reader: READER,
        step,
        token: tokens.token(step),
        slip: empty.seal(tokens, READER, step).expect("short"),
    };
    let mut mac = Hmac::<Sha256>::new_from_slice(tokens.to_bytes().as_slice()).expect("any key");
    for part in [
        b"u".as_slice(),
        READER.as_bytes(),
        &step.to_be_bytes(),
        body,
    ] {
        mac.update(part);
    }
    let mut bytes = body.to_vec();
    bytes.extend_from_slice(&mac.finalize().into_bytes()[..16]);
    let text = code.to_string();
    let (front, _) = text.rsplit_once('.').expect("four parts");
    let text = format!("{front}.{}", URL_SAFE_NO_PAD.encode(bytes));
    text.parse().ok()
}

target!(run);
