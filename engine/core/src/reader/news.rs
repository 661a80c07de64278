use crate::grant::Terms;
use crate::id::{Chain, JournalEpoch, Nonce, Order, VendId, WalletId};
use crate::money::Amount;
use crate::receipt::Receipt;
use rkyv::{Archive, Deserialize, Serialize};

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
