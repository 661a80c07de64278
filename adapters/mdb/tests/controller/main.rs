//! The controller in conversation with a scripted reader and the people at the machine.

mod cash;
mod conversation;
mod picture;
mod stage;
