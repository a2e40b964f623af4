//! Who acts.

use serde::{Deserialize, Serialize};

use crate::id::{
    ApiKeyId, EmailChangeId, InvitationId, OperatorKeyId, OrganizationId, PasswordResetId, SessionId,
    SourceId, UserId,
};
use crate::time::{Timestamp, either_form};

/// How long after signing in a session may do what needs a fresh sign-in, in seconds.
pub const FRESH: i64 = 600;

/// Who acts, once a request has been authenticated.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Actor {
    /// An operator: the command line on the store (no key), or an operator key. Holds every right.
    Operator {
        /// The key, if one was used.
        key: Option<OperatorKeyId>,
    },
    /// An organization's key, acting as itself.
    ApiKey {
        /// The only organization it can reach.
        organization: OrganizationId,
        /// The key.
        key: ApiKeyId,
    },
    /// A user, through something that speaks for them.
    User {
        /// Who is judged.
        user: UserId,
        /// What spoke for them.
        via: Via,
    },
    /// Somebody who has not signed in.
    Visitor,
    /// A source, by its write key.
    Source {
        /// Which.
        source: SourceId,
    },
    /// Roster itself: settlements, jobs.
    System,
}

/// What speaks for a user (rule P6).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Via {
    /// An operator, by key or on the command line.
    Operator {
        /// The key, if one was used.
        key: Option<OperatorKeyId>,
    },
    /// A key of their own in one organization (rule P3).
    PersonalKey {
        /// The only organization it can reach.
        organization: OrganizationId,
        /// The key.
        key: ApiKeyId,
    },
    /// An organization key whose role has `members:act_as`; its rights are a ceiling.
    ApiKey {
        /// The only organization it can reach.
        organization: OrganizationId,
        /// The key.
        key: ApiKeyId,
    },
    /// The person, signed in.
    Session {
        /// By which session.
        session: SessionId,
        /// When they signed in.
        #[serde(deserialize_with = "either_form")]
        since: Timestamp,
    },
    /// The person, signing up by the link of an invitation.
    Invitation {
        /// Whose link.
        invitation: InvitationId,
    },
    /// The person, setting a password by a link that was mailed to them.
    Reset {
        /// Of which reset.
        reset: PasswordResetId,
    },
    /// The person, proving a new address by a link that was mailed there.
    EmailChange {
        /// Of which change.
        change: EmailChangeId,
    },
}

impl Actor {
    /// The operator at the command line.
    pub const CLI: Self = Self::Operator { key: None };

    /// Whether every right is held.
    pub const fn is_operator(&self) -> bool {
        matches!(self, Self::Operator { .. })
    }

    /// Whether the vendor's ids of people are theirs to give: operators and sources.
    pub const fn names_people(&self) -> bool {
        matches!(self, Self::Operator { .. } | Self::Source { .. })
    }

    /// The only organization that the actor can reach, if a key of one speaks.
    pub const fn bound_to(&self) -> Option<OrganizationId> {
        match self {
            Self::ApiKey { organization, .. }
            | Self::User {
                via: Via::ApiKey { organization, .. } | Via::PersonalKey { organization, .. },
                ..
            } => Some(*organization),
            Self::User { .. }
            | Self::Operator { .. }
            | Self::Source { .. }
            | Self::Visitor
            | Self::System => None,
        }
    }

    /// The kind, as audit shows it.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Operator { .. } => "operator",
            Self::ApiKey { .. } => "api_key",
            Self::User { .. } | Self::Visitor => "user",
            Self::Source { .. } => "source",
            Self::System => "system",
        }
    }

    /// The id, as audit shows it: nothing for the command line and the system.
    pub fn id(&self) -> Option<String> {
        match self {
            Self::Operator { key } => key.map(|key| key.to_string()),
            Self::ApiKey { key, .. } => Some(key.to_string()),
            Self::User { user, .. } => Some(user.to_string()),
            Self::Source { source } => Some(source.to_string()),
            Self::Visitor | Self::System => None,
        }
    }

    /// The key, session or invitation that spoke for a user, as audit shows it.
    pub fn via(&self) -> Option<String> {
        match self {
            Self::User { via: Via::Operator { key }, .. } => {
                Some(key.map_or_else(|| "operator".to_owned(), |key| key.to_string()))
            }
            Self::User { via: Via::ApiKey { key, .. } | Via::PersonalKey { key, .. }, .. } => {
                Some(key.to_string())
            }
            Self::User { via: Via::Session { session, .. }, .. } => Some(session.to_string()),
            Self::User { via: Via::Invitation { invitation }, .. } => Some(invitation.to_string()),
            Self::User { via: Via::Reset { reset }, .. } => Some(reset.to_string()),
            Self::User { via: Via::EmailChange { change }, .. } => Some(change.to_string()),
            Self::Operator { .. }
            | Self::ApiKey { .. }
            | Self::Source { .. }
            | Self::Visitor
            | Self::System => None,
        }
    }

    /// Whether the actor may do what needs a fresh sign-in; whoever acts on behalf counts as signed in afresh,
    /// and a personal key never.
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        match self {
            Self::User { via: Via::Session { since, .. }, .. } => now < since.plus_seconds(FRESH),
            Self::User { via: Via::PersonalKey { .. }, .. } => false,
            Self::User { .. }
            | Self::Operator { .. }
            | Self::ApiKey { .. }
            | Self::Source { .. }
            | Self::Visitor
            | Self::System => true,
        }
    }

    /// The session by which the actor has signed in.
    pub const fn session(&self) -> Option<SessionId> {
        match self {
            Self::User { via: Via::Session { session, .. }, .. } => Some(*session),
            Self::User { .. }
            | Self::Operator { .. }
            | Self::ApiKey { .. }
            | Self::Source { .. }
            | Self::Visitor
            | Self::System => None,
        }
    }

    /// The user who acts, if it is one.
    pub const fn user(&self) -> Option<UserId> {
        match self {
            Self::User { user, .. } => Some(*user),
            Self::Operator { .. }
            | Self::ApiKey { .. }
            | Self::Source { .. }
            | Self::Visitor
            | Self::System => None,
        }
    }

    /// What must be said about this actor to tell it from every other, for receipts.
    pub fn fingerprint(&self) -> String {
        let via = if self.session().is_some() { Some("session".to_owned()) } else { self.via() };
        format!("{}:{}:{}", self.kind(), self.id().unwrap_or_default(), via.unwrap_or_default())
    }
}
