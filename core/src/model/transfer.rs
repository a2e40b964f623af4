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
}

/// One transfer.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Transfer {
    /// Its id.
    pub id: TransferId,
    /// The owner before.
    pub from: UserId,
    /// The owner after.
    pub to: UserId,
    /// What the owner before became.
    pub previous_owner_role: RoleRef,
    /// How far it is.
    pub state: TransferState,
    /// When it was made.
    pub created_at: Timestamp,
}
