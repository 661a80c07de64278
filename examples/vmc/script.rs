//! A script at work: which step can be done when, and when it is over.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use gettone_mdb::Options;
use gettone_mdb::vmc::{Event, State};

use crate::fault::VmcFault;
use crate::line::Line;
use crate::machine::Machine;
use crate::step::Step;

/// Steps of a script.
pub(crate) const STEPS_MAX: usize = 1_024;

/// What the step at work still waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    /// The machine has to be in a state where it can be done.
    ToBegin,
    /// It is done, and its outcome is to come.
    ForOutcome,
}

/// The steps of a script, one after the other.
pub(crate) struct Script {
    steps: VecDeque<Step>,
    waiting: Waiting,
    since: Instant,
    step_s: u64,
}

impl Script {
    pub(crate) fn new(steps: VecDeque<Step>, step_s: u64) -> Self {
        Self {
            steps,
            waiting: Waiting::ToBegin,
            since: Instant::now(),
            step_s,
        }
    }

    /// Goes on as far as the machine lets it; false once nothing is left.
    pub(crate) fn go_on(
        &mut self,
        machine: &mut Machine,
        line: &mut Line,
    ) -> Result<bool, VmcFault> {
        while let Some(step) = self.steps.front().cloned() {
            let pause = if let Step::Pause(pause) = &step {
                *pause
            } else {
                Duration::ZERO
            };
            let over = match self.waiting {
                Waiting::ToBegin if self.since.elapsed() < pause || !can(machine, &step) => false,
                Waiting::ToBegin => {
                    machine.forget_news();
                    machine.operate(line, step.clone())?;
                    self.waiting = Waiting::ForOutcome;
                    continue;
                }
                Waiting::ForOutcome => {
                    let ended = machine.news().any(|event| ends(&step, event));
                    is_short(&step) || ended
                }
            };
            if !over {
                let limit = Duration::from_secs(self.step_s).max(pause);
                return match self.since.elapsed() > limit.saturating_add(pause) {
                    true => Err(VmcFault::Stuck(step, self.step_s)),
                    false => Ok(true),
                };
            }
            self.steps.pop_front();
            self.waiting = Waiting::ToBegin;
            self.since = Instant::now();
        }
        Ok(false)
    }
}

/// Whether the machine is where this step can be done.
fn can(machine: &Machine, step: &Step) -> bool {
    let state = machine.state();
    match step {
        // A machine that is always idle sells without a session.
        Step::Select { .. } | Step::Bring { .. } | Step::Coin(_)
            if machine.has(Options::ALWAYS_IDLE) =>
        {
            matches!(state, State::Session | State::Enabled)
        }
        Step::Select { .. }
        | Step::Bring { .. }
        | Step::Coin(_)
        | Step::Limit
        | Step::Return
        | Step::Session => state == State::Session,
        Step::Favourite => machine.is_wished() && matches!(state, State::Session | State::Enabled),
        Step::Type(_) => state == State::Enabled,
        Step::Faults(_) | Step::RestartIn(_) => true,
        Step::Sell { .. } => {
            matches!(state, State::Session | State::Enabled | State::Disabled)
        }
        Step::Ready | Step::Disable => state == State::Enabled,
        Step::Enable => state == State::Disabled,
        Step::End => matches!(state, State::Enabled | State::Disabled | State::Off),
        Step::Dispense | Step::Jam | Step::Cash => state == State::Busy,
        Step::Restart
        | Step::Break
        | Step::Hush(_)
        | Step::Pause(_)
        | Step::Off
        | Step::On
        | Step::Quit => true,
    }
}

/// Whether this is what the step was done for, or the end of hope for it.
fn ends(step: &Step, event: &Event) -> bool {
    if matches!(event, Event::SelectionRefused(_)) {
        return true;
    }
    match step {
        Step::Select { .. } | Step::Favourite | Step::Bring { .. } => matches!(
            event,
            Event::Dispense { .. }
                | Event::TakeBack { .. }
                | Event::Denied { .. }
                | Event::Cancelled
                | Event::ApprovalDeclined { .. }
                | Event::Restarting(_)
        ),
        Step::Dispense | Step::Jam => matches!(event, Event::Reported | Event::Restarting(_)),
        Step::Coin(_) => {
            matches!(
                event,
                Event::RevalueTaken { .. } | Event::RevalueRefused { .. }
            )
        }
        Step::Type(_) => matches!(event, Event::Told | Event::Restarting(_)),
        Step::Limit => matches!(event, Event::RevalueLimit { .. } | Event::Restarting(_)),
        Step::Cash => matches!(
            event,
            Event::Cancelled | Event::ApprovalDeclined { .. } | Event::Restarting(_)
        ),
        Step::Sell { .. } => matches!(event, Event::CashSaleReported | Event::Restarting(_)),
        Step::Return => matches!(event, Event::SessionEnded | Event::Restarting(_)),
        Step::Enable | Step::Restart | Step::Break => matches!(event, Event::Ready),
        Step::Disable => matches!(event, Event::Disabled),
        Step::Ready
        | Step::Session
        | Step::End
        | Step::Hush(_)
        | Step::Pause(_)
        | Step::Faults(_)
        | Step::RestartIn(_)
        | Step::Off
        | Step::On
        | Step::Quit => true,
    }
}

/// Whether a step is over as soon as it is done.
const fn is_short(step: &Step) -> bool {
    matches!(
        step,
        Step::Ready
            | Step::Session
            | Step::End
            | Step::Hush(_)
            | Step::Pause(_)
            | Step::Faults(_)
            | Step::RestartIn(_)
            | Step::Off
            | Step::On
            | Step::Quit
    )
}
