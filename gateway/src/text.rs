//! Bytes and money as text: how they travel in JSON and in files.

use crate::problem::{Kind, Problem};
use gettone_core::money::{Amount, Currency};
use rust_decimal::Decimal;

/// Writes bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use core::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes everything");
        text
    })
}

/// Reads exactly `N` bytes from hexadecimal digits of either case.
pub(crate) fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let (pairs, odd) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != N || !odd.is_empty() {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = nibble(*high)? << 4 | nibble(*low)?;
    }
    Some(bytes)
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// Writes an amount with all decimals of its currency.
pub(crate) fn money(amount: Amount, currency: Currency) -> String {
    amount.to_decimal(currency).to_string()
}

/// Reads a positive amount of `currency` from the decimal text of `field`.
///
/// # Errors
/// `Malformed`, with the reason: not a decimal, inexact, too large, or not above nothing.
pub(crate) fn amount(field: &str, text: &str, currency: Currency) -> Result<Amount, Problem> {
    let malformed = |why: String| Kind::Malformed.because(format!("{field}: {why}"));
    // The engine's largest amount has 13 digits; a longer text is nothing that it could hold.
    if text.len() > 32 || !text.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return Err(malformed(
            "write a decimal number in a string, such as \"1.20\"".to_owned(),
        ));
    }
    let value = Decimal::from_str_exact(text)
        .map_err(|_| malformed(format!("{text:?} is not a decimal number")))?;
    let amount =
        Amount::from_decimal(value, currency).map_err(|fault| malformed(fault.to_string()))?;
    if !amount.is_positive() {
        return Err(malformed("has to be more than 0".to_owned()));
    }
    Ok(amount)
}

/// Reads the currency of `field`.
///
/// # Errors
/// `Malformed` when it is no currency of ISO 4217.
pub(crate) fn currency(field: &str, code: &str) -> Result<Currency, Problem> {
    Currency::from_code(code).map_err(|_| {
        Kind::Malformed.because(format!(
            "{field}: write a currency of ISO 4217 by its three letters, such as \"EUR\""
        ))
    })
}

/// Reads words that people wrote: without control characters, spaces around cut off, bounded.
///
/// # Errors
/// `Malformed`, with the bound.
pub(crate) fn words(field: &str, text: &str, len_max: usize) -> Result<String, Problem> {
    let text = text.trim();
    if text.len() > len_max || text.chars().any(char::is_control) {
        return Err(Kind::Malformed.because(format!(
            "{field}: write at most {len_max} bytes on one line"
        )));
    }
    Ok(text.to_owned())
}

/// Reads words that must not be empty.
///
/// # Errors
/// `Malformed`, with the bounds.
pub(crate) fn some_words(field: &str, text: &str, len_max: usize) -> Result<String, Problem> {
    words(field, text, len_max).and_then(|words| {
        if words.is_empty() {
            Err(Kind::Malformed.because(format!("{field}: write 1 to {len_max} bytes")))
        } else {
            Ok(words)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_text_comes_back_as_the_same_bytes_or_not_at_all() {
        assert_eq!(unhex(&hex(&[0, 0x7f, 0xff])), Some([0, 0x7f, 0xff]));
        assert_eq!(unhex::<2>("ABcd"), Some([0xab, 0xcd]));
        for wrong in ["", "0", "00000", "0g00", "+100", "é00"] {
            assert_eq!(unhex::<2>(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn only_a_positive_exact_decimal_is_an_amount() {
        assert_eq!(
            amount("amount", "5.00", Currency::EUR),
            Ok(Amount::from_minor(500))
        );
        for wrong in [
            "",
            "0",
            "0.00",
            "-1",
            "1.005",
            "1e3",
            "5,00",
            " 5",
            "99999999999999",
        ] {
            let problem = amount("amount", wrong, Currency::EUR).expect_err(wrong);
            assert_eq!(problem.kind(), Kind::Malformed, "{wrong:?}");
        }
    }
}
