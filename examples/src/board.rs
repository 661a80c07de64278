use crate::fault::StreetFault;
use crate::phone::Places;
use crate::process::{self, Program};
use crate::server::{Key, Server};
use crate::transcript::Transcript;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// How long the reader waits for a phone that disappeared. Twenty seconds on a real street; here
/// nobody wants to watch that.
const RESUME_S: u32 = 1;

/// What a reader is connected to, in its configuration's words.
#[derive(Clone, Debug)]
pub struct Wiring {
    /// `bluez:ADAPTER` or `folder:PATH`.
    pub air: String,
    /// `iio:NAME` or `socket:PATH`.
    pub light: String,
    /// How long it waits for a phone that disappeared, in seconds.
    pub resume_s: u32,
    /// Where it shows codes; nowhere when there are none.
    pub codes: Option<Codes>,
}

/// Where a reader shows its codes.
#[derive(Clone, Debug)]
pub struct Codes {
    /// The link, and nothing while no code is on show.
    pub text: PathBuf,
    /// The same as a picture to scan.
    pub picture: PathBuf,
}

impl Codes {
    /// Places for them under `dir`.
    pub fn under(dir: &Path) -> Self {
        Self {
            text: dir.join("code"),
            picture: dir.join("code.png"),
        }
    }

    /// The link on show, if there is one.
    pub fn link(&self) -> Option<String> {
        let text = fs::read_to_string(&self.text).ok()?;
        (!text.is_empty()).then_some(text)
    }
}

/// The real reader in a process of its own.
pub struct Board {
    program: Program,
}

impl Board {
    /// Enrols a new reader for `machine` with the server, and starts it on the machine's link.
    ///
    /// # Errors
    /// `StreetFault` when the server refuses it, or it does not come up.
    pub fn start(
        dir: &Path,
        machine: u32,
        link: &Path,
        server: &Server,
        transcript: &Transcript,
    ) -> Result<(Self, Places), StreetFault> {
        Self::start_showing(dir, machine, link, server, None, transcript)
    }

    /// The same with a reader that shows codes there.
    ///
    /// # Errors
    /// `StreetFault` when the server refuses it, or it does not come up.
    pub fn start_showing(
        dir: &Path,
        machine: u32,
        link: &Path,
        server: &Server,
        codes: Option<Codes>,
        transcript: &Transcript,
    ) -> Result<(Self, Places), StreetFault> {
        let places = Places {
            air: dir.join("air"),
            light: dir.join("light.sock"),
        };
        fs::create_dir_all(&places.air).map_err(|fault| StreetFault::file(&places.air, fault))?;
        let wiring = Wiring {
            air: format!("folder:{}", places.air.display()),
            light: format!("socket:{}", places.light.display()),
            resume_s: RESUME_S,
            codes,
        };
        let board = Self::start_wired(dir, machine, link, server, &wiring, transcript)?;
        Ok((board, places))
    }

    /// Enrols a new reader with another air or light, and starts it.
    ///
    /// # Errors
    /// `StreetFault` when the server refuses it, or it does not come up.
    pub fn start_wired(
        dir: &Path,
        machine: u32,
        link: &Path,
        server: &Server,
        wiring: &Wiring,
        transcript: &Transcript,
    ) -> Result<Self, StreetFault> {
        let config = dir.join("reader.toml");
        let mut text = settings(dir, machine, link, wiring);
        if let Some(Codes {
            text: link,
            picture,
        }) = &wiring.codes
        {
            text += &format!(
                "\n[token]\nurl = \"{}\"\nshow = [\"text:{}\", \"picture:{}\"]\n",
                server.url(),
                link.display(),
                picture.display(),
            );
        }
        write(&config, &text)?;
        let enrolment = enrol(&config)?;
        let answer = server.post(
            Key::Operator,
            "/v1/readers",
            &json!({
                "public_key": enrolment["public_key"],
                "claim_code": enrolment["claim_code"],
                "machine": machine,
            }),
        )?;
        let key = answer["server_public_key"].as_str().unwrap_or_default();
        let epoch = answer["server_epoch"].as_u64().unwrap_or_default();
        write(
            &config,
            &format!("{text}\n[[server]]\nepoch = {epoch}\nkey = \"{key}\"\n"),
        )?;
        Self::start_again(dir, transcript)
    }

    /// Starts the reader that was enrolled in `dir` before.
    ///
    /// # Errors
    /// `StreetFault` when it does not come up.
    pub fn start_again(dir: &Path, transcript: &Transcript) -> Result<Self, StreetFault> {
        Self::start_as("run", dir, transcript)
    }

    /// Starts it by its launcher, which runs what a phone brought.
    ///
    /// # Errors
    /// `StreetFault` when it does not come up.
    pub fn launch(dir: &Path, transcript: &Transcript) -> Result<Self, StreetFault> {
        Self::start_as("launch", dir, transcript)
    }

    fn start_as(how: &str, dir: &Path, transcript: &Transcript) -> Result<Self, StreetFault> {
        let config = dir.join("reader.toml");
        let mut program = Program::start(
            "reader",
            &[how.as_ref(), "--config".as_ref(), config.as_os_str()],
        )?;
        program.follow("reader", transcript, process::message);
        Ok(Self { program })
    }

    /// Waits until the reader ends by itself, to be started again with what was brought.
    ///
    /// # Errors
    /// `StreetFault` when it does not, or not well.
    pub fn end(self) -> Result<(), StreetFault> {
        self.program.end()
    }

    /// Kills the reader's process, whatever it was at. What it had written is there, synced or not.
    pub fn crash(self) {
        drop(self.program);
    }

    /// Resident memory, in KiB, where the system tells.
    pub fn resident_kib(&self) -> Option<u64> {
        self.program.resident_kib()
    }

    /// Ends the reader as a service manager would.
    ///
    /// # Errors
    /// `StreetFault` when it does not end well.
    pub fn stop(self) -> Result<(), StreetFault> {
        self.program.stop()
    }
}

fn settings(dir: &Path, machine: u32, link: &Path, wiring: &Wiring) -> String {
    let Wiring {
        air,
        light,
        resume_s,
        codes: _,
    } = wiring;
    format!(
        "state = \"{}\"\nmachine = {machine}\nair = \"{air}\"\nlight = \"{light}\"\n\n\
         [mdb]\nlink = \"words:{}\"\ncurrency = \"EUR\"\n\n\
         [limits]\nresume_s = {resume_s}\n",
        dir.join("reader").display(),
        link.display(),
    )
}

fn enrol(config: &Path) -> Result<Value, StreetFault> {
    let (said, succeeded) = process::run(
        "reader",
        &["enrol".as_ref(), "--config".as_ref(), config.as_os_str()],
    )?;
    if !succeeded {
        return Err(StreetFault::Process {
            name: "reader",
            what: said,
        });
    }
    serde_json::from_str(&said).map_err(|_| StreetFault::Unexpected("an enrolment that is no JSON"))
}

fn write(path: &Path, text: &str) -> Result<(), StreetFault> {
    fs::write(path, text).map_err(|fault| StreetFault::file(path, fault))
}
