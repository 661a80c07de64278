//! Where a customer is reached: an e-mail address or a telephone number, written in one way only,
//! so that one customer does not become two.

use crate::bounds::ADDRESS_LEN_MAX;
use crate::problem::{Kind, Problem};

/// A customer's address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Address(String);

impl Address {
    /// Reads an address as people write it.
    ///
    /// # Errors
    /// `Malformed`, with what is one.
    pub(crate) fn parse(text: &str) -> Result<Self, Problem> {
        let text = text.trim();
        let parsed = if text.contains('@') {
            email(text)
        } else {
            telephone(text)
        };
        parsed.map(Self).ok_or_else(|| {
            Kind::Malformed.because(
                "address: write an e-mail address, or a telephone number that begins with + and \
                 its country",
            )
        })
    }

    /// Whether it is a telephone number.
    pub(crate) fn is_telephone(&self) -> bool {
        self.0.starts_with('+')
    }

    /// As it is kept.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Reads an e-mail address. Mail servers could tell capitals apart; none does, and people write
/// them as they like.
pub(crate) fn email(text: &str) -> Option<String> {
    let text = text.trim();
    let (local, host) = text.split_once('@')?;
    let is_word = |part: &str| {
        !part.is_empty()
            && part
                .chars()
                .all(|c| !c.is_control() && !c.is_whitespace() && !"@<>(),;:\\\"[]".contains(c))
    };
    let is_host = host.contains('.') && host.split('.').all(is_word);
    (text.len() <= ADDRESS_LEN_MAX && is_word(local) && is_host).then(|| text.to_lowercase())
}

/// Reads a telephone number of E.164: + and 7 to 15 digits.
fn telephone(text: &str) -> Option<String> {
    let digits: String = text
        .strip_prefix('+')?
        .chars()
        .filter(|c| !" -./()".contains(*c))
        .collect();
    let is_number = (7..=15).contains(&digits.len())
        && !digits.starts_with('0')
        && digits.bytes().all(|digit| digit.is_ascii_digit());
    is_number.then(|| format!("+{digits}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<String> {
        Address::parse(text).ok().map(|Address(text)| text)
    }

    #[test]
    fn one_address_is_written_in_one_way() {
        for (text, kept) in [
            (" Ann@Example.ORG ", "ann@example.org"),
            (
                "ann+vending@mail.example.org",
                "ann+vending@mail.example.org",
            ),
            ("+39 02 1234-567", "+39021234567"),
            ("+44 (20) 7946.0000", "+442079460000"),
        ] {
            assert_eq!(parse(text).as_deref(), Some(kept), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_not_taken() {
        for text in [
            "",
            "ann",
            "ann@",
            "@example.org",
            "ann@example",
            "ann@example..org",
            "ann@ex@ample.org",
            "ann smith@example.org",
            "ann@example.org\nbcc:bob@example.org",
            "Ann <ann@example.org>",
            "0039021234567",
            "+0391234567",
            "+123456",
            "+1234567890123456",
            "+39abc4567",
            &format!("{}@example.org", "a".repeat(250)),
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
