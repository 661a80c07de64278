//! A store of one's own: a plain file that only grows. It is checked by the claims that every store
//! has to hold, and then an engine lives on it twice: `cargo run --release --example custom_store`.
//!
//! A batch is a head (the length of its body, the number of its frames, a digest of both, of its
//! place and of the body) and a body (each frame behind its length). What the last write left
//! unfinished was never acknowledged and is cut off at the next opening; what is damaged before that
//! is told. The operating system's lock on the file keeps others out, and falls with the process.

use gettone::core::id::{TransferId, WalletId};
use gettone::core::money::{Amount, Currency};
use gettone::core::port::{Each, Frames, Seq, Store, StoreFault};
use gettone::{Engine, Settings};
use gettone_store::contract;
use sha2::{Digest, Sha256};
use std::error::Error;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const HEAD_BYTES: usize = 24;
const BODY_BYTES_MAX: usize = 256 * 1024 * 1024;

/// A journal in one file.
struct Scroll {
    path: PathBuf,
    file: File,
    next: Seq,
    end: u64,
    failed: bool,
}

/// One batch as it lies in the file.
struct Batch {
    count: u32,
    body: Vec<u8>,
    end: u64,
}

impl Scroll {
    fn open(path: &Path) -> Result<Self, StoreFault> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(io_fault("opening", path))?;
        file.try_lock().map_err(|fault| match fault {
            TryLockError::WouldBlock => StoreFault::Locked {
                place: path.display().to_string(),
            },
            TryLockError::Error(source) => io_fault("locking", path)(source),
        })?;
        let mut scroll = Self {
            path: path.to_owned(),
            file,
            next: Seq::FIRST,
            end: 0,
            failed: false,
        };
        while let Some(batch) = scroll.batch(scroll.next, scroll.end)? {
            scroll.next = scroll.next.after(batch.count.into());
            scroll.end = batch.end;
        }
        let cut = scroll
            .file
            .set_len(scroll.end)
            .and_then(|()| scroll.file.sync_all())
            .and_then(|()| match path.parent() {
                // Its name has to survive as well.
                Some(folder) => File::open(folder)?.sync_all(),
                None => Ok(()),
            });
        cut.map_err(io_fault("cutting off what was never finished in", path))?;
        Ok(scroll)
    }

    /// The batch of this place, at this offset; none where the whole ones end.
    fn batch(&self, place: Seq, at: u64) -> Result<Option<Batch>, StoreFault> {
        let read = io_fault("reading", &self.path);
        let len = self.file.metadata().map_err(&read)?.len();
        let mut head = [0; HEAD_BYTES];
        let behind_head = at.saturating_add(HEAD_BYTES as u64);
        if behind_head > len {
            return Ok(None);
        }
        self.file.read_exact_at(&mut head, at).map_err(&read)?;
        let [l0, l1, l2, l3, c0, c1, c2, c3, sum @ ..] = head;
        let body_len = u32::from_le_bytes([l0, l1, l2, l3]);
        let count = u32::from_le_bytes([c0, c1, c2, c3]);
        let end = behind_head.saturating_add(body_len.into());
        let damaged = || StoreFault::Damaged {
            place: self.path.display().to_string(),
            what: format!(
                "the batch at frame {} is not what was written",
                place.number()
            ),
        };
        if end > len {
            return Ok(None);
        }
        let body_len = usize::try_from(body_len).map_err(|_| damaged())?;
        if body_len > BODY_BYTES_MAX {
            return Err(damaged());
        }
        let mut body = vec![0; body_len];
        self.file
            .read_exact_at(&mut body, behind_head)
            .map_err(&read)?;
        if digest(place, count, &body) == sum {
            Ok(Some(Batch { count, body, end }))
        } else if end == len {
            Ok(None)
        } else {
            Err(damaged())
        }
    }

    fn write(&mut self, first: Seq, frames: &Frames) -> Result<(), StoreFault> {
        if first != self.next {
            return Err(StoreFault::OutOfOrder {
                given: first.number(),
                expected: self.next.number(),
            });
        }
        if frames.is_empty() {
            return Ok(());
        }
        let too_long = || io_fault("appending to", &self.path)(io::ErrorKind::InvalidInput.into());
        let mut bytes = vec![0; HEAD_BYTES];
        for payload in frames.iter() {
            let len = u32::try_from(payload.len()).map_err(|_| too_long())?;
            bytes.extend_from_slice(&len.to_le_bytes());
            bytes.extend_from_slice(payload);
        }
        let (head, body) = bytes.split_at_mut(HEAD_BYTES);
        let count = u32::try_from(frames.len()).map_err(|_| too_long())?;
        let len = u32::try_from(body.len()).map_err(|_| too_long())?;
        if body.len() > BODY_BYTES_MAX {
            return Err(too_long());
        }
        head[..4].copy_from_slice(&len.to_le_bytes());
        head[4..8].copy_from_slice(&count.to_le_bytes());
        head[8..].copy_from_slice(&digest(first, count, body));
        self.file
            .write_all_at(&bytes, self.end)
            .and_then(|()| self.file.sync_data())
            .map_err(io_fault("appending to", &self.path))?;
        self.end = self.end.saturating_add(bytes.len() as u64);
        self.next = first.after(count.into());
        Ok(())
    }
}

impl Store for Scroll {
    fn replay(&mut self, from: Seq, each: &mut Each<'_>) -> Result<Seq, StoreFault> {
        let (mut seq, mut at) = (Seq::FIRST, 0);
        while at < self.end {
            let Some(batch) = self.batch(seq, at)? else {
                break;
            };
            let mut rest = batch.body.as_slice();
            while let Some((len, behind)) = rest.split_first_chunk() {
                let len = usize::try_from(u32::from_le_bytes(*len)).unwrap_or(usize::MAX);
                let Some((payload, behind)) = behind.split_at_checked(len) else {
                    break;
                };
                if seq >= from {
                    each(seq, payload)?;
                }
                (seq, rest) = (seq.after(1), behind);
            }
            at = batch.end;
        }
        Ok(self.next)
    }

    fn append(&mut self, first: Seq, frames: &Frames) -> Result<(), StoreFault> {
        if self.failed {
            return Err(StoreFault::Failed);
        }
        let written = self.write(first, frames);
        // After a failed sync nobody knows what the disk has: only opening it again tells.
        self.failed = written.is_err();
        written
    }
}

fn digest(place: Seq, count: u32, body: &[u8]) -> [u8; 16] {
    let whole = Sha256::new()
        .chain_update(place.number().to_le_bytes())
        .chain_update(count.to_le_bytes())
        .chain_update(body)
        .finalize();
    let mut short = [0; 16];
    short.copy_from_slice(&whole[..16]);
    short
}

fn io_fault(doing: &'static str, path: &Path) -> impl Fn(io::Error) -> StoreFault {
    let doing = format!("{doing} {}", path.display());
    move |source| StoreFault::Io {
        doing: doing.clone(),
        source,
    }
}

/// A fresh place for each claim.
struct Desk(TempDir);

impl contract::Place for Desk {
    fn open(&self) -> Result<Box<dyn Store>, StoreFault> {
        Ok(Box::new(Scroll::open(&self.0.path().join("scroll"))?))
    }
}

fn fresh() -> Box<dyn contract::Place> {
    Box::new(Desk(tempfile::tempdir().expect("there is room")))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    contract::check(&fresh);
    let ann = WalletId::new(1);
    let desk = fresh();
    for run in 1..=2_u8 {
        let mut replayed = 0;
        let engine = Engine::start(desk.open()?, Settings::default(), &mut |_, _| replayed += 1)?;
        engine.open_wallet(ann, Currency::EUR).await?;
        let key = TransferId::from_bytes([run; 16]);
        let moved = engine.top_up(ann, key, Amount::from_minor(500)).await?;
        let emoney = moved.into_inner().balance.emoney;
        println!("run {run}: {replayed} records were there, and ann has {emoney:?}");
        engine.shutdown().await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_plain_file_keeps_every_claim_that_a_store_has_to_keep() {
        contract::check(&fresh);
    }

    #[test]
    fn a_torn_end_is_cut_off_and_a_flipped_bit_before_it_is_told() {
        let folder = tempfile::tempdir().expect("there is room");
        let path = folder.path().join("scroll");
        let mut frames = Frames::default();
        frames.push(b"one coffee");
        for place in 1..=2 {
            let mut scroll = Scroll::open(&path).expect("free");
            scroll.append(Seq::new(place), &frames).expect("room");
        }
        let whole = fs::read(&path).expect("there");
        let batch = whole.len() / 2;
        for len in batch..whole.len() {
            fs::write(&path, &whole[..len]).expect("room");
            assert_eq!(
                Scroll::open(&path).expect("torn").next,
                Seq::new(2),
                "{len} bytes"
            );
        }
        for at in 4..batch {
            let mut flipped = whole.clone();
            flipped[at] ^= 1;
            fs::write(&path, &flipped).expect("room");
            let told = Scroll::open(&path).err();
            assert!(
                matches!(told, Some(StoreFault::Damaged { .. })),
                "byte {at}: {told:?}"
            );
        }
    }
}
