//! Enrolment, replacement and reset of a board, as an installer does them.

use crate::config::{Config, ConfigFault, Place};
use crate::enrolment::{Enrolment, EnrolmentFault};
use crate::identity::{Identity, IdentityFault};
use crate::installer::{Application, Enrolled, Installer, InstallerFault};
use crate::journal::{Journal, JournalFault};
use crate::servers;
use gettone_channel::ReaderId;
use gettone_relay::{Server, Servers};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

const ANSWER_LEN_MAX: u64 = 64 * 1024;

/// How the server hears of this board.
#[derive(Debug)]
pub(crate) enum Road {
    /// The board calls it.
    Call { server: String, api_key: PathBuf },
    /// Somebody else has called; this is the answer. `-` is the standard input.
    Answer(PathBuf),
    /// Somebody else will call.
    Elsewhere,
}

/// What an enrolment is told.
#[derive(Debug)]
pub(crate) struct Wish {
    pub(crate) machine: Option<u32>,
    /// The board whose place this one takes.
    pub(crate) replaces: Option<ReaderId>,
    pub(crate) road: Road,
}

/// Makes the board's key if it has none, enrols it as `wish` says, and prints who it is as JSON.
pub(crate) fn enrol(path: &Path, wish: &Wish) -> Result<(), EnrolFault> {
    let place = Config::read_place(path)?;
    let machine = machine(&place, wish)?;
    let identity = Identity::open(&place.state)?;
    let application = Application::new(&identity.public(), &identity.claim(), machine);
    println!(
        "{}",
        serde_json::json!({
            "reader_id": identity.reader_id().to_string(),
            "public_key": application.public_key,
            "claim_code": application.claim_code,
            "machine": machine,
        })
    );
    let enrolled = match &wish.road {
        Road::Elsewhere => {
            eprint!("{}", instructions(&application, wish.replaces, path));
            return Ok(());
        }
        Road::Answer(answer) => Enrolled::parse(&read_answer(answer)?)?,
        Road::Call { server, api_key } => {
            let installer = Installer::new(server, api_key)?;
            match wish.replaces {
                Some(old) => installer.replace(
                    old,
                    &Application {
                        machine: None,
                        ..application
                    },
                )?,
                None if machine.is_none() => return Err(EnrolFault::NoMachine),
                None => installer.enrol(&application)?,
            }
        }
    };
    let ours = identity.reader_id().to_string();
    if enrolled.reader_id != ours {
        return Err(InstallerFault::OtherReader {
            answered: enrolled.reader_id,
            ours,
        }
        .into());
    }
    let server = Server {
        epoch: enrolled.server_epoch,
        key: enrolled
            .server_public_key
            .parse()
            .map_err(|_| InstallerFault::ServerKey)?,
    };
    let machine = enrolled.machine.or(machine).ok_or(EnrolFault::NoMachine)?;
    let enrolment = Enrolment {
        machine,
        operator: enrolled.operator,
        server,
    };
    enrolment.write(&place.state)?;
    // The installer's word goes over the keys of a server of before.
    if let Some(servers) = Servers::installed(&[server]) {
        servers::keep(&place.state, &servers)?;
    }
    // What the files say may contradict it; better to hear so now than at the next start.
    Config::read(path)?;
    eprintln!(
        "enrolled as reader {ours} of machine {machine}, operator {}; start it with: \
         systemctl restart gettone-reader",
        enrolled.operator
    );
    Ok(())
}

/// The machine that this board is to serve, if anybody has said it.
fn machine(place: &Place, wish: &Wish) -> Result<Option<u32>, EnrolFault> {
    match (wish.machine, place.machine) {
        (Some(wished), Some(said)) if wished != said => {
            Err(EnrolFault::OtherMachine { wished, said })
        }
        (wished, said) => Ok(wished.or(said)),
    }
}

/// The call to be made from elsewhere, word for word.
fn instructions(application: &Application, replaces: Option<ReaderId>, config: &Path) -> String {
    let wished = application.machine;
    let (route, application) = match replaces {
        Some(old) => (
            format!("/v1/readers/{old}/replace"),
            Application {
                machine: None,
                ..application.clone()
            },
        ),
        None => ("/v1/readers".to_owned(), application.clone()),
    };
    let machine = wished.map_or_else(String::new, |machine| format!(" --machine {machine}"));
    let missing = replaces.is_none() && application.machine.is_none();
    let body = serde_json::to_string(&application).unwrap_or_default();
    let body = match missing {
        true => body.replace('}', ",\"machine\":NUMBER}"),
        false => body,
    };
    format!(
        "\nFrom a computer that reaches the server, with an operator's key in the file api-key:\n\n  \
         curl --fail-with-body -H \"authorization: Bearer $(cat api-key)\" \\\n    \
         -H 'content-type: application/json' -o answer.json \\\n    \
         -d '{body}' \\\n    https://SERVER{route}\n\n\
         Bring answer.json back and give it to the board:\n\n  \
         gettone-reader --config {} enrol{machine} --answer answer.json\n",
        config.display()
    )
}

fn read_answer(path: &Path) -> Result<String, EnrolFault> {
    let mut text = String::new();
    let read = if path == Path::new("-") {
        io::stdin().take(ANSWER_LEN_MAX).read_to_string(&mut text)
    } else {
        std::fs::File::open(path)
            .and_then(|file| file.take(ANSWER_LEN_MAX).read_to_string(&mut text))
    };
    match read {
        Ok(_) => Ok(text),
        Err(source) => Err(EnrolFault::ReadAnswer {
            path: path.to_owned(),
            source,
        }),
    }
}

/// Makes next keys for this board: the server hears of them with the next HELLO, and confirms them.
pub(crate) fn change_keys(path: &Path) -> Result<(), EnrolFault> {
    let place = Config::read_place(path)?;
    let mut identity = Identity::open(&place.state)?;
    let epoch = identity.change_keys()?.ok_or(EnrolFault::KeysChanging)?;
    println!(
        "{}",
        serde_json::json!({
            "reader_id": identity.reader_id().to_string(),
            "key_epoch": epoch,
        })
    );
    eprintln!(
        "keys {epoch} are made; once the reader runs, the next phone announces them, and the one \
         after has them confirmed"
    );
    Ok(())
}

/// Whether receipts that no server has may be lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Unsent {
    Keep,
    Forget,
}

/// Forgets who this board is; with a road to the server, it is revoked there first.
pub(crate) fn reset(
    path: &Path,
    unsent: Unsent,
    call: Option<(String, PathBuf)>,
) -> Result<(), EnrolFault> {
    let place = Config::read_place(path)?;
    let Some(id) = Identity::look(&place.state)? else {
        eprintln!(
            "there is no key in {}: nothing to forget",
            place.state.display()
        );
        return Ok(());
    };
    let identity = Identity::open(&place.state)?;
    let waiting = Journal::look(&place.state)?.map_or(0, |look| look.waiting);
    if waiting > 0 && unsent == Unsent::Keep {
        return Err(EnrolFault::Unsent { waiting });
    }
    if let Some((server, api_key)) = call {
        Installer::new(&server, &api_key)?.revoke(id)?;
        eprintln!("reader {id} is revoked on the server");
    } else {
        eprintln!("reader {id} stays on the server until it is revoked or replaced there");
    }
    identity.erase()?;
    eprintln!("this board has forgotten who it was; enrol it again to use it");
    Ok(())
}

/// Why a board is not enrolled, or not reset.
#[derive(thiserror::Error, Debug)]
#[non_exhaustive]
pub(crate) enum EnrolFault {
    /// The configuration is no good.
    #[error("the configuration")]
    Config(#[from] ConfigFault),
    /// The identity is no good.
    #[error("the board's identity")]
    Identity(#[from] IdentityFault),
    /// The enrolment of before is no good.
    #[error("the enrolment")]
    Enrolment(#[from] EnrolmentFault),
    /// The journal cannot be looked into.
    #[error("the board's journal")]
    Journal(#[from] JournalFault),
    /// The server did not answer as hoped.
    #[error("the enrolment at the server")]
    Installer(#[from] InstallerFault),
    /// Nobody has said which machine.
    #[error("say for which machine: --machine NUMBER, or machine = NUMBER in the configuration")]
    NoMachine,
    /// Two machines were said.
    #[error("--machine {wished} contradicts the configuration, which says machine = {said}")]
    OtherMachine {
        /// On the command line.
        wished: u32,
        /// In the configuration.
        said: u32,
    },
    /// The answer cannot be read.
    #[error("cannot read the server's answer from {path}")]
    ReadAnswer {
        /// From where.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A change of keys is not over.
    #[error(
        "a change of keys is under way: it ends once phones have carried it to the server and back"
    )]
    KeysChanging,
    /// Receipts would be lost.
    #[error(
        "{waiting} receipts have not reached the server: let a phone connect once more, \
         or give them up with --forget-receipts"
    )]
    Unsent {
        /// How many.
        waiting: usize,
    },
}
