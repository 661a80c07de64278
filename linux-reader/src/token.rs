//! Codes on show: the key that makes them, and where they are shown (protocol section 9).

use crate::identity::{IdentityFault, keep_token_key};
use gettone_channel::TokenKey;
use gettone_relay::Offer;
use std::fmt;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use tokio::sync::watch;

/// Whether, and where, codes are shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TokenPlaces {
    /// The server that customers' phones open: `https://host`.
    pub url: String,
    /// Where codes are shown.
    pub signs: Vec<SignPlace>,
}

/// One place where codes are shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SignPlace {
    /// A file that holds the link, and nothing while no code is on show.
    Text(PathBuf),
}

/// A place that is not written as one.
#[derive(thiserror::Error, Clone, Copy, PartialEq, Eq, Debug)]
#[error("write \"text:PATH\"")]
pub struct SignFault;

impl FromStr for SignPlace {
    type Err = SignFault;

    fn from_str(text: &str) -> Result<Self, SignFault> {
        match text.split_once(':') {
            Some((_, "")) | None => Err(SignFault),
            Some(("text", path)) => Ok(Self::Text(path.into())),
            Some(_) => Err(SignFault),
        }
    }
}

impl fmt::Display for SignPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(path) => write!(f, "text:{}", path.display()),
        }
    }
}

/// The key of the codes, made on first use beside the reader's own.
pub(crate) fn key(state: &Path) -> Result<TokenKey, IdentityFault> {
    keep_token_key(state)
}

/// Shows what the hub offers until it is gone. A place that fails is told of once and tried again
/// with the next code.
pub(crate) async fn serve(
    places: Option<TokenPlaces>,
    mut offers: watch::Receiver<Option<Box<Offer>>>,
) -> core::convert::Infallible {
    let Some(places) = places else {
        return core::future::pending().await;
    };
    let mut failed = vec![false; places.signs.len()];
    while offers.changed().await.is_ok() {
        let link = offers
            .borrow_and_update()
            .as_ref()
            .map(|offer| format!("{}/t/{}", places.url, offer.link));
        for (place, has_failed) in places.signs.iter().zip(&mut failed) {
            match show(place, link.as_deref()) {
                Ok(()) => *has_failed = false,
                Err(fault) if !core::mem::replace(has_failed, true) => {
                    tracing::warn!(%fault, %place, "a code cannot be shown");
                }
                Err(_) => {}
            }
        }
    }
    core::future::pending().await
}

fn show(place: &SignPlace, link: Option<&str>) -> std::io::Result<()> {
    match place {
        SignPlace::Text(path) => replace(path, link.unwrap_or_default().as_bytes()),
    }
}

/// Whoever reads it sees one whole code or none.
fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    fs::File::create(&new)?.write_all(bytes)?;
    fs::rename(&new, path)
}
