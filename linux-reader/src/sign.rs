//! Places where codes are shown: files, pictures, a screen, a tag to tap.
//!
//! Each place has a thread of its own, which shows the newest code and knows no other: one that is
//! slow, as a tag is, holds up neither the hub nor the other places. A place that fails is told of
//! once and tried again with the next code.

use crate::surface::{Code, Surface};
use crate::token::TokenPlaces;
use gettone_display::tag::Chip;
use gettone_relay::Offer;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

/// A code is shown at so many places at most.
pub(crate) const PLACES_MAX: usize = 8;
/// How long a reader that stops waits for its codes to be taken away.
const STOP_MAX: Duration = Duration::from_secs(1);
/// The stack of a place's thread; it does not go deep.
const STACK_LEN: usize = 256 * 1024;

/// One place where codes are shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SignPlace {
    /// A file that holds the link, and nothing while no code is on show.
    Text(PathBuf),
    /// A PNG file, white while no code is on show.
    Picture(PathBuf),
    /// A frame buffer.
    Screen(PathBuf),
    /// A dynamic NFC tag.
    Nfc {
        /// Its bus.
        bus: PathBuf,
        /// Which chip, as its address tells.
        chip: Chip,
    },
    /// The machine's own display, for what may be typed.
    Machine,
}

/// A place that is not written as one.
#[derive(thiserror::Error, Clone, Copy, PartialEq, Eq, Debug)]
#[error(
    "write \"text:PATH\", \"picture:PATH.png\", \"screen:/dev/fb0\", \"nfc:/dev/i2c-1@0x55\" \
     (NT3H2111), \"nfc:/dev/i2c-1@0x53\" (ST25DV04K) or \"machine\""
)]
pub struct SignFault;

impl FromStr for SignPlace {
    type Err = SignFault;

    fn from_str(text: &str) -> Result<Self, SignFault> {
        match text.split_once(':') {
            None if text == "machine" => Ok(Self::Machine),
            Some((_, "")) | None => Err(SignFault),
            Some(("text", path)) => Ok(Self::Text(path.into())),
            Some(("picture", path)) => Ok(Self::Picture(path.into())),
            Some(("screen", path)) => Ok(Self::Screen(path.into())),
            Some(("nfc", place)) => {
                let (bus, address) = place.split_once('@').ok_or(SignFault)?;
                let digits = address.strip_prefix("0x").ok_or(SignFault)?;
                let address = u8::from_str_radix(digits, 16).map_err(|_| SignFault)?;
                let chip = [Chip::Nt3h2111, Chip::St25dv04k];
                let chip = chip.into_iter().find(|chip| chip.address() == address);
                match (bus, chip) {
                    ("", _) | (_, None) => Err(SignFault),
                    (bus, Some(chip)) => Ok(Self::Nfc {
                        bus: bus.into(),
                        chip,
                    }),
                }
            }
            Some(_) => Err(SignFault),
        }
    }
}

impl fmt::Display for SignPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(path) => write!(f, "text:{}", path.display()),
            Self::Picture(path) => write!(f, "picture:{}", path.display()),
            Self::Screen(path) => write!(f, "screen:{}", path.display()),
            Self::Nfc { bus, chip } => {
                write!(f, "nfc:{}@{:#04x}", bus.display(), chip.address())
            }
            Self::Machine => f.write_str("machine"),
        }
    }
}

/// Every place at which a reader shows its codes.
pub(crate) struct Signs {
    ended: mpsc::Receiver<core::convert::Infallible>,
    showings: Showings,
}

/// How each of these places is doing, for who looks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Showings(Vec<(SignPlace, Arc<AtomicBool>)>);

impl Showings {
    /// Each place, and whether it could show the last code.
    pub(crate) fn iter(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|(place, has_failed)| {
            let state = match has_failed.load(Ordering::Relaxed) {
                true => "fails",
                false => "shows",
            };
            format!("{place} {state}")
        })
    }
}

impl Signs {
    /// Starts showing what is offered, until nobody offers anything any more. What the last start
    /// may have left is taken away first.
    pub(crate) fn start(
        places: Option<&TokenPlaces>,
        machine: u32,
        offers: &watch::Receiver<Option<Box<Offer>>>,
    ) -> io::Result<Self> {
        let (end, ended) = mpsc::channel(1);
        let mut showings = Showings::default();
        for (places, place) in places
            .iter()
            .flat_map(|it| it.signs.iter().map(move |one| (it, one)))
        {
            // The machine's display is behind the bus, and the hub's.
            let Some(surface) = Surface::of(place, places.tag) else {
                continue;
            };
            let has_failed = Arc::new(AtomicBool::new(false));
            let told = (place.clone(), Arc::clone(&has_failed));
            showings.0.push(told);
            let sign = Sign {
                place: place.clone(),
                url: places.url.clone(),
                machine,
                surface,
                has_failed,
            };
            let (offers, end, runtime) = (offers.clone(), end.clone(), Handle::current());
            thread::Builder::new()
                .name("sign".to_owned())
                .stack_size(STACK_LEN)
                .spawn(move || {
                    sign.run(offers, &runtime);
                    drop(end);
                })?;
        }
        Ok(Self { ended, showings })
    }

    /// How the places are doing.
    pub(crate) fn showings(&self) -> Showings {
        self.showings.clone()
    }

    /// Waits until every code has been taken away, but not for long: a place may be broken.
    pub(crate) async fn ended(mut self) {
        if timeout(STOP_MAX, self.ended.recv()).await.is_err() {
            tracing::warn!("a code may still be on show");
        }
    }
}

struct Sign {
    place: SignPlace,
    url: String,
    machine: u32,
    surface: Surface,
    has_failed: Arc<AtomicBool>,
}

impl Sign {
    fn run(mut self, mut offers: watch::Receiver<Option<Box<Offer>>>, runtime: &Handle) {
        loop {
            let offer = offers.borrow_and_update().clone();
            let code = offer.map(|offer| Code::of(&self.url, self.machine, &offer));
            self.show(code.as_ref());
            // Offers that came meanwhile are gone but for the newest.
            if runtime.block_on(offers.changed()).is_err() {
                return self.show(None);
            }
        }
    }

    fn show(&mut self, code: Option<&Code>) {
        let shown = self.surface.show(code);
        let had_failed = self.has_failed.swap(shown.is_err(), Ordering::Relaxed);
        let place = &self.place;
        match shown {
            Ok(()) if had_failed => tracing::info!(%place, "codes are shown again"),
            Ok(()) => {}
            Err(fault) if !had_failed => {
                let cause = std::error::Error::source(&fault).map(ToString::to_string);
                tracing::warn!(cause, %place, "a code cannot be shown: {fault}");
            }
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::surface::tests::{code, offer};
    use gettone_display::Qr;
    use std::fs;
    use std::time::Instant;

    /// Nothing here takes longer.
    const PATIENCE: Duration = Duration::from_secs(10);

    #[test]
    fn every_place_is_printed_as_it_is_written_and_nonsense_is_refused() {
        for text in [
            "text:/run/gettone/code",
            "picture:/run/gettone/code.png",
            "screen:/dev/fb0",
            "nfc:/dev/i2c-1@0x55",
            "nfc:/dev/i2c-10@0x53",
            "machine",
        ] {
            let place: SignPlace = text.parse().expect(text);
            assert_eq!(place.to_string(), text);
        }
        for text in [
            "text:",
            "text",
            "screen:",
            "print:x",
            "nfc:/dev/i2c-1",
            "nfc:@0x55",
            "nfc:/dev/i2c-1@55",
            "nfc:/dev/i2c-1@0x54",
            "nfc:/dev/i2c-1@0x155",
            "machine:",
            "",
        ] {
            assert_eq!(text.parse::<SignPlace>(), Err(SignFault), "{text}");
        }
    }

    #[test]
    fn a_broken_place_holds_up_no_other_and_every_code_is_gone_when_the_reader_is() {
        let place = tempfile::tempdir().expect("a directory");
        let (text, picture) = (place.path().join("code"), place.path().join("code.png"));
        let missing = place.path().join("no/such/place");
        let signs = vec![
            SignPlace::Text(missing),
            SignPlace::Nfc {
                bus: place.path().join("no-bus"),
                chip: Chip::Nt3h2111,
            },
            SignPlace::Text(text.clone()),
            SignPlace::Picture(picture.clone()),
        ];
        let places = TokenPlaces {
            url: "https://gettone.example".to_owned(),
            signs,
            tag: crate::token::Freshness::Each,
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .expect("a runtime");
        let until = |what: &str, is_so: &dyn Fn() -> bool| {
            let began = Instant::now();
            while !is_so() {
                assert!(began.elapsed() < PATIENCE, "{what}");
                thread::yield_now();
            }
        };
        runtime.block_on(async {
            fs::write(&text, "a code of the last start").expect("room");
            let (say, offers) = watch::channel(None);
            let signs = Signs::start(Some(&places), 17, &offers).expect("threads");
            until("old codes go", &|| {
                fs::read(&text).is_ok_and(|text| text.is_empty())
            });
            for step in 5..8 {
                say.send_replace(Some(Box::new(offer(step))));
                let wanted = code(step).link.into_bytes();
                until("the code", &|| {
                    fs::read(&text).is_ok_and(|text| text == wanted)
                });
                let wanted = Qr::of(&code(step).link).expect("short").to_png();
                until("the picture", &|| {
                    fs::read(&picture).is_ok_and(|found| found == wanted)
                });
            }
            drop(say);
            signs.ended().await;
            assert_eq!(fs::read(&text).expect("there"), b"");
            let side = Qr::of(&code(7).link).expect("short").side();
            assert_eq!(fs::read(&picture).expect("there"), Qr::white_png(side));
        });
    }
}
