//! Users: people, once per deployment.

mod create;
mod remove_everywhere;
mod suspend;
mod update;

pub use create::CreateUser;
pub use remove_everywhere::RemoveEverywhere;
pub use suspend::{SuspendUser, UnsuspendUser};
pub use update::{UpdateUser, UserPatch};
