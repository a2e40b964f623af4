//! The HTTP API as its clients see it, on every store.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod access;
mod check;
mod keys;
mod ownership;
mod removal;
mod seats;
mod users;
