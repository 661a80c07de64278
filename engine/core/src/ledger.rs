//! Double entry: accounts, transactions that sum to 0, and the book they fold into.

mod account;
mod book;
mod transaction;

pub use account::Account;
pub use book::Book;
pub use transaction::{Entry, Transaction};
