//! Listings: what can be listed, which rows belong, and in which order. One meaning for every store: the functions
//! here are the reference, SQL backends push them down. A listing never feeds a decision.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::home::{Home, Key, Record};
use crate::id::{AccountId, JobId, OrganizationId, UserId};
use crate::model::{
    Access, AccountStatus, DirectoryId, DirectoryKind, InvitationStatus, Member, MemberStatus,
};
use crate::permission::RoleRef;
use crate::store::Stored;
use crate::text::{RecordType, fold, search_keys, search_matches};
use crate::time::Timestamp;

/// What can be listed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Listing {
    /// Entries of a directory, by id. `active` keeps one kind; `q` searches.
    Directory {
        /// Which directory.
        kind: DirectoryKind,
        /// Only active things, only others, or all.
        active: Option<bool>,
        /// Search text.
        q: Option<String>,
    },
    /// Accounts of an organization, by id.
    Accounts {
        /// Whose.
        organization: OrganizationId,
        /// Only this status.
        status: Option<AccountStatus>,
        /// Only these accounts.
        scope: Scope,
    },
    /// Members of an organization.
    Members {
        /// Whose.
        organization: OrganizationId,
        /// Only this status, as time has made it.
        status: Option<MemberStatus>,
        /// Only those with access to this account, from either source.
        account: Option<AccountId>,
        /// Only those who hold this role somewhere in the scope (on the account, if one is named).
        role: Option<RoleRef>,
        /// Search text.
        q: Option<String>,
        /// Order.
        sort: MemberSort,
        /// `true` turns the order round.
        descending: bool,
        /// Only members who reach one of these accounts.
        scope: Scope,
    },
    /// API keys of an organization, by id.
    ApiKeys {
        /// Whose.
        organization: OrganizationId,
    },
    /// Roles of an organization's own, by id; those that are being replaced too.
    Roles {
        /// Whose.
        organization: OrganizationId,
    },
    /// Operator keys, by id.
    OperatorKeys,
    /// The pointers in a user's home, by organization id.
    Memberships {
        /// Whose.
        user: UserId,
    },
    /// The sessions of a user, by id.
    Sessions {
        /// Whose.
        user: UserId,
    },
    /// Invitations of an organization, by id.
    Invitations {
        /// Whose.
        organization: OrganizationId,
        /// Only this status, as time has made it.
        status: Option<InvitationStatus>,
        /// Only those that reach one of these accounts.
        scope: Scope,
    },
    /// Records in the vendor's product, by id, with their owners as stored.
    Holdings {
        /// In which organization.
        organization: OrganizationId,
        /// Only those of these people; of everybody if none is named.
        owners: Vec<UserId>,
        /// Only this type.
        kind: Option<RecordType>,
        /// Only those on one of these accounts.
        scope: Scope,
    },
    /// Records whose end has come and that nobody has settled, earliest first.
    Due {
        /// In which home.
        home: Home,
        /// Ended at or before this instant.
        until: Timestamp,
    },
}

/// Which accounts the reader may see.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Scope {
    /// All.
    All,
    /// Those named, at most 1,000, sorted.
    Accounts(Vec<AccountId>),
}

/// The order of a member list. Ties are ordered by user id. Text sorts by the bytes of its folded form; a missing
/// name or e-mail sorts as the empty text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MemberSort {
    /// By user id, the default.
    Id,
    /// By name.
    Name,
    /// By e-mail.
    Email,
    /// By `joined_at`.
    JoinedAt,
}

/// Where a page begins: behind this row.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Position {
    /// The row's sort value, empty in the default order.
    pub by: String,
    /// The row's id.
    pub id: Uuid,
}

/// Which page.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PageRequest {
    /// Behind this row; from the beginning if none.
    pub after: Option<Position>,
    /// At most so many rows, at least 1.
    pub limit: u16,
}

/// One row.
#[derive(Clone, PartialEq, Debug)]
pub struct Row {
    /// Where it stands.
    pub position: Position,
    /// The record. For [`Listing::Due`] the record that has ended.
    pub stored: Stored,
}

/// One page.
#[derive(Clone, PartialEq, Debug)]
pub struct Page {
    /// The instant by which times were judged.
    pub now: Timestamp,
    /// At most as many rows as asked for.
    pub rows: Vec<Row>,
    /// Whether more rows follow.
    pub more: bool,
}

impl Listing {
    /// The home that is listed; nothing for a directory, which spans 64.
    pub fn home(&self) -> Option<Home> {
        match self {
            Self::Directory { .. } => None,
            Self::Accounts { organization, .. }
            | Self::Members { organization, .. }
            | Self::Invitations { organization, .. }
            | Self::Holdings { organization, .. }
            | Self::ApiKeys { organization }
            | Self::Roles { organization } => Some(Home::Organization(*organization)),
            Self::OperatorKeys => Some(Home::Deployment),
            Self::Memberships { user } | Self::Sessions { user } => Some(Home::User(*user)),
            Self::Due { home, .. } => Some(home.clone()),
        }
    }

    /// Where a record stands in this listing at an instant, or nothing if it does not belong.
    pub fn position(&self, record: &Record, now: Timestamp) -> Option<Position> {
        let by_id = |id: Uuid| Some(Position { by: String::new(), id });
        match (self, record) {
            (Self::Directory { kind, active, q }, Record::DirectoryEntry(entry)) => {
                let belongs = entry.id.kind() == *kind
                    && active.is_none_or(|active| active == entry.active)
                    && q.as_deref().is_none_or(|q| search_matches(&entry.search, q));
                belongs.then(|| by_id(entry.id.uuid())).flatten()
            }
            (Self::Accounts { status, scope, .. }, Record::Account(account)) => {
                let belongs = status.is_none_or(|status| status == account.status) && scope.holds(account.id);
                belongs.then(|| by_id(account.id.uuid())).flatten()
            }
            (Self::Members { .. }, Record::Member(member)) => self.member_position(&member.at(now)),
            (Self::ApiKeys { .. }, Record::ApiKey(key)) => by_id(key.id.uuid()),
            (Self::Roles { .. }, Record::Role(role)) => by_id(role.id.uuid()),
            (Self::OperatorKeys, Record::OperatorKey(key)) => by_id(key.id.uuid()),
            (Self::Memberships { .. }, Record::Membership(at)) => by_id(at.organization.uuid()),
            (Self::Sessions { .. }, Record::Session(session)) => by_id(session.id.uuid()),
            (Self::Invitations { status, scope, .. }, Record::Invitation(invitation)) => {
                let belongs = status.is_none_or(|status| status == invitation.at(now).status)
                    && scope.meets(&invitation.access);
                belongs.then(|| by_id(invitation.id.uuid())).flatten()
            }
            (Self::Holdings { owners, kind, scope, .. }, Record::Holding(holding)) => {
                let belongs = (owners.is_empty() || owners.contains(&holding.owner))
                    && kind.as_ref().is_none_or(|kind| *kind == holding.kind)
                    && (*scope == Scope::All || holding.account.is_some_and(|account| scope.holds(account)));
                belongs.then(|| by_id(holding.id.uuid())).flatten()
            }
            (Self::Due { until, .. }, record) => {
                let due = record.due().filter(|due| due.at <= *until)?;
                Some(Position { by: sortable(due.at), id: key_uuid(&due.key) })
            }
            _ => None,
        }
    }

    fn member_position(&self, member: &Member) -> Option<Position> {
        let Self::Members { status, account, role, q, sort, scope, .. } = self else {
            return None;
        };
        let role_fits = role.is_none_or(|role| match account {
            Some(account) => member.access.role_on(*account) == Some(role),
            None => scope.of(&member.access).roles().contains(&role),
        });
        let belongs = status.is_none_or(|status| status == member.status)
            && account.is_none_or(|account| member.access.role_on(account).is_some())
            && role_fits
            && q.as_deref().is_none_or(|q| search_matches(&member_search_keys(member), q))
            && scope.reaches(member);
        belongs.then(|| Position { by: member_sort_value(member, *sort), id: member.user.uuid() })
    }
}

impl Scope {
    /// Whether the reader may see an account.
    pub fn holds(&self, account: AccountId) -> bool {
        match self {
            Self::All => true,
            Self::Accounts(accounts) => accounts.binary_search(&account).is_ok(),
        }
    }

    /// What the reader may see of an access.
    pub fn of(&self, access: &Access) -> Access {
        match access {
            Access::Organization(_) => access.clone(),
            Access::Accounts(roles) => Access::Accounts(
                roles.iter().filter(|(id, _)| self.holds(**id)).map(|(id, role)| (*id, *role)).collect(),
            ),
        }
    }

    /// Whether the reader may see a member: one who reaches an account that the reader may see.
    fn reaches(&self, member: &Member) -> bool {
        self.meets(&member.access)
    }

    /// Whether an access reaches an account that the reader may see.
    pub fn meets(&self, access: &Access) -> bool {
        match self {
            Self::All => true,
            Self::Accounts(accounts) => accounts.iter().any(|account| access.role_on(*account).is_some()),
        }
    }
}

/// What a search for a member looks through.
pub fn member_search_keys(member: &Member) -> Vec<String> {
    search_keys(member.card.name.as_ref(), member.card.email.as_ref(), member.card.external_id.as_ref())
}

/// What a member is sorted by: folded text, or an instant as 20 digits.
pub fn member_sort_value(member: &Member, sort: MemberSort) -> String {
    match sort {
        MemberSort::Id => String::new(),
        MemberSort::Name => member.card.name.as_ref().map(|name| fold(name.as_str())).unwrap_or_default(),
        MemberSort::Email => member.card.email.as_ref().map(|email| fold(email.as_str())).unwrap_or_default(),
        MemberSort::JoinedAt => sortable(member.joined_at),
    }
}

/// An instant as text whose byte order is the order of time: microseconds in 20 digits.
pub fn sortable(time: Timestamp) -> String {
    format!("{:020}", time.micros().max(0))
}

/// The id in a key that can end by itself.
pub fn key_uuid(key: &Key) -> Uuid {
    match key {
        Key::Member(user) => user.uuid(),
        Key::ApiKey(id) => id.uuid(),
        Key::Account(id) => id.uuid(),
        Key::Transfer(id) => id.uuid(),
        Key::Role(id) => id.uuid(),
        Key::Membership(id) => id.uuid(),
        Key::OperatorKey(id) => id.uuid(),
        Key::DirectoryEntry(id) => id.uuid(),
        Key::Job(id) => id.uuid(),
        Key::Session(id) => id.uuid(),
        Key::Invitation(id) => id.uuid(),
        Key::Note(note) => note.ending().map_or_else(Uuid::nil, |(_, id)| id),
        Key::Organization
        | Key::AccountExternalId(_)
        | Key::User
        | Key::Claim
        | Key::Receipt(_)
        | Key::Credential
        | Key::PasswordReset
        | Key::InvitedAddress(_)
        | Key::Holding(_)
        | Key::HeldPosts(_)
        | Key::RecordTypes
        | Key::Successions
        | Key::Feed(_)
        | Key::JobPart(_)
        | Key::Customer(_)
        | Key::Webhook(_)
        | Key::NewAddress => Uuid::nil(),
        Key::Mail(id) | Key::MailPointer(id) => id.uuid(),
    }
}

/// The id by which a record stands in a listing.
pub fn record_uuid(record: &Record) -> Uuid {
    if let Record::Holding(holding) = record { holding.id.uuid() } else { key_uuid(&record.key()) }
}

impl DirectoryId {
    /// The organization it stands for.
    pub const fn organization(self) -> Option<OrganizationId> {
        if let Self::Organization(id) = self { Some(id) } else { None }
    }

    /// The job it stands for.
    pub const fn job(self) -> Option<JobId> {
        if let Self::Job(id) = self { Some(id) } else { None }
    }

    /// The user it stands for.
    pub const fn user(self) -> Option<UserId> {
        if let Self::User(id) = self { Some(id) } else { None }
    }
}
