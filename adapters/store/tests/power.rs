//! What survives when the power goes, a write or a sync fails, or the disk is full, at any step.

use gettone_core::port::{Frames, Key, Kind, Seq, Store, StoreFault};
use gettone_store::disk::{Disk, DiskFile, Lock};
use gettone_store::platter::{Lost, Platter, Trouble};
use gettone_store::{File, FileSettings, Upkeep};
use std::io;
use std::sync::Arc;

const SETTINGS: FileSettings = FileSettings {
    segment_bytes: 4096,
    format: 1,
    shelf_cache_bytes: 64 * 1024,
    upkeep: Upkeep::ByHand,
};

fn open(disk: &(impl Disk + Clone + 'static)) -> Result<File, StoreFault> {
    File::open_on(Arc::new(disk.clone()), SETTINGS)
}

fn payload(seq: u64) -> Vec<u8> {
    let len = 200 + (seq * 37 % 500) as usize;
    (0..len).map(|at| (at as u64 * 7 + seq) as u8).collect()
}

/// Appends `count` frames as one batch.
fn append(store: &mut File, count: u64) -> Result<(), StoreFault> {
    let first = store.next();
    let mut frames = Frames::default();
    for seq in first.number()..first.number() + count {
        frames.push(&payload(seq));
    }
    store.append(first, &frames)
}

/// How many frames there are; each one is what was appended at its place.
fn replayed(store: &mut File) -> Result<u64, StoreFault> {
    let mut count = 0;
    let next = store.replay(Seq::FIRST, &mut |seq, found| {
        count += 1;
        assert_eq!(seq, Seq::new(count));
        assert_eq!(found, payload(count), "frame {count} is another");
        Ok(())
    })?;
    assert_eq!(next, Seq::new(count + 1));
    Ok(count)
}

/// What somebody was told.
#[derive(Default)]
struct Told {
    durable: u64,
    /// What the last append would make durable.
    asked: u64,
}

/// A day of a journal: appends over many segments, archiving between them, two openings. It ends
/// with the first fault.
fn day(disk: &(impl Disk + Clone + 'static), told: &mut Told) -> Result<(), StoreFault> {
    for opening in 0..2 {
        let mut store = open(disk)?;
        let kept = replayed(&mut store)?;
        assert!(kept >= told.durable, "{kept} of {}", told.durable);
        assert!(kept <= told.asked.max(told.durable));
        told.durable = kept;
        for batch in 0..8 {
            let count = 1 + (batch + opening) % 4;
            told.asked = told.durable + count;
            append(&mut store, count)?;
            told.durable = told.asked;
            if batch % 3 == 2 {
                store.tend()?;
            }
        }
    }
    Ok(())
}

fn steps_of_a_day() -> u64 {
    let disk = Platter::default();
    day(&disk, &mut Told::default()).expect("nothing is wrong with it");
    let names = disk.names().expect("on");
    assert!(
        names.iter().filter(|name| name.ends_with(".arc")).count() > 2,
        "{names:?}"
    );
    disk.steps()
}

/// What is found after the restart; then the journal goes on, and what it archives is whole.
fn check(disk: &(impl Disk + Clone + 'static), told: &Told) -> Result<(), String> {
    let words = |fault: StoreFault| fault.to_string();
    for opening in 0..2 {
        let mut store = open(disk).map_err(words)?;
        let kept = replayed(&mut store).map_err(words)?;
        let least = told.durable + opening * 3;
        let most = told.asked.max(told.durable) + opening * 3;
        if !(least..=most).contains(&kept) {
            return Err(format!("{kept} frames where {least} to {most} belong"));
        }
        append(&mut store, 3).map_err(words)?;
        store.tend().map_err(words)?;
    }
    Ok(())
}

const LOST: [Lost; 5] = [
    Lost::Everything,
    Lost::Nothing,
    Lost::Some(1),
    Lost::Some(2),
    Lost::Some(3),
];

#[test]
fn a_power_cut_at_any_step_loses_nothing_that_was_told_and_invents_nothing() {
    let steps = steps_of_a_day();
    assert!(steps > 100, "{steps} steps");
    for step in 1..=steps {
        for lost in LOST {
            let (disk, mut told) = (Platter::default(), Told::default());
            disk.trouble(step, Trouble::PowerCut(lost));
            day(&disk, &mut told).expect_err("the power went");
            disk.restart(lost);
            if let Err(words) = check(&disk, &told) {
                panic!("step {step}, {lost:?}: {words}");
            }
        }
    }
}

#[test]
fn a_second_power_cut_while_it_starts_again_changes_nothing() {
    let steps = steps_of_a_day();
    for step in (1..=steps).step_by(5) {
        for second in 1..40 {
            let (disk, mut told) = (Platter::default(), Told::default());
            let seed = step * 100 + second;
            disk.trouble(step, Trouble::PowerCut(Lost::Some(seed)));
            day(&disk, &mut told).expect_err("the power went");
            disk.restart(Lost::Some(seed));
            disk.trouble(second, Trouble::PowerCut(Lost::Some(seed)));
            let again = open(&disk).and_then(|store| store.tend());
            disk.restart(Lost::Some(seed));
            if let Err(words) = check(&disk, &told) {
                panic!("step {step}, then {second}: {words}; {again:?}");
            }
        }
    }
}

#[test]
fn a_write_or_a_sync_that_fails_at_any_step_stops_the_journal_and_loses_nothing() {
    let steps = steps_of_a_day();
    for step in 1..=steps {
        let (disk, mut told) = (Platter::default(), Told::default());
        disk.trouble(step, Trouble::Failure);
        let ended = day(&disk, &mut told);
        assert!(ended.is_err(), "step {step} failed and nobody noticed");
        disk.restart(LOST[step as usize % LOST.len()]);
        if let Err(words) = check(&disk, &told) {
            panic!("step {step}: {words}");
        }
    }
}

#[test]
fn a_full_disk_loses_nothing_and_the_journal_goes_on_once_there_is_room() {
    for room in (1..24).map(|blocks| blocks * 2048) {
        let (disk, mut told) = (Platter::default(), Told::default());
        disk.room(Some(room));
        let ended = day(&disk, &mut told);
        if let Err(fault) = ended {
            assert!(
                matches!(&fault, StoreFault::Io { source, .. }
                    if source.kind() == io::ErrorKind::StorageFull),
                "{room}: {fault:?}"
            );
        }
        disk.room(None);
        if let Err(words) = check(&disk, &told) {
            panic!("{room} bytes of room: {words}");
        }
    }
}

/// A disk that says it synced an archive, and its name, and did not.
#[derive(Clone, Debug)]
struct Careless(Platter);

#[derive(Debug)]
struct CarelessFile(Box<dyn DiskFile>);

impl Disk for Careless {
    fn names(&self) -> io::Result<Vec<String>> {
        self.0.names()
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        self.0.open(name)
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let file = self.0.create(name)?;
        Ok(if name.starts_with("archive") {
            Box::new(CarelessFile(file))
        } else {
            file
        })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.0.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.0.remove(name)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync()
    }

    fn lock(&self) -> io::Result<Option<Lock>> {
        self.0.lock()
    }

    fn place(&self, name: &str) -> String {
        self.0.place(name)
    }
}

impl DiskFile for CarelessFile {
    fn size(&self) -> io::Result<u64> {
        self.0.size()
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(into, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_at(bytes, offset)
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        self.0.set_size(size)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn files_that_are_used_again_before_their_archive_is_synced_are_caught_by_the_cuts() {
    let steps = steps_of_a_day();
    let mut caught = 0;
    for step in 1..=steps {
        let (disk, mut told) = (Platter::default(), Told::default());
        disk.trouble(step, Trouble::PowerCut(Lost::Everything));
        let _ = day(&Careless(disk.clone()), &mut told);
        disk.restart(Lost::Everything);
        caught += u64::from(check(&disk, &told).is_err());
    }
    assert!(caught > 20, "only {caught} of {steps} cuts");
}

/// A journal with archived segments, one that waits, and the last one.
fn archived() -> (Platter, u64) {
    let disk = Platter::default();
    let mut store = open(&disk).expect("opens");
    for batch in 0..10 {
        append(&mut store, 4).expect("appends");
        if batch == 7 {
            store.tend().expect("archives");
        }
    }
    drop(store);
    (disk.copy(), 40)
}

#[test]
fn every_flipped_bit_of_a_small_journal_is_told_or_costs_only_the_torn_end() {
    let (sound, count) = archived();
    // Frames of the last batch may be torn, all others were durable before it.
    let synced = count - 4;
    let (mut told, mut torn, mut archives) = (0, 0, 0);
    for name in sound.names().expect("on") {
        if !name.ends_with(".seg") && !name.ends_with(".arc") {
            continue;
        }
        let len = sound.bytes(&name).expect("there").len();
        let is_archive = name.ends_with(".arc");
        archives += usize::from(is_archive);
        for bit in 0..len * 8 {
            // Two of three bits of what is long would say the same.
            if bit % 3 != 0 && bit > 200 * 8 {
                continue;
            }
            sound.flip(&name, bit);
            let disk = sound.copy();
            sound.flip(&name, bit);
            match open(&disk).and_then(|mut store| replayed(&mut store)) {
                Ok(kept) => {
                    assert!(kept >= synced, "{name} bit {bit}: {kept} frames, unseen");
                    if is_archive {
                        panic!("{name} bit {bit} is not told");
                    }
                    torn += usize::from(kept < count);
                }
                Err(StoreFault::Damaged { .. }) => told += 1,
                Err(fault) => panic!("{name} bit {bit}: {fault}"),
            }
        }
    }
    assert!(archives > 2, "{archives} archives");
    assert!(told > 0 && torn > 0, "{told}, {torn}");
}

#[test]
fn a_cut_archive_and_a_missing_one_are_told() {
    let (sound, _) = archived();
    let name = format!("{:016x}.arc", 2);
    let bytes = sound.bytes(&name).expect("there");
    for len in 0..bytes.len() {
        let disk = sound.copy();
        disk.plant(&name, &bytes[..len]);
        let read = open(&disk).and_then(|mut store| replayed(&mut store));
        assert!(
            matches!(read, Err(StoreFault::Damaged { .. })),
            "cut at {len}: {read:?}"
        );
    }
    let other = sound.bytes(&format!("{:016x}.arc", 3)).expect("there");
    let disk = sound.copy();
    disk.plant(&name, &other);
    assert!(matches!(open(&disk), Err(StoreFault::Damaged { .. })));
    disk.remove(&name).expect("on");
    assert!(matches!(open(&disk), Err(StoreFault::Damaged { .. })));
}

#[test]
fn a_segment_that_does_not_read_is_kept_and_not_archived() {
    let disk = Platter::default();
    let mut store = open(&disk).expect("opens");
    for _ in 0..4 {
        append(&mut store, 4).expect("appends");
    }
    let name = format!("{:016x}.seg", 1);
    disk.flip(&name, 300 * 8);
    let fault = store.tend().expect_err("it does not read");
    assert!(matches!(fault, StoreFault::Damaged { .. }), "{fault}");
    assert!(store.backlog().segments() > 0);
    assert!(
        store
            .backlog()
            .fault()
            .is_some_and(|words| words.contains("damaged")),
        "it is said"
    );
    append(&mut store, 4).expect("the journal goes on");
    disk.flip(&name, 300 * 8);
    store.tend().expect("it reads again");
    assert_eq!(
        (store.backlog().segments(), store.backlog().fault()),
        (0, None)
    );
}

#[test]
fn a_file_that_is_used_again_never_gives_its_old_frames() {
    let disk = Platter::default();
    let mut store = open(&disk).expect("opens");
    for batch in 0..30 {
        append(&mut store, 4).expect("appends");
        store.tend().expect("archives");
        let again = disk.copy();
        let kept = replayed(&mut open(&again).expect("opens")).expect("reads");
        assert_eq!(kept, (batch + 1) * 4, "stale frames behind batch {batch}");
    }
    // The last file is full of an earlier segment's frames behind its own.
    drop(store);
    let names = disk.names().expect("on");
    let last = names.iter().filter(|name| name.ends_with(".seg")).max();
    let last = last.expect("there is one");
    let number = u64::from_str_radix(&last[..16], 16).expect("a segment");
    assert!(number > 4);

    // The control: the same bytes under the same number and salt are frames again.
    let old = Platter::default();
    let mut store = open(&old).expect("opens");
    append(&mut store, 4).expect("appends");
    drop(store);
    let name = format!("{:016x}.seg", 1);
    let mut stale = old.bytes(&name).expect("there");
    let fresh = Platter::default();
    fresh.plant(&name, &stale);
    assert_eq!(
        replayed(&mut open(&fresh).expect("opens")).expect("reads"),
        4
    );
    // A header of another use, and they are nothing.
    let other = Platter::default();
    drop(open(&other).expect("opens"));
    let header = other.bytes(&name).expect("there");
    stale[..64].copy_from_slice(&header[..64]);
    let fresh = Platter::default();
    fresh.plant(&name, &stale);
    assert_eq!(
        replayed(&mut open(&fresh).expect("opens")).expect("reads"),
        0
    );
}

#[test]
fn a_replay_from_any_place_reads_archives_and_segments_as_one() {
    let (disk, count) = archived();
    let mut store = open(&disk).expect("opens");
    for from in 1..=count + 2 {
        let mut expected = from;
        let next = store.replay(Seq::new(from), &mut |seq, found| {
            assert_eq!(
                (seq, found),
                (Seq::new(expected), payload(expected).as_slice())
            );
            expected += 1;
            Ok(())
        });
        assert_eq!(next.expect("reads"), Seq::new(count + 1));
        assert_eq!(expected, from.max(count + 1));
    }
}

/// One snapshot after another onto the shelf, beside appends; how many were finished, and begun to
/// be finished.
fn snapshots(disk: &Platter, finished: &mut u64, asked: &mut u64) -> Result<(), StoreFault> {
    for _ in 0..2 {
        let mut store = open(disk)?;
        replayed(&mut store)?;
        let shelf = store.shelf().expect("it has one");
        for _ in 0..3 {
            append(&mut store, 2)?;
            let mut next = shelf.begin()?;
            *asked = *finished + 1;
            for number in (0..40).map(|at| at * 7 % 40) {
                let wallet = Key::new(Kind::Wallet, number);
                next.put(wallet, &rest(*asked, number))?;
            }
            next.finish(&[(0, Seq::new(*asked))])?;
            *finished = *asked;
        }
    }
    Ok(())
}

fn rest(snapshot: u64, number: u64) -> Vec<u8> {
    let len = 100 + (snapshot * 31 + number * 17) as usize % 300;
    vec![(snapshot * 16 + number) as u8; len]
}

/// Which snapshot is on the shelf; every entity is of that one.
fn shelved(disk: &Platter) -> Result<u64, StoreFault> {
    let mut store = open(disk)?;
    replayed(&mut store).expect("the journal is whole");
    let shelf = store.shelf().expect("it has one");
    let cuts = shelf.cuts()?;
    let snapshot = cuts.first().map_or(0, |(_, cut)| cut.number());
    for number in 0..40 {
        let found = shelf.load(Key::new(Kind::Wallet, number))?;
        let expected = (snapshot > 0).then(|| rest(snapshot, number));
        assert!(found == expected, "wallet {number} is not of {snapshot}");
    }
    Ok(snapshot)
}

#[test]
fn a_power_cut_at_any_step_leaves_a_whole_snapshot() {
    let disk = Platter::default();
    snapshots(&disk, &mut 0, &mut 0).expect("nothing is wrong with it");
    assert_eq!(shelved(&disk).expect("reads"), 6);
    let steps = disk.steps();
    let mut seen = [0_u64; 7];
    for step in 1..=steps {
        for lost in [Lost::Everything, Lost::Nothing, Lost::Some(step)] {
            let disk = Platter::default();
            let (mut finished, mut asked) = (0, 0);
            disk.trouble(step, Trouble::PowerCut(lost));
            let _ = snapshots(&disk, &mut finished, &mut asked);
            disk.restart(lost);
            let found =
                shelved(&disk).unwrap_or_else(|fault| panic!("step {step} {lost:?}: {fault}"));
            assert!(
                (finished..=asked).contains(&found),
                "step {step} {lost:?}: snapshot {found}, of {finished} to {asked}"
            );
            seen[found as usize] += 1;
        }
    }
    assert!(seen.iter().all(|seen| *seen > 0), "{seen:?}");
}

#[test]
fn a_flipped_bit_of_a_shelf_is_told_or_changes_nothing_and_the_journal_is_whole() {
    let disk = Platter::default();
    snapshots(&disk, &mut 0, &mut 0).expect("nothing is wrong with it");
    let sound = disk.copy();
    let len = sound.bytes("shelf.redb").expect("there").len();
    let (mut told, mut unharmed) = (0, 0);
    let every = (0..2 * 8192 * 8)
        .step_by(61)
        .chain((2 * 8192 * 8..len * 8).step_by(1009));
    for bit in every {
        sound.flip("shelf.redb", bit);
        let disk = sound.copy();
        sound.flip("shelf.redb", bit);
        match shelved(&disk) {
            Ok(snapshot) => {
                assert_eq!(snapshot, 6, "bit {bit}");
                unharmed += 1;
            }
            Err(StoreFault::ShelfDamaged { .. }) => {
                told += 1;
                if told % 40 == 1 {
                    let store = open(&disk).expect("opens");
                    let shelf = store.shelf().expect("it has one");
                    shelf.clear().expect("it can be cleared");
                    let mut next = shelf.begin().expect("a new one");
                    next.put(Key::new(Kind::Wallet, 1), b"again").expect("room");
                    next.finish(&[(0, Seq::FIRST)]).expect("finishes");
                }
            }
            Err(fault) => panic!("bit {bit}: {fault}"),
        }
    }
    assert!(told > 100 && unharmed > 100, "{told}, {unharmed}");
}

#[test]
fn a_shelf_of_another_journal_is_refused() {
    let (one, other) = (Platter::default(), Platter::default());
    snapshots(&one, &mut 0, &mut 0).expect("nothing is wrong with it");
    let mut store = open(&other).expect("opens");
    append(&mut store, 20).expect("appends");
    drop(store);
    other.plant("shelf.redb", &one.bytes("shelf.redb").expect("there"));
    let store = open(&other).expect("the journal is its own");
    let fault = store
        .shelf()
        .expect("it has one")
        .cuts()
        .expect_err("refused");
    assert!(fault.to_string().contains("another journal"), "{fault}");
}
