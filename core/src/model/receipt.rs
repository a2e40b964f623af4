//! What a request with an idempotency key leaves behind, so that sending it again answers the same.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// SHA-256 over who asked and the key they gave.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct ReceiptId(pub [u8; 32]);

/// One receipt; void after 24 hours.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Receipt {
    /// Its id.
    pub id: ReceiptId,
    /// SHA-256 over method, path and body.
    pub digest: [u8; 32],
    /// From what the request's ids and secrets are drawn with the master key
    /// ([`Roster::seed`](crate::op::Roster::seed)): running it again draws the same. Nothing once it is answered in the
    /// commit that did it.
    pub seed: [u8; 32],
    /// The instant from which those ids count, in milliseconds since the epoch.
    pub seed_millis: u64,
    /// The sealed answer; none while the act is under way.
    pub answer: Option<Vec<u8>>,
    /// When it was written.
    pub created_at: Timestamp,
}

impl Receipt {
    /// How long a receipt counts, in seconds.
    pub const LIFE_SECONDS: i64 = 24 * 3600;

    /// Whether it still counts at an instant.
    pub fn is_live(&self, now: Timestamp) -> bool {
        now < self.created_at.plus_seconds(Self::LIFE_SECONDS)
    }
}
