//! What every fuzz target shares: one macro that makes a function of bytes a target of libFuzzer, and a program and a
//! test that replay its seeds; and a tape that turns bytes into choices.
//!
//! A target is one file in `src/bin` and one folder in `seeds`, both of its name:
//!
//! ```
//! use gettone_fuzz::{Tape, target};
//!
//! fn run(bytes: &[u8]) {
//!     let mut tape = Tape::new(bytes);
//!     assert!(tape.below(4) < 4);
//! }
//!
//! target!(run);
//! # fn _main() { main() }
//! ```

mod replay;
mod tape;

#[cfg(fuzzing)]
pub use libfuzzer_sys;
pub use replay::replay;
pub use tape::Tape;

/// Makes a function of bytes a fuzz target; without `--cfg fuzzing`, a program that replays files and a test that
/// replays the target's seeds.
#[macro_export]
macro_rules! target {
    ($run:path) => {
        #[cfg(fuzzing)]
        $crate::libfuzzer_sys::fuzz_target!(|bytes: &[u8]| $run(bytes));

        /// Replays the files named, or every seed.
        #[cfg(not(fuzzing))]
        fn main() {
            $crate::replay(module_path!(), std::env::args_os().skip(1), $run);
        }

        #[cfg(all(test, not(fuzzing)))]
        #[test]
        fn every_seed_passes() {
            let none: [std::ffi::OsString; 0] = [];
            let replayed = $crate::replay(module_path!(), none, $run);
            assert!(replayed > 0, "a target has seeds");
        }
    };
}
