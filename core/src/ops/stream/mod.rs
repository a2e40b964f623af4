//! The way of what a source sends: into its inbox, out of it, or to the dead letters.

mod inbox;
mod letters;
mod observe;
mod organizations;

pub use inbox::{
    FinishInbox, ForgetInInbox, ForgetMessages, ReleaseInbox, StoreInbox, TakeInbox, TakeMessages,
};
pub use letters::{PutDeadLetters, RemoveDeadLetters};
pub use observe::{Observe, Sign};
pub use organizations::AdmitOrganization;
