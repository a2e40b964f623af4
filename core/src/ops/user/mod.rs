//! Users: people, once per deployment.

mod by_source;
mod cards;
mod change_email;
mod create;
mod erase;
mod remove_everywhere;
mod reset_password;
mod suspend;
mod update;

pub use by_source::SetUserBySource;
pub use cards::OwedCards;
pub use change_email::{BeginEmailChange, ConfirmEmailChange};
pub use create::CreateUser;
pub use erase::{BlankUser, EraseUser};
pub use remove_everywhere::RemoveEverywhere;
pub use reset_password::BeginPasswordReset;
pub use suspend::{SuspendUser, UnsuspendUser};
pub use update::{UpdateUser, UserPatch};
