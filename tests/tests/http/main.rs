//! The HTTP API as its clients see it, on every store.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod access;
mod audit;
mod check;
mod conventions;
mod economy;
mod events;
mod faults;
mod feed;
mod invitations;
mod isolation;
mod keys;
mod lifecycle;
mod lists;
mod metrics;
mod ownership;
mod races;
mod removal;
mod roles;
mod seats;
mod sessions;
mod users;
