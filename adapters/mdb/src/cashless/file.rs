//! Files out of the machine. [MDB 2.6, option b0]
//!
//! The reader only receives. Every piece is answered with OK TO SEND; a piece that comes twice is told once.

use super::{Cashless, Event, FileEnd, State};
use crate::cashless::outbox::Kind;
use crate::file::{CONTROLLER, FileRequest, Transfer};
use crate::message::Message;
use crate::options::Options;

/// A file that comes in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Receiving {
    /// The piece that is to come next.
    next: u16,
    /// How many there are at most; 0 until the controller has said.
    blocks: u16,
}

/// As many as can be numbered. [MDB 2.6]
const BLOCKS_MAX: u16 = 256;

impl Cashless {
    /// Asks for a file at the next POLL.
    pub(super) fn ask_file(&mut self, file: u8) {
        let possible = self.has(Options::FILE_TRANSPORT) && self.state != State::Inactive;
        if !possible || self.receiving.is_some() {
            return self.event(Event::FileOver(FileEnd::NotPossible));
        }
        self.receiving = Some(Receiving {
            next: 0,
            blocks: BLOCKS_MAX,
        });
        let request = FileRequest {
            to: CONTROLLER,
            from: self.config.address.base(),
            file,
            blocks: u8::MAX,
            control: 0,
        };
        self.say(Transfer::RequestToReceive(request));
    }

    pub(super) fn file_frame(&mut self, frame: Transfer) {
        if !self.has(Options::FILE_TRANSPORT) {
            // A controller that offers or wants files although none were agreed on is told "never".
            if let Transfer::RequestToReceive(_) | Transfer::RequestToSend(_) = frame {
                self.say(self.denial());
            }
            return self.ack();
        }
        match frame {
            Transfer::RequestToSend(it) => {
                // A repeat begins where the first one began: nothing has come between.
                if self.receiving.is_some_and(|open| open.next > 0) {
                    self.file_over(FileEnd::Broken);
                }
                let blocks = match it.blocks {
                    0 => BLOCKS_MAX,
                    some => u16::from(some),
                };
                self.receiving = Some(Receiving { next: 0, blocks });
                self.go_on();
            }
            Transfer::Block { number, piece, .. } => self.piece(number, &piece),
            Transfer::Retry { delay, .. } => {
                let after_s = if delay == u8::MAX { 0 } else { delay };
                self.file_over(FileEnd::Denied { after_s });
            }
            Transfer::Ok { .. } => {}
            // This reader has no file to give.
            Transfer::RequestToReceive(_) => self.say(self.denial()),
        }
        self.ack();
    }

    fn piece(&mut self, number: u8, piece: &[u8]) {
        let number = u16::from(number);
        let Some(open) = &mut self.receiving else {
            // The last piece again: its answer was not heard.
            return self.go_on();
        };
        if number != open.next {
            if number.checked_add(1) == Some(open.next) {
                return self.go_on();
            }
            self.file_over(FileEnd::Broken);
            return self.say(self.denial());
        }
        open.next += 1;
        let last = piece.is_empty() || open.next >= open.blocks;
        if let Some(piece) = crate::block::Block::of(piece).filter(|piece| !piece.is_empty()) {
            let number = u8::try_from(number).unwrap_or(u8::MAX);
            self.event(Event::FilePiece { number, piece });
        }
        self.go_on();
        if last {
            self.receiving = None;
            self.event(Event::FileOver(FileEnd::Whole));
        }
    }

    pub(super) fn file_over(&mut self, end: FileEnd) {
        if self.receiving.take().is_some() {
            self.outbox.remove(Kind::File);
            self.event(Event::FileOver(end));
        }
    }

    fn go_on(&mut self) {
        let (to, from) = (CONTROLLER, self.config.address.base());
        self.say(Transfer::Ok { to, from });
    }

    fn denial(&self) -> Transfer {
        Transfer::Retry {
            to: CONTROLLER,
            from: self.config.address.base(),
            delay: 0,
        }
    }

    fn say(&mut self, frame: Transfer) {
        self.outbox.push(Message::File(frame));
    }
}
