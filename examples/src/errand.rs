use crate::fault::StreetFault;
use crate::machine::Pace;
use crate::phone::{Phone, Places};
use crate::server::{Key, Server};
use crate::transcript::Transcript;
use gettone_channel::{CHUNK_LEN, Manifest, PIECE_LEN_MAX, PackageKind, Part};
use gettone_phone::Package;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// Who hears nothing from a reader for so long has done all that there was to do.
const QUIET: Duration = Duration::from_secs(2);

/// A technician's errand to one machine: brings what its reader is to have, and takes along what it
/// has for the server.
pub struct Errand<'a> {
    server: &'a Server,
    key: &'a str,
    reader: String,
}

/// What came of an errand.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Done {
    /// Receipts that the server has taken.
    pub receipts: u64,
    /// Turns of pieces that the reader has asked for.
    pub turns: u32,
    /// How the reader is, in its own words; none when it has not told in time.
    pub report: Option<String>,
}

impl<'a> Errand<'a> {
    /// An errand of whoever has this API key.
    ///
    /// # Errors
    /// `StreetFault` when the machine has no reader, or the key is nobody's.
    pub fn to(server: &'a Server, key: &'a str, machine: u32) -> Result<Self, StreetFault> {
        let readers = server.get(Key::Staff(key), "/v1/readers?limit=200")?;
        let mut lines = readers["lines"].as_array().into_iter().flatten();
        let line = lines.find(|line| line["machine"] == machine && line["state"] != "revoked");
        let reader = line.and_then(|line| line["reader_id"].as_str());
        let reader = reader.ok_or(StreetFault::Unexpected("a machine without a reader"))?;
        Ok(Self {
            server,
            key,
            reader: reader.to_owned(),
        })
    }

    /// Fetches what the reader is to have, asks how it is, links by light, and carries until there is
    /// nothing left to carry.
    ///
    /// # Errors
    /// `StreetFault` when the server or the reader does not answer.
    pub async fn run(
        &self,
        (places, pace): (&Places, Pace),
        transcript: &Transcript,
        seed: u64,
    ) -> Result<Done, StreetFault> {
        let (packages, chunks) = self.packages(transcript, |_| {})?;
        let diagnostics = self.path("diagnostics");
        let asked = self
            .server
            .post(Key::Staff(self.key), &diagnostics, &json!({}))?;
        let phone = Phone::technicians("tech", packages, self.server, places, transcript);
        let phone = match pace {
            Pace::Hurried => phone.hurried(),
            Pace::Real => phone,
        };
        let mut visit = phone.tap(seed).await?;
        let mut turns = 0;
        let told = |want: &gettone_channel::Want| {
            turns += 1;
            let of = chunks.get(&want.version).copied().unwrap_or_default();
            let done = want.first as usize * PIECE_LEN_MAX / CHUNK_LEN;
            match want.part {
                Part::Manifest => phone.say("brings what vouches for a package"),
                Part::Content => phone.say(format_args!("brings chunk {} of {of}", done + 1)),
            }
        };
        visit.care(QUIET, told).await?;
        let receipts = visit.brought();
        visit.leave().await?;
        let shown = self.server.get(Key::Staff(self.key), &diagnostics)?;
        let is_new = shown["taken_at"].as_u64() >= asked["asked_at"].as_u64();
        let report = shown["report"].as_str().filter(|_| is_new);
        Ok(Done {
            receipts,
            turns,
            report: report.map(str::to_owned),
        })
    }

    /// What the reader is to have, its contents as `change` leaves them, and of how many chunks each is.
    pub(crate) fn packages(
        &self,
        transcript: &Transcript,
        change: impl Fn(&mut Vec<u8>),
    ) -> Result<(Vec<Package>, BTreeMap<u32, usize>), StreetFault> {
        let key = Key::Staff(self.key);
        let path = self.path("packages");
        let listed = self.server.get(key, &path)?;
        let (mut packages, mut chunks) = (Vec::new(), BTreeMap::new());
        for listed in listed["packages"].as_array().into_iter().flatten() {
            let name = listed["kind"].as_str().unwrap_or_default();
            let kind = match name {
                "configuration" => PackageKind::Configuration,
                "firmware" => PackageKind::Firmware,
                _ => continue,
            };
            let mut content = self.server.bytes(key, &format!("{path}/{name}"))?;
            let manifest = Manifest::of(kind, number(listed, "number"), &content);
            let manifest = manifest.filter(|it| it.config().version == number(listed, "version"));
            // Another one has come meanwhile; the next errand brings it.
            let Some(manifest) = manifest else { continue };
            transcript.say(
                "tech",
                format_args!("takes along {name} {}", listed["number"]),
            );
            chunks.insert(manifest.config().version, manifest.count());
            change(&mut content);
            packages.push(Package::new(&manifest, content));
        }
        Ok((packages, chunks))
    }

    fn path(&self, what: &str) -> String {
        format!("/v1/readers/{}/{what}", self.reader)
    }
}

fn number(line: &Value, name: &str) -> u32 {
    let number = line[name].as_u64().unwrap_or_default();
    u32::try_from(number).unwrap_or_default()
}
