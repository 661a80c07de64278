//! Files over the bus, block by block. [MDB 2.6, option b0; the same frames in both directions]

use core::fmt;

use crate::block::Block;
use crate::bounds::FILE_BLOCK_MAX;

/// Who a file frame is for: 00 is the controller, others are the addresses of devices.
pub const CONTROLLER: u8 = 0x00;
/// The file of EVA-DTS audit data.
pub const AUDIT_FILE: u8 = 0x01;

/// One frame about a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transfer {
    /// FA, 1B: give me this file.
    RequestToReceive(FileRequest),
    /// FB, 1C: not now, or never.
    Retry {
        /// Whom it is for.
        to: u8,
        /// Whom it is from.
        from: u8,
        /// When to try again, in seconds; 00 is never, FF is not supported.
        delay: u8,
    },
    /// FC, 1D: a piece of the file; an empty one ends it early.
    Block {
        /// Whom it is for.
        to: u8,
        /// Which piece, from 0.
        number: u8,
        /// At most [`FILE_BLOCK_MAX`] bytes.
        piece: Block,
    },
    /// FD, 1E: go on.
    Ok {
        /// Whom it is for.
        to: u8,
        /// Whom it is from.
        from: u8,
    },
    /// FE, 1F: take this file.
    RequestToSend(FileRequest),
}

/// Which file, and how much of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileRequest {
    /// Whom it is for.
    pub to: u8,
    /// Whom it is from.
    pub from: u8,
    /// 00 a manufacturer's identity, 01 EVA-DTS, F0 to FF vendors' own.
    pub file: u8,
    /// How many blocks there are at most.
    pub blocks: u8,
    /// b0 reset the file afterwards, b1 the last session of this file.
    pub control: u8,
}

impl Transfer {
    /// Its place among the five, the same from either side.
    pub(crate) const fn place(&self) -> u8 {
        match self {
            Self::RequestToReceive(_) => 0,
            Self::Retry { .. } => 1,
            Self::Block { .. } => 2,
            Self::Ok { .. } => 3,
            Self::RequestToSend(_) => 4,
        }
    }

    pub(crate) fn print(&self, block: &mut Block) {
        match *self {
            Self::RequestToReceive(it) | Self::RequestToSend(it) => {
                block.put(&[it.to, it.from, it.file, it.blocks, it.control]);
            }
            Self::Retry { to, from, delay } => block.put(&[to, from, delay]),
            Self::Block { to, number, piece } => {
                block.put(&[to, number]);
                block.put(
                    piece
                        .get(..piece.len().min(FILE_BLOCK_MAX))
                        .unwrap_or_default(),
                );
            }
            Self::Ok { to, from } => block.put(&[to, from]),
        }
    }

    pub(crate) fn parse(place: u8, fields: &[u8]) -> Option<Self> {
        Some(match (place, fields) {
            (0, request) => Self::RequestToReceive(FileRequest::parse(request)?),
            (1, &[to, from, delay]) => Self::Retry { to, from, delay },
            (2, &[to, number, ref piece @ ..]) if piece.len() <= FILE_BLOCK_MAX => Self::Block {
                to,
                number,
                piece: Block::of(piece)?,
            },
            (3, &[to, from]) => Self::Ok { to, from },
            (4, request) => Self::RequestToSend(FileRequest::parse(request)?),
            _ => return None,
        })
    }
}

impl FileRequest {
    const fn parse(fields: &[u8]) -> Option<Self> {
        let &[to, from, file, blocks, control] = fields else {
            return None;
        };
        Some(Self {
            to,
            from,
            file,
            blocks,
            control,
        })
    }
}

impl fmt::Display for Transfer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RequestToReceive(it) => {
                write!(f, "FILE {:02X} WANTED of {} blocks", it.file, it.blocks)
            }
            Self::Retry { delay: 0x00, .. } => f.write_str("FILE DENIED"),
            Self::Retry { delay: 0xFF, .. } => f.write_str("FILES NOT SUPPORTED"),
            Self::Retry { delay, .. } => write!(f, "FILE LATER in {delay} s"),
            Self::Block { number, piece, .. } => {
                write!(f, "FILE BLOCK {number} of {} bytes", piece.len())
            }
            Self::Ok { .. } => f.write_str("FILE OK TO SEND"),
            Self::RequestToSend(it) => {
                write!(f, "FILE {:02X} OFFERED of {} blocks", it.file, it.blocks)
            }
        }
    }
}
