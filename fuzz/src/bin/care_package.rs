//! A board fetches a package from phones that bring anything: what is kept is what the manifest vouches for, what is
//! wanted is what is missing, and a start goes on where the last one ended.
#![cfg_attr(fuzzing, no_main)]

use gettone_channel::{CHUNK_LEN, Config, Manifest, PIECE_LEN_MAX, PackageKind, Part, Piece};
use gettone_fuzz::{Tape, target};
use gettone_relay::{Fetch, Keep};
use std::collections::BTreeMap;

/// What the board's flash has.
#[derive(Default)]
struct Flash {
    manifest: Vec<u8>,
    chunks: BTreeMap<usize, Vec<u8>>,
}

fn run(bytes: &[u8]) {
    let mut tape = Tape::new(bytes);
    let kind = tape.one_of(&[PackageKind::Configuration, PackageKind::Firmware]);
    let len = 1 + usize::from(tape.u16() % 20_000);
    let salt = usize::from(tape.byte());
    let content = (0..len).map(|at| (at * 31 + salt + at / 253).to_le_bytes()[0]);
    let content: Vec<u8> = content.collect();
    let manifest = Manifest::of(kind, 7, &content).expect("bounded");
    let told = manifest.config();
    a_stranger_is_no_manifest(&mut tape, &told, &manifest);
    let mut flash = Flash::default();
    let mut fetch = Fetch::new(told).expect("of this size");
    while !tape.is_over() {
        let part = tape.one_of(&[Part::Content, Part::Manifest]);
        let whole = match part {
            Part::Content => content.clone(),
            Part::Manifest => manifest.to_bytes(),
        };
        let index = u32::from(tape.byte() % 12);
        let piece = match tape.below(6) {
            0 => {
                let len = usize::from(tape.u16()) % (PIECE_LEN_MAX + 1);
                Some(Piece {
                    version: told.version ^ u32::from(tape.below(2)),
                    part,
                    index: tape.u32(),
                    bytes: tape.take(len).to_vec(),
                })
            }
            1 => Piece::of(told.version, part, index, &whole).map(|mut piece| {
                let at = usize::from(tape.u16()) % piece.bytes.len();
                piece.bytes[at] ^= 1 << tape.below(8);
                piece
            }),
            2 => {
                // The board starts again, and finds on its flash what it kept, or a spoilt chunk.
                if tape.flag()
                    && let Some(chunk) = flash.chunks.values_mut().next()
                    && let Some(first) = chunk.first_mut()
                {
                    *first ^= 1;
                }
                let chunk = |place: usize| flash.chunks.get(&place).cloned();
                fetch = Fetch::resumed(told, &flash.manifest, chunk).expect("of this size");
                None
            }
            _ => Piece::of(told.version, part, index, &whole),
        };
        match piece.and_then(|piece| fetch.take(piece)) {
            Some(Keep::Manifest(bytes)) => {
                assert_eq!(bytes, manifest.to_bytes());
                flash.manifest = bytes;
            }
            Some(Keep::Chunk { place, bytes }) => {
                let from = place * CHUNK_LEN;
                assert_eq!(bytes, content[from..len.min(from + CHUNK_LEN)]);
                flash.chunks.insert(place, bytes);
            }
            None => {}
        }
        is_right(&fetch, &manifest);
    }
    finish(&mut fetch, &content, &manifest);
}

fn a_stranger_is_no_manifest(tape: &mut Tape<'_>, told: &Config, manifest: &Manifest) {
    let mut forged = manifest.to_bytes();
    let at = usize::from(tape.u16()) % forged.len();
    forged[at] ^= 1 << tape.below(8);
    assert_eq!(Manifest::from_bytes(&forged, told), None);
    assert_eq!(Manifest::from_bytes(tape.take(40), told), None);
}

/// What is wanted is there to be had, and everything is wanted until it is whole.
fn is_right(fetch: &Fetch, manifest: &Manifest) {
    let Some(want) = fetch.want() else {
        return assert!(fetch.is_whole() || fetch.progress().is_some());
    };
    assert!(!fetch.is_whole() && want.count > 0);
    let len = match want.part {
        Part::Manifest => manifest.to_bytes().len(),
        Part::Content => fetch.told().len_of(Part::Content).expect("of this size"),
    };
    let last = want.first + u32::from(want.count) - 1;
    assert!(usize::try_from(last).expect("small") * PIECE_LEN_MAX < len);
}

/// Whoever brings what is wanted brings it to its end.
fn finish(fetch: &mut Fetch, content: &[u8], manifest: &Manifest) {
    for _ in 0..100 {
        let Some(want) = fetch.want() else { break };
        let whole = match want.part {
            Part::Manifest => manifest.to_bytes(),
            Part::Content => content.to_vec(),
        };
        for index in want.first..want.first + u32::from(want.count) {
            let piece = Piece::of(want.version, want.part, index, &whole);
            fetch.take(piece.expect("it is there"));
        }
    }
    assert!(fetch.is_whole(), "{:?} of it", fetch.progress());
}

target!(run);
