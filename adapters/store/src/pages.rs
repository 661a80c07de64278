//! The file under the shelf's tables, with a checksum for every page that is read: the database
//! checks its own only after a crash, and may panic on pages that changed meanwhile.
//!
//! ```text
//! sums of group 0 | page 0 | page 1 | .. | page 1022 | sums of group 1 | page 1023 | ..
//! ```
//!
//! A page of a finished snapshot is never written again before the next one is finished, so its
//! sum is sure with it. The exception is page 0, which is written in place: the sums of its old
//! and of its new content are both on disk before it changes.

use crate::bounds::SHELF_UNSYNCED_MAX;
use crate::disk::{DiskFile, read_whole};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes of a page, and of a block of sums.
const PAGE: usize = 4096;
/// Pages of one group: a block's sums but one.
const GROUP: u64 = 1023;
/// Where in the first block the sum stands that page 0 had before: in one sector with the present
/// one, so that a torn block has both or neither.
const BEFORE: usize = 0;

type Block = Box<[u32; PAGE / 4]>;

/// Pages of a file, each with its checksum.
#[derive(Debug)]
pub(crate) struct Pages {
    file: Box<dyn DiskFile>,
    damaged: Arc<AtomicBool>,
    sums: Mutex<Sums>,
}

#[derive(Debug, Default)]
struct Sums {
    blocks: BTreeMap<u64, Block>,
    changed: BTreeSet<u64>,
    /// What the pages are in all.
    len: u64,
    unsynced: usize,
    /// Pages that are not in the file yet: neighbours go there together.
    waiting: BTreeMap<u64, Box<[u8; PAGE]>>,
    head: Option<Box<[u8; PAGE]>>,
}

impl Pages {
    /// Takes a file of pages, or an empty one.
    pub(crate) fn on(file: Box<dyn DiskFile>) -> io::Result<Self> {
        let size = file.size()?;
        let blocks = size.div_ceil(wide(PAGE));
        let groups = blocks.div_ceil(GROUP + 1);
        let sums = Sums {
            // A torn end belongs to nothing that was finished.
            len: blocks.saturating_sub(groups).saturating_mul(wide(PAGE)),
            ..Sums::default()
        };
        Ok(Self {
            file,
            damaged: Arc::default(),
            sums: Mutex::new(sums),
        })
    }

    /// Tells, from anywhere, whether a page was not what had been written.
    pub(crate) fn damage(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.damaged)
    }

    fn sums(&self) -> MutexGuard<'_, Sums> {
        // Nothing panics while the lock is held.
        self.sums.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn block<'a>(&self, sums: &'a mut Sums, group: u64) -> io::Result<&'a mut Block> {
        match sums.blocks.entry(group) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(unknown) => {
                let mut bytes = [0; PAGE];
                // What was never written is as zeros are.
                read_whole(self.file.as_ref(), &mut bytes, block_at(group))?;
                let mut block: Block = Box::new([0; PAGE / 4]);
                for (sum, word) in block.iter_mut().zip(bytes.as_chunks::<4>().0) {
                    *sum = u32::from_le_bytes(*word);
                }
                Ok(unknown.insert(block))
            }
        }
    }

    fn check(&self, sums: &mut Sums, number: u64, page: &[u8]) -> io::Result<()> {
        let known = self.sum(sums, number)?;
        let before = (number == 0)
            .then(|| self.block(sums, 0).map(|block| block[BEFORE]))
            .transpose()?;
        let never_written = known == 0 && page.iter().all(|byte| *byte == 0);
        let found = sum_of(number, page);
        if never_written || found == known || before == Some(found) {
            return Ok(());
        }
        self.damaged.store(true, Ordering::Release);
        Err(io::Error::new(
            ErrorKind::InvalidData,
            format!("page {number} is not what was written"),
        ))
    }

    fn sum(&self, sums: &mut Sums, number: u64) -> io::Result<u32> {
        let (group, at) = place(number);
        Ok(self.block(sums, group)?.get(at).copied().unwrap_or(0))
    }

    fn note(&self, sums: &mut Sums, number: u64, sum: u32) -> io::Result<()> {
        let (group, at) = place(number);
        if let Some(slot) = self.block(sums, group)?.get_mut(at) {
            *slot = sum;
        }
        sums.changed.insert(group);
        Ok(())
    }

    /// Writes the pages that wait, each run of neighbours at once.
    fn write_waiting(&self, sums: &mut Sums) -> io::Result<()> {
        let mut run: Vec<u8> = Vec::new();
        let mut begin = 0;
        for (number, page) in &sums.waiting {
            let at = page_at(*number);
            if !run.is_empty() && at != begin + wide(run.len()) {
                self.file.write_at(&run, begin)?;
                run.clear();
            }
            if run.is_empty() {
                begin = at;
            }
            run.extend_from_slice(page.as_slice());
        }
        if !run.is_empty() {
            self.file.write_at(&run, begin)?;
        }
        sums.waiting.clear();
        Ok(())
    }

    fn write_sums(&self, sums: &mut Sums) -> io::Result<()> {
        while let Some(group) = sums.changed.first().copied() {
            let bytes: Vec<u8> = self
                .block(sums, group)?
                .iter()
                .flat_map(|sum| sum.to_le_bytes())
                .collect();
            self.file.write_at(&bytes, block_at(group))?;
            sums.changed.remove(&group);
        }
        Ok(())
    }

    /// Changes a part of page 0, which is written in place.
    fn write_head(&self, sums: &mut Sums, bytes: &[u8]) -> io::Result<()> {
        let mut head = match sums.head.take() {
            Some(head) => head,
            None => {
                let mut head = Box::new([0; PAGE]);
                if read_whole(self.file.as_ref(), head.as_mut_slice(), page_at(0))? {
                    self.check(sums, 0, head.as_slice())?;
                }
                head
            }
        };
        let before = sum_of(0, head.as_slice());
        for (to, from) in head.iter_mut().zip(bytes) {
            *to = *from;
        }
        self.write_waiting(sums)?;
        self.note(sums, 0, sum_of(0, head.as_slice()))?;
        self.block(sums, 0)?[BEFORE] = before;
        self.write_sums(sums)?;
        self.file.sync()?;
        self.file.write_at(head.as_slice(), page_at(0))?;
        sums.head = Some(head);
        Ok(())
    }
}

impl redb::StorageBackend for Pages {
    fn len(&self) -> io::Result<u64> {
        Ok(self.sums().len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let len = self.sums().len;
        let mut page = [0; PAGE];
        let mut at = offset;
        let mut rest = out;
        while !rest.is_empty() {
            let (number, begin) = (at / wide(PAGE), narrow(at % wide(PAGE)));
            if at >= len {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            let waits = self.sums().waiting.get(&number).map(|waiting| **waiting);
            if let Some(waiting) = waits {
                page = waiting;
            } else {
                page.fill(0);
                // Without the lock: no page is read while it is written, and loads are not to
                // wait for a snapshot's syncs.
                read_whole(self.file.as_ref(), &mut page, page_at(number))?;
                self.check(&mut self.sums(), number, &page)?;
            }
            let len = rest.len().min(PAGE - begin);
            let (part, later) = rest.split_at_mut(len);
            part.copy_from_slice(page.get(begin..begin + len).unwrap_or_default());
            rest = later;
            at = at.saturating_add(wide(len));
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut sums = self.sums();
        let pages = len.div_ceil(wide(PAGE));
        let known = sums.len.div_ceil(wide(PAGE));
        for number in pages..known {
            self.note(&mut sums, number, 0)?;
        }
        sums.waiting.retain(|number, _| *number < pages);
        let groups = pages.div_ceil(GROUP);
        sums.changed.retain(|group| *group < groups);
        sums.blocks.retain(|group, _| *group < groups);
        self.file
            .set_size(pages.saturating_add(groups).saturating_mul(wide(PAGE)))?;
        sums.len = len;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut sums = self.sums();
        self.write_waiting(&mut sums)?;
        self.write_sums(&mut sums)?;
        sums.unsynced = 0;
        drop(sums);
        self.file.sync()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut sums = self.sums();
        if offset == 0 && data.len() < PAGE {
            return self.write_head(&mut sums, data);
        }
        let (pages, rest) = data.as_chunks::<PAGE>();
        if !offset.is_multiple_of(wide(PAGE)) || !rest.is_empty() {
            return Err(io::Error::new(
                ErrorKind::InvalidInput,
                format!("{} bytes at {offset} are no pages", data.len()),
            ));
        }
        for (number, page) in (offset / wide(PAGE)..).zip(pages) {
            self.note(&mut sums, number, sum_of(number, page))?;
            if number == 0 {
                self.file.write_at(page, page_at(number))?;
                sums.head = None;
            } else {
                sums.waiting.insert(number, Box::new(*page));
            }
        }
        // What piles up unsynced would all have to be written while the journal waits for its own.
        sums.unsynced = sums.unsynced.saturating_add(data.len());
        if sums.unsynced >= SHELF_UNSYNCED_MAX {
            self.write_waiting(&mut sums)?;
            sums.unsynced = 0;
            drop(sums);
            self.file.sync()?;
        }
        Ok(())
    }
}

fn sum_of(number: u64, page: &[u8]) -> u32 {
    // 0 stands for a page that was never written.
    crc32c::crc32c_append(crc32c::crc32c(&number.to_le_bytes()), page).max(1)
}

/// The group of a page, and where in it its sum stands.
fn place(number: u64) -> (u64, usize) {
    (number / GROUP, 1 + narrow(number % GROUP))
}

fn block_at(group: u64) -> u64 {
    group.saturating_mul((GROUP + 1) * wide(PAGE))
}

fn page_at(number: u64) -> u64 {
    let blocks = (number / GROUP).saturating_add(1);
    number.saturating_add(blocks).saturating_mul(wide(PAGE))
}

fn wide(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

fn narrow(below_page: u64) -> usize {
    usize::try_from(below_page).unwrap_or(0)
}
