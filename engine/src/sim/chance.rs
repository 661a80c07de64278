/// A generator that anybody can run again from its seed (splitmix64).
#[derive(Clone, Debug)]
pub(super) struct Chance(u64);

impl Chance {
    /// One stream of a seed; different streams have nothing to do with each other.
    pub(super) fn new(seed: u64, stream: u64) -> Self {
        // Drawn once, because neighbouring seeds would be the same stream, one step apart.
        Self(Self(seed ^ (stream << 56)).draw())
    }

    pub(super) fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.draw() % bound.max(1)
    }

    /// A place in something that has `len` of them.
    pub(super) fn place(&mut self, len: usize) -> usize {
        usize::try_from(self.below(u64::try_from(len).unwrap_or(u64::MAX))).unwrap_or(0)
    }

    /// An amount in minor units, from 1 to `most`.
    pub(super) fn minor(&mut self, most: u64) -> i64 {
        1 + i64::try_from(self.below(most)).unwrap_or(0)
    }

    /// Whether something happens that does so `count` times in `of`.
    pub(super) fn is_in(&mut self, count: u64, of: u64) -> bool {
        self.below(of) < count
    }
}
