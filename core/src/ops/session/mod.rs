//! Sessions and what they are begun by.

mod end;
mod end_all;
mod set_password;
mod start;
mod touch;

pub use end::EndSession;
pub use end_all::EndSessions;
pub use set_password::{PasswordGuard, SetPassword};
pub use start::{StartSession, Started};
pub use touch::TouchSession;
