//! The cashless device in conversation with a controller and its host.

mod cash;
mod conversation;
mod picture;
mod stage;
