//! The bytes of an archived segment: what it says of itself, where it ends, and everything between
//! in compressed blocks. Unpacked they are the segment's own bytes, marks and checksums included.

use crate::disk::{DiskFile, read_whole};
use crate::segment::{BadHeader, HEADER_LEN, Header};
use std::io::{self, ErrorKind, Read};

const MAGIC: [u8; 8] = *b"GETTONEA";
/// The layout of archives; a store refuses archives of another.
const LAYOUT: u32 = 1;
/// Bytes before the first block.
const HEAD_LEN: usize = 96;
/// Bytes before each block's own: what it unpacks to, what it is packed, and a checksum.
const BLOCK_HEAD_LEN: usize = 12;
/// What one block unpacks to, save the last.
pub(crate) const BLOCK_BYTES: usize = 256 * 1024;

/// What an archive says of itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Head {
    /// The segment's own header.
    pub(crate) header: Header,
    /// Where what counts of the segment ends.
    pub(crate) end: u64,
}

impl Head {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEAD_LEN);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&LAYOUT.to_le_bytes());
        out.extend_from_slice(&0_u32.to_le_bytes());
        out.extend_from_slice(&self.header.encode());
        out.extend_from_slice(&self.end.to_le_bytes());
        out.extend_from_slice(&0_u32.to_le_bytes());
        out.extend_from_slice(&crc32c::crc32c(&out).to_le_bytes());
        out
    }

    fn decode(bytes: &[u8; HEAD_LEN]) -> Result<Self, BadHeader> {
        if bytes[..8] != MAGIC {
            return Err(BadHeader::NotASegment);
        }
        let (head, sum) = bytes.split_at(HEAD_LEN - 4);
        if crc32c::crc32c(head) != word(sum, 0) {
            return Err(BadHeader::Checksum);
        }
        let layout = word(head, 8);
        if layout != LAYOUT {
            return Err(BadHeader::OtherContainer(layout));
        }
        let header = head
            .get(16..)
            .and_then(|rest| rest.first_chunk::<HEADER_LEN>())
            .ok_or(BadHeader::NotASegment)?;
        let end = u64::from(word(head, 80)) | u64::from(word(head, 84)) << 32;
        Ok(Self {
            header: Header::decode(header)?,
            end,
        })
    }
}

/// Reads what an archive says of itself; none when it is shorter than that.
pub(crate) fn head(file: &dyn DiskFile) -> io::Result<Option<Result<Head, BadHeader>>> {
    let mut bytes = [0; HEAD_LEN];
    let is_whole = read_whole(file, &mut bytes, 0)?;
    Ok(is_whole.then(|| Head::decode(&bytes)))
}

/// Packs a segment's bytes into `to`, block by block; `pause` is told after each.
pub(crate) fn pack(
    from: &dyn DiskFile,
    head: &Head,
    to: &dyn DiskFile,
    pause: &mut dyn FnMut(&dyn DiskFile) -> io::Result<()>,
) -> io::Result<()> {
    to.write_at(&head.encode(), 0)?;
    let mut offset = wide(HEAD_LEN);
    let mut at = wide(HEADER_LEN);
    let mut raw = vec![0; BLOCK_BYTES];
    let mut packed = Vec::new();
    for index in 0_u64.. {
        let left = usize::try_from(head.end.saturating_sub(at)).unwrap_or(usize::MAX);
        if left == 0 {
            break;
        }
        raw.resize(left.min(BLOCK_BYTES), 0);
        if !read_whole(from, &mut raw, at)? {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        packed.resize(lz4_flex::block::get_maximum_output_size(raw.len()), 0);
        let len = lz4_flex::block::compress_into(&raw, &mut packed).map_err(io::Error::other)?;
        packed.truncate(len);
        let mut block = block_head(index, raw.len(), &packed);
        block.append(&mut packed);
        to.write_at(&block, offset)?;
        offset = offset.saturating_add(wide(block.len()));
        at = at.saturating_add(wide(raw.len()));
        pause(to)?;
    }
    Ok(())
}

fn block_head(index: u64, raw: usize, packed: &[u8]) -> Vec<u8> {
    let (raw, len) = (narrow(raw), narrow(packed.len()));
    let mut out = Vec::with_capacity(BLOCK_HEAD_LEN + packed.len());
    out.extend_from_slice(&raw.to_le_bytes());
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(&sum(index, &out, packed).to_le_bytes());
    out
}

fn sum(index: u64, lens: &[u8], packed: &[u8]) -> u32 {
    let sum = crc32c::crc32c_append(crc32c::crc32c(&index.to_le_bytes()), lens);
    crc32c::crc32c_append(sum, packed)
}

/// An archive's blocks, unpacked: the segment's bytes behind its header.
pub(crate) struct Unpacked {
    file: Box<dyn DiskFile>,
    offset: u64,
    index: u64,
    /// What is still to be unpacked.
    left: u64,
    block: Vec<u8>,
    at: usize,
}

impl Unpacked {
    pub(crate) fn new(file: Box<dyn DiskFile>, head: &Head) -> Self {
        Self {
            file,
            offset: wide(HEAD_LEN),
            index: 0,
            left: head.end.saturating_sub(wide(HEADER_LEN)),
            block: Vec::new(),
            at: 0,
        }
    }

    fn next_block(&mut self) -> io::Result<()> {
        let bad = || {
            let what = format!("block {} is not what was written", self.index);
            io::Error::new(ErrorKind::InvalidData, what)
        };
        let mut head = [0; BLOCK_HEAD_LEN];
        if !read_whole(self.file.as_ref(), &mut head, self.offset)? {
            return Err(bad());
        }
        let raw = usize::try_from(word(&head, 0)).unwrap_or(usize::MAX);
        let len = usize::try_from(word(&head, 4)).unwrap_or(usize::MAX);
        if raw == 0
            || raw > BLOCK_BYTES
            || wide(raw) > self.left
            || len > lz4_flex::block::get_maximum_output_size(raw)
        {
            return Err(bad());
        }
        let mut packed = vec![0; len];
        let begin = self.offset.saturating_add(wide(BLOCK_HEAD_LEN));
        if !read_whole(self.file.as_ref(), &mut packed, begin)?
            || sum(self.index, &head[..8], &packed) != word(&head, 8)
        {
            return Err(bad());
        }
        let mut block = core::mem::take(&mut self.block);
        block.resize(raw, 0);
        let unpacked = lz4_flex::block::decompress_into(&packed, &mut block);
        if !unpacked.is_ok_and(|unpacked| unpacked == raw) {
            return Err(bad());
        }
        self.block = block;
        self.at = 0;
        self.index = self.index.saturating_add(1);
        self.left = self.left.saturating_sub(wide(raw));
        self.offset = begin.saturating_add(wide(len));
        Ok(())
    }
}

impl Read for Unpacked {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.at >= self.block.len() {
            if self.left == 0 {
                return Ok(0);
            }
            self.next_block()?;
        }
        let from = self.block.get(self.at..).unwrap_or_default();
        let len = from.len().min(into.len());
        into.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
        self.at = self.at.saturating_add(len);
        Ok(len)
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    bytes
        .get(at..)
        .and_then(|rest| rest.first_chunk())
        .map_or(0, |word| u32::from_le_bytes(*word))
}

fn wide(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

/// A block's lengths fit: it is bounded.
fn narrow(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
