//! Users: people, once per deployment.

mod create;
mod suspend;
mod update;

pub use create::CreateUser;
pub use suspend::{SuspendUser, UnsuspendUser};
pub use update::{UpdateUser, UserPatch};
