//! Journals whose frames have the right check and say anything: what a start makes of them is a
//! journal that goes on, and reads the same at the next start.

use gettone_core::board::{Limits, Record, Stamp};
use gettone_core::id::{JournalEpoch, Order, Rseq};
use gettone_core::time::Timestamp;
use gettone_reader::{Disk, Journal, Opening};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

const LIVES: u64 = 4_000;
const FRAMES: u64 = 40;
const EPOCH: [u8; 8] = [0xe1; 8];
/// Bytes of each kind of frame, its own number and its check left out.
const LENGTHS: [(u8, usize); 13] = [
    (1, 30),
    (2, 63),
    (3, 8),
    (4, 28),
    (5, 5),
    (6, 26),
    (7, 20),
    (8, 33),
    (9, 8),
    (10, 8),
    (11, 0),
    (12, 8),
    (13, 30),
];

/// A disk that keeps everything.
#[derive(Clone, Debug, Default)]
struct Memory(Arc<Mutex<BTreeMap<String, Vec<u8>>>>);

impl Memory {
    fn with<T>(&self, look: impl FnOnce(&mut BTreeMap<String, Vec<u8>>) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Disk for Memory {
    fn read(&self, name: &str, most: u64) -> io::Result<Option<Vec<u8>>> {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        Ok(self.with(|files| {
            let file = files.get(name);
            file.map(|bytes| bytes[..bytes.len().min(most)].to_vec())
        }))
    }

    fn write(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.with(|files| files.insert(name.to_owned(), bytes.to_vec()));
        Ok(())
    }

    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.with(|files| files.entry(name.to_owned()).or_default().extend(bytes));
        Ok(())
    }

    fn cut(&mut self, name: &str, len: u64) -> io::Result<()> {
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        self.with(|files| files.entry(name.to_owned()).or_default().truncate(len));
        Ok(())
    }

    fn sync(&mut self, _: &str) -> io::Result<()> {
        Ok(())
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.with(|files| {
            let bytes = files.remove(from).unwrap_or_default();
            files.insert(to.to_owned(), bytes)
        });
        Ok(())
    }

    fn sync_names(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A generator that anybody can run again from its seed (splitmix64).
struct Chance(u64);

impl Chance {
    fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number as they are in journals: small ones, next ones, and the ends of their range.
    fn number(&mut self, near: u64) -> u64 {
        match self.draw() % 8 {
            0 => u64::MAX - self.draw() % 3,
            1 => self.draw(),
            2 => self.draw() % 70_000,
            _ => (near + self.draw() % 4).saturating_sub(1),
        }
    }
}

fn opening(boot: u32) -> Opening {
    Opening {
        fresh_epoch: JournalEpoch::from_bytes(EPOCH),
        ending: None,
        stamp: Stamp {
            order: Order { boot, uptime_ms: 5 },
            utc: Timestamp::default(),
        },
        limits: Limits::PROTOCOL,
    }
}

/// A frame with a right check: its fields are anything, and nearly right where `near` is.
fn frame(chance: &mut Chance, at: usize, near: u64) -> Vec<u8> {
    let place = usize::try_from(chance.draw()).unwrap_or(usize::MAX) % LENGTHS.len();
    let (kind, len) = LENGTHS[place];
    let mut bytes = vec![kind];
    let number = chance.number(near).to_be_bytes();
    bytes.extend(number.iter().take(len));
    while bytes.len() < 1 + len {
        let byte = chance.draw().to_be_bytes()[0];
        // Many fields are codes and flags of a few values.
        bytes.push(if byte < 128 { byte % 8 } else { byte });
    }
    let check = crc32c::crc32c(&EPOCH);
    let at = u64::try_from(at).expect("short");
    let check = crc32c::crc32c_append(check, &at.to_be_bytes());
    let check = crc32c::crc32c_append(check, &bytes);
    bytes.extend_from_slice(&check.to_be_bytes());
    bytes
}

fn live(seed: u64) -> bool {
    let mut chance = Chance(seed);
    let disk = Memory::default();
    let begun = Journal::open_on(Box::new(disk.clone()), &opening(1));
    drop(begun.expect("a new disk"));
    let before = disk.with(|files| files.get("journal").map_or(0, Vec::len));
    for near in 0..FRAMES {
        let at = disk.with(|files| files.get("journal").map_or(0, Vec::len));
        let mut disk = disk.clone();
        let frame = frame(&mut chance, at, 2 + near / 4);
        disk.append("journal", &frame).expect("room");
    }
    let (mut journal, repair) =
        Journal::open_on(Box::new(disk.clone()), &opening(2)).expect("it can always be used");
    let past = journal.past().expect("no INTENT is open after a start");
    let next = Record::Acked(past.outbox.newest());
    let is_taken = journal.append(&next).is_ok();
    let told = journal.past().map(|past| format!("{past:?}"));
    drop(journal);
    let (journal, again) =
        Journal::open_on(Box::new(disk.clone()), &opening(3)).expect("it can always be used");
    assert_eq!((again.cut_len, again.ended), (0, None), "seed {seed}");
    if is_taken {
        let read = journal.past().map(|past| format!("{past:?}"));
        assert_eq!(read, told, "seed {seed}");
    }
    assert!(past.outbox.acked() <= past.outbox.newest(), "seed {seed}");
    assert!(past.last >= Rseq::new(1), "seed {seed}");
    let after = disk.with(|files| files.get("journal").map_or(0, Vec::len));
    after > before && repair.cut_len < u64::MAX
}

#[test]
fn whatever_frames_with_right_checks_say_a_board_starts_and_goes_on() {
    let grown = (0..LIVES).filter(|seed| live(*seed)).count();
    assert!(grown > 100, "frames were taken in {grown} of {LIVES} lives");
}
