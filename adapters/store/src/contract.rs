//! What every store must do, as claims that any implementation can run in its own tests.

use gettone_core::port::{Frames, Generation, Key, Kind, Seq, Shelf, Store, StoreFault};
use std::sync::Arc;

/// Somewhere a journal is kept, that can be opened again and again.
pub trait Place {
    /// Opens the store that is kept there.
    ///
    /// # Errors
    /// Whatever opening gives.
    fn open(&self) -> Result<Box<dyn Store>, StoreFault>;
}

/// One claim: its words, and its check.
pub type Claim = (&'static str, fn(&dyn Place));

/// Every claim.
pub const CLAIMS: [Claim; 13] = [
    (
        "an empty journal replays nothing and begins at the first place",
        begins_empty,
    ),
    (
        "what was appended replays in order, with its places",
        replays_in_order,
    ),
    (
        "appends go on where they ended, over many openings",
        goes_on_after_opening,
    ),
    (
        "payloads of every length come back as they were",
        keeps_every_length,
    ),
    (
        "a batch larger than any before it is kept",
        keeps_large_batches,
    ),
    ("an empty batch changes nothing", takes_an_empty_batch),
    (
        "frames that do not follow are refused, and nothing is appended after that",
        refuses_out_of_order,
    ),
    (
        "while it is open, nobody else can open it",
        keeps_others_out,
    ),
    (
        "whoever has it open confirms that at any time, and appends go on",
        confirms,
    ),
    (
        "a replay that is told to end ends there, with what it was told",
        ends_when_told,
    ),
    (
        "a replay from any place gives what stands there and behind it, and nothing else",
        begins_anywhere,
    ),
    (
        "a replay can be told again, and appends go on after it",
        replays_again,
    ),
    (
        "what is durable can be read beside appends, from any place to any place, where it can be read at all",
        reads_beside_appends,
    ),
];

/// Checks every claim, each on a fresh place.
///
/// # Panics
/// When a claim does not hold.
pub fn check(fresh: &dyn Fn() -> Box<dyn Place>) {
    for (words, claim) in CLAIMS {
        println!("{words}");
        claim(fresh().as_ref());
    }
}

/// Every claim on a store's shelf, for stores that have one.
pub const SHELF_CLAIMS: [Claim; 8] = [
    (
        "a new shelf has no cuts and no entities, also when it is opened again",
        shelf_begins_empty,
    ),
    (
        "nothing of a snapshot is seen before it is finished, and all of it after",
        seen_when_finished,
    ),
    (
        "what was finished is there when the store is opened again, cuts and all",
        rests_over_openings,
    ),
    (
        "a snapshot changes what it names, takes out what it says, and leaves the rest",
        changes_what_it_names,
    ),
    (
        "a snapshot that is dropped was never there, and the next one can begin",
        dropped_leaves_nothing,
    ),
    (
        "there is one snapshot at a time, and no clearing beside it",
        one_at_a_time,
    ),
    ("a cleared shelf is a new one", clears),
    (
        "entities of every length come back as they were, by their own keys",
        keeps_every_entity,
    ),
];

/// Checks every claim on shelves, each on a fresh place.
///
/// # Panics
/// When a claim does not hold.
pub fn check_shelf(fresh: &dyn Fn() -> Box<dyn Place>) {
    for (words, claim) in SHELF_CLAIMS {
        println!("{words}");
        claim(fresh().as_ref());
    }
}

fn reads_beside_appends(place: &dyn Place) {
    let mut store = open(place);
    let mut next = replayed(store.as_mut()).0;
    let Some(history) = store.history() else {
        return;
    };
    let mut written = Vec::new();
    for number in 0..40 {
        let words = format!("frame {number} {}", "x".repeat(number * 7));
        next = append(store.as_mut(), next, &[&words]);
        written.push(words.into_bytes());
        let upto = u64::try_from(written.len()).expect("few") + 1;
        assert_eq!(next, Seq::new(upto));
        for from in [1, upto / 2 + 1, upto] {
            for end in [from, upto.min(from + 3), upto] {
                let mut read = Vec::new();
                let mut expected = Seq::new(from);
                history
                    .read(expected, Seq::new(end), &mut |seq, payload| {
                        assert_eq!(seq, expected, "in order");
                        expected = seq.after(1);
                        read.push(payload.to_vec());
                        Ok(())
                    })
                    .expect("reads");
                let index = |seq: u64| usize::try_from(seq - 1).expect("few");
                assert_eq!(read, written[index(from)..index(end)], "{from}..{end}");
            }
        }
    }
}

fn begins_empty(place: &dyn Place) {
    assert_eq!(replayed(open(place).as_mut()), (Seq::FIRST, Vec::new()));
    assert_eq!(
        replayed(open(place).as_mut()),
        (Seq::FIRST, Vec::new()),
        "also when opened again"
    );
}

fn replays_in_order(place: &dyn Place) {
    let mut store = open(place);
    let mut next = replayed(store.as_mut()).0;
    for batch in [&["one"][..], &["two", "three"], &["four"]] {
        next = append(store.as_mut(), next, batch);
    }
    drop(store);
    let mut places = Vec::new();
    let end = open(place).replay(Seq::FIRST, &mut |seq, payload| {
        places.push((seq.number(), payload.to_vec()));
        Ok(())
    });
    assert_eq!(end.ok(), Some(Seq::new(5)));
    let expected: Vec<(u64, Vec<u8>)> = (1..)
        .zip(["one", "two", "three", "four"].map(|words| words.as_bytes().to_vec()))
        .collect();
    assert_eq!(places, expected);
}

fn goes_on_after_opening(place: &dyn Place) {
    let mut kept = Vec::new();
    for opening in 0..12 {
        let mut store = open(place);
        let (next, frames) = replayed(store.as_mut());
        assert_eq!(frames, kept, "at opening {opening}");
        // Some openings append nothing, as an engine that is started and stopped at once.
        if opening % 3 != 2 {
            let words = format!("opening {opening}");
            append(store.as_mut(), next, &[&words, "and more"]);
            kept.push(words.into_bytes());
            kept.push(b"and more".to_vec());
        }
    }
}

fn keeps_every_length(place: &dyn Place) {
    let payloads: Vec<Vec<u8>> = (0..300_usize)
        .map(|len| (0..len).map(|at| (at * 7 + len) as u8).collect())
        .collect();
    let mut store = open(place);
    let mut next = replayed(store.as_mut()).0;
    for chunk in payloads.chunks(7) {
        let mut frames = Frames::default();
        chunk.iter().for_each(|payload| frames.push(payload));
        store.append(next, &frames).expect("appends");
        next = next.after(frames.len() as u64);
    }
    drop(store);
    assert_eq!(replayed(open(place).as_mut()), (next, payloads));
}

fn keeps_large_batches(place: &dyn Place) {
    let large: Vec<u8> = (0..16 * 1024_usize).map(|at| (at % 251) as u8).collect();
    let mut store = open(place);
    let mut next = replayed(store.as_mut()).0;
    let mut kept = Vec::new();
    for count in [1, 64, 2, 100] {
        let mut frames = Frames::default();
        for _ in 0..count {
            frames.push(&large);
            kept.push(large.clone());
        }
        store.append(next, &frames).expect("appends");
        next = next.after(frames.len() as u64);
    }
    drop(store);
    assert!(replayed(open(place).as_mut()) == (next, kept));
}

fn takes_an_empty_batch(place: &dyn Place) {
    let mut store = open(place);
    let next = replayed(store.as_mut()).0;
    let next = append(store.as_mut(), next, &["one"]);
    store
        .append(next, &Frames::default())
        .expect("nothing to do");
    append(store.as_mut(), next, &["two"]);
    drop(store);
    let kept = vec![b"one".to_vec(), b"two".to_vec()];
    assert_eq!(replayed(open(place).as_mut()), (Seq::new(3), kept));
}

fn refuses_out_of_order(place: &dyn Place) {
    for wrong in [1, 3, u64::MAX] {
        let mut store = open(place);
        let next = replayed(store.as_mut()).0;
        if next == Seq::FIRST {
            append(store.as_mut(), next, &["one"]);
        }
        let mut frames = Frames::default();
        frames.push(b"never");
        let refused = store.append(Seq::new(wrong), &frames);
        assert!(
            matches!(refused, Err(StoreFault::OutOfOrder { given, expected: 2 }) if given == wrong),
            "{refused:?}"
        );
        let later = store.append(Seq::new(2), &frames);
        assert!(matches!(later, Err(StoreFault::Failed)), "{later:?}");
        drop(store);
        let kept = vec![b"one".to_vec()];
        assert_eq!(replayed(open(place).as_mut()), (Seq::new(2), kept));
    }
}

fn keeps_others_out(place: &dyn Place) {
    let store = open(place);
    let second = place.open();
    assert!(matches!(second, Err(StoreFault::Locked { .. })));
    drop(store);
    drop(open(place));
}

fn confirms(place: &dyn Place) {
    let mut store = open(place);
    store.confirm().expect("before it is replayed");
    let mut next = replayed(store.as_mut()).0;
    for words in ["one", "two"] {
        store.confirm().expect("nobody else has it");
        store.confirm().expect("nobody else has it");
        next = append(store.as_mut(), next, &[words]);
    }
    store.confirm().expect("nobody else has it");
    drop(store);
    let kept = vec![b"one".to_vec(), b"two".to_vec()];
    assert_eq!(replayed(open(place).as_mut()), (next, kept));
}

fn ends_when_told(place: &dyn Place) {
    let mut store = open(place);
    let next = replayed(store.as_mut()).0;
    append(store.as_mut(), next, &["one", "two", "three"]);
    drop(store);
    let mut seen = 0;
    let ended = open(place).replay(Seq::FIRST, &mut |_, _| {
        seen += 1;
        if seen == 2 {
            Err(StoreFault::Failed)
        } else {
            Ok(())
        }
    });
    assert!(matches!(ended, Err(StoreFault::Failed)));
    assert_eq!(seen, 2);
}

fn begins_anywhere(place: &dyn Place) {
    let mut kept = Vec::new();
    for opening in 0..4_u64 {
        let mut store = open(place);
        let mut next = replayed(store.as_mut()).0;
        for batch in 0..4_u64 {
            let words = format!("opening {opening} batch {batch}");
            let large = "x".repeat(3000);
            next = append(store.as_mut(), next, &[&words, &large]);
            kept.extend([words.into_bytes(), large.into_bytes()]);
        }
    }
    let mut store = open(place);
    for from in (1..=kept.len() + 2).chain([usize::MAX]) {
        let from = Seq::new(from as u64);
        let mut places = Vec::new();
        let mut frames = Vec::new();
        let next = store.replay(from, &mut |seq, payload| {
            places.push(seq);
            frames.push(payload.to_vec());
            Ok(())
        });
        assert_eq!(next.ok(), Some(Seq::new(33)), "from {from:?}");
        let before = from.number().saturating_sub(1).min(32) as usize;
        assert!(frames == kept[before..], "from {from:?}");
        let expected: Vec<Seq> = (from.number()..33).map(Seq::new).collect();
        assert_eq!(places, expected);
    }
}

fn replays_again(place: &dyn Place) {
    let mut store = open(place);
    let next = replayed(store.as_mut()).0;
    append(store.as_mut(), next, &["one", "two"]);
    drop(store);
    let mut store = open(place);
    let first = replayed(store.as_mut());
    assert_eq!(replayed(store.as_mut()), first);
    append(store.as_mut(), first.0, &["three"]);
    drop(store);
    assert_eq!(replayed(open(place).as_mut()).1.len(), 3);
}

const ANN: Key = Key::new(Kind::Wallet, 1);
const BOB: Key = Key::new(Kind::Wallet, 2);
const HALL: Key = Key::new(Kind::Machine, 1);

/// A store with three frames, which cuts may reach, and its shelf.
fn with_shelf(place: &dyn Place) -> (Box<dyn Store>, Arc<dyn Shelf>) {
    let mut store = open(place);
    let next = replayed(store.as_mut()).0;
    if next == Seq::FIRST {
        append(store.as_mut(), next, &["one", "two", "three"]);
    }
    let shelf = store.shelf().expect("it has a shelf");
    (store, shelf)
}

fn generation(shelf: &dyn Shelf) -> Box<dyn Generation> {
    shelf.begin().expect("nobody else writes one")
}

fn loaded(shelf: &dyn Shelf, key: Key) -> Option<Vec<u8>> {
    shelf.load(key).expect("it can be read")
}

fn finish(generation: Box<dyn Generation>, cuts: &[(u16, u64)]) {
    let cuts: Vec<(u16, Seq)> = cuts
        .iter()
        .map(|(partition, cut)| (*partition, Seq::new(*cut)))
        .collect();
    generation.finish(&cuts).expect("finishes");
}

fn cuts(shelf: &dyn Shelf) -> Vec<(u16, u64)> {
    let cuts = shelf.cuts().expect("it can be read");
    cuts.iter()
        .map(|(partition, cut)| (*partition, cut.number()))
        .collect()
}

fn shelf_begins_empty(place: &dyn Place) {
    for _ in 0..2 {
        let (_store, shelf) = with_shelf(place);
        assert_eq!(cuts(shelf.as_ref()), []);
        assert_eq!(loaded(shelf.as_ref(), ANN), None);
    }
}

fn seen_when_finished(place: &dyn Place) {
    let (_store, shelf) = with_shelf(place);
    let mut next = generation(shelf.as_ref());
    next.put(ANN, b"ann").expect("room");
    assert_eq!(loaded(shelf.as_ref(), ANN), None);
    assert_eq!(cuts(shelf.as_ref()), []);
    finish(next, &[(1, 3), (0, 2)]);
    assert_eq!(loaded(shelf.as_ref(), ANN), Some(b"ann".to_vec()));
    assert_eq!(cuts(shelf.as_ref()), [(0, 2), (1, 3)], "by partition");
}

fn rests_over_openings(place: &dyn Place) {
    for round in 1..5_u64 {
        let (_store, shelf) = with_shelf(place);
        let before = Some((round - 1).to_be_bytes().to_vec()).filter(|_| round > 1);
        assert_eq!(loaded(shelf.as_ref(), ANN), before);
        let mut next = generation(shelf.as_ref());
        next.put(ANN, &round.to_be_bytes()).expect("room");
        finish(next, &[(0, round.min(4))]);
        assert_eq!(cuts(shelf.as_ref()), [(0, round.min(4))]);
    }
}

fn changes_what_it_names(place: &dyn Place) {
    let (_store, shelf) = with_shelf(place);
    let mut next = generation(shelf.as_ref());
    for key in [ANN, BOB, HALL] {
        next.put(key, b"first").expect("room");
    }
    finish(next, &[(0, 1), (1, 1)]);
    let mut next = generation(shelf.as_ref());
    next.put(ANN, b"half a thought").expect("room");
    next.put(ANN, b"second").expect("room");
    next.remove(BOB).expect("there");
    next.put(Key::new(Kind::Reader, 9), b"never").expect("room");
    next.remove(Key::new(Kind::Reader, 9)).expect("there");
    next.remove(Key::new(Kind::Operator, 9))
        .expect("not there: nothing to do");
    finish(next, &[(1, 2)]);
    assert_eq!(loaded(shelf.as_ref(), ANN), Some(b"second".to_vec()));
    assert_eq!(loaded(shelf.as_ref(), BOB), None);
    assert_eq!(loaded(shelf.as_ref(), HALL), Some(b"first".to_vec()));
    assert_eq!(loaded(shelf.as_ref(), Key::new(Kind::Reader, 9)), None);
    assert_eq!(cuts(shelf.as_ref()), [(1, 2)], "only its own count");
}

fn dropped_leaves_nothing(place: &dyn Place) {
    let (_store, shelf) = with_shelf(place);
    let mut next = generation(shelf.as_ref());
    next.put(ANN, b"first").expect("room");
    finish(next, &[(0, 1)]);
    let mut next = generation(shelf.as_ref());
    next.put(ANN, b"dropped").expect("room");
    next.put(BOB, &vec![7; 3_000_000]).expect("room");
    drop(next);
    assert_eq!(loaded(shelf.as_ref(), ANN), Some(b"first".to_vec()));
    assert_eq!(loaded(shelf.as_ref(), BOB), None);
    finish(generation(shelf.as_ref()), &[(0, 2)]);
    assert_eq!(loaded(shelf.as_ref(), ANN), Some(b"first".to_vec()));
    assert_eq!(cuts(shelf.as_ref()), [(0, 2)]);
}

fn one_at_a_time(place: &dyn Place) {
    let (_store, shelf) = with_shelf(place);
    let first = generation(shelf.as_ref());
    assert!(matches!(shelf.begin().err(), Some(StoreFault::Io { .. })));
    assert!(matches!(shelf.clear(), Err(StoreFault::Io { .. })));
    drop(first);
    drop(generation(shelf.as_ref()));
}

fn clears(place: &dyn Place) {
    {
        let (_store, shelf) = with_shelf(place);
        shelf.clear().expect("empty already");
        let mut next = generation(shelf.as_ref());
        next.put(ANN, b"ann").expect("room");
        finish(next, &[(0, 1)]);
        shelf.clear().expect("nobody writes");
        assert_eq!(loaded(shelf.as_ref(), ANN), None);
        assert_eq!(cuts(shelf.as_ref()), []);
    }
    let (_store, shelf) = with_shelf(place);
    assert_eq!(cuts(shelf.as_ref()), []);
    let mut next = generation(shelf.as_ref());
    next.put(BOB, b"bob").expect("room");
    finish(next, &[(0, 1)]);
    assert_eq!(loaded(shelf.as_ref(), ANN), None);
    assert_eq!(loaded(shelf.as_ref(), BOB), Some(b"bob".to_vec()));
}

fn keeps_every_entity(place: &dyn Place) {
    let entities: Vec<(Key, Vec<u8>)> = (0..2_000_u64)
        .map(|at| {
            let kind = Kind::ALL[at as usize % Kind::ALL.len()];
            let len = if at == 77 {
                2_000_000
            } else {
                (at * 7 % 900) as usize
            };
            let bytes = (0..len).map(|n| (n as u64 * 31 + at) as u8).collect();
            (
                Key::new(kind, at.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
                bytes,
            )
        })
        .collect();
    {
        let (_store, shelf) = with_shelf(place);
        for chunk in entities.chunks(700) {
            let mut next = generation(shelf.as_ref());
            for (key, bytes) in chunk {
                next.put(*key, bytes).expect("room");
            }
            finish(next, &[(0, 1)]);
        }
    }
    let (_store, shelf) = with_shelf(place);
    for (key, bytes) in &entities {
        assert!(
            loaded(shelf.as_ref(), *key).as_ref() == Some(bytes),
            "{key:?}"
        );
    }
    for kind in Kind::ALL {
        let mut numbers: Vec<u64> = entities
            .iter()
            .filter(|(key, _)| key.kind() == kind)
            .map(|(key, _)| key.number())
            .collect();
        numbers.sort_unstable();
        assert_eq!(
            shelf.numbers(kind).expect("it can be read"),
            numbers,
            "{kind:?}, in order"
        );
    }
}

fn open(place: &dyn Place) -> Box<dyn Store> {
    place.open().expect("nobody else has it open")
}

fn replayed(store: &mut dyn Store) -> (Seq, Vec<Vec<u8>>) {
    let mut frames = Vec::new();
    let next = store
        .replay(Seq::FIRST, &mut |_, payload| {
            frames.push(payload.to_vec());
            Ok(())
        })
        .expect("replays");
    (next, frames)
}

fn append(store: &mut dyn Store, first: Seq, payloads: &[&str]) -> Seq {
    let mut frames = Frames::default();
    for payload in payloads {
        frames.push(payload.as_bytes());
    }
    store.append(first, &frames).expect("appends");
    first.after(frames.len() as u64)
}
