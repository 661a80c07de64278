//! The `words:` link.

use crate::bus::Line;
use gettone_mdb::{Mode, Word};
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

pub(crate) struct Words(UnixStream);

pub(crate) fn open(path: &Path) -> io::Result<Words> {
    Ok(Words(UnixStream::connect(path)?))
}

impl Line for Words {
    fn read(&mut self, wait_max: Duration) -> io::Result<Option<Word>> {
        self.0.set_read_timeout(Some(wait_max))?;
        let mut two = [0; 2];
        match self.0.read_exact(&mut two) {
            Ok(()) => {
                let mode = if two[0] == 1 {
                    Mode::Address
                } else {
                    Mode::Data
                };
                Ok(Some(Word::new(mode, two[1])))
            }
            Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    fn write(&mut self, words: &[Word]) -> io::Result<()> {
        let bytes: Vec<u8> = words
            .iter()
            .flat_map(|word| [u8::from(word.mode() == Mode::Address), word.byte()])
            .collect();
        self.0.write_all(&bytes)
    }
}
