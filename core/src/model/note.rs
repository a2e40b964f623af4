//! Notes beside a record, which change nothing of it: its version stays.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::home::Home;
use crate::id::{ApiKeyId, InvitationId, TransferId, UserId};
use crate::time::Timestamp;

/// What a note is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoteKey {
    /// Organization home: see [`Note::KeyMaker`].
    KeyMaker(ApiKeyId),
    /// Activity home: see [`Note::LastUse`].
    LastUse(ApiKeyId),
    /// Organization home: see [`Note::Offer`].
    Offer(TransferId),
    /// Organization home: see [`Note::SeatHolds`].
    SeatHolds,
    /// Organization home: see [`Note::ShownLink`].
    ShownLink(InvitationId),
    /// Organization home: see [`Note::Tenure`].
    Tenure,
}

/// Seats that are held for a batch that takes more than one commit. From an instant on they are held no more.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SeatHold {
    /// Which batch.
    pub batch: uuid::Uuid,
    /// How many, for what is still to be done.
    pub seats: i64,
    /// Until when, whatever becomes of whoever does it.
    pub until: Timestamp,
}

impl SeatHold {
    /// Whether it holds anything at an instant.
    pub fn is_live(&self, now: Timestamp) -> bool {
        now < self.until
    }
}

/// A note.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Note {
    /// A key was used (rule P3).
    LastUse {
        /// Which.
        key: ApiKeyId,
        /// The last time that is known.
        at: Timestamp,
    },
    /// A person made a key of the organization, which stays when they leave (rule L6).
    KeyMaker {
        /// Which.
        key: ApiKeyId,
        /// Who.
        user: UserId,
    },
    /// Seats that are held for batches (rule I8).
    SeatHolds {
        /// For each.
        holds: Vec<SeatHold>,
    },
    /// The link of an invitation was shown to somebody of its organization: it proves no mailbox to others.
    ShownLink {
        /// Of which.
        invitation: InvitationId,
        /// The number of the last link that was.
        link: u32,
    },
    /// In whose time as the owner the organization was offered to somebody.
    Offer {
        /// The offer.
        transfer: TransferId,
        /// By which transfer they had become the owner; none if they were the first.
        tenure: Option<TransferId>,
    },
    /// By which transfer the owner became it.
    Tenure {
        /// Which.
        transfer: TransferId,
    },
}

impl Note {
    /// Seats that it holds, until what has ended by time is written down.
    pub fn seats(&self) -> i64 {
        match self {
            Self::SeatHolds { holds } => holds.iter().map(|hold| hold.seats).sum(),
            Self::KeyMaker { .. }
            | Self::LastUse { .. }
            | Self::Offer { .. }
            | Self::ShownLink { .. }
            | Self::Tenure { .. } => 0,
        }
    }

    /// What it is about.
    pub const fn key(&self) -> NoteKey {
        match self {
            Self::LastUse { key, .. } => NoteKey::LastUse(*key),
            Self::KeyMaker { key, .. } => NoteKey::KeyMaker(*key),
            Self::SeatHolds { .. } => NoteKey::SeatHolds,
            Self::ShownLink { invitation, .. } => NoteKey::ShownLink(*invitation),
            Self::Offer { transfer, .. } => NoteKey::Offer(*transfer),
            Self::Tenure { .. } => NoteKey::Tenure,
        }
    }
}

impl NoteKey {
    /// Whether a home keeps it.
    pub const fn belongs_in(self, home: &Home) -> bool {
        match self {
            Self::LastUse(_) => matches!(home, Home::Activity(_)),
            Self::KeyMaker(_) | Self::Offer(_) | Self::SeatHolds | Self::ShownLink(_) | Self::Tenure => {
                matches!(home, Home::Organization(_))
            }
        }
    }

    /// What follows `note:` in the name of a document.
    pub fn read(name: &str) -> Option<Self> {
        let (kind, id) = name.split_once(':')?;
        match (kind, id) {
            ("tenure", "") => return Some(Self::Tenure),
            ("seat_holds", "") => return Some(Self::SeatHolds),
            _ => {}
        }
        let id = uuid::Uuid::try_parse(id).ok()?;
        match kind {
            "last_use" => Some(Self::LastUse(ApiKeyId::from_uuid(id))),
            "key_maker" => Some(Self::KeyMaker(ApiKeyId::from_uuid(id))),
            "offer" => Some(Self::Offer(TransferId::from_uuid(id))),
            "shown_link" => Some(Self::ShownLink(InvitationId::from_uuid(id))),
            _ => None,
        }
    }
}

/// `key_maker:ID`, `last_use:ID`, `offer:ID`, `seat_holds:`, `shown_link:ID`, `tenure:`.
impl fmt::Display for NoteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LastUse(id) => write!(f, "last_use:{}", id.uuid().simple()),
            Self::KeyMaker(id) => write!(f, "key_maker:{}", id.uuid().simple()),
            Self::Offer(id) => write!(f, "offer:{}", id.uuid().simple()),
            Self::SeatHolds => f.write_str("seat_holds:"),
            Self::Tenure => f.write_str("tenure:"),
            Self::ShownLink(id) => write!(f, "shown_link:{}", id.uuid().simple()),
        }
    }
}
