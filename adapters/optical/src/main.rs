//! The light code on the command line: encode, decode, simulate.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use gettone_optical::sim::{Channel, Tier};
use gettone_optical::{
    Decoded, Decoder, Palette, Payload, Progress, RefreshRate, Trial, Verdict, csv, encode_in,
    ladder_in,
};
use thiserror::Error;

/// Exit code of a decode that found no payload.
const EXIT_REFUSED: u8 = 3;
/// Exit code of a file or an argument that cannot be used.
const EXIT_FAULT: u8 = 2;
/// Longest simulated time.
const SIMULATED_MAX_MS: u64 = 600_000;

/// Encodes and decodes the light code.
#[derive(Parser)]
#[command(name = "gettone-optical", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Prints one loop of frames as CSV
    Encode {
        /// 24 hex digits: header 01 or 02, ten bytes of secret, spare 00
        #[arg(long, value_parser = Payload::from_hex)]
        payload: Payload,
        /// Refresh rate of the display, 24 to 240
        #[arg(long, default_value = "60", value_parser = refresh_rate)]
        fps: RefreshRate,
        /// Prints the whole speed ladder instead of one loop: 1, 1, 2 and 3 times the least frames per symbol
        #[arg(long)]
        ladder: bool,
        /// Which codes the colours are shown with
        #[arg(long, value_enum, default_value_t = PaletteName::Full)]
        palette: PaletteName,
    },
    /// Reads samples CSV and prints the payload, or why there is none
    Decode {
        /// File with the header t_us,r,g,b,c
        samples: PathBuf,
    },
    /// Prints the samples a simulated sensor takes of a looped payload, as CSV
    Simulate {
        /// 24 hex digits: header 01 or 02, ten bytes of secret, spare 00
        #[arg(long, value_parser = Payload::from_hex)]
        payload: Payload,
        /// Chooses phone, sensor and room
        #[arg(long)]
        seed: u64,
        /// How bad they may be
        #[arg(long, value_enum, default_value_t = TierName::Nominal)]
        tier: TierName,
        /// Refresh rate of the display, 24 to 240
        #[arg(long, default_value = "60", value_parser = refresh_rate)]
        fps: RefreshRate,
        /// Simulated time
        #[arg(long, default_value_t = 4_000, value_parser = clap::value_parser!(u64).range(1..=SIMULATED_MAX_MS))]
        milliseconds: u64,
        /// Which codes the colours are shown with
        #[arg(long, value_enum, default_value_t = PaletteName::Full)]
        palette: PaletteName,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum PaletteName {
    /// Black and full primaries: the surest; safe by its small area
    Full,
    /// Dim colours of nearly one luminance: safe at any area; wants a sensor close by
    Gentle,
}

impl From<PaletteName> for Palette {
    fn from(name: PaletteName) -> Self {
        match name {
            PaletteName::Full => Self::Full,
            PaletteName::Gentle => Self::Gentle,
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
enum TierName {
    Nominal,
    Hard,
    Torture,
}

#[derive(Debug, Error)]
enum Fault {
    #[error("cannot open {}", .0.display())]
    Open(PathBuf, #[source] io::Error),
    #[error("{} is no samples file", .0.display())]
    Samples(PathBuf, #[source] csv::CsvFault),
    #[error("cannot write the result")]
    Write(#[from] io::Error),
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(code) => code,
        Err(fault) => {
            let mut text = fault.to_string();
            let mut cause = std::error::Error::source(&fault);
            while let Some(fault) = cause {
                text = format!("{text}: {fault}");
                cause = fault.source();
            }
            eprintln!("gettone-optical: {text}");
            ExitCode::from(EXIT_FAULT)
        }
    }
}

fn run(command: Command) -> Result<ExitCode, Fault> {
    let mut out = BufWriter::new(io::stdout().lock());
    let code = match command {
        Command::Encode {
            payload,
            fps,
            ladder,
            palette,
        } => {
            let frames = if ladder {
                ladder_in(&payload, fps, palette.into())
            } else {
                encode_in(&payload, fps, palette.into())
            };
            csv::write_frames(&mut out, &frames)?;
            ExitCode::SUCCESS
        }
        Command::Decode { samples } => match decode(&samples)? {
            Ok(decoded) => {
                let payload = decoded.payload.to_hex();
                let Decoded {
                    elapsed_us, loops, ..
                } = decoded;
                writeln!(
                    out,
                    r#"{{"payload": "{payload}", "elapsed_us": {elapsed_us}, "loops": {loops}}}"#
                )?;
                ExitCode::SUCCESS
            }
            Err(progress) => {
                writeln!(out, r#"{{"refused": "{progress}"}}"#)?;
                ExitCode::from(EXIT_REFUSED)
            }
        },
        Command::Simulate {
            payload,
            seed,
            tier,
            fps,
            milliseconds,
            palette,
        } => {
            let tier = match tier {
                TierName::Nominal => Tier::Nominal,
                TierName::Hard => Tier::Hard,
                TierName::Torture => Tier::Torture,
            };
            let mut samples = Channel::new(seed, tier, fps)
                .play(&encode_in(&payload, fps, palette.into()))
                .peekable();
            let begin_us = samples.peek().map_or(0, |sample| sample.t_us);
            let end_us = begin_us.saturating_add(milliseconds * 1_000);
            csv::write_samples(&mut out, samples.take_while(|sample| sample.t_us <= end_us))?;
            ExitCode::SUCCESS
        }
    };
    out.flush()?;
    Ok(code)
}

fn decode(path: &Path) -> Result<Result<Decoded, Progress>, Fault> {
    let file = File::open(path).map_err(|fault| Fault::Open(path.to_owned(), fault))?;
    let bad = |fault| Fault::Samples(path.to_owned(), fault);
    let (mut decoder, mut trial) = (Decoder::new(), Trial::new());
    for sample in csv::Samples::new(BufReader::new(file)).map_err(bad)? {
        let sample = sample.map_err(bad)?;
        if let Some(decoded) = decoder.push(sample) {
            return Ok(Ok(decoded));
        }
        trial.handle(sample.t_us, &decoder);
    }
    // A file that ends before anything could be said is told of as it stands.
    Ok(Err(match trial.verdict() {
        Verdict::Refused(reason) => reason,
        Verdict::Open | Verdict::Reading { .. } | _ => decoder.progress(),
    }))
}

fn refresh_rate(text: &str) -> Result<RefreshRate, String> {
    text.parse()
        .ok()
        .and_then(RefreshRate::new)
        .ok_or_else(|| "not a whole number from 24 to 240".to_owned())
}
