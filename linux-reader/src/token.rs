//! Codes on show: the key that makes them, and what is said of where they are shown (protocol section 9).

use crate::identity::{IdentityFault, keep_token_key};
use crate::sign::SignPlace;
use gettone_channel::TokenKey;
use std::path::Path;

/// Whether, and where, codes are shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TokenPlaces {
    /// The server that customers' phones open: `https://host`.
    pub url: String,
    /// Where codes are shown.
    pub signs: Vec<SignPlace>,
    /// How often a tag is written.
    pub tag: Freshness,
}

/// How often a place that wears is given a new code.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Freshness {
    /// With each code.
    #[default]
    Each,
    /// With every second one, and whenever the one that it shows is taken no more.
    EverySecond,
}

/// The key of the codes, made on first use beside the reader's own.
pub(crate) fn key(state: &Path) -> Result<TokenKey, IdentityFault> {
    keep_token_key(state)
}
