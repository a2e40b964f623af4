//! Users: people, once per deployment.

mod create;
mod update;

pub use create::CreateUser;
pub use update::{UpdateUser, UserPatch};
