//! The cashless device in conversation with a controller and its host.

mod conversation;
mod picture;
mod stage;
