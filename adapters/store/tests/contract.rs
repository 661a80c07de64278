//! Both stores keep every claim of the contract.

use gettone_core::port::{Store, StoreFault};
use gettone_store::contract::{self, Place};
use gettone_store::{File, FileSettings, Memory, Tape};
use tempfile::TempDir;

struct OnTape(Tape);

impl Place for OnTape {
    fn open(&self) -> Result<Box<dyn Store>, StoreFault> {
        Ok(Box::new(Memory::reopen(&self.0)?))
    }
}

struct InDirectory(TempDir, FileSettings);

impl Place for InDirectory {
    fn open(&self) -> Result<Box<dyn Store>, StoreFault> {
        Ok(Box::new(File::open(
            &self.0.path().join("journal"),
            self.1,
        )?))
    }
}

fn in_directory(segment_bytes: u64) -> Box<dyn Place> {
    let settings = FileSettings {
        segment_bytes,
        ..FileSettings::default()
    };
    Box::new(InDirectory(
        tempfile::tempdir().expect("a directory"),
        settings,
    ))
}

#[test]
fn memory_keeps_the_contract() {
    contract::check(&|| Box::new(OnTape(Tape::default())));
}

#[test]
fn files_keep_the_contract() {
    contract::check(&|| in_directory(1024 * 1024));
}

#[test]
fn files_keep_the_contract_when_nearly_every_batch_needs_a_new_segment() {
    contract::check(&|| in_directory(4096));
}

#[test]
fn shelves_in_memory_and_in_files_keep_their_contract() {
    contract::check_shelf(&|| Box::new(OnTape(Tape::default())));
    contract::check_shelf(&|| in_directory(64 * 1024));
}
