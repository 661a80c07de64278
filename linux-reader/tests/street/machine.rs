//! A vending machine's controller, written from the MDB reference and nothing of ours.

use super::PATIENCE;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::{Duration, Instant};

const NOTHING: [u8; 0] = [];

pub(crate) struct Machine {
    listener: UnixListener,
    line: Option<UnixStream>,
    level: u8,
    /// What it switches on at level 3, and what it was offered.
    options: u32,
    offered: u32,
    /// All that its display was given.
    pub(crate) shown: String,
}

impl Machine {
    pub(crate) fn listen(path: &Path) -> Self {
        let _ = std::fs::remove_file(path);
        Self {
            listener: UnixListener::bind(path).expect("a free path"),
            line: None,
            level: 1,
            options: 0,
            offered: 0,
            shown: String::new(),
        }
    }

    /// Takes the reader's connection and brings it to Enabled.
    pub(crate) fn power_up(&mut self) {
        let (line, _) = self.listener.accept().expect("a reader");
        line.set_read_timeout(Some(Duration::from_secs(2)))
            .expect("settable");
        self.line = Some(line);
        self.initialise();
    }

    /// As [`Machine::power_up`], speaking level 2 and lending a display of 16 x 2.
    pub(crate) fn power_up_level_2(&mut self) {
        self.level = 2;
        self.power_up();
    }

    /// As [`Machine::power_up`], speaking level 3 and switching these options on; gives those that were offered.
    pub(crate) fn power_up_level_3(&mut self, options: u32) -> u32 {
        self.level = 3;
        self.options = options;
        self.power_up();
        self.offered
    }

    fn switch_on(&mut self) {
        let mut request = vec![0x17, 0x00];
        request.extend(b"ABC000000000042VMC-1       ");
        request.extend([0x01, 0x07]);
        let id = self.say(&request);
        assert_eq!((id[0], id.len()), (0x09, 34), "PERIPHERAL ID of level 3");
        self.offered = u32::from_be_bytes([id[30], id[31], id[32], id[33]]);
        let [o1, o2, o3, o4] = self.options.to_be_bytes();
        assert_eq!(self.say(&[0x17, 0x04, o1, o2, o3, o4]), NOTHING);
    }

    /// Polls until the reader wants a selection; gives the item and its options.
    pub(crate) fn await_selection(&mut self) -> (u16, u32) {
        let wish = self.poll_for(0x14);
        assert_eq!(wish.len(), 16, "SELECTION REQUEST of 16 bits");
        let item = u16::from_be_bytes([wish[10], wish[11]]);
        let options = u32::from_be_bytes([wish[12], wish[13], wish[14], wish[15]]);
        (item, options)
    }

    /// Refuses the selection that the reader wants, for a reason of the standard's table 7.
    pub(crate) fn refuse_selection(&mut self, item: u16, reason: u8) {
        let [i1, i2] = item.to_be_bytes();
        assert_eq!(self.say(&[0x13, 0x07, i1, i2, reason]), NOTHING);
    }

    /// Something is bought for cash.
    pub(crate) fn sell_for_cash(&mut self, price: u16, item: u16) {
        let [p1, p2] = price.to_be_bytes();
        let [i1, i2] = item.to_be_bytes();
        assert_eq!(self.say(&[0x13, 0x05, p1, p2, i1, i2]), NOTHING);
    }

    /// How much cash may be put in; none where none may.
    pub(crate) fn cash_limit(&mut self) -> Option<u16> {
        let answer = self.ask(&[0x15, 0x01]);
        match answer[0] {
            0x0f => Some(u16::from_be_bytes([answer[1], answer[2]])),
            0x0e => None,
            other => panic!("{other:#04x} is no limit"),
        }
    }

    /// Offers cash; says whether the reader took it.
    pub(crate) fn put_in(&mut self, amount: u16) -> bool {
        let [a1, a2] = amount.to_be_bytes();
        match self.ask(&[0x15, 0x00, a1, a2])[0] {
            0x0d => true,
            0x0e => false,
            other => panic!("{other:#04x} is no verdict"),
        }
    }

    fn ask(&mut self, block: &[u8]) -> Vec<u8> {
        let mut answer = self.say(block);
        let began = Instant::now();
        while answer.is_empty() || answer[0] == 0x02 {
            assert!(began.elapsed() < PATIENCE, "no answer");
            answer = self.poll();
        }
        answer
    }

    pub(crate) fn initialise(&mut self) {
        assert_eq!(self.say(&[0x10]), NOTHING, "RESET is acknowledged");
        assert_eq!(self.say(&[0x12]), [0x00], "JUST RESET");
        let config = match self.level {
            1 => self.say(&[0x11, 0x00, 0x01, 0x00, 0x00, 0x00]),
            level => self.say(&[0x11, 0x00, level, 0x10, 0x02, 0x00]),
        };
        assert_eq!(config.first(), Some(&0x01), "READER CONFIG");
        assert_eq!(self.say(&[0x11, 0x01, 0x01, 0x2c, 0x00, 0x14]), NOTHING);
        if self.level == 3 {
            self.switch_on();
        }
        assert_eq!(self.say(&[0x14, 0x01]), NOTHING, "READER ENABLE");
    }

    pub(crate) fn reset(&mut self) {
        assert_eq!(self.say(&[0x10]), NOTHING);
    }

    /// Polls until a session begins; gives its funds.
    pub(crate) fn await_session(&mut self) -> u16 {
        let begin = self.poll_for(0x03);
        u16::from_be_bytes([begin[1], begin[2]])
    }

    /// Asks for a vend and polls for the verdict: the amount, if it may.
    pub(crate) fn select(&mut self, price: u16, item: u16) -> Option<u16> {
        let [p1, p2] = price.to_be_bytes();
        let [i1, i2] = item.to_be_bytes();
        // The reader may use the display meanwhile.
        let answer = self.ask(&[0x13, 0x00, p1, p2, i1, i2]);
        match answer[0] {
            0x05 => Some(u16::from_be_bytes([answer[1], answer[2]])),
            0x06 => None,
            other => panic!("{other:#04x} is no verdict"),
        }
    }

    /// Asks whether something brought back may be credited, and polls for the verdict.
    pub(crate) fn bring_back(&mut self, value: u16, item: u16) -> Option<u16> {
        let [v1, v2] = value.to_be_bytes();
        let [i1, i2] = item.to_be_bytes();
        let answer = self.ask(&[0x13, 0x06, v1, v2, i1, i2]);
        match answer[0] {
            0x05 => Some(u16::from_be_bytes([answer[1], answer[2]])),
            0x06 => None,
            other => panic!("{other:#04x} is no verdict"),
        }
    }

    /// Asks for so many items in one vend, and polls for the verdict.
    pub(crate) fn select_basket(&mut self, price: u16, count: u8) -> Option<u16> {
        let [p1, p2] = price.to_be_bytes();
        let answer = self.ask(&[0x13, 0x00, p1, p2, 0xff, 0xff, 0, 0, 0, 0, count, 0, 0]);
        match answer[0] {
            0x05 => Some(u16::from_be_bytes([answer[1], answer[2]])),
            0x06 => None,
            other => panic!("{other:#04x} is no verdict"),
        }
    }

    /// One item of a basket fell; so many are still to come.
    pub(crate) fn deliver_part(&mut self, item: u16, amount: u16, left: u8) {
        let [i1, i2] = item.to_be_bytes();
        let [a1, a2] = amount.to_be_bytes();
        assert_eq!(self.say(&[0x13, 0x02, i1, i2, a1, a2, left, 0, 0]), NOTHING);
    }

    /// One item of a basket is stuck; so many are still to come.
    pub(crate) fn fail_part(&mut self, item: u16, amount: u16, left: u8) {
        let [i1, i2] = item.to_be_bytes();
        let [a1, a2] = amount.to_be_bytes();
        let block = [0x13, 0x03, i1, i2, a1, a2, left, 0, 0, 0x02];
        assert_eq!(self.say(&block), NOTHING);
    }

    /// Gives the file that the reader asks for, in blocks; gives which file that was.
    pub(crate) fn give_file(&mut self, words: &[u8]) -> u8 {
        let wanted = self.poll_for(0x1b);
        let pieces: Vec<&[u8]> = words.chunks(31).collect();
        let count = u8::try_from(pieces.len()).expect("a short file");
        assert_eq!(
            self.say(&[0x17, 0xfe, 0x10, 0x00, wanted[3], count, 0x00]),
            NOTHING
        );
        self.poll_for(0x1e);
        for (number, piece) in (0_u8..).zip(pieces) {
            let mut block = vec![0x17, 0xfc, 0x10, number];
            block.extend(piece);
            assert_eq!(self.say(&block), NOTHING);
            self.poll_for(0x1e);
        }
        wanted[3]
    }

    pub(crate) fn deliver(&mut self, item: u16) {
        let [i1, i2] = item.to_be_bytes();
        assert_eq!(self.say(&[0x13, 0x02, i1, i2]), NOTHING);
    }

    pub(crate) fn fail(&mut self) {
        assert_eq!(self.say(&[0x13, 0x03]), NOTHING);
    }

    /// Ends the session, as after a vend or at the return lever.
    pub(crate) fn end_session(&mut self) {
        let answer = self.say(&[0x13, 0x04]);
        if answer.is_empty() {
            self.poll_for(0x07);
        }
    }

    /// Ends the session with a reader that may answer only at a POLL.
    pub(crate) fn end_session_by_poll(&mut self) {
        let answer = self.say(&[0x13, 0x04]);
        assert_eq!(answer, NOTHING, "SESSION COMPLETE is acknowledged");
        self.poll_for(0x07);
    }

    /// Polls until the reader asks for the session's end, then ends it.
    pub(crate) fn await_cancel(&mut self) {
        self.poll_for(0x04);
        self.end_session();
    }

    /// Polls for a while, so that the reader has its say.
    pub(crate) fn idle(&mut self, polls: usize) {
        for _ in 0..polls {
            self.poll();
        }
    }

    /// Polls for a while, and must not be told this.
    pub(crate) fn never_hears(&mut self, code: u8, polls: usize) {
        for _ in 0..polls {
            assert_ne!(self.poll().first(), Some(&code));
        }
    }

    fn poll_for(&mut self, code: u8) -> Vec<u8> {
        let began = Instant::now();
        loop {
            let answer = self.poll();
            match answer.first() {
                Some(found) if *found == code => return answer,
                _ => assert!(began.elapsed() < PATIENCE, "{code:#04x} did not come"),
            }
        }
    }

    pub(crate) fn poll(&mut self) -> Vec<u8> {
        self.say(&[0x12])
    }

    /// Sends a block; gives the answer's data, nothing for an ACK. Answers are acknowledged.
    fn say(&mut self, block: &[u8]) -> Vec<u8> {
        let check = block.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
        let mut words = vec![1, block[0]];
        for byte in block[1..].iter().chain([&check]) {
            words.extend([0, *byte]);
        }
        let line = self.line.as_mut().expect("powered up");
        line.write_all(&words).expect("a reader");
        let mut answer = Vec::new();
        loop {
            let mut word = [0; 2];
            line.read_exact(&mut word).expect("an answer in time");
            answer.push(word[1]);
            if word[0] == 1 {
                break;
            }
        }
        if answer.len() == 1 {
            assert_eq!(answer, [0x00], "an ACK");
            return Vec::new();
        }
        line.write_all(&[0, 0]).expect("a reader");
        let check = answer.pop().expect("a checksum");
        let sum = answer
            .iter()
            .fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
        assert_eq!(check, sum, "a good checksum");
        if answer.first() == Some(&0x02) {
            let text = answer.get(2..).unwrap_or_default();
            self.shown.push_str(&String::from_utf8_lossy(text));
        }
        answer
    }
}
