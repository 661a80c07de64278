//! Names, byte for byte: `_out` writes one as it travels, `_in` reads it back.

use gettone_channel as channel;
use gettone_core::id;

macro_rules! same_bytes {
    ($($name:ident: $out:ident, $in:ident;)*) => {$(
        #[doc = concat!("A `", stringify!($name), "` as it travels.")]
        pub const fn $out(own: id::$name) -> channel::$name {
            channel::$name::from_bytes(*own.as_bytes())
        }

        #[doc = concat!("A `", stringify!($name), "` that has travelled.")]
        pub const fn $in(told: channel::$name) -> id::$name {
            id::$name::from_bytes(*told.as_bytes())
        }
    )*};
}

same_bytes! {
    ReaderId: reader_out, reader_in;
    VendId: vend_out, vend_in;
    Nonce: nonce_out, nonce_in;
    Bind: bind_out, bind_in;
    JournalEpoch: epoch_out, epoch_in;
    VmcId: vmc_out, vmc_in;
    Chain: chain_out, chain_in;
}

/// A reader's key as it travels.
pub const fn key_out(own: id::ReaderKey) -> channel::PublicKey {
    channel::PublicKey::from_bytes(*own.as_bytes())
}

/// The name of the hold for one HELLO.
pub fn vend_of(reader: id::ReaderId, nonce: id::Nonce) -> id::VendId {
    vend_in(channel::vend_id(reader_out(reader), nonce_out(nonce)))
}
