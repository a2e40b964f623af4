//! Permissions and roles (product rules P1, M11).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::id::RoleId;
use crate::text::BadText;

/// Roster's own catalogue, in the order in which it is shown.
pub const CATALOGUE: [&str; 32] = [
    "organization:read",
    "organization:update",
    "organization:close",
    "ownership:transfer",
    "billing:manage",
    "accounts:read",
    "accounts:create",
    "accounts:update",
    "accounts:archive",
    "members:read",
    "members:add",
    "members:update",
    "members:remove",
    "members:deactivate",
    "members:delete",
    "members:reset_password",
    "members:act_as",
    "invitations:read",
    "invitations:manage",
    "roles:read",
    "roles:manage",
    "api_keys:read",
    "api_keys:manage",
    "records:read",
    "records:manage",
    "customers:read",
    "customers:manage",
    "activity:read",
    "audit:read",
    "webhooks:manage",
    "imports:run",
    "check:ask",
];

const VIEWER: [&str; 3] = ["organization:read", "accounts:read", "members:read"];
const MEMBER: [&str; 5] = ["roles:read", "records:read", "records:manage", "customers:read", "activity:read"];
const OWNER_ONLY: [&str; 2] = ["ownership:transfer", "organization:close"];

/// `resource:action`: Roster's own, or the vendor's for any other resource. No wildcards.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Permission(String);

impl Permission {
    /// A permission of the catalogue, by the constant that names it.
    pub(crate) fn of(name: &'static str) -> Self {
        debug_assert!(CATALOGUE.contains(&name), "not in the catalogue: {name}");
        Self(name.to_owned())
    }

    /// `resource:action`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the resource is the vendor's.
    pub fn is_vendors(&self) -> bool {
        !CATALOGUE.contains(&self.0.as_str())
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Permission {
    type Err = BadText;

    fn from_str(text: &str) -> Result<Self, BadText> {
        const SHAPE: BadText =
            BadText("a permission is `resource:action` in a-z, 0-9 and _ - . without wildcards");
        let word = |word: &str| {
            !word.is_empty()
                && word
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-' | b'.'))
        };
        let (resource, action) = text.split_once(':').ok_or(SHAPE)?;
        if text.len() > 128 || !word(resource) || !word(action) {
            return Err(SHAPE);
        }
        let ours = CATALOGUE.iter().any(|known| known.split(':').next() == Some(resource));
        if ours && !CATALOGUE.contains(&text) {
            return Err(BadText(
                "no such permission: this resource is Roster's own; GET /v1/permissions lists its actions",
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

impl<'de> Deserialize<'de> for Permission {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl Serialize for Permission {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// The roles every organization has; they cannot be edited.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum SystemRole {
    /// Everything. Exactly one member, moved by transfer only.
    Owner,
    /// Everything but `ownership:transfer` and `organization:close`.
    Admin,
    /// Daily work.
    Member,
    /// Reading.
    Viewer,
}

impl SystemRole {
    /// All four, strongest first.
    pub const ALL: [Self; 4] = [Self::Owner, Self::Admin, Self::Member, Self::Viewer];

    /// The name by which requests and answers call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Member => "member",
            Self::Viewer => "viewer",
        }
    }

    /// What the role holds of Roster's catalogue.
    pub fn catalogue(self) -> impl Iterator<Item = &'static str> {
        CATALOGUE.into_iter().filter(move |permission| self.holds_own(permission))
    }

    /// Whether the role holds a permission; owner and admin hold every one of the vendor's.
    pub fn holds(self, permission: &Permission) -> bool {
        if permission.is_vendors() {
            return matches!(self, Self::Owner | Self::Admin);
        }
        self.holds_own(permission.as_str())
    }

    fn holds_own(self, permission: &str) -> bool {
        match self {
            Self::Owner => true,
            Self::Admin => !OWNER_ONLY.contains(&permission),
            Self::Member => VIEWER.contains(&permission) || MEMBER.contains(&permission),
            Self::Viewer => VIEWER.contains(&permission),
        }
    }

    /// Whether everything that `other` holds is held by this role too.
    pub fn covers(self, other: Self) -> bool {
        self <= other
    }
}

/// A role as access names it: a system role by name, a custom role by id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum RoleRef {
    /// One of the four.
    System(SystemRole),
    /// A role of the organization's own.
    Custom(RoleId),
}

impl RoleRef {
    /// The owner's role.
    pub const OWNER: Self = Self::System(SystemRole::Owner);
    /// The administrators' role.
    pub const ADMIN: Self = Self::System(SystemRole::Admin);
}

impl fmt::Display for RoleRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System(role) => f.write_str(role.name()),
            Self::Custom(id) => fmt::Display::fmt(id, f),
        }
    }
}

impl FromStr for RoleRef {
    type Err = BadText;

    fn from_str(text: &str) -> Result<Self, BadText> {
        if let Some(role) = SystemRole::ALL.into_iter().find(|role| role.name() == text) {
            return Ok(Self::System(role));
        }
        text.parse()
            .map(Self::Custom)
            .map_err(|_| BadText("not a role: expected owner, admin, member, viewer or a `rol_` id"))
    }
}

impl Serialize for RoleRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RoleRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p1_system_roles_hold_what_the_contract_says() {
        let count = |role: SystemRole| role.catalogue().count();
        assert_eq!([count(SystemRole::Owner), count(SystemRole::Admin)], [32, 30]);
        assert_eq!([count(SystemRole::Member), count(SystemRole::Viewer)], [8, 3]);
        let vendors: Permission = "deals:export".parse().unwrap();
        assert!(SystemRole::Admin.holds(&vendors) && !SystemRole::Member.holds(&vendors));
        for strong in SystemRole::ALL {
            for weak in SystemRole::ALL {
                let subset = weak.catalogue().all(|p| strong.catalogue().any(|q| p == q));
                assert_eq!(strong.covers(weak), subset, "{strong:?} {weak:?}");
            }
        }
    }

    #[test]
    fn permissions_have_no_wildcards_and_ours_must_exist() {
        for bad in ["", "a", "a:", "*:read", "members:*", "members:fly", "A:b", "a:b:c", "a b:c"] {
            assert!(bad.parse::<Permission>().is_err(), "{bad}");
        }
    }
}
