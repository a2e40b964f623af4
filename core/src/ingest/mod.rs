//! What sources send: Segment's HTTP tracking API (rules G1 to G7).
//!
//! A request is stored in its source's inbox in one commit before it is answered. A worker applies what stands there,
//! by the same operations as everything else, as actor `source`; each step done again changes nothing, so that a worker
//! that dies anywhere neither loses nor doubles. What cannot be applied becomes a dead letter.

mod ahead;
mod apply;
mod batch;
mod drain;
mod letters;
mod message;
mod people;
mod places;
mod reach;
mod receive;
mod removals;
mod signs;
mod tenants;
mod turns;

pub use drain::Drain;
pub use letters::{dead_letters, replay, replay_oldest};
pub(crate) use letters::{letters_behind, put_back_named, waits_again};
pub use message::{Kind, MAX_BATCH, MAX_MESSAGE};
pub(crate) use places::as_external_id;
pub(crate) use reach::Meant;
pub use receive::{authenticate_source, receive};

use crate::refusal::OpError;
use crate::store::StoreErrorKind;

/// Why a message is not applied.
#[derive(Debug)]
enum Unapplied {
    /// It never can be, for this reason: a dead letter.
    Dead(&'static str),
    /// Not now: it stays where it is.
    Later(OpError),
}

impl From<OpError> for Unapplied {
    fn from(error: OpError) -> Self {
        match error {
            OpError::Refused(crate::refusal::Refusal::Conflict) => Self::Later(error),
            OpError::Refused(refusal) => Self::Dead(refusal.code()),
            OpError::Store(ref store) if store.kind == StoreErrorKind::Corrupt => {
                tracing::error!(%error, "a message cannot be applied");
                Self::Dead("internal")
            }
            other => Self::Later(other),
        }
    }
}

impl From<crate::store::StoreError> for Unapplied {
    fn from(error: crate::store::StoreError) -> Self {
        OpError::from(error).into()
    }
}
