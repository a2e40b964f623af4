//! What changes the outbox, apart from the commits that fill it.

mod point;
mod send;

pub use point::{PutMailPointer, RemoveMailPointer};
pub use send::{Fate, LEASE_SECONDS, Left, NoteFate, ReleaseMail, TRIES, TRIES_REFUSED, TakeMail, TakenMail};

use crate::id::MailId;
use crate::time::Timestamp;

/// Letters that a commit is to cause, once a pointer leads to them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Posting {
    /// Under which id.
    pub id: MailId,
    /// The pointer leads there until then.
    pub not_after: Timestamp,
}
