//! The embedded backend: one `SQLite` file. What it promises is `docs/STORAGE.md`.
//!
//! Writes go through one connection, many change sets a transaction; reads each see one snapshot beside it.
//! Several processes on one machine may open one file.

pub mod schema;

#[cfg(feature = "store")]
mod access;
#[cfg(feature = "store")]
mod commit;
#[cfg(feature = "store")]
mod config;
#[cfg(feature = "store")]
mod dump;
#[cfg(feature = "store")]
mod error;
#[cfg(feature = "store")]
mod forget;
#[cfg(feature = "store")]
mod glance;
#[cfg(feature = "store")]
mod inspect;
#[cfg(feature = "store")]
mod kind;
#[cfg(feature = "store")]
mod list;
#[cfg(feature = "store")]
mod load;
#[cfg(feature = "store")]
mod log;
#[cfg(feature = "store")]
mod open;
#[cfg(feature = "store")]
mod place;
#[cfg(feature = "store")]
mod plain;
#[cfg(feature = "store")]
mod pool;
#[cfg(feature = "store")]
mod presence;
#[cfg(feature = "store")]
mod read;
#[cfg(feature = "store")]
mod report;
#[cfg(feature = "store")]
mod row;
#[cfg(feature = "store")]
mod session;
#[cfg(feature = "store")]
mod standing;
#[cfg(feature = "store")]
mod store;
#[cfg(feature = "store")]
mod writer;

#[cfg(feature = "store")]
pub use config::SqliteConfig;
#[cfg(feature = "store")]
pub use error::OpenError;
#[cfg(feature = "store")]
pub use store::SqliteStore;
