//! Sessions and what they are begun by.

mod end;
mod set_password;
mod start;
mod touch;

pub use end::EndSession;
pub use set_password::{PasswordGuard, SetPassword};
pub use start::{StartSession, Started};
pub use touch::TouchSession;
