//! What a technician's phone brings to readers.

use crate::bounds::PIECES_MAX;
use gettone_channel::{Manifest, Part, Piece, Want};

/// One package, as the server gave it. The phone vouches for nothing: the reader checks every piece.
#[derive(Clone, Debug)]
pub struct Package {
    version: u32,
    manifest: Vec<u8>,
    content: Vec<u8>,
}

impl Package {
    /// Takes a manifest and the content that it is of.
    pub fn new(manifest: &Manifest, content: Vec<u8>) -> Self {
        Self {
            version: manifest.config().version,
            manifest: manifest.to_bytes(),
            content,
        }
    }

    /// The version, as CONFIG names it.
    pub(crate) const fn version(&self) -> u32 {
        self.version
    }

    /// The pieces that a reader wants, as far as there are such.
    pub(crate) fn pieces<'a>(&'a self, want: &Want) -> impl Iterator<Item = Piece> + use<'a> {
        let whole = match want.part {
            Part::Manifest => &self.manifest,
            Part::Content => &self.content,
        };
        let (version, part) = (self.version, want.part);
        (want.first..)
            .take(usize::from(want.count).min(PIECES_MAX))
            .map_while(move |index| Piece::of(version, part, index, whole))
    }
}
