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

/// Minor units as they are shown; the currency is one that a wallet was opened in.
pub(crate) fn decimal(minor: i64, currency: &str) -> String {
    Currency::from_code(currency).map_or_else(
        |_| minor.to_string(),
        |currency| money(Amount::from_minor(minor), currency),
    )
}

/// Writes a time of day as ISO 8601 does, in UTC, to the second.
pub(crate) fn utc(at_ms: u64) -> String {
    let seconds = at_ms / 1_000;
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    // Days since 1 March of the year 0, so that a leap day is the last of its year; eras of 400
    // years have 146,097 days each.
    let days = days.saturating_add(719_468);
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, year) = if month < 10 {
        (month + 3, year + 400 * era)
    } else {
        (month - 9, year + 400 * era + 1)
    };
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Reads a positive amount of `currency` from the decimal text of `field`.
///
/// # Errors
/// `Malformed`, with the reason: not a decimal, inexact, too large, or not above nothing.
pub(crate) fn amount(field: &str, text: &str, currency: Currency) -> Result<Amount, Problem> {
    let amount = figure(field, text, currency)?;
    if !amount.is_positive() {
        return Err(Kind::Malformed.because(format!("{field}: has to be more than 0")));
    }
    Ok(amount)
}

/// Reads an amount of `currency`, which may be nothing, from the decimal text of `field`.
///
/// # Errors
/// `Malformed`, with the reason: not a decimal, inexact, or too large.
pub(crate) fn figure(field: &str, text: &str, currency: Currency) -> Result<Amount, Problem> {
    let malformed = |why: String| Kind::Malformed.because(format!("{field}: {why}"));
    // The engine's largest amount has 13 digits; a longer text is nothing that it could hold.
    if text.len() > 32 || !text.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return Err(malformed(
            "write a decimal number in a string, such as \"1.20\"".to_owned(),
        ));
    }
    let value = Decimal::from_str_exact(text)
        .map_err(|_| malformed(format!("{text:?} is not a decimal number")))?;
    Amount::from_decimal(value, currency).map_err(|fault| malformed(fault.to_string()))
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
    fn a_time_is_written_with_its_date_over_leap_days_and_ends_of_years() {
        for (seconds, written) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_798_761_599, "2026-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(utc(seconds * 1_000), written);
        }
        utc(u64::MAX);
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
