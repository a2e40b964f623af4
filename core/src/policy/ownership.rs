//! Who may hand over an organization (rules O3, P6).

use std::fmt;

use crate::actor::{Actor, Via};
use crate::id::UserId;
use crate::refusal::Refusal;

/// Judges who transfers.
pub trait OwnershipPolicy: fmt::Debug + Send + Sync + 'static {
    /// Whether the actor may transfer an organization that `owner` owns.
    fn may_transfer(&self, actor: &Actor, owner: UserId) -> Result<(), Refusal>;
}

/// The current owner, or an operator; on behalf of the owner with an operator key only.
#[derive(Debug)]
pub struct BuiltInOwnership;

impl OwnershipPolicy for BuiltInOwnership {
    fn may_transfer(&self, actor: &Actor, owner: UserId) -> Result<(), Refusal> {
        match actor {
            Actor::Operator { .. } | Actor::System => Ok(()),
            Actor::User { user, via: Via::Operator { .. } | Via::Session { .. } } if *user == owner => Ok(()),
            Actor::User { .. } | Actor::ApiKey { .. } | Actor::Visitor => {
                Err(Refusal::lacks("ownership:transfer"))
            }
        }
    }
}
