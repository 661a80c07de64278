//! The program's own renewal while it runs: firmware is put in its slot beside the hub, and the
//! reader ends, to be started with it, when nobody is served.

use crate::care::Programs;
use crate::launch::{Launched, Runs};
use gettone_channel::{MdbState, PackageKind};
use gettone_core::board::{Life, Machine};
use gettone_core::notice::Code;
use gettone_relay::{CareOrder, FirmwareStart, Input, Standing};
use tokio::task::{JoinHandle, spawn_blocking};

const KIND: PackageKind = PackageKind::Firmware;

/// What becomes of the program.
pub(crate) struct Renewal {
    programs: Programs,
    takes: Takes,
    /// The brought program that runs and is not proved.
    trial: Option<u32>,
    session: Session,
    is_kept: bool,
    given_up: Option<u32>,
    installing: Option<JoinHandle<Input>>,
    /// Whether somebody starts the reader again when it ends.
    is_launched: bool,
    is_due: bool,
}

/// Whether firmware is taken at all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Takes {
    Firmware,
    /// Nobody's key is known here, or no launcher would run it.
    Nothing,
}

/// What the machine has done with this program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Session {
    None,
    Began,
    Ended,
}

impl Renewal {
    pub(crate) fn new(programs: Programs, takes: Takes, launched: Option<&Launched>) -> Self {
        let runs = launched.map(|launched| launched.runs);
        Self {
            programs,
            takes,
            trial: match runs {
                Some(Runs::Brought {
                    number,
                    is_proved: false,
                    ..
                }) => Some(number),
                Some(Runs::Brought { .. } | Runs::Packaged) | None => None,
            },
            session: Session::None,
            is_kept: false,
            given_up: launched.and_then(|launched| launched.given_up),
            installing: None,
            is_launched: launched.is_some(),
            is_due: false,
        }
    }

    /// What a station has to know; nothing where no firmware is taken.
    pub(crate) fn start(&self) -> Option<FirmwareStart> {
        (self.takes == Takes::Firmware).then(|| self.programs.start())
    }

    /// What the server is to hear of this start, once.
    pub(crate) fn news(&mut self) -> Option<Input> {
        self.given_up.take().map(|number| {
            let [a, b, c, d] = number.to_be_bytes();
            let (code, data) = (Code::FIRMWARE_GIVEN_UP, [a, b, c, d, 0, 0, 0, 0]);
            Input::Fault { code, data }
        })
    }

    /// Does what a station asks; an installation tells its end through [`Renewal::installed`].
    pub(crate) fn follow(&mut self, order: CareOrder) -> Option<Input> {
        if let CareOrder::Install(_) = order {
            let programs = self.programs.clone();
            // Seconds on a small board, during which the machine and a customer go on.
            self.installing = Some(spawn_blocking(move || {
                told(programs.follow(&order)).unwrap_or(Input::NotInstalled(KIND))
            }));
            return None;
        }
        told(self.programs.follow(&order))
    }

    /// The program that runs, as long as it is on trial.
    pub(crate) fn on_trial(&self) -> Option<(Programs, u32)> {
        self.trial.map(|number| (self.programs.clone(), number))
    }

    /// Whether the program that runs was proved in this start.
    pub(crate) const fn is_kept(&self) -> bool {
        self.is_kept
    }

    /// Whether somebody starts the reader again when it ends.
    pub(crate) const fn is_launched(&self) -> bool {
        self.is_launched
    }

    /// Waits for the end of an installation; for ever while there is none.
    pub(crate) async fn installed(&mut self) -> Input {
        let Some(installing) = &mut self.installing else {
            return core::future::pending().await;
        };
        let input = installing.await.unwrap_or_else(|fault| {
            tracing::error!(%fault, "a program cannot be put in place");
            Input::NotInstalled(KIND)
        });
        self.installing = None;
        self.is_due |= matches!(input, Input::Installed(..));
        input
    }

    /// A configuration was put in place: it counts from the next start.
    pub(crate) const fn configured(&mut self) {
        self.is_due |= self.is_launched;
    }

    /// Sees what the machine does: a session that began and ended proves the program.
    pub(crate) fn see(&mut self, machine: Machine) {
        if machine == Machine::SessionBegan {
            self.session = Session::Began;
        }
    }

    /// Sees where the board stands.
    pub(crate) fn stand(&mut self, life: Life, standing: &Standing) {
        let is_over = life == Life::Idle && standing.mdb_state == MdbState::Enabled;
        if self.session != Session::Began || !is_over {
            return;
        }
        self.session = Session::Ended;
        let Some(number) = self.trial.take() else {
            return;
        };
        match self.programs.confirm(number) {
            Ok(true) => {
                tracing::info!(number, "this program is proved");
                self.is_kept = true;
            }
            Ok(false) => {}
            Err(fault) => tracing::error!(%fault, "this program cannot be confirmed"),
        }
    }

    /// Whether the reader is to end here, to be started with what was brought.
    pub(crate) fn is_due(&self, life: Life, standing: &Standing) -> bool {
        let is_free = matches!(
            standing.mdb_state,
            MdbState::Inactive | MdbState::Disabled | MdbState::Enabled
        );
        self.is_due && life == Life::Idle && is_free
    }
}

fn told(followed: Result<Option<Input>, crate::identity::IdentityFault>) -> Option<Input> {
    followed.unwrap_or_else(|fault| {
        tracing::error!(%fault, "a package cannot be stored");
        // It is fetched anew.
        Some(Input::NotInstalled(KIND))
    })
}
