//! The pure part of a light grant: who may ask for one, and how much it may be for (protocol
//! section 9.3).

use crate::relay::Reason;
use gettone_channel::{CapClass, Token};
use gettone_core::grant::Terms;
use gettone_core::id::{MachineId, ReaderId, VendId, WalletId};
use gettone_core::machine::Machine;
use gettone_core::money::Amount;
use gettone_core::reader::Ask;
use gettone_relay::{token_nonce, vend_of};

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

/// Vends of one light. Nothing tells a reader that who paid by light has gone, so what is left
/// after the first product would be the next person's.
const VENDS_MAX: u8 = 1;

/// What of these terms a light can say: no more is held than it allows, and no cash-in.
fn within_light(terms: Terms) -> Option<Terms> {
    let cap = u32::try_from(terms.cap.minor()).unwrap_or(u32::MAX);
    let class = CapClass::within(cap, terms.vends_max.min(VENDS_MAX))?;
    let least = CapClass::from_byte(0).cap_minor();
    Some(Terms {
        cap: Amount::from_minor(i64::from(class.cap_minor())),
        least: terms.least.max(Amount::from_minor(i64::from(least))),
        vends_max: class.vends_max(),
        revalue_max: Amount::ZERO,
        ..terms
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use gettone_core::grant::Purpose;
    use gettone_core::id::OperatorId;

    #[test]
    fn a_hold_is_never_above_what_its_light_allows() {
        for (cap, vends_max, held) in [
            (49, 3, None),
            (50, 3, Some((50, 1))),
            (520, 0, None),
            (520, 9, Some((500, 1))),
            (99_999, 1, Some((3_200, 1))),
            (i64::from(u32::MAX) + 1, 1, Some((3_200, 1))),
        ] {
            let terms = Terms {
                operator: OperatorId::new(1),
                machine: MachineId::new(1),
                cap: Amount::from_minor(cap),
                least: Amount::from_minor(30),
                vends_max,
                fee_basis_points: 0,
                revalue_max: Amount::from_minor(500),
                purpose: Purpose::Sale,
            };
            let within = within_light(terms);
            let shown = within.map(|terms| (terms.cap.minor(), terms.vends_max));
            assert_eq!(shown, held, "{cap} for {vends_max}");
            if let Some(within) = within {
                assert_eq!(within.revalue_max, Amount::ZERO);
                assert_eq!(within.least, Amount::from_minor(50));
            }
        }
    }
}
