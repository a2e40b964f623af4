//! How requests name things: by id, or as `ext:EXTERNAL_ID`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, de};

use crate::id::{AccountId, OrganizationId, UserId};
use crate::text::{BadText, ExternalId};

/// An id, or the vendor's own.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Reference<T> {
    /// Roster's id.
    Id(T),
    /// The vendor's id.
    External(ExternalId),
}

/// Names an organization.
pub type OrganizationRef = Reference<OrganizationId>;
/// Names an account.
pub type AccountRef = Reference<AccountId>;
/// Names a user.
pub type UserRef = Reference<UserId>;

impl From<UserId> for UserRef {
    fn from(id: UserId) -> Self {
        Self::Id(id)
    }
}

impl<T: FromStr> FromStr for Reference<T> {
    type Err = BadText;

    fn from_str(text: &str) -> Result<Self, BadText> {
        match text.strip_prefix("ext:") {
            Some(external) => external.parse().map(Self::External),
            None => text.parse().map(Self::Id).map_err(|_| {
                BadText("not an id of this kind: expected Roster's id with its prefix, or `ext:` and the external id")
            }),
        }
    }
}

impl<T: fmt::Display> fmt::Display for Reference<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => fmt::Display::fmt(id, f),
            Self::External(external) => write!(f, "ext:{external}"),
        }
    }
}

impl<'de, T: FromStr> Deserialize<'de> for Reference<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}
