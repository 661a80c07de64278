//! The server: accounts, grants, receipts and the operators' HTTP API.
