use std::fmt::Display;
use std::io::{BufRead, BufReader, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

/// What was said on the street, line by line, with who said it and when.
#[derive(Clone, Debug)]
pub struct Transcript {
    begun: Instant,
    out: Option<Arc<Mutex<std::io::Stdout>>>,
}

impl Default for Transcript {
    fn default() -> Self {
        Self {
            begun: Instant::now(),
            out: Some(Arc::new(Mutex::new(std::io::stdout()))),
        }
    }
}

impl Transcript {
    /// One that nobody reads.
    pub fn quiet() -> Self {
        Self {
            out: None,
            ..Self::default()
        }
    }

    /// Writes one line.
    pub fn say(&self, who: &str, what: impl Display) {
        let at = self.begun.elapsed();
        self.write(format_args!(
            "{:>4}.{:03} s  {who:<8} {what}",
            at.as_secs(),
            at.subsec_millis()
        ));
    }

    /// Writes a heading.
    pub fn scene(&self, title: &str) {
        self.write(format_args!("\n-- {title}"));
    }

    /// Writes a line as it is.
    pub fn plain(&self, line: &str) {
        self.write(format_args!("{line}"));
    }

    /// Writes every line that a process says, in its name, until it closes its end. `kept` turns
    /// the process's line into the transcript's, or leaves it out.
    pub fn follow(
        &self,
        who: &'static str,
        source: impl Read + Send + 'static,
        kept: fn(&str) -> Option<String>,
    ) -> JoinHandle<()> {
        let transcript = self.clone();
        thread::spawn(move || {
            for line in BufReader::new(source).lines().map_while(Result::ok) {
                if let Some(line) = kept(&line) {
                    transcript.say(who, line);
                }
            }
        })
    }

    fn write(&self, line: std::fmt::Arguments<'_>) {
        let Some(out) = &self.out else { return };
        let mut out = out.lock().unwrap_or_else(PoisonError::into_inner);
        // A closed pipe (`| head`) is no reason to stop vending.
        let _ = writeln!(out, "{line}");
    }
}
