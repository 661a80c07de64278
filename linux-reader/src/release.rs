//! Firmware files: packed and signed where the release key is, and checked where a reader takes one.
//! Readers hold public keys only; the release key itself is on no server and on no board.

use crate::care::hash_in;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use gettone_channel::{FirmwareFormat, FirmwareHeader, PACKAGE_LEN_MAX, PROGRAM_LEN_MAX};
use miniz_oxide::inflate::stream::{InflateState, inflate};
use miniz_oxide::{DataFormat, MZError, MZFlush, MZStatus};
use sha2::{Digest, Sha256};
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use zeroize::Zeroizing;

/// Release keys that one reader believes: the one in use, and those of a change.
pub(crate) const RELEASE_KEYS_MAX: usize = 4;
/// Best is slow, and a release is made once.
const DEFLATE_LEVEL: u8 = 9;
const BUFFER_LEN: usize = 32 * 1024;

/// The public key of whoever releases firmware.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReleaseKey(VerifyingKey);

impl FromStr for ReleaseKey {
    type Err = ReleaseFault;

    fn from_str(text: &str) -> Result<Self, ReleaseFault> {
        hash_in(text)
            .and_then(|bytes| VerifyingKey::from_bytes(&bytes).ok())
            .filter(|key| !key.is_weak())
            .map(Self)
            .ok_or(ReleaseFault::PublicKey)
    }
}

impl fmt::Display for ReleaseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .as_bytes()
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The number of a program: greater is newer. A version's three parts are a byte each.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Number(pub(crate) u32);

impl Number {
    /// That of this program itself.
    pub(crate) fn own() -> Self {
        let part = |text: &str| text.parse::<u8>().map_or(0, u32::from);
        Self(
            part(env!("CARGO_PKG_VERSION_MAJOR")) << 16
                | part(env!("CARGO_PKG_VERSION_MINOR")) << 8
                | part(env!("CARGO_PKG_VERSION_PATCH")),
        )
    }
}

impl FromStr for Number {
    type Err = ReleaseFault;

    fn from_str(text: &str) -> Result<Self, ReleaseFault> {
        let parts: Vec<&str> = text.split('.').collect();
        let number = match parts[..] {
            [whole] => whole.parse().ok(),
            [major, minor, patch] => {
                let byte = |text: &str| text.parse::<u8>().map(u32::from).ok();
                let parts = byte(major).zip(byte(minor)).zip(byte(patch));
                parts.map(|((major, minor), patch)| major << 16 | minor << 8 | patch)
            }
            _ => None,
        };
        number
            .filter(|number| *number != 0 && number >> 31 == 0)
            .map(Self)
            .ok_or(ReleaseFault::Number)
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, major, minor, patch] = self.0.to_be_bytes();
        match first {
            0 => write!(f, "{} ({major}.{minor}.{patch})", self.0),
            _ => write!(f, "{}", self.0),
        }
    }
}

/// The kind of board that this program is built for.
pub(crate) fn board() -> String {
    let env = match cfg!(target_env = "musl") {
        true => "musl",
        false => "gnu",
    };
    let consts = (std::env::consts::ARCH, std::env::consts::OS);
    format!("{}-{}-{env}", consts.0, consts.1)
}

/// Reads the header at the beginning of a package, if a key vouches for it.
pub(crate) fn vouched(content: &[u8], keys: &[ReleaseKey]) -> Option<FirmwareHeader> {
    let (header, signed, signature) = FirmwareHeader::from_bytes(content)?;
    let signature = Signature::from_bytes(&signature);
    keys.iter()
        .any(|key| key.0.verify_strict(&signed, &signature).is_ok())
        .then_some(header)
}

/// Makes a firmware file.
fn pack(program: &[u8], number: Number, board: &str, key: &SigningKey) -> Option<Vec<u8>> {
    let deflated = miniz_oxide::deflate::compress_to_vec(program, DEFLATE_LEVEL);
    let (format, body) = match deflated.len() < program.len() {
        true => (FirmwareFormat::Deflated, deflated.as_slice()),
        false => (FirmwareFormat::Plain, program),
    };
    let header = FirmwareHeader {
        format,
        board: board.to_owned(),
        number: number.0,
        body_len: u32::try_from(body.len()).ok()?,
        program_len: u32::try_from(program.len()).ok()?,
        program: Sha256::digest(program).into(),
    };
    let mut file = header.to_signed()?;
    let signature = key.sign(&file);
    file.extend_from_slice(&signature.to_bytes());
    file.extend_from_slice(body);
    (file.len() <= PACKAGE_LEN_MAX).then_some(file)
}

/// A program on its way out of its package: never more than the header says, and only the one that
/// it names.
pub(crate) struct Unpacking<W> {
    header: FirmwareHeader,
    inflate: Option<Box<InflateState>>,
    is_ended: bool,
    out: W,
    hash: Sha256,
    len: u64,
    taken: u64,
}

impl<W: Write> Unpacking<W> {
    /// Begins behind the header.
    pub(crate) fn new(header: FirmwareHeader, out: W) -> Self {
        let is_deflated = header.format == FirmwareFormat::Deflated;
        Self {
            inflate: is_deflated.then(|| InflateState::new_boxed(DataFormat::Raw)),
            is_ended: !is_deflated,
            header,
            out,
            hash: Sha256::new(),
            len: 0,
            taken: 0,
        }
    }

    /// Takes the next bytes of the body.
    pub(crate) fn take(&mut self, mut body: &[u8]) -> Result<(), UnpackFault> {
        self.taken = self.taken.saturating_add(body.len() as u64);
        let Some(mut state) = self.inflate.take() else {
            return self.write(body);
        };
        let mut buffer = vec![0; BUFFER_LEN];
        loop {
            let step = inflate(&mut state, body, &mut buffer, MZFlush::None);
            body = body.get(step.bytes_consumed..).unwrap_or_default();
            self.write(buffer.get(..step.bytes_written).unwrap_or_default())?;
            match step.status {
                Ok(MZStatus::StreamEnd) => self.is_ended = true,
                // It wants more than is here.
                Ok(MZStatus::Ok) | Err(MZError::Buf) => {}
                Ok(MZStatus::NeedDict) | Err(_) => return Err(UnpackFault::Wrong),
            }
            let has_more = !body.is_empty() || step.bytes_written == buffer.len();
            if self.is_ended && !body.is_empty() {
                return Err(UnpackFault::Wrong);
            }
            if self.is_ended || !has_more {
                break;
            }
            if step.bytes_consumed == 0 && step.bytes_written == 0 {
                return Err(UnpackFault::Wrong);
            }
        }
        self.inflate = Some(state);
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), UnpackFault> {
        self.len = self.len.saturating_add(bytes.len() as u64);
        if self.len > u64::from(self.header.program_len) {
            return Err(UnpackFault::Wrong);
        }
        self.hash.update(bytes);
        self.out.write_all(bytes).map_err(UnpackFault::Write)
    }

    /// Gives back what it wrote to, when all of the program that the header names was written.
    pub(crate) fn end(self) -> Result<W, UnpackFault> {
        let hash: [u8; 32] = self.hash.finalize().into();
        let is_whole = self.is_ended
            && self.len == u64::from(self.header.program_len)
            && self.taken == u64::from(self.header.body_len)
            && hash == self.header.program;
        match is_whole {
            true => Ok(self.out),
            false => Err(UnpackFault::Wrong),
        }
    }
}

/// Why a program does not come out of its package.
#[derive(Debug)]
pub(crate) enum UnpackFault {
    /// It is not what the header says.
    Wrong,
    /// It cannot be written.
    Write(io::Error),
}

/// Makes a release key; gives the public one.
pub(crate) fn make_key(out: &Path) -> Result<ReleaseKey, ReleaseFault> {
    let mut secret = Zeroizing::new([0; 32]);
    getrandom::fill(secret.as_mut_slice()).map_err(ReleaseFault::Random)?;
    let key = SigningKey::from_bytes(&secret);
    let mut digits = Zeroizing::new(String::with_capacity(65));
    for byte in secret.iter() {
        digits.push_str(&format!("{byte:02x}"));
    }
    digits.push('\n');
    // One that is there already is somebody's only one.
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(out)
        .map_err(ReleaseFault::at(out))?;
    file.write_all(digits.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(ReleaseFault::at(out))?;
    Ok(ReleaseKey(key.verifying_key()))
}

/// What is to be packed.
pub(crate) struct Wish<'a> {
    pub(crate) program: &'a Path,
    pub(crate) number: Number,
    pub(crate) board: &'a str,
    pub(crate) key: &'a Path,
    pub(crate) out: &'a Path,
}

/// Packs a program; gives the length of the file.
pub(crate) fn pack_file(wish: &Wish<'_>) -> Result<usize, ReleaseFault> {
    let digits = Zeroizing::new(read_bounded(wish.key, 128)?);
    let secret = core::str::from_utf8(&digits).ok();
    let secret = secret.and_then(|digits| hash_in(digits.trim_end()));
    let secret = Zeroizing::new(secret.ok_or_else(|| ReleaseFault::SecretKey {
        path: wish.key.to_owned(),
    })?);
    let program = read_bounded(wish.program, PROGRAM_LEN_MAX)?;
    let key = SigningKey::from_bytes(&secret);
    let file = pack(&program, wish.number, wish.board, &key).ok_or(ReleaseFault::Program)?;
    fs::write(wish.out, &file).map_err(ReleaseFault::at(wish.out))?;
    Ok(file.len())
}

/// Says what a firmware file is, and which of the keys vouches for it.
pub(crate) fn show(path: &Path, keys: &[ReleaseKey]) -> Result<String, ReleaseFault> {
    let content = read_bounded(path, PACKAGE_LEN_MAX)?;
    let damaged = || ReleaseFault::Damaged {
        path: path.to_owned(),
    };
    let (header, ..) = FirmwareHeader::from_bytes(&content).ok_or_else(damaged)?;
    let mut unpacking = Unpacking::new(header.clone(), io::sink());
    let body = content.get(FirmwareHeader::LEN..).unwrap_or_default();
    let is_whole = unpacking.take(body).and_then(|()| unpacking.end());
    is_whole.map_err(|_| damaged())?;
    let by = keys
        .iter()
        .find(|key| vouched(&content, &[**key]).is_some())
        .map_or("none of these keys".to_owned(), ToString::to_string);
    Ok(format!(
        "number   {}\nboard    {}\nprogram  {} bytes, {} packed\nsigned   by {by}\n",
        Number(header.number),
        header.board,
        header.program_len,
        content.len(),
    ))
}

fn read_bounded(path: &Path, len_max: usize) -> Result<Vec<u8>, ReleaseFault> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(len_max).unwrap_or(u64::MAX);
    File::open(path)
        .and_then(|file| file.take(limit.saturating_add(1)).read_to_end(&mut bytes))
        .map_err(ReleaseFault::at(path))?;
    match bytes.len() <= len_max {
        true => Ok(bytes),
        false => Err(ReleaseFault::TooLong {
            path: path.to_owned(),
            len_max,
        }),
    }
}

/// Why there is no key or no firmware file.
#[derive(thiserror::Error, Debug)]
#[non_exhaustive]
pub enum ReleaseFault {
    /// A file cannot be read or written.
    #[error("{path}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file is longer than any of its kind.
    #[error("{path} is longer than {len_max} bytes")]
    TooLong {
        /// Which file.
        path: PathBuf,
        /// The most.
        len_max: usize,
    },
    /// Not a public key.
    #[error("a release key is 64 hexadecimal digits, as gettone-reader firmware keygen prints it")]
    PublicKey,
    /// Not a secret key.
    #[error("{path} is no release key of gettone-reader firmware keygen")]
    SecretKey {
        /// Which file.
        path: PathBuf,
    },
    /// Not a number.
    #[error("a number is 1 to 2147483647, or a version such as 1.2.3")]
    Number,
    /// Not a program that fits in a package.
    #[error("the program is empty, or too long for a package, or the board's name is none")]
    Program,
    /// Not a firmware file, or not whole.
    #[error("{path} is no whole firmware file")]
    Damaged {
        /// Which file.
        path: PathBuf,
    },
    /// The system gives no random bytes.
    #[error("the system gives no random bytes")]
    Random(#[source] getrandom::Error),
}

impl ReleaseFault {
    fn at(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        |source| Self::File { path, source }
    }
}

/// A key, and a file signed by it: for tests of those that take firmware.
#[cfg(test)]
pub(crate) fn signed(program: &[u8], number: u32, board: &str) -> (ReleaseKey, Vec<u8>) {
    let key = SigningKey::from_bytes(&[11; 32]);
    let file = pack(program, Number(number), board, &key).expect("a program");
    (ReleaseKey(key.verifying_key()), file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(len: usize) -> Vec<u8> {
        (0..len).map(|at| (at / 7 + at * at / 331) as u8).collect()
    }

    fn unpacked(file: &[u8], step: usize) -> Result<Vec<u8>, UnpackFault> {
        let (header, ..) = FirmwareHeader::from_bytes(file).expect("a header");
        let mut unpacking = Unpacking::new(header, Vec::new());
        for body in file[FirmwareHeader::LEN..].chunks(step) {
            unpacking.take(body)?;
        }
        unpacking.end()
    }

    #[test]
    fn a_program_comes_out_as_it_went_in_whatever_the_pieces() {
        let noise: Vec<u8> = (0..9_000_u32)
            .map(|at| Sha256::digest(at.to_be_bytes())[0])
            .collect();
        for program in [program(1), program(200_000), vec![0; 300_000], noise] {
            let (key, file) = signed(&program, 7, "b");
            assert!(vouched(&file, &[key]).is_some());
            for step in [1_000, 4_096, usize::MAX] {
                assert_eq!(unpacked(&file, step).expect("whole"), program);
            }
        }
    }

    #[test]
    fn any_changed_byte_is_found_out_and_a_foreign_key_vouches_for_nothing() {
        let (key, file) = signed(&program(3_000), 7, "board");
        let other = ReleaseKey(SigningKey::from_bytes(&[12; 32]).verifying_key());
        assert!(vouched(&file, &[other]).is_none());
        assert!(vouched(&file, &[]).is_none());
        assert!(vouched(&file, &[other, key]).is_some());
        for at in 0..file.len() - 1 {
            let mut changed = file.clone();
            changed[at] ^= 0x10;
            let is_taken = vouched(&changed, &[key]).is_some() && unpacked(&changed, 512).is_ok();
            assert!(!is_taken, "byte {at}");
        }
        for len in FirmwareHeader::LEN..file.len() {
            assert!(unpacked(&file[..len], 512).is_err(), "{len} bytes");
        }
    }

    #[test]
    fn a_body_that_inflates_to_more_than_the_header_says_is_stopped() {
        let bomb = miniz_oxide::deflate::compress_to_vec(&vec![0; 8 << 20], DEFLATE_LEVEL);
        let header = FirmwareHeader {
            format: FirmwareFormat::Deflated,
            board: "b".to_owned(),
            number: 1,
            body_len: bomb.len() as u32,
            program_len: 100_000,
            program: [0; 32],
        };
        let mut unpacking = Unpacking::new(header, Vec::new());
        assert!(matches!(unpacking.take(&bomb), Err(UnpackFault::Wrong)));
        assert!(unpacking.out.len() <= 100_000);
    }

    #[test]
    fn numbers_are_read_as_numbers_and_as_versions() {
        let number = |text: &str| text.parse::<Number>().map(|number| number.0).ok();
        assert_eq!(number("1.2.3"), Some(0x0001_0203));
        assert_eq!(number("66051"), Some(66_051));
        for none in ["", "0", "0.0.0", "1.2", "1.2.256", "2147483648", "x"] {
            assert_eq!(number(none), None, "{none}");
        }
        assert_eq!(Number(66_051).to_string(), "66051 (1.2.3)");
    }
}
