//! A journal in memory, and the start of a board from it.

use crate::receipt::{chain_of, first_chain};
use crate::servers::Servers;
use crate::station::Start;
use crate::status::english;
use gettone_channel as channel;
use gettone_channel::StaticKey;
use gettone_core::board::{Limits, Record, Replay, ReplayFault, Sessions, Stamp};
use gettone_core::id::{JournalEpoch, Order};
use gettone_core::money::Currency;
use gettone_core::time::Timestamp;

/// The flash of a simulated board: it keeps what is given to it until the program ends, and is
/// read like any other when the board starts again.
#[derive(Debug)]
pub struct Flash {
    epoch: JournalEpoch,
    boot: u32,
    records: Vec<Record>,
}

impl Flash {
    /// An empty one, whose journal will have this name.
    pub const fn new(epoch: JournalEpoch) -> Self {
        Self {
            epoch,
            boot: 0,
            records: Vec::new(),
        }
    }

    /// Keeps a record; it is synced at once.
    pub fn keep(&mut self, record: Record) {
        self.records.push(record);
    }

    /// A power cut that leaves so many records: the ones after were never synced.
    pub fn cut(&mut self, kept: usize) {
        self.records.truncate(kept);
    }

    /// Goes on counting starts behind `boot`: the count lies beside the reader's key, and outlives
    /// its journal.
    pub fn has_started(&mut self, boot: u32) {
        self.boot = self.boot.max(boot);
    }

    /// What is kept, oldest first.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// The next start of the board: its journal is begun or an open INTENT ended, and what no
    /// longer matters is let go. The machine takes euros, and one vend a session.
    ///
    /// # Errors
    /// `ReplayFault` when a record was kept that cannot follow the ones before it.
    pub fn start(&mut self, key: StaticKey, servers: Servers) -> Result<Start, ReplayFault> {
        self.boot = self.boot.saturating_add(1);
        let stamp = Stamp {
            order: Order {
                boot: self.boot,
                uptime_ms: 0,
            },
            utc: Timestamp::default(),
        };
        let limits = Limits::PROTOCOL;
        let mut replay = Replay::new(self.epoch, first_chain(self.epoch));
        for record in &self.records {
            replay.take(record)?;
        }
        if let Some(written) = replay.repair(None, stamp, chain_of) {
            let record = Record::Receipt(written);
            replay.take(&record)?;
            self.records.push(record);
        }
        replay.forget(&limits);
        let rewritten = replay.rewritten();
        if let Some(shorter) = rewritten.filter(|shorter| shorter.len() < self.records.len()) {
            self.records = shorter;
        }
        Ok(Start {
            reader: channel::reader_id(&key.public()),
            key,
            servers,
            boot: self.boot,
            past: replay.finish().ok_or(ReplayFault)?,
            limits,
            sessions: Sessions::OneVend,
            currency: Currency::EUR,
            scale: 1,
            firmware: 1,
            line: english,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::servers::Server;
    use gettone_core::id::{Item, Rseq, VendId};

    fn start(flash: &mut Flash) -> Result<Start, ReplayFault> {
        let key = StaticKey::from_bytes([4; 32]).public();
        let servers = Servers::installed(&[Server { epoch: 1, key }]).expect("one key");
        flash.start(StaticKey::from_bytes([3; 32]), servers)
    }

    fn intent(rseq: u64) -> Record {
        Record::Intent {
            rseq: Rseq::new(rseq),
            grant: VendId::from_bytes([7; 16]),
            item: Item::new(11),
            price: 120,
        }
    }

    #[test]
    fn a_vend_that_a_power_cut_left_open_is_ended_once() {
        let mut flash = Flash::new(JournalEpoch::from_bytes([1; 8]));
        let receipts = |start: &Start| (start.boot, start.past.outbox.kept().count());
        assert_eq!(receipts(&start(&mut flash).expect("empty")), (1, 1));
        flash.keep(intent(2));
        assert_eq!(receipts(&start(&mut flash).expect("in order")), (2, 2));
        assert_eq!(receipts(&start(&mut flash).expect("in order")), (3, 2));
    }

    #[test]
    fn records_out_of_order_start_no_board() {
        let mut flash = Flash::new(JournalEpoch::from_bytes([1; 8]));
        flash.keep(intent(9));
        assert_eq!(start(&mut flash).err(), Some(ReplayFault));
    }
}
