//! What a file journal makes of bytes that are not what it wrote.

use gettone_core::port::{Frames, Seq, Store, StoreFault};
use gettone_store::{File, FileSettings, Upkeep};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

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

fn read(dir: &Path) -> Result<Vec<Vec<u8>>, StoreFault> {
    let mut frames = Vec::new();
    let next = File::open(dir, SETTINGS)?.replay(Seq::FIRST, &mut |seq, payload| {
        assert_eq!(seq, Seq::FIRST.after(frames.len() as u64));
        frames.push(payload.to_vec());
        Ok(())
    })?;
    assert_eq!(next, Seq::FIRST.after(frames.len() as u64));
    Ok(frames)
}

fn segment(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:016x}.seg"))
}

/// A journal of three batches as a crash leaves it: nobody has opened it since.
fn crashed() -> (TempDir, Vec<u8>) {
    let dir = tempfile::tempdir().expect("a directory");
    let mut store = File::open(dir.path(), SETTINGS).expect("opens");
    for batch in BATCHES {
        append(&mut store, batch);
    }
    drop(store);
    let bytes = fs::read(segment(dir.path(), 1)).expect("the first segment");
    (dir, bytes)
}

/// The bytes up to the last one that is not zero.
fn used(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |at| at + 1)
}

/// A journal whose only segment has these bytes.
fn planted(bytes: &[u8]) -> TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    fs::write(segment(dir.path(), 1), bytes).expect("writes");
    dir
}

#[test]
fn a_flipped_bit_in_the_last_segment_is_told_or_costs_only_the_torn_batch() {
    let (_dir, sound) = crashed();
    let words = words();
    let (mut told, mut torn) = (0, 0);
    for bit in 0..(used(&sound) + 64) * 8 {
        let mut bytes = sound.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        match read(planted(&bytes).path()) {
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
    let (dir, _) = crashed();
    let mut store = File::open(dir.path(), SETTINGS).expect("opens");
    append(&mut store, &["six"]);
    drop(store);
    let first = fs::read(segment(dir.path(), 1)).expect("sealed");
    let second = fs::read(segment(dir.path(), 2)).expect("current");
    assert_eq!(
        first.len(),
        used(&first).next_multiple_of(8),
        "nothing void is left"
    );
    for bit in 0..first.len() * 8 {
        let mut bytes = first.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let dir = planted(&bytes);
        fs::write(segment(dir.path(), 2), &second).expect("writes");
        match read(dir.path()) {
            Err(StoreFault::Damaged { .. }) => {}
            other => panic!("bit {bit}: {other:?}"),
        }
    }
}

#[test]
fn a_cut_at_any_byte_costs_only_a_tail() {
    let (_dir, sound) = crashed();
    let words = words();
    let mut lengths = Vec::new();
    for len in 0..=used(&sound) + 8 {
        match read(planted(&sound[..len]).path()) {
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
    let (_dir, mut torn) = crashed();
    let end = used(&torn);
    torn[end - 1] ^= 1;
    let dir = planted(&torn);
    let mut store = File::open(dir.path(), SETTINGS).expect("opens");
    append(&mut store, &["instead"]);
    drop(store);
    // The power went before the old segment was cut off, and its disk brings the lost page back.
    torn[end - 1] ^= 1;
    fs::write(segment(dir.path(), 1), &torn).expect("writes");
    let mut expected = words();
    expected.pop();
    expected.push(b"instead".to_vec());
    assert_eq!(read(dir.path()).expect("reads"), expected);

    // The control: without the segment that names the end, the frame would be back.
    fs::remove_file(segment(dir.path(), 2)).expect("removes");
    fs::remove_file(segment(dir.path(), 3)).expect("removes");
    assert_eq!(read(dir.path()).expect("reads"), words());
}

#[test]
fn a_recycled_file_never_gives_its_old_frames() {
    let (dir, old) = crashed();
    for cut in 0..=used(&old) / 8 {
        // The next segment's file has what an earlier segment left in it, from any byte on.
        let mut stale = vec![0; old.len()];
        stale[cut * 8..].copy_from_slice(&old[cut * 8..]);
        fs::write(dir.path().join("spare"), &stale).expect("writes");
        assert_eq!(
            read(dir.path()).expect("reads"),
            words(),
            "from byte {}",
            cut * 8
        );
    }
    let mut store = File::open(dir.path(), SETTINGS).expect("opens");
    append(&mut store, &["six"]);
    drop(store);
    let mut expected = words();
    expected.push(b"six".to_vec());
    assert_eq!(read(dir.path()).expect("reads"), expected);
}

#[test]
fn a_segment_that_is_missing_or_in_anothers_place_is_told() {
    let (dir, _) = crashed();
    let mut store = File::open(dir.path(), SETTINGS).expect("opens");
    append(&mut store, &["six"]);
    drop(store);
    drop(File::open(dir.path(), SETTINGS).expect("opens"));
    let damaged = |dir: &Path| matches!(read(dir), Err(StoreFault::Damaged { .. }));
    for number in [1, 2] {
        let bytes = fs::read(segment(dir.path(), number)).expect("there");
        fs::remove_file(segment(dir.path(), number)).expect("removes");
        assert!(damaged(dir.path()), "without segment {number}");
        let other = fs::read(segment(dir.path(), 3 - number)).expect("there");
        fs::write(segment(dir.path(), number), other).expect("writes");
        assert!(damaged(dir.path()), "another's bytes as segment {number}");
        fs::write(segment(dir.path(), number), bytes).expect("writes");
    }
    assert_eq!(read(dir.path()).expect("whole again").len(), 6);
}

#[test]
fn records_of_another_format_are_refused() {
    let (dir, _) = crashed();
    let other = FileSettings {
        format: 2,
        ..SETTINGS
    };
    let refused = File::open(dir.path(), other);
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
    let (dir, _) = crashed();
    for _ in 0..20 {
        assert_eq!(read(dir.path()).expect("reads"), words());
    }
    let bytes: u64 = fs::read_dir(dir.path())
        .expect("lists")
        .map(|entry| entry.expect("an entry").metadata().expect("its size").len())
        .sum();
    assert!(bytes < 4 * SETTINGS.segment_bytes, "{bytes} bytes");
}
