//! What has happened in a life, and whether that says anything.

use crate::programs::ProgramTally;

/// What has happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) lives: u64,
    pub(crate) records: u64,
    pub(crate) grants: usize,
    pub(crate) sold: usize,
    pub(crate) unseen: usize,
    pub(crate) cash: usize,
    pub(crate) lights: u64,
    pub(crate) cuts: u64,
    pub(crate) crashes: u64,
    /// By the boards' own roads: envelopes that came, calls, and grants that answered one.
    pub(crate) by_road: u64,
    pub(crate) calls: u64,
    pub(crate) called: u64,
    /// Changes of readers' keys and of the server's that went to their end, and packages put in place.
    pub(crate) keys: u64,
    pub(crate) servers: u64,
    pub(crate) packages: u64,
    pub(crate) programs: ProgramTally,
}

impl Tally {
    pub(crate) fn add(&mut self, other: Self) {
        self.lives += other.lives;
        self.records += other.records;
        self.grants += other.grants;
        self.sold += other.sold;
        self.unseen += other.unseen;
        self.cash += other.cash;
        self.lights += other.lights;
        self.cuts += other.cuts;
        self.crashes += other.crashes;
        self.by_road += other.by_road;
        self.calls += other.calls;
        self.called += other.called;
        self.keys += other.keys;
        self.servers += other.servers;
        self.packages += other.packages;
        self.programs = self.programs.plus(other.programs);
    }

    /// Whether such a life says anything.
    pub(crate) fn is_worth_it(&self) -> bool {
        let lives = usize::try_from(self.lives).unwrap_or(usize::MAX);
        self.grants > 2 * lives
            && self.sold > lives / 2
            && self.unseen > 0
            && self.cash > 0
            && self.lights > self.lives / 10
            && self.cuts > 0
            && self.crashes > 0
            && self.by_road > self.lives
            && self.called > 0
            && self.keys > 0
            && self.servers > 0
            && self.packages > 0
            && self.programs.is_worth_it()
    }
}
