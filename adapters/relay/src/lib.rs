//! Between the rules and the wire: one home for what reader and server both map, and [`Station`], a
//! whole reader board without I/O.
//!
//! `gettone_core` knows what may happen and nothing of bytes; `gettone_channel` knows bytes and
//! nothing of what may happen. Here the same facts are put into the words of both: `_out` writes
//! them as they travel, `_in` reads them back. A [`Station`] is a board's rules with its link, its
//! envelopes and the server's keys: whole messages and the machine's facts go in, whole messages,
//! records and the machine's orders come out.
//!
//! It reads no clock, no file, no socket and no random source: time and random bytes are handed in.
//! It decides nothing that is not decided in the rules below it, and its log lines hold no secret.
//!
//! ```
//! use gettone_channel::{Secret, StaticKey};
//! use gettone_core::board::Code;
//! use gettone_core::id::JournalEpoch;
//! use gettone_relay::{Entropy, Flash, Input, Output, Server, Servers, Station};
//! use core::time::Duration;
//!
//! let key = StaticKey::from_bytes([3; 32]);
//! let server = Server { epoch: 1, key: StaticKey::from_bytes([4; 32]).public() };
//! let servers = Servers::installed(&[server]).expect("one key");
//! let mut flash = Flash::new(JournalEpoch::from_bytes([1; 8]));
//! let mut station = Station::new(flash.start(key, servers).expect("it is empty"));
//! let seen = Input::CodeSeen(Code::from_bytes([7; 10]));
//! station.handle(Duration::ZERO, seen, Entropy::take(&mut [9; Entropy::LEN]));
//! let asks: Vec<Output> = core::iter::from_fn(|| station.poll()).collect();
//! assert!(asks.contains(&Output::Advertise(Secret::light([7; 10]).eid())));
//! ```

mod answer;
mod bounds;
mod care;
mod claim;
mod flash;
mod greeting;
mod keyring;
mod letter;
mod names;
mod receipt;
mod reply;
mod servers;
mod station;
mod status;
mod token;

pub use answer::answer_in;
pub use bounds::{CONFIGURATION_LEN_MAX, GRANT_LIFE, LINK_1_MAX, ROAD_HELLO_EVERY, TYPED_DIGITS};
pub use care::{Fetch, Keep};
pub use claim::{Asked, Outcome, Place, Reason, claim};
pub use flash::Flash;
pub use greeting::{ReaderFacts, Standing, counters_out, greeting_out, notices_out, receipts_out};
pub use keyring::{KEYS_MAX, KeyRing, KeyRingFault, TEXT_LEN_MAX as KEYRING_LEN_MAX};
pub use letter::{KeyUpdate, Letter, LetterFault, counters_in, hello_in, next_keys_in, notice_in};
pub use names::{
    bind_in, bind_out, chain_in, chain_out, epoch_in, epoch_out, key_out, nonce_in, nonce_out,
    reader_in, reader_out, vend_in, vend_of, vend_out, vmc_in, vmc_out,
};
pub use receipt::{chain_of, first_chain, receipt_in, receipt_out};
pub use reply::{Granted, Reply, Verdict, key_ack_out, reply_out};
pub use servers::{SERVERS_MAX, Server, Servers, ServersFault};
pub use station::{
    CareOrder, CareStart, Connection, Entropy, FirmwareStart, Input, Lines, Notice, Offer, Order,
    Output, Report, Showing, Start, Station,
};
pub use status::{Line, Telling, english, status_out};
pub use token::{
    scan_in, slip_out, token_key_in, token_key_out, token_nonce, tokens_in, within_light,
};
