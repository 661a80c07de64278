//! The package of one kind that is being fetched, on flash. What is kept here is what the manifest
//! vouches for, and it is looked at once more before it is used.

use crate::identity::{IdentityFault, read, replace};
use gettone_channel::{CHUNK_LEN, Config as Told, Manifest, PACKAGE_LEN_MAX, Part};
use gettone_relay::{Fetch, Keep};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// One line.
const WANTED_LEN_MAX: u64 = 256;
/// A hash for each chunk of the longest package, and what stands before them.
const MANIFEST_LEN_MAX: u64 = (PACKAGE_LEN_MAX / CHUNK_LEN * 32 + 64) as u64;

/// Where it lies.
#[derive(Clone, Debug)]
pub(super) struct Tray {
    place: PathBuf,
}

impl Tray {
    pub(super) fn of(place: &Path) -> Self {
        Self {
            place: place.to_owned(),
        }
    }

    /// Forgets the package before, and keeps in mind that this one is wanted.
    pub(super) fn begin(&self, told: &Told) -> Result<(), IdentityFault> {
        let write = |source| IdentityFault::Write {
            path: self.place.clone(),
            source,
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.place)
            .map_err(write)?;
        for name in ["wanted", "manifest", "content"] {
            match fs::remove_file(self.place.join(name)) {
                Err(fault) if fault.kind() != io::ErrorKind::NotFound => return Err(write(fault)),
                Ok(()) | Err(_) => {}
            }
        }
        let line = format!("{} {} {}\n", told.version, told.size, told.manifest);
        replace(&self.place, "wanted", line.as_bytes())
    }

    /// Keeps a part of it.
    pub(super) fn keep(&self, part: &Keep) -> Result<(), IdentityFault> {
        let (place, bytes) = match part {
            Keep::Manifest(bytes) => return replace(&self.place, "manifest", bytes),
            Keep::Chunk { place, bytes } => (place, bytes),
        };
        let path = self.place.join("content");
        let at = u64::try_from(place.saturating_mul(CHUNK_LEN)).unwrap_or(u64::MAX);
        let kept = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .and_then(|file| {
                file.write_all_at(bytes, at)?;
                file.sync_all()
            });
        kept.map_err(|source| IdentityFault::Write { path, source })
    }

    /// Reads all of it, chunk by chunk, each checked: nothing where one is not as it should be.
    pub(super) fn read(&self, told: &Told, mut each: impl FnMut(&[u8])) -> Option<()> {
        let manifest = read(&self.place.join("manifest"), MANIFEST_LEN_MAX).ok()?;
        let manifest = Manifest::from_bytes(&manifest, told)?;
        let file = File::open(self.place.join("content")).ok()?;
        for place in 0..manifest.count() {
            let chunk = chunk(&file, told, place)?;
            if !manifest.vouches_for(place, &chunk) {
                return None;
            }
            each(&chunk);
        }
        Some(())
    }

    /// What was being fetched, as far as it is here. What is not above the floor is let go: the power was
    /// cut before that, and it is in place or was given up.
    pub(super) fn resume(&self, floor: u32) -> Option<Fetch> {
        let told = self.wanted().filter(|told| told.number() > floor);
        let Some(told) = told else {
            self.forget();
            return None;
        };
        let manifest = read(&self.place.join("manifest"), MANIFEST_LEN_MAX).unwrap_or_default();
        let file = File::open(self.place.join("content")).ok();
        Fetch::resumed(told, &manifest, |place| chunk(file.as_ref()?, &told, place))
    }

    fn wanted(&self) -> Option<Told> {
        let text = read(&self.place.join("wanted"), WANTED_LEN_MAX).ok()?;
        let text = String::from_utf8(text).ok()?;
        let mut words = text.strip_suffix('\n')?.split(' ');
        let told = Told {
            version: words.next()?.parse().ok()?,
            size: words.next()?.parse().ok()?,
            manifest: words.next()?.parse().ok()?,
        };
        words.next().is_none().then_some(told)
    }

    /// What was fetched is of no use any more; what cannot be removed is removed by the next package.
    pub(super) fn forget(&self) {
        for name in ["wanted", "manifest", "content"] {
            let _ = fs::remove_file(self.place.join(name));
        }
    }
}

fn chunk(file: &File, told: &Told, place: usize) -> Option<Vec<u8>> {
    let at = place.checked_mul(CHUNK_LEN)?;
    let len = told.len_of(Part::Content)?;
    let mut bytes = vec![0; len.checked_sub(at)?.min(CHUNK_LEN)];
    file.read_exact_at(&mut bytes, u64::try_from(at).ok()?)
        .ok()?;
    Some(bytes)
}
