//! Packages: what the server's people have made, what the release key has signed, and what somebody
//! with a hand in the server passes off as that.

use crate::dice::Dice;
use ed25519_dalek::{Signature, Signer as _, SigningKey};
use gettone_channel::{Config, FirmwareFormat, FirmwareHeader, Manifest, PackageKind, Part, Piece};
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

/// Configurations that the server has, one after another.
pub(crate) const CONFIGURATIONS_MAX: u32 = 4;
/// The number of the program that every board is made with.
pub(crate) const PACKAGED: u32 = 10;
/// A release that is older than that.
const BEFORE: u32 = PACKAGED - 1;
/// Packages of firmware that the server has, one after another.
pub(crate) const FIRMWARE_MAX: u32 = PACKAGED + 8;
/// Bytes of a configuration: a chunk and a half.
const CONFIGURATION_LEN: usize = 6_000;
/// Bytes of a program without its number: a chunk and a piece.
const PROGRAM_LEN: usize = 5_000;
const BOARD: &str = "street";

/// A package that the server has for every reader.
#[derive(Clone, Debug)]
pub(crate) struct Package {
    pub(crate) manifest: Manifest,
    pub(crate) content: Vec<u8>,
}

/// What lies in a package of firmware.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Make {
    /// A release.
    Good,
    /// A release that ends soon after it starts.
    Lame,
    /// Signed by somebody else.
    Foreign,
    /// The release of this number, under a newer one.
    Old(u32),
    /// Another program behind a release's header.
    Changed,
}

impl Make {
    /// That of this number.
    pub(crate) const fn of(number: u32) -> Self {
        match number.saturating_sub(PACKAGED) {
            2 => Self::Old(BEFORE),
            3 => Self::Foreign,
            5 => Self::Old(PACKAGED + 1),
            6 => Self::Lame,
            7 => Self::Changed,
            _ => Self::Good,
        }
    }

    /// Whether a board is to run it.
    pub(crate) const fn is_release(self) -> bool {
        matches!(self, Self::Good | Self::Lame)
    }
}

static CONFIGURATIONS: LazyLock<Vec<Package>> = LazyLock::new(|| {
    let numbers = 1..=CONFIGURATIONS_MAX;
    numbers.map(Package::configuration).collect()
});
static FIRMWARE: LazyLock<Vec<Package>> = LazyLock::new(|| {
    let numbers = PACKAGED + 1..=FIRMWARE_MAX;
    numbers.map(Package::firmware).collect()
});
static RELEASE_KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::from_bytes(&[0x51; 32]));

/// The configuration of this number, if there is one.
pub(crate) fn configuration(number: u32) -> Option<&'static Package> {
    CONFIGURATIONS.get(usize::try_from(number.checked_sub(1)?).ok()?)
}

/// The firmware of this number, if there is some.
pub(crate) fn firmware(number: u32) -> Option<&'static Package> {
    FIRMWARE.get(usize::try_from(number.checked_sub(PACKAGED + 1)?).ok()?)
}

/// The package of this version, if there is one.
pub(crate) fn package(version: u32) -> Option<&'static Package> {
    let mut all = CONFIGURATIONS.iter().chain(FIRMWARE.iter());
    all.find(|package| package.manifest.config().version == version)
}

/// Any package's version.
pub(crate) fn any(dice: &mut Dice) -> u32 {
    let at = dice.place(CONFIGURATIONS.len() + FIRMWARE.len());
    let mut all = CONFIGURATIONS.iter().chain(FIRMWARE.iter());
    let package = all.nth(at).expect("so many");
    package.manifest.config().version
}

impl Package {
    fn configuration(number: u32) -> Self {
        let seed = usize::try_from(number).expect("few");
        let content = (0..CONFIGURATION_LEN + seed).map(|at| (at * 31 + seed * 7 + at / 251) as u8);
        Self::of(PackageKind::Configuration, number, content.collect())
    }

    fn firmware(number: u32) -> Self {
        let other = SigningKey::from_bytes(&[0x52; 32]);
        let content = match Make::of(number) {
            Make::Good | Make::Lame | Make::Changed => signed(number, &RELEASE_KEY),
            Make::Old(number) => signed(number, &RELEASE_KEY),
            Make::Foreign => signed(number, &other),
        };
        let mut package = Self::of(PackageKind::Firmware, number, content);
        if Make::of(number) == Make::Changed {
            // Whoever enters packages makes the manifest too.
            package.content[FirmwareHeader::LEN + 2_000] ^= 1;
            package = Self::of(PackageKind::Firmware, number, package.content);
        }
        package
    }

    fn of(kind: PackageKind, number: u32, content: Vec<u8>) -> Self {
        let manifest = Manifest::of(kind, number, &content);
        Self {
            manifest: manifest.expect("bounded"),
            content,
        }
    }

    /// The piece that somebody asked for, if there is one.
    pub(crate) fn piece(&self, part: Part, index: u32) -> Option<Piece> {
        let whole = match part {
            Part::Manifest => self.manifest.to_bytes(),
            Part::Content => self.content.clone(),
        };
        Piece::of(self.manifest.config().version, part, index, &whole)
    }
}

/// The program of this number; no two are of one length.
pub(crate) fn program(number: u32) -> Vec<u8> {
    let seed = usize::try_from(number).expect("few");
    let bytes = (0..PROGRAM_LEN + seed).map(|at| (at * 17 + seed * 5 + at / 241) as u8);
    bytes.collect()
}

fn signed(number: u32, key: &SigningKey) -> Vec<u8> {
    let program = program(number);
    let len = u32::try_from(program.len()).expect("short");
    let header = FirmwareHeader {
        format: FirmwareFormat::Plain,
        board: BOARD.to_owned(),
        number,
        body_len: len,
        program_len: len,
        program: Sha256::digest(&program).into(),
    };
    let mut content = header.to_signed().expect("sound");
    let signature = key.sign(&content);
    content.extend(signature.to_bytes());
    content.extend(program);
    content
}

/// Which release a program is; none where nobody has released it, or not all of it is there.
pub(crate) fn release_of(bytes: &[u8]) -> Option<u32> {
    let number = u32::try_from(bytes.len().checked_sub(PROGRAM_LEN)?).ok()?;
    let is_known = [BEFORE, PACKAGED].contains(&number) || firmware(number).is_some();
    let is_release = is_known && Make::of(number).is_release();
    (is_release && bytes == program(number)).then_some(number)
}

/// What a board looks at before it takes a program.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Looks {
    /// Whether the release key has signed it.
    pub(crate) signature: bool,
    /// Whether it is of the number that it was named with.
    pub(crate) number: bool,
}

/// The program in a package, where a board takes it.
pub(crate) fn unpacked(content: &[u8], told: &Config, looks: Looks) -> Option<Vec<u8>> {
    let (header, signed, signature) = FirmwareHeader::from_bytes(content)?;
    let signature = Signature::from_bytes(&signature);
    let key = RELEASE_KEY.verifying_key();
    let is_signed = key.verify_strict(&signed, &signature).is_ok();
    let is_named = header.number == told.number();
    let body = content.get(FirmwareHeader::LEN..)?;
    let is_whole = usize::try_from(header.body_len) == Ok(body.len())
        && header.program == <[u8; 32]>::from(Sha256::digest(body));
    let is_taken = (is_signed || !looks.signature)
        && (is_named || !looks.number)
        && is_whole
        && header.board == BOARD;
    is_taken.then(|| body.to_vec())
}
