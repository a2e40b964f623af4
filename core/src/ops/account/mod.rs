//! Accounts.

mod archive;
mod by_source;
mod create;
mod update;

pub use archive::ArchiveAccount;
pub use by_source::SetAccountBySource;
pub use create::CreateAccount;
pub use update::{AccountPatch, UpdateAccount};
