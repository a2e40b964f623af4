//! A transfer of ownership.

use serde::{Deserialize, Serialize};

use crate::id::{TransferId, UserId};
use crate::permission::RoleRef;
use crate::time::Timestamp;

/// How far a transfer is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransferState {
    /// Done.
    Completed,
    /// Waits for whoever is to be the owner.
    Pending,
    /// They do not want it.
    Declined,
    /// Taken back.
    Cancelled,
    /// Its life is over.
    Expired,
}

/// One transfer.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Transfer {
    /// Its id.
    pub id: TransferId,
    /// The owner before.
    pub from: UserId,
    /// The owner after, or whoever is to be it.
    pub to: UserId,
    /// What the owner before becomes.
    pub previous_owner_role: RoleRef,
    /// As stored; [`Transfer::at`] says what time has made of it.
    pub state: TransferState,
    /// From this instant on an offer is expired; nothing for what was never offered.
    #[serde(default)]
    pub expires_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Transfer {
    /// What is true at an instant: a pending offer whose end has come is an expired one.
    #[must_use]
    pub fn at(&self, now: Timestamp) -> Self {
        let over = self.state == TransferState::Pending && self.expires_at.is_some_and(|end| end <= now);
        if over { Self { state: TransferState::Expired, ..self.clone() } } else { self.clone() }
    }
}
