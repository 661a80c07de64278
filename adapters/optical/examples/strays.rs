//! Looks for a payload that nobody showed, in noise, room light, videos, cut codes and two phones at once.
//!
//! `cargo run --release -p gettone-optical --example strays -- [RUNS] [FIRST]`

#[path = "../tests/strays/mod.rs"]
mod strays;

use std::process::ExitCode;
use strays::{STRAYS, is_misread};

fn main() -> ExitCode {
    let words: Vec<u64> = std::env::args()
        .skip(1)
        .map(|word| word.parse().expect("RUNS and FIRST are numbers"))
        .collect();
    let runs = words.first().copied().unwrap_or(100_000);
    let first = words.get(1).copied().unwrap_or(0);
    let mut wrong = 0;
    let (mut looked, mut misread) = ([0_u64; STRAYS.len()], [0_u64; STRAYS.len()]);
    for seed in first..first + runs {
        let stray = (seed % STRAYS.len() as u64) as usize;
        looked[stray] += 1;
        if is_misread(stray, seed) {
            println!("seed {seed}: a payload nobody showed, in {}", STRAYS[stray]);
            misread[stray] += 1;
            wrong += 1;
        }
    }
    for ((stray, looked), misread) in STRAYS.iter().zip(looked).zip(misread) {
        println!("{stray}: {misread} of {looked}");
    }
    // The rule of three: no event in so many runs.
    let bound = 3.0 / runs.max(1) as f64;
    println!(
        "seeds {first}..{}: wrong {wrong} of {runs}; with none, below {bound:.1e} with 95 %",
        first + runs
    );
    if wrong == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
