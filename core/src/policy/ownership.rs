//! Who may hand over an organization (rules O3, O4, P6), and how long an offer of it lives.

use std::fmt;

use crate::actor::{Actor, Via};
use crate::id::UserId;
use crate::refusal::Refusal;

/// Judges who transfers.
pub trait OwnershipPolicy: fmt::Debug + Send + Sync + 'static {
    /// Whether the actor may transfer an organization that `owner` owns.
    fn may_transfer(&self, actor: &Actor, owner: UserId) -> Result<(), Refusal>;

    /// How many seconds an offer lives.
    fn offer_life(&self) -> u32;
}

/// The current owner, or an operator; on behalf of the owner with an operator key only. Whoever is offered it answers the
/// same way.
#[derive(Debug)]
pub struct BuiltInOwnership {
    /// How many seconds an offer lives.
    pub offer_life: u32,
}

impl Default for BuiltInOwnership {
    /// Seven days.
    fn default() -> Self {
        Self { offer_life: 7 * 86_400 }
    }
}

impl OwnershipPolicy for BuiltInOwnership {
    fn may_transfer(&self, actor: &Actor, owner: UserId) -> Result<(), Refusal> {
        match actor {
            Actor::Operator { .. } | Actor::System => Ok(()),
            Actor::User { user, via: Via::Operator { .. } | Via::Session { .. } } if *user == owner => Ok(()),
            Actor::User { .. } | Actor::ApiKey { .. } | Actor::Source { .. } | Actor::Visitor => {
                Err(Refusal::lacks("ownership:transfer"))
            }
        }
    }

    fn offer_life(&self) -> u32 {
        self.offer_life
    }
}
