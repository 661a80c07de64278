//! Files that once were found, or that show the way, run again as they are.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

/// Runs a target over the files named, or over every seed of it; gives how many there were.
///
/// # Panics
/// When a file cannot be read, or the target finds fault with it: its name was printed before.
pub fn replay(target: &str, named: impl IntoIterator<Item = OsString>, run: fn(&[u8])) -> usize {
    let mut files: Vec<PathBuf> = named.into_iter().map(PathBuf::from).collect();
    if files.is_empty() {
        let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
        let seeds = fs::read_dir(seeds.join(target)).expect("a target has a folder of seeds");
        files.extend(seeds.map(|entry| entry.expect("a folder of ours").path()));
        files.sort();
    }
    for file in &files {
        let bytes = fs::read(file).unwrap_or_else(|fault| panic!("{}: {fault}", file.display()));
        println!("{} ({} bytes)", file.display(), bytes.len());
        run(&bytes);
    }
    files.len()
}
