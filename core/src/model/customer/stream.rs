//! What a source has sent, on its way.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::id::{DeadLetterId, SourceId, UserId};
use crate::time::Timestamp;

/// For how long one worker applies what a source sends, in seconds; then another may.
pub const DRAINER_SECONDS: i64 = 3;

/// How many messages are applied at once.
pub const AT_ONCE: usize = 100;

/// What one request brought: stored before it is answered, removed once all of it is applied.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Inbox {
    /// Names it; later requests have greater ids, give or take.
    pub id: Uuid,
    /// From what the ids of what it makes are drawn: applied again, it makes the same.
    pub seed: [u8; 32],
    /// The instant that those ids carry.
    pub seed_millis: u64,
    /// Whether its messages were taken in before, and are applied all the same.
    pub again: bool,
    /// When it came.
    pub received_at: Timestamp,
    /// When the client says that it sent the whole.
    pub sent_at: Option<String>,
    /// The messages as JSON text, each with its kind where the path named it; no text of one that was forgotten.
    pub messages: Vec<(Option<String>, String)>,
}

/// Which worker applies what a source sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Drainer {
    /// By a number drawn for this taking.
    pub holder: Uuid,
    /// Until then.
    pub until: Timestamp,
}

/// How many organizations a source's groups have made on a day.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NewOrganizations {
    /// When the day began, in UTC.
    pub day: Timestamp,
    /// How many were let in.
    pub count: u32,
    /// The last that were let in, by number, [`AT_ONCE`] at the most: whoever does a message again counts none twice.
    pub lately: Vec<Uuid>,
}

/// A message that could not be applied (rule G5).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DeadLetter {
    /// Its id.
    pub id: DeadLetterId,
    /// Whose.
    pub source: SourceId,
    /// When it came.
    pub received_at: Timestamp,
    /// Why it could not be applied: a code.
    pub reason: String,
    /// The kind that its path named.
    pub kind: Option<String>,
    /// When the client says that it was sent.
    pub sent_at: Option<String>,
    /// The message as JSON text.
    pub payload: String,
    /// Since when it is here; not of those that were put here before this was kept.
    #[serde(default)]
    pub put_at: Option<Timestamp>,
}

impl DeadLetter {
    /// Whether it was here already at an instant.
    pub fn was_there(&self, at: Timestamp) -> bool {
        self.put_at.is_none_or(|put_at| put_at <= at)
    }
}

/// An id that nobody bears yet, and whom the source means by it: somebody whose address it gave, and whom it must not
/// change. What it says of the id waits until it may.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Withheld {
    /// 16 bytes of a keyed hash of the id.
    pub hash: Uuid,
    /// Who.
    pub user: UserId,
}

/// A message that was taken in: the same again, within seven days, is passed over (rule G4).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Seen {
    /// 16 bytes of the hash of its id.
    pub hash: Uuid,
    /// When it came.
    pub at: Timestamp,
    /// With which request, and which of its messages it was.
    pub by: (Uuid, u32),
}
