//! The lamp's and the buzzer's lines: the port to them, and the loop that plays a panel on it.

use crate::panel::{Output, Panel};

/// Whether a line is driven.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Level {
    /// It is not.
    #[default]
    Off,
    /// It is.
    On,
}

/// A lamp of three colours.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Light {
    /// The red lamp.
    pub red: Level,
    /// The green lamp.
    pub green: Level,
    /// The blue lamp.
    pub blue: Level,
}

impl Light {
    /// No lamp.
    pub const DARK: Self = Self::mix(Level::Off, Level::Off, Level::Off);
    /// Red alone.
    pub const RED: Self = Self::mix(Level::On, Level::Off, Level::Off);
    /// Green alone.
    pub const GREEN: Self = Self::mix(Level::Off, Level::On, Level::Off);
    /// Blue alone.
    pub const BLUE: Self = Self::mix(Level::Off, Level::Off, Level::On);
    /// Red and green.
    pub const YELLOW: Self = Self::mix(Level::On, Level::On, Level::Off);
    /// Green and blue.
    pub const CYAN: Self = Self::mix(Level::Off, Level::On, Level::On);

    const fn mix(red: Level, green: Level, blue: Level) -> Self {
        Self { red, green, blue }
    }
}

/// What drives the lines.
pub trait Lines {
    /// Sets the lamp.
    ///
    /// # Errors
    /// When the lines cannot be set.
    fn light(&mut self, light: Light) -> Result<(), LinesFault>;

    /// Sets the buzzer.
    ///
    /// # Errors
    /// When the line cannot be set.
    fn buzzer(&mut self, level: Level) -> Result<(), LinesFault>;
}

/// Carries out what a panel asks for.
///
/// # Errors
/// When a line cannot be set; what is left is tried all the same.
pub fn play(panel: &mut Panel, lines: &mut impl Lines) -> Result<(), LinesFault> {
    let mut played = Ok(());
    while let Some(output) = panel.poll() {
        let set = match output {
            Output::Light(light) => lines.light(light),
            Output::Buzzer(level) => lines.buzzer(level),
        };
        played = played.and(set);
    }
    played
}

/// Why lines cannot be used.
#[derive(thiserror::Error, Debug)]
#[non_exhaustive]
pub enum LinesFault {
    /// They cannot be had.
    #[error("cannot take lines of {chip}")]
    Take {
        /// Of which chip.
        chip: String,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// They cannot be set.
    #[error("cannot set a line of the panel")]
    Set(#[source] std::io::Error),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::panel::Input;
    use crate::signal::Signal;
    use std::time::Duration;

    /// Lines on paper; no simulator of a GPIO chip can be counted on where tests run.
    #[derive(Default)]
    struct Paper {
        written: Vec<String>,
        broken: bool,
    }

    impl Lines for Paper {
        fn light(&mut self, light: Light) -> Result<(), LinesFault> {
            self.written.push(format!("{light:?}"));
            match self.broken {
                true => Err(LinesFault::Set(std::io::Error::other("broken"))),
                false => Ok(()),
            }
        }

        fn buzzer(&mut self, level: Level) -> Result<(), LinesFault> {
            self.written.push(format!("{level:?}"));
            Ok(())
        }
    }

    #[test]
    fn a_broken_lamp_leaves_the_buzzer_working() {
        let mut lines = Paper {
            broken: true,
            ..Paper::default()
        };
        let mut panel = Panel::new();
        panel.handle(Duration::ZERO, Input::Show(Signal::Error));
        assert!(play(&mut panel, &mut lines).is_err());
        assert_eq!(
            lines.written,
            [format!("{:?}", Light::RED), "On".to_owned()]
        );
    }
}
