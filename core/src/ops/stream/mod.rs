//! The way of what a source sends: into its inbox, out of it, or to the dead letters.

mod clear;
mod early;
mod inbox;
mod letters;
mod observe;
mod organizations;
mod withhold;

pub use clear::ClearStream;
pub use early::{ForgetEarly, KeepEarly};
pub use inbox::{
    FinishInbox, ForgetInInbox, ForgetMessages, ReleaseInbox, StoreInbox, TakeInbox, TakeMessages,
};
pub use letters::{PutDeadLetters, RemoveDeadLetters, RewordDeadLetters};
pub use observe::Observe;
pub(crate) use observe::months_around;
pub use organizations::AdmitOrganization;
pub(crate) use withhold::Withhold;
