//! The pages in a real browser: Chromium, driven by its DevTools protocol, against the real
//! gateway, the real reader and the simulated machine.
//!
//! Every test here is ignored by default, for it needs Chromium and its time:
//! `cargo test -p gettone-examples --release --test browser -- --ignored`.

mod air;
mod cdp;
mod chromium;
mod codes;
mod console;
mod errand;
#[allow(dead_code, reason = "the road's tests cut it and count")]
#[path = "../road/front.rs"]
mod front;
mod light;
mod palette;
mod pictures;
mod scene;
mod technician;
mod typed;
mod vectors;
mod visit;

use libtest_mimic::{Arguments, Failed, Trial};
use std::env;
use std::process::ExitCode;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

/// What a browser test ends with.
type Outcome<T = ()> = Result<T, Failed>;

/// The longest that one test may take.
const TRIAL_MAX: Duration = Duration::from_secs(240);
/// How long a test may go on after its browser was taken from it.
const GRACE: Duration = Duration::from_secs(20);

fn main() -> ExitCode {
    gettone_examples::part().unwrap_or_else(test)
}

fn test() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Browsers that share two cores see each other's light stumble.
    arguments.test_threads.get_or_insert(1);
    let trials = [
        vectors::trials(),
        visit::trials(),
        codes::trials(),
        errand::trials(),
        console::trials(),
        technician::trials(),
        typed::trials(),
        pictures::trials(),
    ];
    libtest_mimic::run(&arguments, trials.into_iter().flatten().collect()).exit_code()
}

/// A test that needs a browser. Without one it says so loudly, and fails where nobody would read it.
fn trial(name: &str, run: impl FnOnce() -> Outcome + Send + 'static) -> Trial {
    Trial::test(name, move || match chromium::program() {
        Some(_) => bounded(run),
        None if env::var_os("CI").is_some() => Err("there is no Chromium to test with".into()),
        None => {
            eprintln!("NOT RUN: there is no Chromium (Debian: apt-get install chromium)");
            Ok(())
        }
    })
    .with_ignored_flag(true)
}

/// Ends a test that hangs: it loses its browser, whatever waits for that is told so, and cleans up.
fn bounded(run: impl FnOnce() -> Outcome + Send + 'static) -> Outcome {
    let (ended, end) = channel();
    let thread = thread::spawn(move || {
        // Nobody listens to a test that was given up.
        let _ = ended.send(run());
    });
    match end.recv_timeout(TRIAL_MAX) {
        Ok(outcome) => outcome,
        Err(RecvTimeoutError::Disconnected) => match thread.join() {
            Err(panic) => std::panic::resume_unwind(panic),
            Ok(()) => Err("the test ended without a word".into()),
        },
        Err(RecvTimeoutError::Timeout) => {
            chromium::end_all();
            let said = match end.recv_timeout(GRACE) {
                Ok(Err(failed)) => failed.message().unwrap_or_default().to_owned(),
                Ok(Ok(())) => "it would have passed".to_owned(),
                Err(_) => "it waits for something else than the browser".to_owned(),
            };
            Err(format!("longer than {} s: {said}", TRIAL_MAX.as_secs()).into())
        }
    }
}
