//! What a report can show, filter and sort by.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::model::customer::ReportKind;

/// Names of columns of reports on accounts, but for traits.
const ACCOUNTS: [&str; 30] = [
    "id",
    "external_id",
    "name",
    "status",
    "created_at",
    "organization_id",
    "organization.id",
    "organization.external_id",
    "organization.name",
    "organization.slug",
    "organization.status",
    "organization.created_at",
    "seats.purchased",
    "seats.used",
    "members",
    "members.active",
    "members.deactivated",
    "owner",
    "owner.state",
    "owner.source",
    "owner.user_id",
    "owner.external_id",
    "owner.email",
    "owner.name",
    "owner.joined_at",
    "owner.last_seen_at",
    "owner.first_seen_at",
    "owner.sessions",
    "owner.last_message_received_at",
    "owner.last_message_sent_at",
];

/// Names of columns of reports on organizations that those on accounts have not.
const ORGANIZATIONS: [&str; 5] = ["slug", "accounts", "members.former", "governor.user_id", "governor.email"];

/// A column.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Field {
    /// One of the names above.
    Own(&'static str),
    /// A trait of the row's thing.
    Trait(String),
    /// A trait of the organization that an account is in.
    OrganizationTrait(String),
}

impl Field {
    /// Whether it tells of an organization's seats.
    pub fn is_of_seats(&self) -> bool {
        matches!(self, Self::Own(name) if name.starts_with("seats."))
    }

    /// A column by its name.
    pub fn of(kind: ReportKind, name: &str) -> Result<Self, String> {
        if let Some(name) = name.strip_prefix("traits.").filter(|name| !name.is_empty()) {
            return Ok(Self::Trait(name.to_owned()));
        }
        let organization = name.strip_prefix("organization.traits.").filter(|name| !name.is_empty());
        if let (Some(name), ReportKind::Accounts) = (organization, kind) {
            return Ok(Self::OrganizationTrait(name.to_owned()));
        }
        names(kind).find(|known| *known == name).map(Self::Own).ok_or_else(|| {
            let known: Vec<&str> = names(kind).collect();
            format!("no such column; there are `traits.NAME` and {}", known.join(", "))
        })
    }

    /// Its name, if it is one of Roster's own.
    pub fn own(&self) -> &str {
        if let Self::Own(name) = self { name } else { "" }
    }

    /// Whether it holds instants only.
    pub fn is_time(&self) -> bool {
        self.own().ends_with("_at")
    }

    /// Whether it holds numbers only.
    pub fn is_number(&self) -> bool {
        matches!(self.own(), "accounts" | "owner.sessions")
            || self.own().starts_with("members")
            || self.own().starts_with("seats.")
    }

    /// Whether it holds any JSON value.
    pub const fn is_any(&self) -> bool {
        matches!(self, Self::Trait(_) | Self::OrganizationTrait(_))
    }
}

fn names(kind: ReportKind) -> impl Iterator<Item = &'static str> {
    let of_organization = |name: &&str| *name != "organization_id" && !name.starts_with("organization.");
    ACCOUNTS
        .into_iter()
        .filter(move |name| kind == ReportKind::Accounts || of_organization(name))
        .chain(ORGANIZATIONS.into_iter().filter(move |_| kind == ReportKind::Organizations))
}

/// The columns where none are asked for.
pub fn usual_columns(kind: ReportKind) -> Vec<Field> {
    let names: &[&'static str] = match kind {
        ReportKind::Accounts => &[
            "id",
            "external_id",
            "name",
            "status",
            "organization_id",
            "members",
            "owner.email",
            "owner.joined_at",
            "owner.last_seen_at",
            "owner.sessions",
            "owner.last_message_received_at",
            "owner.last_message_sent_at",
        ],
        ReportKind::Organizations => &[
            "id",
            "external_id",
            "name",
            "status",
            "seats.purchased",
            "seats.used",
            "members",
            "owner.email",
            "owner.joined_at",
            "owner.last_seen_at",
            "owner.sessions",
            "owner.last_message_received_at",
            "owner.last_message_sent_at",
        ],
    };
    names.iter().map(|name| Field::Own(name)).collect()
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own(name) => f.write_str(name),
            Self::Trait(name) => write!(f, "traits.{name}"),
            Self::OrganizationTrait(name) => write!(f, "organization.traits.{name}"),
        }
    }
}

impl Serialize for Field {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// As a report of either kind has it.
impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let of = |kind| Self::of(kind, &name);
        of(ReportKind::Accounts).or_else(|_| of(ReportKind::Organizations)).map_err(de::Error::custom)
    }
}
