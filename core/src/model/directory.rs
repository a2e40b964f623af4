//! Pointers: what leads from one home to a thing in another. Never trusted; checked against the thing.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Work;
use crate::home::Home;
use crate::id::{AccountId, JobId, OrganizationId, UserId};
use crate::text::{Email, ExternalId, Slug};
use crate::time::Timestamp;

/// A unique name in the deployment.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClaimName {
    /// An e-mail address, by its key.
    Email(String),
    /// A user's external id.
    UserExternalId(ExternalId),
    /// An organization's external id.
    OrganizationExternalId(ExternalId),
    /// An organization's slug.
    Slug(Slug),
    /// Where an account lives.
    Account(AccountId),
    /// An external id that an erased person had, as a keyed hash: nobody has it again.
    Erased(String),
}

impl ClaimName {
    /// The claim on an address.
    pub fn email(email: &Email) -> Self {
        Self::Email(email.key().to_owned())
    }

    /// The kind, as stores name it.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Email(_) => "email",
            Self::UserExternalId(_) => "user_external_id",
            Self::OrganizationExternalId(_) => "organization_external_id",
            Self::Slug(_) => "slug",
            Self::Account(_) => "account",
            Self::Erased(_) => "erased",
        }
    }

    /// The name without its kind.
    pub fn value(&self) -> String {
        match self {
            Self::Email(key) | Self::Erased(key) => key.clone(),
            Self::UserExternalId(id) | Self::OrganizationExternalId(id) => id.to_string(),
            Self::Slug(slug) => slug.to_string(),
            Self::Account(id) => id.to_string(),
        }
    }

    /// A claim from what a store keeps.
    pub fn from_parts(kind: &str, value: &str) -> Option<Self> {
        Some(match kind {
            "email" => Self::Email(value.to_owned()),
            "user_external_id" => Self::UserExternalId(value.parse().ok()?),
            "organization_external_id" => Self::OrganizationExternalId(value.parse().ok()?),
            "slug" => Self::Slug(value.parse().ok()?),
            "account" => Self::Account(value.parse().ok()?),
            "erased" => Self::Erased(value.to_owned()),
            _ => return None,
        })
    }
}

/// What a name leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClaimTarget {
    /// A user.
    User(UserId),
    /// An organization.
    Organization(OrganizationId),
}

/// The one record of a claim's home.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Claim {
    /// Whose the name is.
    pub target: ClaimTarget,
    /// When it was taken: a claim older than 60 s whose target does not name it back is dead.
    pub since: Timestamp,
}

/// In the user's home: an organization they may be a member of.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Membership {
    /// Where to look.
    pub organization: OrganizationId,
}

/// Which things a directory lists.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DirectoryKind {
    /// Behind `GET /v1/organizations`.
    Organizations,
    /// Behind `GET /v1/users`.
    Users,
    /// Behind `GET /v1/jobs`. What finds a job is the name of the home that holds it.
    Jobs,
}

impl fmt::Display for DirectoryKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Organizations => "organizations",
            Self::Users => "users",
            Self::Jobs => "jobs",
        })
    }
}

impl FromStr for DirectoryKind {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "organizations" => Ok(Self::Organizations),
            "users" => Ok(Self::Users),
            "jobs" => Ok(Self::Jobs),
            _ => Err(()),
        }
    }
}

/// How many homes a directory is spread over.
pub const SHARDS: u8 = 64;

/// What a directory entry stands for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum DirectoryId {
    /// An organization.
    Organization(OrganizationId),
    /// A user.
    User(UserId),
    /// A job.
    Job(JobId),
}

impl DirectoryId {
    /// Which directory it belongs to.
    pub const fn kind(self) -> DirectoryKind {
        match self {
            Self::Organization(_) => DirectoryKind::Organizations,
            Self::User(_) => DirectoryKind::Users,
            Self::Job(_) => DirectoryKind::Jobs,
        }
    }

    /// The id without its kind.
    pub const fn uuid(self) -> Uuid {
        match self {
            Self::Organization(id) => id.uuid(),
            Self::User(id) => id.uuid(),
            Self::Job(id) => id.uuid(),
        }
    }

    /// An id from what a store keeps.
    pub const fn from_uuid(kind: DirectoryKind, id: Uuid) -> Self {
        match kind {
            DirectoryKind::Organizations => Self::Organization(OrganizationId::from_uuid(id)),
            DirectoryKind::Users => Self::User(UserId::from_uuid(id)),
            DirectoryKind::Jobs => Self::Job(JobId::from_uuid(id)),
        }
    }

    /// Which of the homes holds it: the last, random byte of the id.
    pub fn shard(self) -> u8 {
        self.uuid().as_bytes()[15] % SHARDS
    }
}

/// One entry.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DirectoryEntry {
    /// What it stands for.
    pub id: DirectoryId,
    /// [`crate::text::search_keys`] of the thing.
    pub search: Vec<String>,
    /// Whether lists of active things show it.
    pub active: bool,
}

impl DirectoryEntry {
    /// An entry of a job that is not done, which is found by the home that holds it. Its kind stands behind that.
    pub fn of_job(id: JobId, home: &Home, kind: &str) -> Self {
        let search = vec![home.to_string(), kind.to_owned()];
        Self { id: DirectoryId::Job(id), search, active: true }
    }

    /// An entry of a job that is done.
    pub fn of_ended_job(id: JobId, home: &Home) -> Self {
        Self { id: DirectoryId::Job(id), search: vec![home.to_string()], active: false }
    }

    /// The home that holds a job.
    pub fn home(&self) -> Option<Home> {
        self.id.job().and(self.search.first())?.parse().ok()
    }

    /// The kind of a job that is not done.
    pub fn job_kind(&self) -> Option<&'static str> {
        let kind = self.id.job().and(self.search.get(1))?;
        Work::KINDS.into_iter().find(|known| known == kind)
    }
}
