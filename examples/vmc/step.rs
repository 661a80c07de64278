//! What is done at the machine, as it is written.

use std::collections::VecDeque;
use std::path::Path;
use std::time::Duration;

use clap::ValueEnum;

use crate::fault::VmcFault;
use crate::money::Prices;
use crate::quirk::{Fault, Place};
use crate::script::STEPS_MAX;

/// What is done at the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Ready,
    Session,
    Select { item: u16, price: u32 },
    Dispense,
    Jam,
    Coin(u32),
    Limit,
    Cash,
    Sell { item: u16, price: u32 },
    Favourite,
    Bring { item: u16, price: u32 },
    Type(String),
    Faults(Vec<Fault>),
    Return,
    End,
    Enable,
    Disable,
    Restart,
    RestartIn(Place),
    Break,
    Hush(Duration),
    Pause(Duration),
    Off,
    On,
    Quit,
}

impl Prices {
    /// Reads one step.
    pub(crate) fn step(&self, text: &str) -> Result<Step, VmcFault> {
        let wrong = || VmcFault::Step(text.trim().to_owned());
        let words: Vec<&str> = text.split_whitespace().collect();
        let item = |text: &str| text.parse::<u16>().map_err(|_| wrong());
        let seconds = |text: &str| {
            let seconds = text.parse::<f64>().ok();
            let seconds = seconds.and_then(|it| Duration::try_from_secs_f64(it).ok());
            seconds.ok_or_else(wrong)
        };
        Ok(match words[..] {
            ["ready"] => Step::Ready,
            ["session"] => Step::Session,
            ["select", it] => Step::Select {
                item: item(it)?,
                price: self.price(item(it)?),
            },
            ["select", it, price] => Step::Select {
                item: item(it)?,
                price: self.money.minor(price)?,
            },
            ["dispense"] => Step::Dispense,
            ["jam"] => Step::Jam,
            ["coin", amount] => Step::Coin(self.money.minor(amount)?),
            ["limit"] => Step::Limit,
            ["cash"] => Step::Cash,
            ["sell", it] => Step::Sell {
                item: item(it)?,
                price: self.price(item(it)?),
            },
            ["sell", it, price] => Step::Sell {
                item: item(it)?,
                price: self.money.minor(price)?,
            },
            ["favourite"] => Step::Favourite,
            ["bring", it] => Step::Bring {
                item: item(it)?,
                price: self.price(item(it)?),
            },
            ["bring", it, price] => Step::Bring {
                item: item(it)?,
                price: self.money.minor(price)?,
            },
            ["type", keys] if keys.len() <= 8 && keys.bytes().all(|it| it.is_ascii_digit()) => {
                Step::Type(keys.to_owned())
            }
            ["faults", "none"] => Step::Faults(Vec::new()),
            ["faults", names] => {
                let names = names.split(',').map(|it| Fault::from_str(it, true));
                Step::Faults(names.collect::<Result<_, _>>().map_err(|_| wrong())?)
            }
            ["return"] => Step::Return,
            ["end"] => Step::End,
            ["enable"] => Step::Enable,
            ["disable"] => Step::Disable,
            ["restart"] => Step::Restart,
            ["restart-in", state] => {
                Step::RestartIn(Place::from_str(state, true).map_err(|_| wrong())?)
            }
            ["break"] => Step::Break,
            ["hush", it] => Step::Hush(seconds(it)?),
            ["pause", it] => Step::Pause(seconds(it)?),
            ["off"] => Step::Off,
            ["on"] => Step::On,
            ["quit"] => Step::Quit,
            _ => return Err(wrong()),
        })
    }

    /// A script in a file: one step to a line, `#` begins a remark.
    pub(crate) fn script_file(&self, path: &Path) -> Result<VecDeque<Step>, VmcFault> {
        let text = std::fs::read_to_string(path).map_err(|source| VmcFault::Script {
            path: path.to_owned(),
            source,
        })?;
        let mut steps = VecDeque::new();
        for (at, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default();
            if line.trim().is_empty() {
                continue;
            }
            let step = self.step(line).map_err(|fault| VmcFault::Line {
                line: at + 1,
                fault: Box::new(fault),
            })?;
            steps.push_back(step);
            if steps.len() > STEPS_MAX {
                return Err(VmcFault::LongScript);
            }
        }
        Ok(steps)
    }

    /// A script in one line, with semicolons.
    pub(crate) fn script(&self, text: &str) -> Result<VecDeque<Step>, VmcFault> {
        let steps = text.split(';').filter(|step| !step.trim().is_empty());
        let steps = steps
            .map(|step| self.step(step))
            .collect::<Result<VecDeque<_>, _>>()?;
        match steps.len() > STEPS_MAX {
            true => Err(VmcFault::LongScript),
            false => Ok(steps),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::Money;

    fn money() -> Money {
        Money {
            currency: "EUR".to_owned(),
            decimals: 2,
        }
    }

    #[test]
    fn a_script_is_read_whole_or_not_at_all() {
        let prices = Prices::parse("3=1.20, 4=0.80", money()).expect("a list");
        let steps = prices
            .script("coin 2.00; restart-in session; select 3; dispense;")
            .expect("steps");
        let select = Step::Select {
            item: 3,
            price: 120,
        };
        let reset = Step::RestartIn(Place::Session);
        assert_eq!(steps, [Step::Coin(200), reset, select, Step::Dispense]);
        for wrong in [
            "dance",
            "select",
            "select x",
            "coin",
            "hush -1",
            "restart-in bed",
            "coin 1.001",
        ] {
            assert!(prices.script(wrong).is_err(), "{wrong}");
        }
        assert!(Prices::parse("3", money()).is_err());
    }

    #[test]
    fn a_script_in_a_file_says_which_line_is_wrong() {
        let place = tempfile::tempdir().expect("a directory");
        let path = place.path().join("script");
        let prices = Prices::parse("", money()).expect("a list");
        let text = "# a bad day\nsession\n\nfaults lost-words,jams  # from here on\nselect 3 1.20\nfaults none\n";
        std::fs::write(&path, text).expect("a file");
        let steps = prices.script_file(&path).expect("steps");
        let broken = Step::Faults(vec![Fault::LostWords, Fault::Jams]);
        let select = Step::Select {
            item: 3,
            price: 120,
        };
        let whole = [Step::Session, broken, select, Step::Faults(Vec::new())];
        assert_eq!(steps, whole);
        std::fs::write(&path, "session\nfaults gremlins\n").expect("a file");
        let fault = prices.script_file(&path).expect_err("no such fault");
        assert!(matches!(fault, VmcFault::Line { line: 2, .. }));
        assert!(prices.script_file(place.path()).is_err());
    }
}
