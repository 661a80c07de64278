//! The audit (EVA-DTS) that this machine gives when a reader asks for it, block by block.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use gettone_mdb::Block;
use gettone_mdb::bounds::{FILE_BLOCK_MAX, FILE_LEN_MAX};
use gettone_mdb::file::{AUDIT_FILE, CONTROLLER, FileRequest, Transfer};

use crate::fault::VmcFault;

/// What the machine gives, and how much of it is given.
pub(crate) struct Audit {
    /// Nothing: every file is denied.
    words: Vec<u8>,
    given: Option<Given>,
}

/// A transfer under way.
#[derive(Clone, Copy)]
struct Given {
    /// Who asked.
    to: u8,
    /// The next block.
    next: u8,
}

impl Audit {
    /// The audit in this file; none without a file.
    pub(crate) fn read(path: Option<&Path>) -> Result<Self, VmcFault> {
        let mut words = Vec::new();
        if let Some(path) = path {
            let fault = |source| VmcFault::Audit {
                path: path.to_owned(),
                source,
            };
            let bound = u64::try_from(FILE_LEN_MAX).unwrap_or(u64::MAX);
            let file = File::open(path).map_err(fault)?;
            file.take(bound).read_to_end(&mut words).map_err(fault)?;
        }
        // The last block that can be numbered is left to those who number from 1.
        if words.len() > FILE_LEN_MAX - FILE_BLOCK_MAX {
            return Err(VmcFault::LongAudit);
        }
        Ok(Self { words, given: None })
    }

    /// What the machine says to what the reader says of files.
    pub(crate) fn answer(&mut self, said: &Transfer) -> Option<Transfer> {
        let from = CONTROLLER;
        match *said {
            Transfer::RequestToReceive(wanted) => {
                let is_there = wanted.file == AUDIT_FILE && !self.words.is_empty();
                let to = wanted.from;
                self.given = is_there.then_some(Given { to, next: 0 });
                Some(match is_there {
                    true => Transfer::RequestToSend(FileRequest {
                        to,
                        from,
                        file: AUDIT_FILE,
                        blocks: u8::try_from(self.words.chunks(FILE_BLOCK_MAX).len()).ok()?,
                        control: 0,
                    }),
                    false => Transfer::Retry { to, from, delay: 0 },
                })
            }
            Transfer::Ok { .. } => {
                let Given { to, next: number } = self.given.take()?;
                let piece = self.words.chunks(FILE_BLOCK_MAX).nth(number.into())?;
                let next = number.checked_add(1)?;
                self.given = Some(Given { to, next });
                let piece = Block::of(piece)?;
                Some(Transfer::Block { to, number, piece })
            }
            Transfer::Retry { .. } => {
                self.given = None;
                None
            }
            // This machine takes no files.
            Transfer::RequestToSend(wanted) => Some(Transfer::Retry {
                to: wanted.from,
                from,
                delay: u8::MAX,
            }),
            Transfer::Block { .. } => None,
        }
    }
}
