//! What is durable in a directory of segments, read beside the store that writes it.

use crate::archive;
use crate::disk::Disk;
use crate::file::{archive_name, io_fault, segment_name};
use crate::scan::{self, Bytes};
use crate::segment::{HEADER_LEN, Header};
use gettone_core::port::{Each, History, Seq, StoreFault};
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, PoisonError};

/// The headers of all segments, oldest first; the last one is being written.
#[derive(Clone, Debug)]
pub(crate) struct Headers(Arc<Mutex<Vec<Header>>>);

impl Headers {
    pub(crate) fn new(all: impl Iterator<Item = Header>) -> Self {
        Self(Arc::new(Mutex::new(all.collect())))
    }

    /// Another segment has begun.
    pub(crate) fn push(&self, header: Header) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(header);
    }

    /// Those with frames from `from` on and before `upto`, and the one after them if there is one.
    fn around(&self, from: Seq, upto: Seq) -> Vec<Header> {
        let headers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let begin = headers.partition_point(|header| header.first <= from);
        let end = headers.partition_point(|header| header.first < upto);
        let wanted = begin.saturating_sub(1)..end.saturating_add(1).min(headers.len());
        headers.get(wanted).unwrap_or_default().to_vec()
    }
}

/// The frames of a directory's journal, from segments and archives.
#[derive(Debug)]
pub(crate) struct FileHistory {
    disk: Arc<dyn Disk>,
    headers: Headers,
}

impl FileHistory {
    pub(crate) fn new(disk: Arc<dyn Disk>, headers: Headers) -> Self {
        Self { disk, headers }
    }

    /// Gives the frames of one segment from `at` on and before `stop`. Its file may be archived and
    /// used again at any moment: what is written there then vouches for nothing of this segment,
    /// and the rest is in the archive.
    fn segment(
        &self,
        header: &Header,
        (mut at, stop): (Seq, Seq),
        each: &mut Each<'_>,
    ) -> Result<(), StoreFault> {
        let mut next = |seq: Seq, payload: &[u8]| {
            if seq >= at {
                each(seq, payload)?;
                at = seq.after(1);
            }
            Ok(())
        };
        let mut end = header.first;
        let name = segment_name(header.number);
        let mut place = self.disk.place(&name);
        match self.disk.open(&name) {
            Ok(file) => {
                let from = u64::try_from(HEADER_LEN).unwrap_or(u64::MAX);
                let bytes = Bytes::of(file.as_ref(), from);
                end = scan::until(bytes, header, (stop, &place), &mut next)?;
            }
            Err(fault) if fault.kind() == ErrorKind::NotFound => {}
            Err(source) => return Err(io_fault(format!("opening {place}"), source)),
        }
        let archived = archive_name(header.number);
        if end < stop {
            let reading = |source: io::Error| {
                io_fault(format!("reading {}", self.disk.place(&archived)), source)
            };
            match self.disk.open(&archived) {
                Ok(file) => {
                    place = self.disk.place(&archived);
                    let head = archive::head(file.as_ref()).map_err(reading)?;
                    if let Some(Ok(head)) = head
                        && head.header == *header
                    {
                        let unpacked = archive::Unpacked::new(file, &head);
                        end = scan::until(unpacked, header, (stop, &place), &mut next)?;
                    }
                }
                Err(fault) if fault.kind() == ErrorKind::NotFound => {}
                Err(source) => return Err(reading(source)),
            }
        }
        if end < stop {
            return Err(StoreFault::Damaged {
                place,
                what: format!("frame {} is unreadable", end.number()),
            });
        }
        Ok(())
    }
}

impl History for FileHistory {
    fn read(&self, from: Seq, upto: Seq, each: &mut Each<'_>) -> Result<(), StoreFault> {
        let headers = self.headers.around(from, upto);
        let mut at = from.max(Seq::FIRST);
        for (place, header) in headers.iter().enumerate() {
            let after = headers.get(place.saturating_add(1));
            let stop = after.map_or(upto, |after| after.first.min(upto));
            if at < stop {
                self.segment(header, (at, stop), each)?;
                at = stop;
            }
        }
        Ok(())
    }
}
