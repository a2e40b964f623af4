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
    /// Organization home: see [`Note::KeyEnd`].
    KeyEnd(ApiKeyId),
    /// Organization home: see [`Note::KeyMaker`].
    KeyMaker(ApiKeyId),
    /// Organization home: see [`Note::KeysOf`].
    KeysOf(UserId),
    /// Activity home: see [`Note::LastUse`].
    LastUse(ApiKeyId),
    /// Organization home: see [`Note::Offer`].
    Offer(TransferId),
    /// Organization home, by the batch: see [`Note::SeatHold`].
    SeatHold(uuid::Uuid),
    /// Organization home: see [`Note::ShownLink`].
    ShownLink(InvitationId),
    /// Organization home: see [`Note::Tenure`].
    Tenure,
}

/// A note.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Note {
    /// A key was used (rule P3).
    LastUse {
        /// Which.
        key: ApiKeyId,
        /// The last time that is known.
        at: Timestamp,
    },
    /// A key of the organization ends. Once it has, what was invited by it holds no seats (rules M7, S1), which is written
    /// down with the end of this note.
    KeyEnd {
        /// Which.
        key: ApiKeyId,
        /// When.
        at: Timestamp,
    },
    /// A person made a key of the organization, which stays when they leave (rule L6).
    KeyMaker {
        /// Which.
        key: ApiKeyId,
        /// Who.
        user: UserId,
    },
    /// Which keys a leaving plan names of a person, and how they are called, is as it has been since some change (rule L6).
    KeysOf {
        /// Of whom.
        user: UserId,
        /// Another with every change.
        changed: uuid::Uuid,
    },
    /// Seats are held for a batch that takes more than one commit (rule I8).
    SeatHold {
        /// Which batch.
        batch: uuid::Uuid,
        /// How many, for what is still to be done.
        seats: i64,
        /// Until when, whatever becomes of whoever does it.
        until: Timestamp,
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
    /// Seats that it holds, until its end is written down.
    pub const fn seats(&self) -> i64 {
        match self {
            Self::SeatHold { seats, .. } => *seats,
            Self::KeyEnd { .. }
            | Self::KeyMaker { .. }
            | Self::KeysOf { .. }
            | Self::LastUse { .. }
            | Self::Offer { .. }
            | Self::ShownLink { .. }
            | Self::Tenure { .. } => 0,
        }
    }

    /// When it ends by itself.
    pub const fn due(&self) -> Option<Timestamp> {
        match self {
            Self::KeyEnd { at, .. } => Some(*at),
            Self::SeatHold { until, .. } => Some(*until),
            Self::KeyMaker { .. }
            | Self::KeysOf { .. }
            | Self::LastUse { .. }
            | Self::Offer { .. }
            | Self::ShownLink { .. }
            | Self::Tenure { .. } => None,
        }
    }

    /// Whether it says no more than that something has changed: whoever writes it looks at none that is there, and many may do so
    /// at once. Whoever relies on it guards it as anything else.
    pub const fn is_mark(&self) -> bool {
        matches!(self, Self::KeysOf { .. })
    }

    /// What it is about.
    pub const fn key(&self) -> NoteKey {
        match self {
            Self::LastUse { key, .. } => NoteKey::LastUse(*key),
            Self::KeyEnd { key, .. } => NoteKey::KeyEnd(*key),
            Self::KeyMaker { key, .. } => NoteKey::KeyMaker(*key),
            Self::KeysOf { user, .. } => NoteKey::KeysOf(*user),
            Self::SeatHold { batch, .. } => NoteKey::SeatHold(*batch),
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
            Self::KeyEnd(_)
            | Self::KeyMaker(_)
            | Self::KeysOf(_)
            | Self::Offer(_)
            | Self::SeatHold(_)
            | Self::ShownLink(_)
            | Self::Tenure => matches!(home, Home::Organization(_)),
        }
    }

    /// What notes that end by themselves are called in a due index, with the id of this one.
    pub const fn ending(self) -> Option<(&'static str, uuid::Uuid)> {
        match self {
            Self::KeyEnd(key) => Some(("key_end", key.uuid())),
            Self::SeatHold(batch) => Some(("seat_hold", batch)),
            Self::KeyMaker(_)
            | Self::KeysOf(_)
            | Self::LastUse(_)
            | Self::Offer(_)
            | Self::ShownLink(_)
            | Self::Tenure => None,
        }
    }

    /// Those of an id that may be in a due index.
    pub const fn all_ending(id: uuid::Uuid) -> [Self; 2] {
        [Self::KeyEnd(ApiKeyId::from_uuid(id)), Self::SeatHold(id)]
    }

    /// What follows `note:` in the name of a document.
    pub fn read(name: &str) -> Option<Self> {
        let (kind, id) = name.split_once(':')?;
        if (kind, id) == ("tenure", "") {
            return Some(Self::Tenure);
        }
        let id = uuid::Uuid::try_parse(id).ok()?;
        match kind {
            "last_use" => Some(Self::LastUse(ApiKeyId::from_uuid(id))),
            "key_end" => Some(Self::KeyEnd(ApiKeyId::from_uuid(id))),
            "key_maker" => Some(Self::KeyMaker(ApiKeyId::from_uuid(id))),
            "keys_of" => Some(Self::KeysOf(UserId::from_uuid(id))),
            "seat_hold" => Some(Self::SeatHold(id)),
            "offer" => Some(Self::Offer(TransferId::from_uuid(id))),
            "shown_link" => Some(Self::ShownLink(InvitationId::from_uuid(id))),
            _ => None,
        }
    }
}

/// `key_end:ID`, `key_maker:ID`, `keys_of:ID`, `last_use:ID`, `offer:ID`, `seat_hold:ID`, `shown_link:ID`, `tenure:`.
impl fmt::Display for NoteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LastUse(id) => write!(f, "last_use:{}", id.uuid().simple()),
            Self::KeyEnd(id) => write!(f, "key_end:{}", id.uuid().simple()),
            Self::KeyMaker(id) => write!(f, "key_maker:{}", id.uuid().simple()),
            Self::KeysOf(id) => write!(f, "keys_of:{}", id.uuid().simple()),
            Self::Offer(id) => write!(f, "offer:{}", id.uuid().simple()),
            Self::SeatHold(id) => write!(f, "seat_hold:{}", id.simple()),
            Self::Tenure => f.write_str("tenure:"),
            Self::ShownLink(id) => write!(f, "shown_link:{}", id.uuid().simple()),
        }
    }
}
