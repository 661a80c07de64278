//! The notices that the server does not have yet.

use crate::notice::{Code, Notice};
use std::collections::VecDeque;

/// A board's notices, oldest first; when there are too many, the oldest give way to one that says
/// how many they were.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Notices {
    kept: VecDeque<Notice>,
    acked: u64,
}

impl Notices {
    /// Takes a notice in as it was written: the next one, or a LOST in place of the oldest.
    pub fn take(&mut self, notice: Notice) {
        if notice.code == Code::LOST {
            self.drop_to(notice.aseq);
            self.kept.push_front(notice);
        } else {
            self.kept.push_back(notice);
        }
    }

    /// The server has them up to here; false when that is old news or none of ours.
    pub fn ack(&mut self, upto: u64) -> bool {
        if upto <= self.acked || upto > self.newest() {
            return false;
        }
        self.set_acked(upto);
        true
    }

    /// Takes the mark as a journal has it.
    pub(super) fn set_acked(&mut self, upto: u64) {
        self.acked = self.acked.max(upto);
        self.drop_to(upto);
    }

    /// What has to be written for the oldest `count` to give way; none when there are none.
    pub(super) fn thinned(&self, count: usize) -> Option<Notice> {
        let going = self.kept.iter().take(count);
        let lost = going.clone().fold(0_u32, |lost, notice| {
            lost.saturating_add(match notice.code {
                Code::LOST => notice.n,
                _ => 1,
            })
        });
        let last = self.kept.get(going.len().checked_sub(1)?)?;
        Some(Notice {
            code: Code::LOST,
            n: lost,
            data: [0; 8],
            ..*last
        })
    }

    /// Up to which the server has them.
    pub const fn acked(&self) -> u64 {
        self.acked
    }

    /// The newest notice's place; 0 before the first.
    pub fn newest(&self) -> u64 {
        self.kept
            .back()
            .map_or(self.acked, |notice| notice.aseq.max(self.acked))
    }

    /// How many are kept.
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// All that are kept, oldest first.
    pub fn kept(&self) -> impl Iterator<Item = &Notice> {
        self.kept.iter()
    }

    /// Those after `sent` and not after `upto`, at most `count`.
    pub(super) fn after(&self, sent: u64, upto: u64, count: usize) -> Vec<Notice> {
        self.kept
            .iter()
            .filter(|notice| notice.aseq > sent && notice.aseq <= upto)
            .take(count)
            .copied()
            .collect()
    }

    fn drop_to(&mut self, upto: u64) {
        while self.kept.front().is_some_and(|kept| kept.aseq <= upto) {
            self.kept.pop_front();
        }
    }
}
