use crate::fault::StreetFault;
use std::fmt::Write as _;

/// Fresh random bytes from the system.
///
/// # Errors
/// `StreetFault` when the system has none.
pub(crate) fn bytes<const N: usize>() -> Result<[u8; N], StreetFault> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| StreetFault::Unexpected("no randomness"))?;
    Ok(bytes)
}

/// Fresh random bytes, as hexadecimal digits.
///
/// # Errors
/// `StreetFault` when the system has none.
pub(crate) fn hex<const N: usize>() -> Result<String, StreetFault> {
    let mut text = String::with_capacity(2 * N);
    for byte in bytes::<N>()? {
        write!(text, "{byte:02x}").map_err(|_| StreetFault::Unexpected("a full string"))?;
    }
    Ok(text)
}
