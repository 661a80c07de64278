use crate::bounds::FRAME_MAX;
use crate::disk::DiskFile;
use crate::file::io_fault;
use crate::segment::{
    ALIGN, FRAME_HEAD_LEN, FrameHead, HEADER_LEN, Header, MARK_LEN, Mark, Seed, padded,
};
use gettone_core::port::{Each, Seq, StoreFault};
use std::io::{self, BufReader, ErrorKind, Read};

const READ_BYTES: usize = 256 * 1024;

/// Where the sound frames of a segment end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct End {
    /// The place of the next frame.
    pub(crate) next: Seq,
    /// Where it would stand in the file.
    pub(crate) offset: u64,
}

/// Finds the end of the last segment. A torn end is a crash's doing, and what is torn was never
/// answered for. But what stands before a later batch was durable once: then it is damaged.
pub(crate) fn to_the_end(
    file: &dyn DiskFile,
    header: &Header,
    segment: &str,
) -> Result<End, StoreFault> {
    let mut walk = Walk::begin(Bytes::of(file, wide(HEADER_LEN)), header, segment);
    let end = walk.frames(None, &mut |_, _| Ok(()))?;
    walk.input = BufReader::with_capacity(READ_BYTES, Bytes::of(file, end.offset));
    if let Some(later) = walk.later_batch(end.offset)? {
        return Err(StoreFault::Damaged {
            place: segment.to_owned(),
            what: format!(
                "frame {} at byte {} is unreadable, though frame {} was written after it",
                end.next.number(),
                end.offset,
                later.first.number()
            ),
        });
    }
    Ok(end)
}

/// Gives every frame of a sealed segment, up to where the segment `after` it begins. What it reads
/// begins behind the header.
pub(crate) fn up_to(
    input: impl Read,
    headers: (&Header, &Header),
    segment: &str,
    each: &mut Each<'_>,
) -> Result<(), StoreFault> {
    let (header, after) = headers;
    let end = Walk::begin(input, header, segment).frames(Some(after.first), each)?;
    if (end.next, end.offset) == (after.first, after.before.end) {
        Ok(())
    } else {
        Err(StoreFault::Damaged {
            place: segment.to_owned(),
            what: format!(
                "frame {} at byte {} is unreadable",
                end.next.number(),
                end.offset
            ),
        })
    }
}

/// Gives the frames of a segment that come before `stop`, while they are sound; tells the place
/// behind the last one.
pub(crate) fn until(
    input: impl Read,
    header: &Header,
    (stop, segment): (Seq, &str),
    each: &mut Each<'_>,
) -> Result<Seq, StoreFault> {
    let end = Walk::begin(input, header, segment).frames(Some(stop), each)?;
    Ok(end.next)
}

/// A file's bytes from some place on.
pub(crate) struct Bytes<'a> {
    file: &'a dyn DiskFile,
    at: u64,
}

impl<'a> Bytes<'a> {
    pub(crate) fn of(file: &'a dyn DiskFile, from: u64) -> Self {
        Self { file, at: from }
    }
}

impl Read for Bytes<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let len = self.file.read_at(into, self.at)?;
        self.at = self.at.saturating_add(wide(len));
        Ok(len)
    }
}

struct Walk<'a, R> {
    input: BufReader<R>,
    seed: Seed,
    at: End,
    segment: &'a str,
}

impl<'a, R: Read> Walk<'a, R> {
    fn begin(input: R, header: &Header, segment: &'a str) -> Self {
        Self {
            input: BufReader::with_capacity(READ_BYTES, input),
            seed: header.seed(),
            at: End {
                next: header.first,
                offset: wide(HEADER_LEN),
            },
            segment,
        }
    }

    /// Gives frames until one is unsound, or `stop` is reached.
    fn frames(&mut self, stop: Option<Seq>, each: &mut Each<'_>) -> Result<End, StoreFault> {
        let mut payload = Vec::new();
        while stop != Some(self.at.next) {
            let before = self.at;
            let Some(mark) = self.mark()? else { break };
            for _ in 0..mark.frames {
                if stop == Some(self.at.next) {
                    break;
                }
                if !self.frame(&mut payload)? {
                    // A mark without a sound frame behind it belongs to nothing.
                    if self.at.next == before.next {
                        self.at = before;
                    }
                    return Ok(self.at);
                }
                each(self.at.next, &payload)?;
                let len = FRAME_HEAD_LEN.saturating_add(padded(payload.len()));
                self.at.offset = self.at.offset.saturating_add(wide(len));
                self.at.next = self.at.next.after(1);
            }
        }
        Ok(self.at)
    }

    fn mark(&mut self) -> Result<Option<Mark>, StoreFault> {
        let Some(bytes) = self.read::<MARK_LEN>()? else {
            return Ok(None);
        };
        let mark = Mark::decode(&bytes, self.seed, self.at.offset)
            .filter(|mark| mark.first == self.at.next);
        if mark.is_some() {
            self.at.offset = self.at.offset.saturating_add(wide(MARK_LEN));
        }
        Ok(mark)
    }

    fn frame(&mut self, payload: &mut Vec<u8>) -> Result<bool, StoreFault> {
        let Some(head) = self.read()?.and_then(FrameHead::decode) else {
            return Ok(false);
        };
        let len = usize::try_from(head.len).unwrap_or(usize::MAX);
        if len > FRAME_MAX {
            return Ok(false);
        }
        payload.resize(padded(len), 0);
        if !fill(&mut self.input, payload).map_err(|source| self.fault(source))? {
            return Ok(false);
        }
        let padding_is_clean = payload
            .get(len..)
            .is_some_and(|padding| padding.iter().all(|byte| *byte == 0));
        payload.truncate(len);
        Ok(padding_is_clean && head.vouches_for(self.seed, self.at.next, payload))
    }

    /// Looks for the sound mark of a later batch anywhere behind `offset`, where the input stands.
    fn later_batch(&mut self, offset: u64) -> Result<Option<Mark>, StoreFault> {
        let mut window = Vec::new();
        let mut begin = offset;
        loop {
            let taken = Read::by_ref(&mut self.input)
                .take(wide(READ_BYTES))
                .read_to_end(&mut window)
                .map_err(|source| self.fault(source))?;
            let mut at = 0;
            while let Some(bytes) = window.get(at..).and_then(<[u8]>::first_chunk::<MARK_LEN>) {
                let place = begin.saturating_add(wide(at));
                if let Some(mark) = Mark::decode(bytes, self.seed, place)
                    && mark.first > self.at.next
                {
                    return Ok(Some(mark));
                }
                at += ALIGN;
            }
            if taken == 0 {
                return Ok(None);
            }
            window.drain(..at);
            begin = begin.saturating_add(wide(at));
        }
    }

    fn read<const N: usize>(&mut self) -> Result<Option<[u8; N]>, StoreFault> {
        let mut bytes = [0; N];
        let whole = fill(&mut self.input, &mut bytes).map_err(|source| self.fault(source))?;
        Ok(whole.then_some(bytes))
    }

    fn fault(&self, source: io::Error) -> StoreFault {
        if source.kind() == ErrorKind::InvalidData {
            return StoreFault::Damaged {
                place: self.segment.to_owned(),
                what: source.to_string(),
            };
        }
        io_fault(format!("reading {}", self.segment), source)
    }
}

/// Fills `bytes`; false at the end of the file.
fn fill(input: &mut impl Read, bytes: &mut [u8]) -> io::Result<bool> {
    match input.read_exact(bytes) {
        Ok(()) => Ok(true),
        Err(short) if short.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(fault) => Err(fault),
    }
}

fn wide(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}
