//! A board's fetching of one package: pieces in any order, from any phone, each checked before it
//! is kept, until the whole is there (protocol section 10).

use crate::bounds::{CHUNKS_OPEN_MAX, WANT_MAX};
use gettone_channel::{CHUNK_LEN, Config, Manifest, PIECE_LEN_MAX, Part, Piece, Want};
use std::collections::BTreeMap;

/// Pieces of one chunk.
const HALVES: usize = CHUNK_LEN / PIECE_LEN_MAX;

/// What is to be kept of a package, on flash.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Keep {
    /// Its manifest.
    Manifest(Vec<u8>),
    /// A chunk that the manifest vouches for.
    Chunk {
        /// Its place: it begins at so many times 4,096 bytes.
        place: usize,
        /// The chunk.
        bytes: Vec<u8>,
    },
}

/// One package that is being fetched. It never keeps what nobody vouches for, and never more than
/// a manifest and a few halves of chunks in memory.
#[derive(Clone, Debug)]
pub struct Fetch {
    told: Config,
    manifest: Option<Manifest>,
    /// Of the manifest, as long as it is not whole.
    pieces: BTreeMap<u32, Vec<u8>>,
    /// Which chunks are kept.
    kept: Vec<bool>,
    /// Halves of chunks that are not whole.
    halves: BTreeMap<usize, [Option<Vec<u8>>; HALVES]>,
}

impl Fetch {
    /// Begins with nothing; none where no package has this size.
    pub fn new(told: Config) -> Option<Self> {
        told.len_of(Part::Content)?;
        Some(Self {
            told,
            manifest: None,
            pieces: BTreeMap::new(),
            kept: Vec::new(),
            halves: BTreeMap::new(),
        })
    }

    /// Goes on with what lies on flash: the manifest, and whatever `chunk` reads of the content. What
    /// nobody vouches for is fetched again.
    pub fn resumed(
        told: Config,
        manifest: &[u8],
        mut chunk: impl FnMut(usize) -> Option<Vec<u8>>,
    ) -> Option<Self> {
        let mut fetch = Self::new(told)?;
        let Some(manifest) = Manifest::from_bytes(manifest, &told) else {
            return Some(fetch);
        };
        fetch.kept = (0..manifest.count())
            .map(|place| chunk(place).is_some_and(|bytes| manifest.vouches_for(place, &bytes)))
            .collect();
        fetch.manifest = Some(manifest);
        Some(fetch)
    }

    /// What it fetches.
    pub const fn told(&self) -> &Config {
        &self.told
    }

    /// Whether everything is kept.
    pub fn is_whole(&self) -> bool {
        self.manifest.is_some() && self.kept.iter().all(|kept| *kept)
    }

    /// How many chunks are kept, and of how many; none while the manifest is not here.
    pub fn progress(&self) -> Option<(usize, usize)> {
        let manifest = self.manifest.as_ref()?;
        let kept = self.kept.iter().filter(|kept| **kept).count();
        Some((kept, manifest.count()))
    }

    /// The next pieces it lacks; none when everything is kept.
    pub fn want(&self) -> Option<Want> {
        let version = self.told.version;
        let run = |part, lacks: &dyn Fn(u32) -> bool, count: u32| {
            let first = (0..count).find(|index| lacks(*index))?;
            let run = (first..count)
                .take(usize::from(WANT_MAX))
                .take_while(|index| lacks(*index))
                .count();
            Some(Want {
                version,
                part,
                first,
                count: u16::try_from(run).unwrap_or(WANT_MAX),
            })
        };
        match &self.manifest {
            None => run(
                Part::Manifest,
                &|index| !self.pieces.contains_key(&index),
                self.count_of(Part::Manifest),
            ),
            Some(_) => run(
                Part::Content,
                &|index| {
                    let (chunk, half) = place_of(index);
                    let has_half = self.halves.get(&chunk).is_some_and(|h| h[half].is_some());
                    !has_half && self.kept.get(chunk) == Some(&false)
                },
                self.count_of(Part::Content),
            ),
        }
    }

    /// Takes a piece; gives what is to be kept because of it. A piece of something else, of another
    /// length or that nobody vouches for is let go.
    pub fn take(&mut self, piece: Piece) -> Option<Keep> {
        let is_ours = piece.version == self.told.version
            && self.len_at(piece.part, piece.index) == Some(piece.bytes.len());
        if !is_ours {
            return None;
        }
        match (piece.part, self.manifest.is_some()) {
            (Part::Manifest, false) => self.take_manifest(piece),
            (Part::Content, true) => self.take_content(piece),
            // What it has already, or cannot check yet.
            (Part::Manifest, true) | (Part::Content, false) => None,
        }
    }

    fn take_manifest(&mut self, piece: Piece) -> Option<Keep> {
        self.pieces.insert(piece.index, piece.bytes);
        let count = usize::try_from(self.count_of(Part::Manifest)).ok()?;
        if self.pieces.len() < count {
            return None;
        }
        // One wrong piece spoils all: nobody can tell which one it was.
        let pieces = core::mem::take(&mut self.pieces);
        let bytes: Vec<u8> = pieces.into_values().flatten().collect();
        let manifest = Manifest::from_bytes(&bytes, &self.told)?;
        self.kept = vec![false; manifest.count()];
        self.manifest = Some(manifest);
        Some(Keep::Manifest(bytes))
    }

    fn take_content(&mut self, piece: Piece) -> Option<Keep> {
        let (place, half) = place_of(piece.index);
        let manifest = self.manifest.as_ref()?;
        if self.kept.get(place) != Some(&false) {
            return None;
        }
        let is_new = !self.halves.contains_key(&place);
        if is_new && self.halves.len() >= CHUNKS_OPEN_MAX {
            self.halves.pop_last();
        }
        let halves = self.halves.entry(place).or_default();
        halves[half] = Some(piece.bytes);
        let len: usize = halves.iter().flatten().map(Vec::len).sum();
        if len < manifest.len_of(place) {
            return None;
        }
        let bytes: Vec<u8> = self
            .halves
            .remove(&place)?
            .into_iter()
            .flatten()
            .flatten()
            .collect();
        if !manifest.vouches_for(place, &bytes) {
            return None;
        }
        *self.kept.get_mut(place)? = true;
        Some(Keep::Chunk { place, bytes })
    }

    /// How long the piece at this place is.
    fn len_at(&self, part: Part, index: u32) -> Option<usize> {
        let at = usize::try_from(index).ok()?.checked_mul(PIECE_LEN_MAX)?;
        let rest = self.told.len_of(part)?.checked_sub(at)?;
        (rest > 0).then_some(rest.min(PIECE_LEN_MAX))
    }

    fn count_of(&self, part: Part) -> u32 {
        let len = self.told.len_of(part).unwrap_or(0);
        u32::try_from(len.div_ceil(PIECE_LEN_MAX)).unwrap_or(u32::MAX)
    }
}

/// The chunk of a piece, and its place in it.
fn place_of(index: u32) -> (usize, usize) {
    let index = usize::try_from(index).unwrap_or(usize::MAX);
    (index / HALVES, index % HALVES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use gettone_channel::PackageKind;

    fn package(len: usize) -> (Vec<u8>, Manifest) {
        let content: Vec<u8> = (0..len).map(|at| (at * 31 + at / 509) as u8).collect();
        let manifest = Manifest::of(PackageKind::Configuration, 3, &content).expect("bounded");
        (content, manifest)
    }

    /// Every piece of both parts.
    fn pieces(content: &[u8], manifest: &Manifest) -> Vec<Piece> {
        let version = manifest.config().version;
        let parts = [
            (Part::Manifest, manifest.to_bytes()),
            (Part::Content, content.to_vec()),
        ];
        let mut pieces = Vec::new();
        for (part, whole) in parts {
            pieces.extend((0..).map_while(|index| Piece::of(version, part, index, &whole)));
        }
        pieces
    }

    /// A flash that keeps what it is told to.
    #[derive(Default)]
    struct Flash {
        manifest: Vec<u8>,
        chunks: BTreeMap<usize, Vec<u8>>,
    }

    impl Flash {
        fn keep(&mut self, keep: Option<Keep>) {
            match keep {
                Some(Keep::Manifest(bytes)) => self.manifest = bytes,
                Some(Keep::Chunk { place, bytes }) => drop(self.chunks.insert(place, bytes)),
                None => {}
            }
        }

        fn content(&self) -> Vec<u8> {
            self.chunks.values().flatten().copied().collect()
        }
    }

    fn shuffled<T>(list: &mut [T], seed: u64) {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        for at in (1..list.len()).rev() {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            list.swap(at, (state % (at as u64 + 1)) as usize);
        }
    }

    #[test]
    fn what_is_wanted_is_brought_until_all_of_it_is_there() {
        for len in [
            1,
            PIECE_LEN_MAX,
            CHUNK_LEN,
            CHUNK_LEN + 1,
            70 * CHUNK_LEN + 5,
        ] {
            let (content, manifest) = package(len);
            let told = manifest.config();
            let mut fetch = Fetch::new(told).expect("bounded");
            let mut flash = Flash::default();
            let mut asked = 0;
            while let Some(want) = fetch.want() {
                asked += 1;
                assert!(asked < 100, "it ends");
                let whole = match want.part {
                    Part::Manifest => manifest.to_bytes(),
                    Part::Content => content.clone(),
                };
                for index in want.first..want.first + u32::from(want.count) {
                    let piece = Piece::of(want.version, want.part, index, &whole);
                    flash.keep(fetch.take(piece.expect("it is one of them")));
                }
            }
            assert!(fetch.is_whole());
            assert_eq!(flash.content(), content);
        }
    }

    #[test]
    fn pieces_in_any_order_doubled_changed_and_lost_come_to_the_same_content() {
        let (content, manifest) = package(6 * CHUNK_LEN + 100);
        for seed in 0..50 {
            let mut fetch = Fetch::new(manifest.config()).expect("bounded");
            let mut flash = Flash::default();
            for round in 0.. {
                assert!(round < 20, "seed {seed}: it ends");
                let mut pieces = pieces(&content, &manifest);
                pieces.extend(pieces.clone());
                shuffled(&mut pieces, seed * 100 + round);
                for (at, mut piece) in pieces.into_iter().enumerate() {
                    // Somebody in the way changes every fifth piece, for a while.
                    if round < 3 && at % 5 == 0 {
                        piece.bytes[0] ^= 1;
                    }
                    flash.keep(fetch.take(piece));
                }
                if fetch.is_whole() {
                    break;
                }
            }
            assert_eq!(flash.content(), content, "seed {seed}");
        }
    }

    #[test]
    fn a_start_goes_on_with_what_is_on_flash_and_fetches_torn_chunks_again() {
        let (content, manifest) = package(4 * CHUNK_LEN);
        let told = manifest.config();
        let bytes = manifest.to_bytes();
        let chunk = |place: usize| {
            let mut chunk = content.chunks(CHUNK_LEN).nth(place)?.to_vec();
            match place {
                1 => chunk[4_095] ^= 1,
                2 => return None,
                _ => {}
            }
            Some(chunk)
        };
        let fetch = Fetch::resumed(told, &bytes, chunk).expect("bounded");
        assert_eq!(fetch.progress(), Some((2, 4)));
        assert_eq!(
            fetch.want().map(|want| (want.first, want.count)),
            Some((2, 4))
        );
        let torn = Fetch::resumed(told, &bytes[..40], chunk).expect("bounded");
        assert_eq!(torn.progress(), None, "from the beginning");
    }

    #[test]
    fn pieces_of_other_packages_and_other_lengths_are_let_go() {
        let (content, manifest) = package(CHUNK_LEN + 7);
        let mut fetch = Fetch::new(manifest.config()).expect("bounded");
        let all = pieces(&content, &manifest);
        for piece in &all {
            let other = Piece {
                version: piece.version + 1,
                ..piece.clone()
            };
            let far = Piece {
                index: u32::MAX,
                ..piece.clone()
            };
            let mut short = piece.clone();
            short.bytes.pop();
            for wrong in [other, far, short] {
                assert_eq!(fetch.take(wrong), None);
            }
        }
        assert_eq!(fetch.progress(), None);
        assert!(
            all.into_iter()
                .filter_map(|piece| fetch.take(piece))
                .count()
                > 2
        );
        assert!(fetch.is_whole());
    }

    #[test]
    fn halves_that_never_become_whole_take_no_more_room_than_some_chunks() {
        let (content, manifest) = package(200 * CHUNK_LEN);
        let mut fetch = Fetch::new(manifest.config()).expect("bounded");
        for piece in pieces(&content, &manifest) {
            if piece.part == Part::Manifest || piece.index % 2 == 0 {
                fetch.take(piece);
            }
        }
        assert!(fetch.halves.len() <= CHUNKS_OPEN_MAX);
        assert!(fetch.pieces.is_empty());
    }
}
