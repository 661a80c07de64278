//! What the hub does of what the station asks for.

use super::{Hub, HubFault};
use crate::bus::Saying;
use crate::config::Config;
use crate::radio::Wish;
use crate::{keys, servers};
use gettone_channel::PackageKind;
use gettone_relay::{Input, Offer, Output};

impl Hub {
    pub(super) fn follow(&mut self, output: Output) -> Result<Option<Input>, HubFault> {
        match output {
            Output::Advertise(eid) => {
                self.door_is_open = true;
                self.wish(Wish::Advertise(eid, None))?;
            }
            Output::Hush => {
                self.door_is_open = false;
                self.wish(Wish::Hush)?;
            }
            Output::Drop(connection) => self.wish(Wish::Drop(connection))?,
            Output::Send(connection, message, report) => {
                self.wish(Wish::Send(connection, message, report))?;
            }
            Output::RoadSend(envelope) => self
                .road
                .try_send(envelope)
                .map_err(|_| HubFault::Stopped { part: "road" })?,
            Output::Journal(ticket, record) => self
                .journal
                .try_send((ticket, record))
                .map_err(|_| HubFault::Stopped { part: "journal" })?,
            Output::KeepServers(servers) => {
                return Ok(Some(match servers::keep(&self.state, &servers) {
                    Ok(()) => Input::ServersKept,
                    Err(fault) => {
                        tracing::error!(%fault, "the server's keys cannot be stored");
                        Input::ServersLost
                    }
                }));
            }
            Output::Care(order) if order.kind() == PackageKind::Firmware => {
                return Ok(self.renewal.follow(order));
            }
            Output::Care(order) => {
                let files = self.files.as_deref();
                let is_fit = |text: &str| files.is_some_and(|files| Config::takes(files, text));
                return Ok(match self.shelf.follow(&order, is_fit) {
                    Ok(told) => {
                        if let Some(Input::Installed(PackageKind::Configuration, _)) = told {
                            self.renewal.configured();
                        }
                        told
                    }
                    // It is fetched anew.
                    Err(fault) => {
                        tracing::error!(%fault, "a package cannot be stored");
                        Some(Input::NotInstalled(order.kind()))
                    }
                });
            }
            Output::KeepKeys(ring) => {
                return Ok(Some(match keys::keep(&self.state, &ring) {
                    Ok(()) => Input::KeysKept,
                    Err(fault) => {
                        tracing::error!(%fault, "the reader's keys cannot be stored");
                        Input::KeysLost
                    }
                }));
            }
            Output::Diagnose(id) => return Ok(Some(Input::Diagnosed(id, self.report()))),
            Output::Order(order) => self.say(Saying::Order(order))?,
            Output::Service(service) => {
                tracing::info!(?service, "the operator's order");
                self.words.service = service;
            }
            Output::Show(showing) => self.show(&showing)?,
            Output::Offer(offer) => {
                // Who scanned the code, or the one before, looks for the name that goes with it.
                self.wish(Wish::Advertise(offer.eid, offer.before))?;
                self.show_digits(&offer)?;
                self.sign(Some(offer));
            }
            Output::Withdraw => {
                if !self.door_is_open {
                    self.wish(Wish::Hush)?;
                }
                self.sign(None);
            }
            Output::Note(notice) if notice.is_usual() => tracing::info!("{notice}"),
            Output::Note(notice) => {
                let cause = std::error::Error::source(&notice).map(ToString::to_string);
                tracing::warn!(cause, "{notice}");
            }
        }
        Ok(None)
    }

    /// Puts a code on the sign, or takes it away.
    fn sign(&self, offer: Option<Box<Offer>>) {
        self.sign.send_replace(offer);
    }

    fn wish(&self, wish: Wish) -> Result<(), HubFault> {
        self.radio
            .try_send(wish)
            .map_err(|_| HubFault::Stopped { part: "radio" })
    }
}
