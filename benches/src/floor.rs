//! What the disk allows: how often it makes 4 KiB durable, with nobody in between.

use crate::conditions::Conditions;
use crate::fault::Fault;
use crate::figures::Figures;
use crate::latencies::Latencies;
use core::time::Duration;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Instant;

/// Bytes of one write.
pub const WRITE_BYTES: usize = 4 * 1024;
/// Bytes of the file, filled with zeros in advance.
pub const FILE_BYTES: usize = 64 * 1024 * 1024;

/// Writes and syncs for `span`, in a file of its own in `dir`.
///
/// # Errors
/// `Fault` when the operating system says no.
pub fn measure(dir: &Path, span: Duration) -> Result<Figures, Fault> {
    let mut conditions = Conditions::of_this_machine();
    conditions.note("write_bytes", WRITE_BYTES);
    conditions.note("file_bytes", FILE_BYTES);
    let place = tempfile::tempdir_in(dir).map_err(Fault::io("making a directory"))?;
    let mut file = OpenOptions::new()
        .create_new(true)
        .write(true)
        .open(place.path().join("floor"))
        .map_err(Fault::io("making a file"))?;
    for _ in 0..FILE_BYTES / WRITE_BYTES {
        file.write_all(&[0; WRITE_BYTES])
            .map_err(Fault::io("filling the file"))?;
    }
    file.sync_all().map_err(Fault::io("syncing the file"))?;

    let block = [0xa5; WRITE_BYTES];
    let mut times = Vec::new();
    let began = Instant::now();
    let mut offset = 0;
    while began.elapsed() < span {
        let flush = Instant::now();
        file.write_all_at(&block, offset)
            .and_then(|()| file.sync_data())
            .map_err(Fault::io("writing and syncing"))?;
        times.push(flush.elapsed());
        offset = (offset + WRITE_BYTES as u64) % FILE_BYTES as u64;
    }
    let span = began.elapsed();
    conditions.note_load_after();
    Ok(Figures {
        name: "floor",
        conditions,
        vends: None,
        flushes: Some(times.len() as f64),
        latencies: times.into_iter().collect::<Latencies>(),
        replies: Latencies::default(),
        bytes_per_vend: None,
        span,
        compare: Vec::new(),
    })
}
