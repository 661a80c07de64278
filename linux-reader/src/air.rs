//! What the reader talks to phones over.

use crate::config::SourceFault;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// What the reader talks to phones over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Air {
    /// A directory that stands for the air.
    Folder(PathBuf),
    /// Bluetooth, on the adapter of this name or else on the first one.
    Bluez(Option<String>),
}

impl FromStr for Air {
    type Err = SourceFault;

    fn from_str(text: &str) -> Result<Self, SourceFault> {
        match text.split_once(':') {
            None if text == "bluez" => Ok(Self::Bluez(None)),
            Some(("bluez" | "folder", "")) => Err(SourceFault::Air),
            Some(("bluez", adapter)) => Ok(Self::Bluez(Some(adapter.to_owned()))),
            Some(("folder", path)) => Ok(Self::Folder(path.into())),
            None if text.is_empty() => Err(SourceFault::Air),
            Some(_) | None => Ok(Self::Folder(text.into())),
        }
    }
}

impl fmt::Display for Air {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => write!(f, "folder:{}", path.display()),
            Self::Bluez(None) => f.write_str("bluez"),
            Self::Bluez(Some(adapter)) => write!(f, "bluez:{adapter}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_air_is_bluetooth_or_a_folder_and_is_printed_as_it_is_read() {
        for (text, air) in [
            ("bluez", Air::Bluez(None)),
            ("bluez:hci1", Air::Bluez(Some("hci1".to_owned()))),
            ("folder:/run/air", Air::Folder("/run/air".into())),
            ("/run/air", Air::Folder("/run/air".into())),
        ] {
            assert_eq!(text.parse(), Ok(air.clone()), "{text}");
            assert_eq!(air.to_string().parse(), Ok(air), "{text}");
        }
        for text in ["", "bluez:", "folder:"] {
            assert_eq!(text.parse::<Air>(), Err(SourceFault::Air), "{text}");
        }
    }
}
