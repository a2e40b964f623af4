//! Notes beside a record, which change nothing of it: its version stays.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::home::Home;
use crate::id::InvitationId;

/// What a note is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoteKey {
    /// Organization home: see [`Note::ShownLink`].
    ShownLink(InvitationId),
}

/// A note.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Note {
    /// The link of an invitation was shown to somebody of its organization: it proves no mailbox to others.
    ShownLink {
        /// Of which.
        invitation: InvitationId,
        /// The number of the last link that was.
        link: u32,
    },
}

impl Note {
    /// What it is about.
    pub const fn key(&self) -> NoteKey {
        match self {
            Self::ShownLink { invitation, .. } => NoteKey::ShownLink(*invitation),
        }
    }
}

impl NoteKey {
    /// Whether a home keeps it.
    pub const fn belongs_in(self, home: &Home) -> bool {
        match self {
            Self::ShownLink(_) => matches!(home, Home::Organization(_)),
        }
    }

    /// What follows `note:` in the name of a document.
    pub fn read(name: &str) -> Option<Self> {
        let (kind, id) = name.split_once(':')?;
        let id = uuid::Uuid::try_parse(id).ok()?;
        match kind {
            "shown_link" => Some(Self::ShownLink(InvitationId::from_uuid(id))),
            _ => None,
        }
    }
}

/// `shown_link:ID`.
impl fmt::Display for NoteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ShownLink(id) => write!(f, "shown_link:{}", id.uuid().simple()),
        }
    }
}
