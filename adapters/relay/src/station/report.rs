//! How a board is, in words for a technician: made when the server asks, sealed to it, brought by
//! anybody. It never takes the place of a receipt or a notice.

use super::road::Way;
use super::{Entropy, Notice, Output, Report, Station};
use crate::bounds::{REPORT_NAME_LEN_MAX, REPORT_NOTICES_MAX, REPORT_VALUE_LEN_MAX};
use crate::names::epoch_out;
use core::fmt::{Display, Write};
use core::time::Duration;
use gettone_channel as channel;
use gettone_channel::{Diagnostics, LinkMessage, Order, REPORT_LEN_MAX};
use std::collections::BTreeMap;

/// Lines of `name value`, as many as one report holds.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Lines(String);

impl Lines {
    /// Adds a line. What does not fit is left out, and a value is cut where it is too long.
    pub fn put(&mut self, name: &str, value: impl Display) {
        let plain = |letter: char| match letter {
            ' '..='~' => letter,
            _ => '?',
        };
        let name = name.chars().map(plain).take(REPORT_NAME_LEN_MAX);
        let name = name.map(|letter| if letter == ' ' { '_' } else { letter });
        let mut line: String = name.collect();
        line.push(' ');
        let value = value.to_string();
        line.extend(value.chars().map(plain).take(REPORT_VALUE_LEN_MAX));
        line.push('\n');
        if self.0.len() + line.len() <= REPORT_LEN_MAX {
            self.0.push_str(&line);
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What is known of reports: the one that is kept, and how far it has gone.
#[derive(Debug, Default)]
pub(super) struct Reporting {
    /// The question that was asked last.
    id: Option<u32>,
    /// Its answer, in parts.
    parts: Vec<Diagnostics>,
    next: usize,
    /// Where the next part goes; none when nobody asks.
    way: Option<Way>,
    /// Messages of the board's that the phone has not taken yet.
    waiting: u32,
    /// Whether a part is on its way to the phone.
    is_out: bool,
    /// How often each thing was noted in this start.
    tally: BTreeMap<&'static str, u32>,
}

impl Station {
    /// What the board itself knows of how it is, for the shell to add to.
    pub fn report(&self, now: Duration) -> Lines {
        let mut lines = Lines::default();
        let facts = &self.facts;
        let [_, major, minor, patch] = facts.firmware.to_be_bytes();
        lines.put("firmware", format_args!("{major}.{minor}.{patch}"));
        lines.put("reader", self.ring.reader());
        lines.put("boot", facts.boot);
        lines.put("uptime_s", now.as_secs());
        lines.put("state", word(&self.board.life()));
        lines.put("vend_open", yes(self.board.has_intent()));
        lines.put("lock_version", self.board.lock().version);
        lines.put("lock", word(&self.board.lock().state));
        match self.board.time_of_day() {
            Some((utc, error)) => {
                lines.put("clock_ms", utc.as_millis());
                lines.put("clock_error_s", error.as_secs().saturating_add(1));
            }
            None => lines.put("clock_ms", "unknown"),
        }
        self.report_machine(&mut lines);
        self.report_journal(&mut lines);
        self.report_care(&mut lines);

        for (what, count) in &self.reporting.tally {
            lines.put(what, count);
        }
        let notices: Vec<_> = self.board.notices().kept().collect();
        let first = notices.len().saturating_sub(REPORT_NOTICES_MAX);
        for notice in &notices[first..] {
            let mut value = match notice.code.name() {
                Some(name) => name.to_owned(),
                None => notice.code.to_wire().to_string(),
            };
            let order = notice.order;
            // Writing to a String does not fail.
            let _ = write!(
                value,
                " n={} at={}:{}",
                notice.n, order.boot, order.uptime_ms
            );
            lines.put(&format!("notice_{}", notice.aseq), value);
        }
        lines
    }

    fn report_machine(&self, lines: &mut Lines) {
        lines.put("mdb_state", word(&self.standing.mdb_state));
        lines.put("mdb_level", self.standing.vmc_level);
        lines.put("mdb_price_max", self.standing.price_max);
        lines.put("mdb_scale", self.facts.scale);
        lines.put("vmc_id", self.standing.vmc_id);
        lines.put("currency", self.facts.currency.code());
        let counters = self.board.counters();
        lines.put("counter_rows", counters.rows.len());
        lines.put("counter_errors", counters.errors);
    }

    fn report_journal(&self, lines: &mut Lines) {
        let outbox = self.board.outbox();
        lines.put("journal_epoch", epoch_out(self.facts.epoch));
        lines.put("journal_newest", outbox.newest());
        lines.put("journal_acked", outbox.acked());
        lines.put("journal_oldest", outbox.oldest());
        lines.put("journal_kept", outbox.kept().count());
        lines.put("outbox", outbox.unacked());
        lines.put("outbox_max", self.limits.receipts_max);
        lines.put("notices_waiting", self.board.notices().len());
    }

    fn report_care(&self, lines: &mut Lines) {
        lines.put("configuration", self.facts.config);
        lines.put("server_epoch", self.servers.active().epoch);
        lines.put("server_epoch_newest", self.servers.newest());
        lines.put("key_epoch", self.ring.epoch());
        lines.put("key_changing", yes(self.ring.is_changing()));
        for (version, have, of) in self.fetching() {
            lines.put("package", version);
            lines.put("package_chunks", format_args!("{have} of {of}"));
        }
    }

    /// The server asks. The same question again is answered by the same report.
    pub(super) fn asked(&mut self, id: u32, way: Way) {
        let reporting = &mut self.reporting;
        let is_known = reporting.id == Some(id);
        if is_known && reporting.way == Some(way) {
            return;
        }
        (reporting.way, reporting.next) = (Some(way), 0);
        if !is_known {
            reporting.id = Some(id);
            reporting.parts.clear();
            self.outputs.push_back(Output::Diagnose(id));
        }
    }

    /// The shell has put a report together.
    pub(super) fn diagnosed(&mut self, now: Duration, id: u32, lines: &Lines) {
        if self.reporting.id == Some(id) && self.reporting.parts.is_empty() {
            let order = Order {
                boot: self.facts.boot,
                uptime_ms: u64::try_from(now.as_millis()).unwrap_or(u64::MAX),
            };
            self.reporting.parts = Diagnostics::parts(id, order, lines.as_str());
        }
    }

    /// Another phone is here: nothing of a report is on its way to it.
    pub(super) fn met(&mut self) {
        let reporting = &mut self.reporting;
        (reporting.waiting, reporting.is_out) = (0, false);
        if reporting.way == Some(Way::Phone) {
            reporting.way = None;
        }
    }

    /// A message that the board waits for has gone to the phone's radio.
    pub(super) fn gave(&mut self) {
        self.reporting.waiting = self.reporting.waiting.saturating_add(1);
    }

    /// Whether what the phone took is the board's, and not a part of a report.
    pub(super) fn is_boards(&mut self) -> bool {
        let reporting = &mut self.reporting;
        // A part goes out when nothing else is under way, and so it is taken first.
        if core::mem::take(&mut reporting.is_out) {
            return false;
        }
        reporting.waiting = reporting.waiting.saturating_sub(1);
        true
    }

    /// Sends the next part, where nothing else wants to go.
    pub(super) fn use_quiet(&mut self, entropy: &mut Entropy) {
        let reporting = &self.reporting;
        let (Some(way), Some(part)) = (reporting.way, reporting.parts.get(reporting.next)) else {
            return;
        };
        let items = [
            channel::Item::Epoch(epoch_out(self.facts.epoch)),
            channel::Item::Diagnostics(part.clone()),
        ];
        match way {
            Way::Phone => {
                if self.linked().is_none() || reporting.waiting > 0 || reporting.is_out {
                    return;
                }
                let Some(ephemeral) = entropy.envelope.take() else {
                    return;
                };
                if let Some(envelope) = self.seal(&items, ephemeral) {
                    self.send(&LinkMessage::Envelope(envelope), Report::Took);
                    self.reporting.waiting = 0;
                    self.reporting.is_out = true;
                }
            }
            Way::Road => {
                if self.is_called || !self.is_road_free() {
                    return;
                }
                let Some(ephemeral) = entropy.road.take() else {
                    return;
                };
                if let Some(envelope) = self.seal(&items, ephemeral) {
                    self.road_send(envelope);
                }
            }
        }
        let reporting = &mut self.reporting;
        reporting.next += 1;
        if reporting.next >= reporting.parts.len() {
            reporting.way = None;
        }
    }

    pub(super) fn count(&mut self, notice: &Notice) {
        let what = match notice {
            Notice::CodeSeen => "codes_seen",
            Notice::Linked => "links",
            Notice::Gone => "links_lost",
            Notice::Stranger(_) => "strangers",
            Notice::Silent => "silent_connections",
            Notice::Link(_) | Notice::LinkSeal(_) => "link_faults",
            Notice::Foreign => "envelopes_foreign",
            Notice::Envelope(_) | Notice::Seal(_) => "envelope_faults",
            Notice::Called => "calls",
            Notice::StrayCall => "calls_stray",
            Notice::ForeignLight => "lights_foreign",
            Notice::Unfit { .. } => "packages_unfit",
            Notice::Board(_) => "board_faults",
            Notice::Moved { .. }
            | Notice::Unused { .. }
            | Notice::Servers { .. }
            | Notice::Keys { .. }
            | Notice::Installed { .. }
            | Notice::Code(_) => return,
        };
        let count = self.reporting.tally.entry(what).or_default();
        *count = count.saturating_add(1);
    }
}

/// An enum's name, as a value is written.
fn word(value: &impl core::fmt::Debug) -> String {
    let mut word = String::new();
    for letter in format!("{value:?}").chars() {
        if letter.is_uppercase() && !word.is_empty() {
            word.push('_');
        }
        word.extend(letter.to_lowercase());
    }
    word
}

const fn yes(is_so: bool) -> &'static str {
    if is_so { "yes" } else { "no" }
}
