//! Races on two replicas, and what fails: connections that are cut, clients that leave, processes that are killed,
//! servers that are configured to lose data.
#![expect(clippy::unwrap_used, reason = "these are the bodies of tests")]

mod cuts;
mod https;
mod leaving;
mod many;
mod pooler;
mod races;
mod refused;
mod smtp;
mod tls;
