//! Homes and keys: where a record lives, and what it is called there.

mod tally;
mod typed;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::id::{
    AccountId, ApiKeyId, InvitationId, JobId, MailId, OperatorKeyId, OrganizationId, RoleId, SessionId,
    SourceId, TransferId, UserId,
};
use crate::model::customer::{Customer, CustomerKey};
use crate::model::{
    Account, ApiKey, Claim, ClaimName, Credential, DirectoryEntry, DirectoryId, DirectoryKind, EmailChange,
    FeedKey, FeedLine, HeldPosts, Holding, HoldingName, HoldingTypes, Invitation, InvitationStatus, Inviter,
    Job, JobPart, JobPartId, Mail, MailPointer, Member, MemberStatus, Membership, Note, NoteKey, OperatorKey,
    Organization, PasswordReset, Receipt, ReceiptId, Role, Session, Successions, Transfer, User, WebhookKey,
    WebhookRecord,
};
use crate::permission::RoleRef;
use crate::text::ExternalId;
use crate::time::Timestamp;

pub use tally::{Tally, Uses};
pub use typed::*;

/// The unit of atomicity: one commit touches exactly one home, on every backend.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Home {
    /// The deployment: operator keys, receipts of acts that make a home.
    Deployment,
    /// A user and the organizations they may be in.
    User(UserId),
    /// An organization with everything in it.
    Organization(OrganizationId),
    /// A unique name.
    Claim(ClaimName),
    /// One part of a directory.
    Directory(DirectoryKind, u8),
    /// The deployment's feed.
    Feed,
    /// One part of what a source has sent: part 0 is its inbox, part 1 its dead letters, the others remember messages.
    Stream(SourceId, u8),
    /// What people did in an organization, as its customers' sources tell it.
    Activity(OrganizationId),
    /// One part of the pointers to mail that waits.
    Outbox(u8),
    /// One part of how far webhooks have come, and of what they sent.
    Webhooks(u8),
}

impl Home {
    /// Whether every commit here carries a log entry. Homes that only point have none.
    pub const fn has_log(&self) -> bool {
        match self {
            Self::Deployment | Self::User(_) | Self::Organization(_) => true,
            Self::Claim(_)
            | Self::Directory(..)
            | Self::Feed
            | Self::Stream(..)
            | Self::Activity(_)
            | Self::Outbox(_)
            | Self::Webhooks(_) => false,
        }
    }

    /// Whether a key names something of this home.
    pub fn holds(&self, key: &Key) -> bool {
        match key {
            Key::Organization
            | Key::Account(_)
            | Key::AccountExternalId(_)
            | Key::Member(_)
            | Key::ApiKey(_)
            | Key::Transfer(_)
            | Key::Role(_)
            | Key::Invitation(_)
            | Key::InvitedAddress(_)
            | Key::Holding(_)
            | Key::HeldPosts(_)
            | Key::RecordTypes
            | Key::Successions => matches!(self, Self::Organization(_)),
            Key::User
            | Key::Membership(_)
            | Key::Credential
            | Key::Session(_)
            | Key::PasswordReset
            | Key::NewAddress => matches!(self, Self::User(_)),
            Key::OperatorKey(_) => *self == Self::Deployment,
            Key::Claim => matches!(self, Self::Claim(_)),
            Key::DirectoryEntry(id) => *self == Self::directory(*id),
            Key::Receipt(_) | Key::Job(_) | Key::JobPart(_) | Key::Mail(_) => self.has_log(),
            Key::MailPointer(_) => matches!(self, Self::Outbox(_)),
            Key::Feed(_) => *self == Self::Feed,
            Key::Note(key) => key.belongs_in(self),
            Key::Customer(key) => key.belongs_in(self),
            Key::Webhook(key) => key.belongs_in(self),
        }
    }

    /// The home that holds a directory entry.
    pub fn directory(id: DirectoryId) -> Self {
        Self::Directory(id.kind(), id.shard())
    }
}

/// `deployment`, `user:usr_…`, `organization:org_…`, `claim:KIND:VALUE`, `directory:KIND:SHARD`, `feed`,
/// `stream:src_…:PART`, `activity:org_…`, `outbox:N`, `webhooks:N`.
impl fmt::Display for Home {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deployment => f.write_str("deployment"),
            Self::User(id) => write!(f, "user:{id}"),
            Self::Organization(id) => write!(f, "organization:{id}"),
            Self::Claim(name) => write!(f, "claim:{}:{}", name.kind(), name.value()),
            Self::Directory(kind, shard) => write!(f, "directory:{kind}:{shard:02}"),
            Self::Feed => f.write_str("feed"),
            Self::Stream(source, part) => write!(f, "stream:{source}:{part:02}"),
            Self::Activity(organization) => write!(f, "activity:{organization}"),
            Self::Outbox(n) => write!(f, "outbox:{n}"),
            Self::Webhooks(n) => write!(f, "webhooks:{n:02}"),
        }
    }
}

/// The text names no home.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a home")]
pub struct MalformedHome;

impl FromStr for Home {
    type Err = MalformedHome;

    fn from_str(text: &str) -> Result<Self, MalformedHome> {
        let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
        match kind {
            "deployment" => Some(Self::Deployment),
            "feed" => Some(Self::Feed),
            "outbox" => rest.parse().ok().map(Self::Outbox),
            "webhooks" => rest.parse().ok().map(Self::Webhooks),
            "user" => rest.parse().ok().map(Self::User),
            "organization" => rest.parse().ok().map(Self::Organization),
            "activity" => rest.parse().ok().map(Self::Activity),
            "stream" => rest
                .split_once(':')
                .and_then(|(source, part)| Some(Self::Stream(source.parse().ok()?, part.parse().ok()?))),
            "claim" => rest
                .split_once(':')
                .and_then(|(kind, value)| ClaimName::from_parts(kind, value))
                .map(Self::Claim),
            "directory" => rest
                .split_once(':')
                .and_then(|(kind, shard)| Some(Self::Directory(kind.parse().ok()?, shard.parse().ok()?))),
            _ => None,
        }
        .ok_or(MalformedHome)
    }
}

/// The name of a record within its home.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Key {
    /// Organization home: the organization itself.
    Organization,
    /// Organization home: an account.
    Account(AccountId),
    /// Organization home: which account bears an external id.
    AccountExternalId(ExternalId),
    /// Organization home: a membership.
    Member(UserId),
    /// Organization home: an API key.
    ApiKey(ApiKeyId),
    /// Organization home: a transfer of ownership.
    Transfer(TransferId),
    /// User home: the user.
    User,
    /// User home: an organization they may be in.
    Membership(OrganizationId),
    /// Deployment home: an operator key.
    OperatorKey(OperatorKeyId),
    /// Claim home: whose the name is.
    Claim,
    /// Directory home: an entry.
    DirectoryEntry(DirectoryId),
    /// Any home with a log: a receipt.
    Receipt(ReceiptId),
    /// Organization home: a role of its own.
    Role(RoleId),
    /// User home: what the user signs in by.
    Credential,
    /// User home: a session.
    Session(SessionId),
    /// User home: the last password reset.
    PasswordReset,
    /// Organization home: an invitation.
    Invitation(InvitationId),
    /// Organization home: which pending invitation an address has, by its normalised key.
    InvitedAddress(String),
    /// The feed's home: a line of it.
    Feed(FeedKey),
    /// Any home with a log: a job that was asked for there.
    Job(JobId),
    /// Any home with a log: what such a job takes or gives, in parts.
    JobPart(JobPartId),
    /// Any home with a log: letters that a commit there has caused.
    Mail(MailId),
    /// User home: the last change of address that was asked for.
    NewAddress,
    /// Beside a record: see [`NoteKey`].
    Note(NoteKey),
    /// Outbox home: where letters wait.
    MailPointer(MailId),
    /// Organization home: which posts somebody holds.
    HeldPosts(UserId),
    /// Organization home: the types of records.
    RecordTypes,
    /// Organization home: hand-overs of records that are not all rewritten.
    Successions,
    /// What is kept about customers: see [`CustomerKey`].
    Customer(CustomerKey),
    /// What is kept about webhooks: see [`WebhookKey`].
    Webhook(WebhookKey),
    /// Organization home: something that a user owns in the vendor's product. Behind all documents.
    Holding(HoldingName),
}

impl Key {
    /// The name of a record that no query looks into: SQL stores keep those as documents by name. The order of names
    /// is the order of the keys.
    pub fn document(&self) -> Option<String> {
        match self {
            Self::Job(id) => Some(format!("job:{}", id.uuid().simple())),
            Self::JobPart(part) => Some(format!("job_part:{part}")),
            Self::Mail(id) => Some(format!("mail:{}", id.uuid().simple())),
            Self::NewAddress => Some("new_address:".to_owned()),
            Self::Note(key) => Some(format!("note:{key}")),
            Self::MailPointer(id) => Some(format!("post:{}", id.uuid().simple())),
            Self::HeldPosts(user) => Some(format!("posts:{}", user.uuid().simple())),
            Self::RecordTypes => Some("record_types:".to_owned()),
            Self::Successions => Some("successions:".to_owned()),
            Self::Customer(key) => Some(key.to_string()),
            Self::Webhook(key) => Some(key.to_string()),
            Self::Organization
            | Self::Account(_)
            | Self::AccountExternalId(_)
            | Self::Member(_)
            | Self::ApiKey(_)
            | Self::Transfer(_)
            | Self::User
            | Self::Membership(_)
            | Self::OperatorKey(_)
            | Self::Claim
            | Self::DirectoryEntry(_)
            | Self::Receipt(_)
            | Self::Role(_)
            | Self::Credential
            | Self::Session(_)
            | Self::PasswordReset
            | Self::Invitation(_)
            | Self::InvitedAddress(_)
            | Self::Holding(_)
            | Self::Feed(_) => None,
        }
    }

    /// The key of a document by its name.
    pub fn of_document(name: &str) -> Option<Self> {
        let (kind, rest) = name.split_once(':')?;
        match kind {
            "job" => uuid::Uuid::try_parse(rest).ok().map(|id| Self::Job(JobId::from_uuid(id))),
            "job_part" => rest.parse().ok().map(Self::JobPart),
            "mail" => uuid::Uuid::try_parse(rest).ok().map(|id| Self::Mail(MailId::from_uuid(id))),
            "new_address" => Some(Self::NewAddress),
            "note" => NoteKey::read(rest).map(Self::Note),
            "post" => uuid::Uuid::try_parse(rest).ok().map(|id| Self::MailPointer(MailId::from_uuid(id))),
            "posts" => uuid::Uuid::try_parse(rest).ok().map(|id| Self::HeldPosts(UserId::from_uuid(id))),
            "record_types" => Some(Self::RecordTypes),
            "successions" => Some(Self::Successions),
            CustomerKey::PREFIX => CustomerKey::read(rest).map(Self::Customer),
            WebhookKey::PREFIX => WebhookKey::read(rest).map(Self::Webhook),
            _ => None,
        }
    }
}

/// Anything that is kept under a key.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Record {
    /// See [`Organization`].
    Organization(Organization),
    /// See [`Account`].
    Account(Account),
    /// The account that bears an external id.
    AccountExternalId(ExternalId, AccountId),
    /// See [`Member`].
    Member(Member),
    /// See [`ApiKey`].
    ApiKey(ApiKey),
    /// See [`Transfer`].
    Transfer(Transfer),
    /// See [`User`].
    User(User),
    /// See [`Membership`].
    Membership(Membership),
    /// See [`OperatorKey`].
    OperatorKey(OperatorKey),
    /// See [`Claim`].
    Claim(Claim),
    /// See [`DirectoryEntry`].
    DirectoryEntry(DirectoryEntry),
    /// See [`Receipt`].
    Receipt(Receipt),
    /// See [`Role`].
    Role(Role),
    /// See [`Credential`].
    Credential(Credential),
    /// See [`Session`].
    Session(Session),
    /// See [`PasswordReset`].
    PasswordReset(PasswordReset),
    /// See [`Invitation`].
    Invitation(Invitation),
    /// The pending invitation of an address, by its normalised key.
    InvitedAddress(String, InvitationId),
    /// See [`FeedLine`].
    Feed(FeedLine),
    /// See [`Job`].
    Job(Box<Job>),
    /// See [`JobPart`].
    JobPart(JobPart),
    /// See [`Mail`].
    Mail(Mail),
    /// See [`EmailChange`].
    NewAddress(EmailChange),
    /// See [`Note`].
    Note(Note),
    /// See [`MailPointer`].
    MailPointer(MailPointer),
    /// See [`Holding`].
    Holding(Holding),
    /// See [`HeldPosts`].
    HeldPosts(HeldPosts),
    /// See [`HoldingTypes`].
    RecordTypes(HoldingTypes),
    /// See [`Successions`].
    Successions(Successions),
    /// See [`Customer`].
    Customer(Box<Customer>),
    /// See [`WebhookRecord`].
    Webhook(Box<WebhookRecord>),
}

/// A line of a home's due index: a record that ends by itself.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Due {
    /// When.
    pub at: Timestamp,
    /// Which record.
    pub key: Key,
    /// Seats that it holds until it is settled.
    pub seats: i64,
}

impl Record {
    /// The key that the record is kept under.
    pub fn key(&self) -> Key {
        match self {
            Self::Organization(_) => Key::Organization,
            Self::Account(account) => Key::Account(account.id),
            Self::AccountExternalId(external, _) => Key::AccountExternalId(external.clone()),
            Self::Member(member) => Key::Member(member.user),
            Self::ApiKey(key) => Key::ApiKey(key.id),
            Self::Transfer(transfer) => Key::Transfer(transfer.id),
            Self::User(_) => Key::User,
            Self::Membership(membership) => Key::Membership(membership.organization),
            Self::OperatorKey(key) => Key::OperatorKey(key.id),
            Self::Claim(_) => Key::Claim,
            Self::DirectoryEntry(entry) => Key::DirectoryEntry(entry.id),
            Self::Receipt(receipt) => Key::Receipt(receipt.id),
            Self::Role(role) => Key::Role(role.id),
            Self::Credential(_) => Key::Credential,
            Self::Session(session) => Key::Session(session.id),
            Self::PasswordReset(_) => Key::PasswordReset,
            Self::Invitation(invitation) => Key::Invitation(invitation.id),
            Self::InvitedAddress(address, _) => Key::InvitedAddress(address.clone()),
            Self::Feed(line) => Key::Feed(line.key.clone()),
            Self::Job(job) => Key::Job(job.id),
            Self::JobPart(part) => Key::JobPart(part.id),
            Self::Mail(mail) => Key::Mail(mail.id),
            Self::NewAddress(_) => Key::NewAddress,
            Self::Note(note) => Key::Note(note.key()),
            Self::MailPointer(pointer) => Key::MailPointer(pointer.id),
            Self::Holding(holding) => Key::Holding(holding.name()),
            Self::HeldPosts(held) => Key::HeldPosts(held.user),
            Self::RecordTypes(_) => Key::RecordTypes,
            Self::Successions(_) => Key::Successions,
            Self::Customer(customer) => Key::Customer(customer.key()),
            Self::Webhook(it) => Key::Webhook(it.key()),
        }
    }

    /// The record's line in the due index, if it ends by itself. Stores keep it with the record.
    pub fn due(&self) -> Option<Due> {
        match self {
            Self::Member(member) => {
                member.due().map(|at| Due { at, key: Key::Member(member.user), seats: member.seats() })
            }
            Self::Invitation(invitation) => invitation.due().map(|at| Due {
                at,
                key: Key::Invitation(invitation.id),
                seats: invitation.seats(),
            }),
            Self::Note(note) => {
                note.due().map(|at| Due { at, key: Key::Note(note.key()), seats: note.seats() })
            }
            Self::Organization(_)
            | Self::Account(_)
            | Self::AccountExternalId(..)
            | Self::ApiKey(_)
            | Self::Transfer(_)
            | Self::User(_)
            | Self::Membership(_)
            | Self::OperatorKey(_)
            | Self::Claim(_)
            | Self::DirectoryEntry(_)
            | Self::Receipt(_)
            | Self::Role(_)
            | Self::Job(_)
            | Self::JobPart(_)
            | Self::Customer(_)
            | Self::Webhook(_)
            | Self::Mail(_)
            | Self::NewAddress(_)
            | Self::MailPointer(_)
            | Self::Credential(_)
            | Self::Session(_)
            | Self::PasswordReset(_)
            | Self::InvitedAddress(..)
            | Self::Holding(_)
            | Self::HeldPosts(_)
            | Self::RecordTypes(_)
            | Self::Successions(_)
            | Self::Feed(_) => None,
        }
    }

    /// The line of the feed that it is.
    pub const fn feed_line(&self) -> Option<&FeedLine> {
        if let Self::Feed(line) = self { Some(line) } else { None }
    }

    /// What the record adds to its home's tallies. `verify` sums these; writes carry the difference.
    pub fn weighs(&self) -> Vec<(Tally, i64)> {
        match self {
            Self::Member(member) => {
                let mut weights = vec![(Tally::Seats, member.seats())];
                // What a deactivated member had does not keep a role (rule L2).
                if member.status == MemberStatus::Active {
                    weights.extend(Uses::Members.of(&member.access));
                }
                weights
            }
            Self::ApiKey(key) => Uses::ApiKeys.of(&key.access).collect(),
            Self::Role(role) => match role.replaced_by {
                Some(RoleRef::Custom(next)) => vec![(Tally::Uses(Uses::Replacements, next), 1)],
                Some(RoleRef::System(_)) | None => Vec::new(),
            },
            Self::Invitation(invitation) => {
                let mut weights = vec![(Tally::Seats, invitation.seats())];
                if invitation.status == InvitationStatus::Pending {
                    weights.extend(Uses::Invitations.of(&invitation.access));
                    if let Inviter::User { id, .. } = invitation.invited_by {
                        weights.push((Tally::Invitations(id), 1));
                    }
                }
                weights
            }
            Self::Account(account) => {
                vec![(
                    Tally::ActiveAccounts,
                    i64::from(account.status == crate::model::AccountStatus::Active),
                )]
            }
            Self::Organization(_)
            | Self::AccountExternalId(..)
            | Self::Transfer(_)
            | Self::User(_)
            | Self::Membership(_)
            | Self::OperatorKey(_)
            | Self::Claim(_)
            | Self::DirectoryEntry(_)
            | Self::Receipt(_)
            | Self::Credential(_)
            | Self::Session(_)
            | Self::PasswordReset(_)
            | Self::InvitedAddress(..)
            | Self::HeldPosts(_)
            | Self::RecordTypes(_)
            | Self::Feed(_)
            | Self::JobPart(_)
            | Self::Mail(_)
            | Self::NewAddress(_)
            | Self::MailPointer(_)
            | Self::Customer(_)
            | Self::Webhook(_) => Vec::new(),
            Self::Note(note) => match note.seats() {
                0 => Vec::new(),
                seats => vec![(Tally::Seats, seats)],
            },
            Self::Holding(holding) => vec![(Tally::Holdings(holding.owner, holding.kind_number), 1)],
            Self::Successions(open) => open.weighs(),
            Self::Job(job) => vec![(Tally::Seats, job.seats_held)],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::JobSide;
    use uuid::Uuid;

    #[test]
    fn tallies_read_back_what_they_are_called() {
        let role = RoleId::from_uuid(Uuid::from_u128(7));
        let uses = Uses::ALL.map(|uses| Tally::Uses(uses, role));
        let ada = UserId::from_uuid(Uuid::from_u128(8));
        let of_users = [Tally::Holdings(ada, 3), Tally::Invitations(ada)];
        for tally in Tally::ALL.into_iter().chain(uses).chain(of_users) {
            assert_eq!(Tally::from_name(&tally.name()), Some(tally));
        }
        assert_eq!(Tally::from_name("role_members"), None);
    }

    #[test]
    fn homes_read_back_what_they_print() {
        let user = UserId::from_uuid(Uuid::from_u128(7));
        for home in [
            Home::Deployment,
            Home::User(user),
            Home::Organization(OrganizationId::from_uuid(Uuid::from_u128(8))),
            Home::Claim(ClaimName::Email("a:b@example.com".into())),
            Home::directory(DirectoryId::User(user)),
            Home::Feed,
            Home::Stream(SourceId::from_uuid(Uuid::from_u128(9)), 3),
            Home::Activity(OrganizationId::from_uuid(Uuid::from_u128(8))),
            Home::Outbox(7),
            Home::Webhooks(7),
        ] {
            assert_eq!(home.to_string().parse(), Ok(home));
        }
    }

    #[test]
    fn documents_read_back_what_they_are_called_and_are_in_the_order_of_their_keys() {
        let job = |n: u128| JobId::from_uuid(Uuid::from_u128(n << 64));
        let part = |job, side, n| Key::JobPart(JobPartId { job, side, n });
        let mut keys = vec![Key::Job(job(2)), Key::Job(job(1))];
        for side in [JobSide::Results, JobSide::Input, JobSide::Foreseen] {
            keys.extend([2, 10, 1].map(|n| part(job(1), side, n)));
        }
        let mail = |n: u128| MailId::from_uuid(Uuid::from_u128(n << 64));
        keys.extend([Key::MailPointer(mail(1)), Key::NewAddress, Key::Mail(mail(2)), Key::Mail(mail(1))]);
        let user = UserId::from_uuid(Uuid::from_u128(8));
        let key = ApiKeyId::from_uuid(Uuid::from_u128(9));
        keys.extend(
            [NoteKey::LastUse(key), NoteKey::KeyMaker(key), NoteKey::SeatHold(key.uuid())].map(Key::Note),
        );
        keys.extend([
            Key::Note(NoteKey::KeysOf(user)),
            Key::Note(NoteKey::KeyEnd(key)),
            Key::Note(NoteKey::Tenure),
            Key::Note(NoteKey::Offer(TransferId::from_uuid(Uuid::from_u128(9)))),
        ]);
        keys.push(Key::Note(NoteKey::ShownLink(InvitationId::from_uuid(Uuid::from_u128(8)))));
        keys.extend([Key::Successions, Key::RecordTypes, Key::HeldPosts(user)]);
        keys.sort();
        let names: Vec<String> = keys.iter().filter_map(Key::document).collect();
        assert!(names.is_sorted(), "{names:?}");
        let read: Vec<Key> = names.iter().filter_map(|name| Key::of_document(name)).collect();
        assert_eq!(read, keys);
    }
}
