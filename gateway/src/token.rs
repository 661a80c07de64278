//! The pure part of codes: who may ask for a light grant, and which step somebody typed (protocol sections 9.2 and 9.3).

use crate::relay::Reason;
use core::str::FromStr;
use gettone_channel::{Token, TokenKey};
use gettone_core::id::{MachineId, ReaderId, VendId, WalletId};
use gettone_core::machine::Machine;
use gettone_core::reader::Ask;
use gettone_core::time::Timestamp;
use gettone_core::token::{RESYNC_WINDOW, resynced, step_at, typed_steps};
use gettone_relay::{TYPED_DIGITS, token_nonce, vend_of, within_light};
use subtle::ConstantTimeEq;

/// A code, and what the server knows of the place where it was on show.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Brought<'a> {
    /// The reader that made it.
    pub reader: ReaderId,
    /// The machine that it serves.
    pub machine: MachineId,
    /// That machine.
    pub state: &'a Machine,
    /// The code.
    pub code: Token,
}

/// The name of the hold for a code.
pub(crate) fn vend(reader: ReaderId, code: &Token) -> VendId {
    vend_of(reader, token_nonce(code))
}

/// Makes the claim of `wallet` on a code.
///
/// # Errors
/// The reason why no light may be given, whatever money there is.
pub(crate) fn ask(brought: &Brought<'_>, wallet: WalletId) -> Result<Ask, Reason> {
    let (terms, _) = brought
        .state
        .terms(brought.machine)
        .map_err(|_| Reason::MachineOff)?;
    // A board that was replaced, and came back to life in a drawer, sells nothing.
    if brought.state.reader() != Some(brought.reader) {
        return Err(Reason::Reader);
    }
    Ok(Ask {
        nonce: token_nonce(&brought.code),
        vend: vend(brought.reader, &brought.code),
        wallet,
        terms: within_light(terms).ok_or(Reason::MachineOff)?,
    })
}

/// The digits of a code, as somebody typed them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Digits(u32);

/// It is not the digits of a code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct NoDigits;

impl Digits {
    /// As a number.
    pub(crate) const fn number(self) -> u32 {
        self.0
    }
}

impl FromStr for Digits {
    type Err = NoDigits;

    /// Spaces and a dash between them are how people read digits to each other.
    fn from_str(text: &str) -> Result<Self, NoDigits> {
        let digits = text.bytes().filter(|byte| !b" -".contains(byte));
        let digits: Vec<u8> = digits.take(usize::from(TYPED_DIGITS) + 1).collect();
        if digits.len() != usize::from(TYPED_DIGITS) || !digits.iter().all(u8::is_ascii_digit) {
            return Err(NoDigits);
        }
        let number = digits
            .iter()
            .fold(0, |number, digit| number * 10 + u32::from(digit - b'0'));
        Ok(Self(number))
    }
}

/// The step whose code was typed, or the one whose code came after it where two were.
pub(crate) fn step_of(
    key: &TokenKey,
    last_used: u64,
    (code, next): (Digits, Option<Digits>),
    now: Timestamp,
) -> Option<u64> {
    let typed = |step| key.typed(step, TYPED_DIGITS);
    if let Some(next) = next {
        // Around the clock, where nothing was used for longer than the window lasts.
        let clock = step_at(now).saturating_sub(RESYNC_WINDOW / 2);
        return resynced(last_used.max(clock), typed, [code.number(), next.number()]);
    }
    // All are looked at, so that the time it takes tells nothing.
    typed_steps(last_used, now).fold(None, |found, step| {
        let is_it = typed(step).ct_eq(&code.number());
        found.or(bool::from(is_it).then_some(step))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_read_as_people_write_them_and_nothing_else_is() {
        let read = |text: &str| text.parse::<Digits>().map(Digits::number);
        assert_eq!(read("0012345"), Ok(12_345));
        assert_eq!(read("001 23-45"), Ok(12_345));
        let longer = "0".repeat(1_000_000);
        for text in [
            "",
            "123456",
            "12345678",
            "+123456",
            "12345.7",
            "１２３４５６７",
            &longer,
        ] {
            assert_eq!(read(text), Err(NoDigits), "{} bytes", text.len());
        }
    }

    #[test]
    fn a_code_is_found_within_its_window_and_two_in_a_row_far_from_it() {
        let key = TokenKey::from_bytes([3; 32]);
        let now = Timestamp::from_millis(1_800_000_000_000);
        let here = step_at(now);
        let digits = |step| Digits(key.typed(step, TYPED_DIGITS));
        let found = |last_used, step| step_of(&key, last_used, (digits(step), None), now);
        assert_eq!(found(0, here), Some(here));
        assert_eq!(found(0, here - 3), None);
        assert_eq!(found(here, here), None, "used");
        // Quick sales run ahead of the clock: the next code is taken, however far that is.
        for ahead in 0..20 {
            assert_eq!(
                found(here + ahead, here + ahead + 1),
                Some(here + ahead + 1)
            );
        }
        assert_eq!(
            found(here, here + 3),
            None,
            "nothing that it knows of led there"
        );
        let row = |last_used, first, second| {
            let two = (digits(first), Some(digits(second)));
            step_of(&key, last_used, two, now)
        };
        for far in [here - 2_000, here + 2_000] {
            assert_eq!(row(0, far, far + 1), Some(far + 1));
            assert_eq!(row(0, far, far + 2), None, "not in a row");
        }
        assert_eq!(row(0, here - 3_000, here - 2_999), None, "too far");
        assert_eq!(row(here - 1_000, here - 2_000, here - 1_999), None, "used");
    }
}
