//! The machine's controller as a reader's HELLOs name it: another one than before means that the
//! board stands in another machine, or that the machine's inside was exchanged. Somebody has to look.

use super::Event;
use super::state::Reader;
use crate::id::VmcId;

/// What a HELLO says while the controller has not told who it is.
const UNTOLD: VmcId = VmcId::from_bytes([0; 8]);

impl Reader {
    /// The controller that its HELLOs named last.
    pub fn controller(&self) -> Option<VmcId> {
        let newest = self.newest.map(|newest| newest.facts.vmc);
        newest
            .filter(|vmc| *vmc != UNTOLD)
            .or(self.vmc_before.filter(|vmc| *vmc != UNTOLD))
    }

    /// Whether a HELLO that names `told` says that the controller is another one.
    pub fn is_at_another(&self, told: VmcId) -> bool {
        told != UNTOLD && self.controller().is_some_and(|known| known != told)
    }

    /// The controller that nobody has confirmed yet.
    pub const fn doubted_controller(&self) -> Option<VmcId> {
        self.doubted
    }

    pub(super) fn doubt(&self, told: VmcId) -> Option<Event> {
        let is_news = self.is_at_another(told) && self.doubted != Some(told);
        is_news.then_some(Event::ControllerDoubted { vmc: told })
    }

    pub(super) fn trust(&self) -> Option<Event> {
        self.doubted.map(|_| Event::ControllerTrusted)
    }
}
