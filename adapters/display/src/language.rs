//! The languages a reader speaks.

use core::fmt;
use core::str::FromStr;

/// A language.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Language {
    /// English.
    #[default]
    En,
    /// French.
    Fr,
    /// Italian.
    It,
    /// German.
    De,
}

impl Language {
    /// Every language.
    pub const ALL: [Self; 4] = [Self::En, Self::Fr, Self::It, Self::De];

    /// Its code of ISO 639-1.
    pub const fn code(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Fr => "fr",
            Self::It => "it",
            Self::De => "de",
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl FromStr for Language {
    type Err = LanguageFault;

    fn from_str(text: &str) -> Result<Self, LanguageFault> {
        Self::ALL
            .into_iter()
            .find(|language| language.code() == text)
            .ok_or(LanguageFault)
    }
}

/// Not a language of this crate.
#[derive(thiserror::Error, Clone, Copy, PartialEq, Eq, Debug)]
#[error("a language is one of en, fr, it, de")]
pub struct LanguageFault;
