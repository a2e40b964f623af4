//! The backend on Redis, 7.0 or newer, one node or a Redis Cluster. What it promises is `docs/STORAGE.md`.
//!
//! A commit is one Lua script on the keys of one home, which all share a slot. Any number of processes may share one
//! Redis.

mod access;
mod commands;
mod commit;
mod config;
mod connection;
mod dump;
mod error;
mod forget;
mod head;
mod index;
mod keys;
mod list;
mod load;
mod log;
mod open;
mod presence;
mod read;
mod record;
mod registry;
mod scripts;
mod store;
#[cfg(test)]
mod torn_tests;
mod upgrade;

pub use config::RedisConfig;
pub use error::OpenError;
pub use keys::{keys_beside, keys_of};
pub use record::Upcast;
pub use store::RedisStore;
pub use upgrade::{UpgradeError, Upgraded};
