//! What a file journal makes of bytes that are not what it wrote.

use gettone_core::port::{Frames, Seq, Store, StoreFault};
use gettone_store::disk::Disk;
use gettone_store::platter::Platter;
use gettone_store::{File, FileSettings, Upkeep};
use std::sync::Arc;

const SETTINGS: FileSettings = FileSettings {
    segment_bytes: 4096,
    format: 1,
    shelf_cache_bytes: 64 * 1024,
    upkeep: Upkeep::ByHand,
};
const BATCHES: [&[&str]; 3] = [&["one"], &["two", "three"], &["four", "five"]];
/// Frames before the last batch.
const SYNCED_BEFORE_LAST: usize = 3;
const HEADER_LEN: usize = 64;

fn words() -> Vec<Vec<u8>> {
    BATCHES
        .concat()
        .iter()
        .map(|word| word.as_bytes().to_vec())
        .collect()
}

fn append(store: &mut File, payloads: &[&str]) {
    let mut frames = Frames::default();
    for payload in payloads {
        frames.push(payload.as_bytes());
    }
    store.append(store.next(), &frames).expect("appends");
}

fn open(disk: &Platter) -> Result<File, StoreFault> {
    File::open_on(Arc::new(disk.clone()), SETTINGS)
}

fn read(disk: &Platter) -> Result<Vec<Vec<u8>>, StoreFault> {
    let mut frames = Vec::new();
    let next = open(disk)?.replay(Seq::FIRST, &mut |seq, payload| {
        assert_eq!(seq, Seq::FIRST.after(frames.len() as u64));
        frames.push(payload.to_vec());
        Ok(())
    })?;
    assert_eq!(next, Seq::FIRST.after(frames.len() as u64));
    Ok(frames)
}

fn segment(number: u64) -> String {
    format!("{number:016x}.seg")
}

/// A journal of three batches as a crash leaves it: nobody has opened it since.
fn crashed() -> (Platter, Vec<u8>) {
    let disk = Platter::default();
    let mut store = open(&disk).expect("opens");
    for batch in BATCHES {
        append(&mut store, batch);
    }
    drop(store);
    let bytes = disk.bytes(&segment(1)).expect("the first segment");
    (disk, bytes)
}

/// The bytes up to the last one that is not zero.
fn used(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |at| at + 1)
}

/// A journal whose only segment has these bytes.
fn planted(bytes: &[u8]) -> Platter {
    let disk = Platter::default();
    disk.plant(&segment(1), bytes);
    disk
}

#[test]
fn a_flipped_bit_in_the_last_segment_is_told_or_costs_only_the_torn_batch() {
    let (_, sound) = crashed();
    let words = words();
    let (mut told, mut torn) = (0, 0);
    for bit in 0..(used(&sound) + 64) * 8 {
        let mut bytes = sound.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        match read(&planted(&bytes)) {
            Ok(frames) => {
                assert!(words.starts_with(&frames), "bit {bit} invents {frames:?}");
                assert!(
                    frames.len() >= SYNCED_BEFORE_LAST,
                    "bit {bit} loses synced frames unseen"
                );
                torn += usize::from(frames.len() < words.len());
            }
            Err(StoreFault::Damaged { .. }) => told += 1,
            Err(fault) => panic!("bit {bit}: {fault}"),
        }
    }
    assert!(told > 0 && torn > 0, "both ends were seen: {told}, {torn}");
}

#[test]
fn a_flipped_bit_in_a_sealed_segment_is_always_told() {
    let (disk, _) = crashed();
    let mut store = open(&disk).expect("opens");
    append(&mut store, &["six"]);
    drop(store);
    let first = disk.bytes(&segment(1)).expect("sealed");
    let second = disk.bytes(&segment(2)).expect("current");
    assert_eq!(
        first.len(),
        used(&first).next_multiple_of(8),
        "nothing void is left"
    );
    for bit in 0..first.len() * 8 {
        let mut bytes = first.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let disk = planted(&bytes);
        disk.plant(&segment(2), &second);
        match read(&disk) {
            Err(StoreFault::Damaged { .. }) => {}
            other => panic!("bit {bit}: {other:?}"),
        }
    }
}

#[test]
fn a_cut_at_any_byte_costs_only_a_tail() {
    let (_, sound) = crashed();
    let words = words();
    let mut lengths = Vec::new();
    for len in 0..=used(&sound) + 8 {
        match read(&planted(&sound[..len])) {
            Ok(frames) => {
                assert!(
                    words.starts_with(&frames),
                    "cut at {len} invents {frames:?}"
                );
                lengths.push(frames.len());
            }
            Err(StoreFault::Damaged { .. }) => assert!(len < HEADER_LEN, "cut at {len}"),
            Err(fault) => panic!("cut at {len}: {fault}"),
        }
    }
    assert!(lengths.is_sorted(), "a longer file never tells less");
    assert_eq!(lengths.last(), Some(&words.len()));
}

#[test]
fn frames_that_were_void_once_stay_void() {
    // The last batch is torn: its second frame is unreadable, and its mark stands.
    let (_, mut torn) = crashed();
    let end = used(&torn);
    torn[end - 1] ^= 1;
    let disk = planted(&torn);
    let mut store = open(&disk).expect("opens");
    append(&mut store, &["instead"]);
    drop(store);
    // The power went before the old segment was cut off, and its disk brings the lost page back.
    torn[end - 1] ^= 1;
    disk.plant(&segment(1), &torn);
    let mut expected = words();
    expected.pop();
    expected.push(b"instead".to_vec());
    assert_eq!(read(&disk).expect("reads"), expected);

    // The control: without the segment that names the end, the frame would be back.
    disk.remove(&segment(2)).expect("removes");
    disk.remove(&segment(3)).expect("removes");
    assert_eq!(read(&disk).expect("reads"), words());
}

#[test]
fn a_recycled_file_never_gives_its_old_frames() {
    let (disk, old) = crashed();
    for cut in 0..=used(&old) / 8 {
        // The next segment's file has what an earlier segment left in it, from any byte on.
        let mut stale = vec![0; old.len()];
        stale[cut * 8..].copy_from_slice(&old[cut * 8..]);
        disk.plant("spare", &stale);
        assert_eq!(
            read(&disk).expect("reads"),
            words(),
            "from byte {}",
            cut * 8
        );
    }
    let mut store = open(&disk).expect("opens");
    append(&mut store, &["six"]);
    drop(store);
    let mut expected = words();
    expected.push(b"six".to_vec());
    assert_eq!(read(&disk).expect("reads"), expected);
}

#[test]
fn a_segment_that_is_missing_or_in_anothers_place_is_told() {
    let (disk, _) = crashed();
    let mut store = open(&disk).expect("opens");
    append(&mut store, &["six"]);
    drop(store);
    drop(open(&disk).expect("opens"));
    let damaged = |disk: &Platter| matches!(read(disk), Err(StoreFault::Damaged { .. }));
    for number in [1, 2] {
        let bytes = disk.bytes(&segment(number)).expect("there");
        disk.remove(&segment(number)).expect("removes");
        assert!(damaged(&disk), "without segment {number}");
        let other = disk.bytes(&segment(3 - number)).expect("there");
        disk.plant(&segment(number), &other);
        assert!(damaged(&disk), "another's bytes as segment {number}");
        disk.plant(&segment(number), &bytes);
    }
    assert_eq!(read(&disk).expect("whole again").len(), 6);
}

#[test]
fn records_of_another_format_are_refused() {
    let (disk, _) = crashed();
    let other = FileSettings {
        format: 2,
        ..SETTINGS
    };
    let refused = File::open_on(Arc::new(disk), other);
    let fault = refused.expect_err("it is refused");
    assert!(matches!(
        fault,
        StoreFault::OtherFormat {
            found: 1,
            ours: 2,
            ..
        }
    ));
    let words = fault.to_string();
    assert!(
        words.contains("go on with the version that wrote it"),
        "{words}"
    );
}

#[test]
fn many_openings_of_an_idle_journal_take_no_room() {
    let (disk, _) = crashed();
    for _ in 0..20 {
        assert_eq!(read(&disk).expect("reads"), words());
    }
    let names = disk.names().expect("lists");
    let bytes: usize = names
        .iter()
        .map(|name| disk.bytes(name).expect("there").len())
        .sum();
    assert!(bytes < 4 * 4096, "{bytes} bytes");
}
