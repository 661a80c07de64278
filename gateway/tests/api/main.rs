//! The gateway as its clients meet it: a real server on a real store, spoken to over HTTP by
//! operators, customers' apps and a reader board made of the channel's own parts.

mod console;
mod demo;
mod diagnostics;
mod dts;
mod favourite;
mod firmware;
mod hostile;
mod keys;
mod light;
mod money;
mod once;
mod openapi;
mod operator;
mod page;
mod pages;
mod person;
mod postgres;
mod program;
mod relay;
mod restart;
mod road;
mod sms;
mod staff;
mod street;
mod weight;
