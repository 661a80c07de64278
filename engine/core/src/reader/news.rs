use crate::counters::Counters;
use crate::grant::Terms;
use crate::id::{Chain, JournalEpoch, Nonce, Order, VendId, VmcId, WalletId};
use crate::money::Amount;
use crate::notice::Notice;
use crate::receipt::Receipt;
use rkyv::{Archive, Deserialize, Serialize};

/// What a reader says of itself and of its machine; for people, it decides nothing.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
pub struct Facts {
    /// Its firmware's version: major, minor, patch, a byte each.
    pub firmware: u32,
    /// The MDB state of its machine, by its number on the wire; 0 when it is not known.
    pub mdb_state: u8,
    /// Its machine's controller.
    pub vmc: VmcId,
}

impl Default for Facts {
    fn default() -> Self {
        Self {
            firmware: 0,
            mdb_state: 0,
            vmc: VmcId::from_bytes([0; 8]),
        }
    }
}

/// What the server uses of a HELLO.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hello {
    /// The journal that the reader writes now.
    pub epoch: JournalEpoch,
    /// When it was made.
    pub order: Order,
    /// What the answer must name.
    pub nonce: Nonce,
    /// The newest receipt on the reader's flash.
    pub rseq_newest: u64,
    /// The newest receipt that the server has acknowledged, as the reader knows.
    pub acked: u64,
    /// What it says of itself.
    pub facts: Facts,
}

/// Whose the purchase is that a HELLO opens, and on what terms.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ask {
    /// The HELLO's nonce.
    pub nonce: Nonce,
    /// The hold's name, made from reader and nonce.
    pub vend: VendId,
    /// Who pays.
    pub wallet: WalletId,
    /// What may be held.
    pub terms: Terms,
}

/// One authentic envelope's news.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct News {
    /// The journal epoch of its receipts.
    pub epoch: JournalEpoch,
    /// What that epoch's first receipt links to.
    pub first: Chain,
    /// Its HELLO, when it has one.
    pub hello: Option<Hello>,
    /// Who claims that HELLO, when somebody does with the right link.
    pub ask: Option<Ask>,
    /// Its receipts.
    pub receipts: Vec<Receipt>,
    /// Its notices for the technician.
    pub notices: Vec<Notice>,
    /// Its counters, which go on to its machine.
    pub counters: Option<Counters>,
}

/// What a claim was answered with; kept, so that a repeated relay gets the same.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// Money is held.
    Granted {
        /// How much.
        held: Amount,
        /// For at most this many vends.
        vends_max: u8,
        /// How much cash may be put in.
        revalue_max: Amount,
        /// What the customer could spend at this operator, this hold included.
        balance: Amount,
    },
    /// The money does not suffice.
    Funds {
        /// What is missing for the cheapest product.
        short_by: Amount,
        /// What earlier vends still hold.
        pending: Amount,
    },
    /// The customer is blocked: debt, or a wallet that cannot pay here.
    Blocked,
}
