//! Light samples in, pairing codes out.

use crate::config::LightSource;
use crate::news::News;
use core::ops::ControlFlow;
use gettone_core::board::Code;
use gettone_optical::iio::{IioFault, Sensor};
use gettone_optical::{Decoded, Decoder, Kind, Progress, Sample, Trial, Verdict};
use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::net::UnixListener;
use tokio::sync::mpsc::Sender;

/// A line of samples is at most this long; a longer one ends the source.
const LINE_LEN_MAX: u64 = 128;

/// How long a sensor that is not there is waited for before it is looked for again.
const SENSOR_PAUSE: Duration = Duration::from_secs(10);

/// What becomes of the light, told to the log and to the hub.
#[derive(Debug)]
struct Outlook {
    trial: Trial,
    told: Verdict,
}

impl Outlook {
    const fn new() -> Self {
        Self {
            trial: Trial::new(),
            told: Verdict::Open,
        }
    }

    /// Looks at how far the decoder is; a hub that is busy is told later.
    fn look(&mut self, t_us: u64, decoder: &Decoder, news: &Sender<News>) {
        let verdict = self.trial.handle(t_us, decoder);
        if let Some(Verdict::Refused(reason)) = verdict
            && reason != Progress::Nothing
        {
            tracing::info!(%reason, "a light is not read");
        }
        let verdict = self.trial.verdict();
        if verdict != self.told && news.try_send(News::Light(verdict)).is_ok() {
            self.told = verdict;
        }
    }

    /// A code was read: the next light is another try.
    fn read(&mut self) {
        self.trial = Trial::new();
    }
}

/// Reads `source` until it ends, or for ever. Whether a code is wanted is the board's to say.
///
/// # Errors
/// When the source cannot be read.
pub(crate) async fn serve(source: LightSource, news: Sender<News>) -> io::Result<()> {
    match source {
        LightSource::File(path) => {
            let file = tokio::fs::File::open(&path).await?;
            read(file, &news).await
        }
        LightSource::Socket(path) => {
            let listener = listen(&path)?;
            loop {
                let (stream, _) = listener.accept().await?;
                if let Err(fault) = read(stream, &news).await {
                    tracing::warn!(%fault, "the light sensor's connection broke");
                }
            }
        }
        LightSource::Iio(name) => {
            // A read of a sensor blocks, for as long as its bus takes.
            let watcher = thread::Builder::new().name("light".to_owned());
            watcher.spawn(move || watch(&name, &news))?;
            core::future::pending().await
        }
    }
}

/// Reads the kernel's sensor until nobody wants to hear of it; one that goes is waited for.
fn watch(name: &str, news: &Sender<News>) {
    let mut told = String::new();
    while !news.is_closed() {
        let Err(fault) = watch_once(name, news) else {
            return;
        };
        let said = fault.to_string();
        if said != told {
            tracing::warn!(%fault, "no light sensor; the machine is served all the same");
            told = said;
        }
        thread::sleep(SENSOR_PAUSE);
    }
}

fn watch_once(name: &str, news: &Sender<News>) -> Result<(), IioFault> {
    let sensor = Sensor::open(name)?;
    let survey = sensor.survey()?;
    survey.check()?;
    let rate_hz = survey.rate_hz;
    let integration = survey.integration.as_deref().unwrap_or("unknown");
    tracing::info!(
        sensor = survey.name,
        rate_hz,
        integration_s = integration,
        bus = %survey.bus,
        "light is read"
    );
    if let Some(advice) = survey.advice() {
        tracing::warn!(rate_hz, "{advice}");
    }
    let mut decoder = Decoder::new();
    let mut outlook = Outlook::new();
    sensor.run(|sample| match decoder.push(sample) {
        Some(decoded) => {
            decoder.reset();
            outlook.read();
            match news.blocking_send(news_of(&decoded)) {
                Err(_) => ControlFlow::Break(()),
                Ok(()) => ControlFlow::Continue(()),
            }
        }
        None => {
            outlook.look(sample.t_us, &decoder, news);
            ControlFlow::Continue(())
        }
    })
}

/// A socket file left by a process that crashed is in the way; the state directory's lock says
/// that nobody else listens on it.
fn listen(path: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Err(fault) if fault.kind() != io::ErrorKind::NotFound => return Err(fault),
        Ok(()) | Err(_) => {}
    }
    UnixListener::bind(path)
}

async fn read(source: impl AsyncRead + Unpin, news: &Sender<News>) -> io::Result<()> {
    let mut source = BufReader::new(source);
    let mut decoder = Decoder::new();
    let mut outlook = Outlook::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut bounded = (&mut source).take(LINE_LEN_MAX);
        if bounded.read_until(b'\n', &mut line).await? == 0 {
            return Ok(());
        }
        if !line.ends_with(b"\n") {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "a line of samples is cut off or too long",
            ));
        }
        // A heading or a comment is no sample, and no reason to stop.
        let Some(sample) = parse(&line) else { continue };
        let Some(decoded) = decoder.push(sample) else {
            outlook.look(sample.t_us, &decoder, news);
            continue;
        };
        decoder.reset();
        outlook.read();
        if news.send(news_of(&decoded)).await.is_err() {
            return Ok(());
        }
    }
}

fn news_of(decoded: &Decoded) -> News {
    let secret = *decoded.payload.secret();
    match decoded.payload.kind() {
        Kind::Pairing => News::CodeSeen(Code::from_bytes(secret)),
        Kind::LightGrant => News::LightSeen(secret),
    }
}

/// `t_us,r,g,b,c`
fn parse(line: &[u8]) -> Option<Sample> {
    let mut fields = core::str::from_utf8(line).ok()?.trim_end().split(',');
    let t_us = fields.next()?.trim().parse().ok()?;
    let mut count = || fields.next()?.trim().parse().ok();
    let sample = Sample {
        t_us,
        r: count()?,
        g: count()?,
        b: count()?,
        c: count()?,
    };
    fields.next().is_none().then_some(sample)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shows rows and returns what the hub hears.
    fn heard(rows: impl Iterator<Item = Sample>) -> Vec<Verdict> {
        let (news, mut heard) = tokio::sync::mpsc::channel(64);
        let (mut decoder, mut outlook) = (Decoder::new(), Outlook::new());
        for sample in rows {
            assert_eq!(decoder.push(sample), None);
            outlook.look(sample.t_us, &decoder, &news);
        }
        drop(news);
        core::iter::from_fn(|| match heard.try_recv() {
            Ok(News::Light(verdict)) => Some(verdict),
            Ok(_) | Err(_) => None,
        })
        .collect()
    }

    #[test]
    fn the_hub_hears_once_that_a_light_is_too_much() {
        let told = heard((0..1_000_u64).map(|row| {
            // White on black, at the end of the scale and over it.
            let count = if row / 6 % 2 == 0 { 1_023 } else { 900 };
            Sample {
                t_us: row * 3_000,
                r: count,
                g: count,
                b: count,
                c: 0,
            }
        }));
        assert_eq!(told, [Verdict::Refused(Progress::Saturated)]);
    }

    #[test]
    fn the_hub_hears_of_no_trouble_in_a_dark_room() {
        let told = heard((0..1_000_u64).map(|row| Sample {
            t_us: row * 3_000,
            r: 9,
            g: 9,
            b: 9,
            c: 0,
        }));
        assert_eq!(told, [Verdict::Refused(Progress::Nothing)]);
    }

    #[test]
    fn only_five_numbers_make_a_sample() {
        let sample = Sample {
            t_us: 12,
            r: 1,
            g: 2,
            b: 3,
            c: 65_535,
        };
        assert_eq!(parse(b"12,1,2,3,65535\n"), Some(sample));
        for line in [
            "t_us,r,g,b,c\n",
            "12,1,2,3\n",
            "12,1,2,3,4,5\n",
            "12,1,2,3,65536\n",
            "-1,1,2,3,4\n",
            "\n",
        ] {
            assert_eq!(parse(line.as_bytes()), None, "{line}");
        }
    }
}
