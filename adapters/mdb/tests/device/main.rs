//! The cashless device in conversation with a controller and its host.

mod cash;
mod conversation;
mod options;
mod picture;
mod stage;
