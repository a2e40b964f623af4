//! Accounts.

mod archive;
mod create;
mod update;

pub use archive::ArchiveAccount;
pub use create::CreateAccount;
pub use update::{AccountPatch, UpdateAccount};
