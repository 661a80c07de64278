//! What a wallet may spend in one day, week and month of the calendar, in UTC.

use super::Refusal;
use crate::money::{AMOUNT_MAX, Amount};
use crate::time::Timestamp;
use core::fmt;
use rkyv::{Archive, Deserialize, Serialize};

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// A stretch of the calendar that a limit is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Window {
    /// From midnight to midnight, UTC.
    Day,
    /// From Monday to Sunday (ISO 8601).
    Week,
    /// From the first to the last of a month.
    Month,
}

impl Window {
    /// All of them, the shortest first.
    pub const ALL: [Self; 3] = [Self::Day, Self::Week, Self::Month];

    /// Which one `at` is in, counted from the one that 1970 began in.
    pub fn number(self, at: Timestamp) -> u64 {
        let days = at.as_millis() / DAY_MS;
        match self {
            Self::Day => days,
            // 1970 began on a Thursday.
            Self::Week => (days + 3) / 7,
            Self::Month => month_of(days),
        }
    }

    /// When the one that `at` is in is over and the next one begins.
    pub fn ends(self, at: Timestamp) -> Timestamp {
        let next = self.number(at) + 1;
        let days = match self {
            Self::Day => next,
            Self::Week => next * 7 - 3,
            Self::Month => first_day_of(next),
        };
        Timestamp::from_millis(days.saturating_mul(DAY_MS))
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        })
    }
}

/// The month since January 1970 that a day since 1970 began is in. Years begin in March here, so
/// that the leap day is the last of its year; the calendar repeats every 400 years.
fn month_of(days: u64) -> u64 {
    let since = days + DAYS_BEFORE_1970;
    let (era, of_era) = (since / DAYS_OF_ERA, since % DAYS_OF_ERA);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    12 * (400 * era + year) + month - MONTHS_BEFORE_1970
}

/// The day since 1970 began that a month since January 1970 begins with.
fn first_day_of(month: u64) -> u64 {
    let since = month + MONTHS_BEFORE_1970;
    let (years, month) = (since / 12, since % 12);
    let (era, year) = (years / 400, years % 400);
    let of_year = (153 * month + 2) / 5;
    DAYS_OF_ERA * era + 365 * year + year / 4 - year / 100 + of_year - DAYS_BEFORE_1970
}

/// From 1 March of the year 0 to 1 January 1970.
const DAYS_BEFORE_1970: u64 = 719_468;
const MONTHS_BEFORE_1970: u64 = 12 * 1_969 + 10;
const DAYS_OF_ERA: u64 = 146_097;

/// The most that may be spent in each window; none where it is not limited.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Limits {
    /// In a day.
    pub day: Option<Amount>,
    /// In a week.
    pub week: Option<Amount>,
    /// In a month.
    pub month: Option<Amount>,
}

impl Limits {
    /// The limit of one window.
    pub const fn of(self, window: Window) -> Option<Amount> {
        match window {
            Window::Day => self.day,
            Window::Week => self.week,
            Window::Month => self.month,
        }
    }

    /// Whether nothing is limited.
    pub fn is_none(self) -> bool {
        self == Self::default()
    }

    pub(super) fn check(self) -> Result<(), Refusal> {
        for amount in Window::ALL.into_iter().filter_map(|window| self.of(window)) {
            if amount < Amount::ZERO || amount > Amount::from_minor(AMOUNT_MAX) {
                return Err(Refusal::BadAmount { amount });
            }
        }
        Ok(())
    }
}

/// One limit, and how far it is used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Usage {
    /// In which window.
    pub window: Window,
    /// The most.
    pub limit: Amount,
    /// What was spent, and not given back.
    pub used: Amount,
    /// When the next window begins.
    pub resets_at: Timestamp,
}

/// Limits, and what was spent in the newest window of each kind.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Budget {
    limits: Limits,
    spent: [Spent; Window::ALL.len()],
}

#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Spent {
    number: u64,
    amount: Amount,
}

impl Budget {
    /// Counts what was spent already, in the order of its sales.
    pub(super) fn new(limits: Limits, earlier: impl Iterator<Item = (Amount, Timestamp)>) -> Self {
        let mut budget = Self {
            limits,
            spent: [Spent::default(); Window::ALL.len()],
        };
        for (amount, at) in earlier {
            budget.spend(amount, at);
        }
        budget
    }

    pub(super) const fn limits(&self) -> Limits {
        self.limits
    }

    /// A clock that was set back gains nobody a new window.
    pub(super) fn spend(&mut self, amount: Amount, at: Timestamp) {
        for (window, spent) in Window::ALL.into_iter().zip(&mut self.spent) {
            let number = window.number(at);
            if number > spent.number {
                *spent = Spent {
                    number,
                    amount: Amount::ZERO,
                };
            }
            spent.amount = spent.amount + amount;
        }
    }

    /// How far each limit is used.
    pub(super) fn usage(&self, now: Timestamp) -> impl Iterator<Item = Usage> + '_ {
        let windows = Window::ALL.into_iter().zip(&self.spent);
        windows.filter_map(move |(window, spent)| {
            let is_over = window.number(now) > spent.number;
            Some(Usage {
                window,
                limit: self.limits.of(window)?,
                used: if is_over { Amount::ZERO } else { spent.amount },
                resets_at: window.ends(now),
            })
        })
    }

    /// The limit that leaves the least beside what is pending; of two alike the longer one, which
    /// is the one to wait for.
    pub(super) fn tightest(&self, now: Timestamp, pending: Amount) -> Option<(Amount, Usage)> {
        self.usage(now)
            .map(|usage| (usage.limit.above(usage.used + pending), usage))
            .min_by_key(|(left, usage)| (*left, core::cmp::Reverse(usage.window)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(number: u64) -> Timestamp {
        Timestamp::from_millis(number * DAY_MS)
    }

    /// Counted on by hand, day after day, for longer than the calendar takes to repeat.
    #[test]
    fn months_and_weeks_are_those_of_the_calendar() {
        let (mut year, mut month, mut of_month) = (1970_u64, 1_u64, 1_u64);
        for number in 0..160_000 {
            let at = Timestamp::from_millis(number * DAY_MS + 86_399_999);
            let months = (year - 1970) * 12 + month - 1;
            assert_eq!(
                Window::Month.number(at),
                months,
                "{year}-{month}-{of_month}"
            );
            assert_eq!(Window::Day.ends(at), day(number + 1));
            let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let last = match month {
                2 => 28 + u64::from(is_leap),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            let left = last - of_month + 1;
            assert_eq!(Window::Month.ends(at), day(number + left));
            // Day 4 was a Monday.
            let monday = (number + 3) % 7 == 0;
            let is_new =
                number > 0 && Window::Week.number(day(number - 1)) < Window::Week.number(at);
            assert_eq!(monday && number > 0, is_new, "day {number}");
            (year, month, of_month) = match (of_month < last, month < 12) {
                (true, _) => (year, month, of_month + 1),
                (false, true) => (year, month + 1, 1),
                (false, false) => (year + 1, 1, 1),
            };
        }
    }

    #[test]
    fn the_end_of_time_is_a_window_as_well() {
        let end = Timestamp::from_millis(u64::MAX);
        for window in Window::ALL {
            assert!(window.ends(end) >= end, "{window}");
        }
    }

    #[test]
    fn of_limits_alike_the_longer_one_is_told() {
        let most = Some(Amount::from_minor(500));
        let limits = Limits {
            day: most,
            week: None,
            month: most,
        };
        let budget = Budget::new(limits, [(Amount::from_minor(500), day(3))].into_iter());
        let told = |now, pending| {
            let (left, usage) = budget
                .tightest(now, Amount::from_minor(pending))
                .expect("there are limits");
            (
                left.minor(),
                usage.window,
                usage.used.minor(),
                usage.resets_at,
            )
        };
        assert_eq!(told(day(3), 0), (0, Window::Month, 500, day(31)));
        assert_eq!(told(day(4), 100), (0, Window::Month, 500, day(31)));
        assert_eq!(told(day(31), 100), (400, Window::Month, 0, day(59)));
        assert_eq!(
            told(day(2), 0),
            (0, Window::Month, 500, day(31)),
            "set back"
        );
    }
}
