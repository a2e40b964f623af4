//! A key of the deployment that holds every right.

use serde::{Deserialize, Serialize};

use crate::id::OperatorKeyId;
use crate::text::Name;
use crate::time::Timestamp;

/// An operator key and the hash of its secret.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct OperatorKey {
    /// Its id.
    pub id: OperatorKeyId,
    /// What people call it.
    pub name: Name,
    /// SHA-256 of the secret.
    pub secret_hash: [u8; 32],
    /// The first characters of the secret, shown in lists.
    pub prefix: String,
    /// When it was made.
    pub created_at: Timestamp,
}
