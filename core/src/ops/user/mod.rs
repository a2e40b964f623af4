//! Users: people, once per deployment.

mod by_source;
mod create;
mod erase;
mod remove_everywhere;
mod suspend;
mod update;

pub use by_source::SetUserBySource;
pub use create::CreateUser;
pub use erase::{BlankUser, EraseUser};
pub use remove_everywhere::RemoveEverywhere;
pub use suspend::{SuspendUser, UnsuspendUser};
pub use update::{UpdateUser, UserPatch};
