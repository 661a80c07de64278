//! What one place shows of a code, and what it keeps from one code to the next.

use crate::sign::SignPlace;
use crate::token::Freshness;
use gettone_channel::Eid;
use gettone_display::nfc::{NfcFault, Tag};
use gettone_display::tag::Chip;
use gettone_display::{Frame, FrameFault, Qr, QrFault};
use gettone_relay::{Offer, TYPED_DIGITS};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// Nothing that the kernel tells of a screen is longer.
const TOLD_LEN_MAX: u64 = 64;
/// Where the kernel tells of screens.
const SCREENS: &str = "/sys/class/graphics";

/// What is shown of an offer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Code {
    /// What a camera or a tap opens.
    pub(crate) link: String,
    /// What somebody may type; empty while that is of no use.
    digits: String,
    eid: Eid,
    /// The code before, while it is still taken.
    before: Option<Eid>,
}

impl Code {
    pub(crate) fn of(url: &str, machine: u32, offer: &Offer) -> Self {
        Self {
            link: format!("{url}/t/{}", offer.link),
            digits: digits(machine, offer).unwrap_or_default(),
            eid: offer.eid,
            before: offer.before,
        }
    }
}

/// What somebody types who cannot scan: the machine's number, then the code's; none while the server
/// would take no typed code.
pub(crate) fn digits(machine: u32, offer: &Offer) -> Option<String> {
    let width = usize::from(TYPED_DIGITS);
    let typed = offer.typed?;
    Some(format!("{machine} {typed:0width$}"))
}

/// A place, and what is kept of it from one code to the next.
#[derive(Debug)]
pub(crate) enum Surface {
    Text(PathBuf),
    Picture {
        path: PathBuf,
        /// The side of the last code: a white picture is as large.
        side: usize,
    },
    Screen {
        device: PathBuf,
        screens: PathBuf,
    },
    Tag {
        bus: PathBuf,
        chip: Chip,
        freshness: Freshness,
        /// None while the chip is out of reach.
        tag: Option<Tag>,
        says: Option<Eid>,
    },
}

/// Why a code is not shown.
#[derive(thiserror::Error, Debug)]
pub(crate) enum ShowFault {
    #[error("a file cannot be written")]
    File(#[from] io::Error),
    #[error("the screen's form")]
    Form(#[from] FrameFault),
    #[error("the screen has no room for it")]
    NoRoom,
    #[error("the link")]
    Link(#[from] QrFault),
    #[error("the tag")]
    Tag(#[from] NfcFault),
}

impl Surface {
    /// None for a place that is not written from here.
    pub(crate) fn of(place: &SignPlace, freshness: Freshness) -> Option<Self> {
        Some(match place {
            SignPlace::Text(path) => Self::Text(path.clone()),
            SignPlace::Picture(path) => Self::Picture {
                path: path.clone(),
                side: 0,
            },
            SignPlace::Screen(device) => Self::Screen {
                device: device.clone(),
                screens: SCREENS.into(),
            },
            SignPlace::Nfc { bus, chip } => Self::Tag {
                bus: bus.clone(),
                chip: *chip,
                freshness,
                tag: None,
                says: None,
            },
            SignPlace::Machine => return None,
        })
    }

    pub(crate) fn show(&mut self, code: Option<&Code>) -> Result<(), ShowFault> {
        match self {
            Self::Text(path) => {
                let link = code.map_or("", |code| code.link.as_str());
                Ok(replace(path, link.as_bytes())?)
            }
            Self::Picture { path, side } => {
                let picture = match code {
                    Some(code) => {
                        let qr = Qr::of(&code.link)?;
                        *side = qr.side();
                        qr.to_png()
                    }
                    None => Qr::white_png((*side).max(1)),
                };
                Ok(replace(path, &picture)?)
            }
            Self::Screen { device, screens } => {
                let frame = form(screens, device)?;
                let qr = code.map(|code| Qr::of(&code.link)).transpose()?;
                let digits = code.map_or("", |code| code.digits.as_str());
                let picture = frame.draw(qr.as_ref(), digits);
                if picture.is_empty() {
                    return Err(ShowFault::NoRoom);
                }
                Ok(OpenOptions::new()
                    .write(true)
                    .open(device)?
                    .write_all(&picture)?)
            }
            Self::Tag {
                bus,
                chip,
                freshness,
                tag,
                says,
            } => {
                if spares(*freshness, *says, code) {
                    return Ok(());
                }
                *says = None;
                let mut open = match tag.take() {
                    Some(open) => open,
                    None => Tag::open(bus, *chip)?,
                };
                // A chip that failed is taken anew: what it holds is not known.
                open.say(code.map(|code| code.link.as_str()))?;
                *tag = Some(open);
                *says = code.map(|code| code.eid);
                Ok(())
            }
        }
    }
}

/// Whether a tag may go on saying what it says: its code is still taken.
fn spares(freshness: Freshness, says: Option<Eid>, code: Option<&Code>) -> bool {
    match (freshness, says, code) {
        (Freshness::EverySecond, Some(says), Some(code)) => {
            says == code.eid || code.before == Some(says)
        }
        (Freshness::EverySecond | Freshness::Each, ..) => false,
    }
}

/// What the kernel tells of a frame buffer.
fn form(screens: &Path, device: &Path) -> Result<Frame, ShowFault> {
    let folder = screens.join(device.file_name().unwrap_or_default());
    let told = |name: &str| -> io::Result<String> {
        let mut text = String::new();
        let file = File::open(folder.join(name))?;
        file.take(TOLD_LEN_MAX).read_to_string(&mut text)?;
        Ok(text)
    };
    let frame = Frame::told(
        &told("virtual_size")?,
        &told("stride")?,
        &told("bits_per_pixel")?,
    )?;
    // More memory than the screen shows is common: for a second picture. Not every driver tells.
    Ok(told("modes").map_or(frame, |mode| frame.within(&mode)))
}

/// Whoever reads it sees one whole code or none; other programs may, for it is on show.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    File::create(&new)?.write_all(bytes)?;
    fs::set_permissions(&new, Permissions::from_mode(0o644))?;
    fs::rename(&new, path)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use gettone_channel::{JournalEpoch, Order, ReaderId, Slip, TokenKey, TokenLink};
    use gettone_display::tag::Memory;

    const READER: ReaderId = ReaderId::from_bytes(*b"reader-1");

    fn link(step: u64) -> TokenLink {
        let key = key();
        let slip = Slip {
            order: Order {
                boot: 7,
                uptime_ms: step * 30_000,
            },
            journal_epoch: JournalEpoch::from_bytes(*b"epoch-01"),
            rseq_newest: 12,
            receipts: Vec::new(),
        };
        TokenLink {
            reader: READER,
            step,
            token: key.token(step),
            slip: slip.seal(&key, READER, step).expect("it fits"),
        }
    }

    fn key() -> TokenKey {
        TokenKey::from_bytes([9; 32])
    }

    pub(crate) fn offer(step: u64) -> Offer {
        let eid = |step| key().token(step).secret().eid();
        Offer {
            link: link(step),
            eid: eid(step),
            before: Some(eid(step - 1)),
            typed: Some(123_456),
        }
    }

    pub(crate) fn code(step: u64) -> Code {
        Code::of("https://gettone.example", 17, &offer(step))
    }

    #[test]
    fn a_screen_shows_the_code_as_its_driver_tells_its_form_and_is_white_without_one() {
        let place = tempfile::tempdir().expect("a directory");
        let (device, told) = (place.path().join("fb7"), place.path().join("told"));
        fs::create_dir_all(told.join("fb7")).expect("new");
        for (name, text) in [
            ("virtual_size", "320,480\n"),
            ("stride", "704\n"),
            ("bits_per_pixel", "16\n"),
            ("modes", "U:320x240p-60\n"),
        ] {
            fs::write(told.join("fb7").join(name), text).expect("room");
        }
        fs::write(&device, vec![7; 704 * 480]).expect("room");
        let mut screen = Surface::Screen {
            device: device.clone(),
            screens: told.clone(),
        };
        screen.show(Some(&code(5))).expect("it has room");
        let frame = Frame::told("320,240", "704", "16").expect("a small screen");
        let qr = Qr::of(&code(5).link).expect("short");
        let shown = fs::read(&device).expect("there");
        let (seen, behind) = shown.split_at(704 * 240);
        assert!(
            seen == frame.draw(Some(&qr), "17 0123456"),
            "the code and the digits"
        );
        assert!(behind.iter().all(|byte| *byte == 7), "nobody sees the rest");
        screen.show(None).expect("it has room");
        let shown = fs::read(&device).expect("there");
        assert!(shown[..704 * 240].iter().all(|byte| *byte == 0xff));
        // A screen that goes away is a fault and no panic, and it may come back.
        fs::remove_file(&device).expect("there");
        assert!(matches!(screen.show(None), Err(ShowFault::File(_))));
        fs::write(&device, []).expect("room");
        screen.show(None).expect("it is back");
        fs::write(told.join("fb7").join("bits_per_pixel"), "24").expect("room");
        assert!(matches!(screen.show(None), Err(ShowFault::Form(_))));
    }

    #[test]
    fn a_tag_that_is_spared_says_a_code_for_as_long_as_it_is_taken_and_no_longer() {
        let says = |step| Some(code(step).eid);
        let second = Freshness::EverySecond;
        assert!(spares(second, says(5), Some(&code(5))));
        assert!(spares(second, says(5), Some(&code(6))), "the step before");
        assert!(!spares(second, says(5), Some(&code(7))), "two before");
        let used = Code {
            before: None,
            ..code(6)
        };
        assert!(!spares(second, says(5), Some(&used)), "it was used");
        assert!(!spares(second, says(5), None), "nothing is on show");
        assert!(!spares(second, None, Some(&code(5))), "an empty tag");
        assert!(!spares(Freshness::Each, says(5), Some(&code(6))));
    }

    #[test]
    fn whatever_mixture_of_two_codes_a_tag_says_meanwhile_the_server_takes_none_for_a_code() {
        for chip in [Chip::Nt3h2111, Chip::St25dv04k] {
            let mut memory = Memory::new(chip);
            let mut bytes = vec![0; chip.area().end];
            let mut mixtures = 0;
            for step in 100..110 {
                let (before, after) = (link(step - 1).to_string(), link(step).to_string());
                let put = |write: &gettone_display::tag::Write| {
                    let at = write.at;
                    bytes[at..at + write.bytes.len()].copy_from_slice(&write.bytes);
                    let text = String::from_utf8_lossy(&bytes).into_owned();
                    let said = text.split_once("/t/").map(|(_, rest)| &rest[..after.len()]);
                    if let Some(said) = said.filter(|said| *said != before && *said != after) {
                        let opened = said.parse().map(|said: TokenLink| said.open(&key()));
                        assert!(!matches!(opened, Ok(Ok(_))), "{said}");
                        mixtures += 1;
                    }
                    Ok::<_, ()>(())
                };
                memory.say(Some(&code(step).link), put).expect("it fits");
                assert!(link(step).open(&key()).is_ok(), "the control");
            }
            assert!(mixtures > 10, "{chip:?}: {mixtures}");
        }
    }
}
