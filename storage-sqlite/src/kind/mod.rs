//! All SQL about one kind of record stands in one file: load, list, version, put, remove.

mod account;
mod account_external_id;
pub(crate) mod api_key;
mod claim;
mod credential;
mod directory_entry;
mod document;
pub(crate) mod due;
mod feed;
mod holding;
mod invitation;
mod invited_address;
mod member;
mod membership;
mod operator_key;
mod organization;
mod password_reset;
mod receipt;
pub(crate) mod role;
mod session;
mod transfer;
mod user;

use roster_core::home::{Home, Key, Record};
use roster_core::id::CommitId;
use roster_core::log::hex;
use roster_core::model::DirectoryKind;
use roster_core::store::Stored;
use serde::de::DeserializeOwned;
use sqlx::SqliteConnection;
use uuid::Uuid;

use crate::error::Fault;
use crate::row::{bad, from_json};

/// The kinds of records.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Kind {
    Organization,
    Account,
    AccountExternalId,
    Member,
    ApiKey,
    Transfer,
    User,
    Membership,
    OperatorKey,
    Claim,
    DirectoryEntry,
    Receipt,
    Role,
    Credential,
    Session,
    PasswordReset,
    Invitation,
    InvitedAddress,
    Feed,
    Document,
    Holding,
}

impl Kind {
    /// The kinds that a home holds.
    pub(crate) const fn of_home(home: &Home) -> &'static [Self] {
        match home {
            Home::Deployment => &[Self::OperatorKey, Self::Receipt, Self::Document],
            Home::User(_) => &[
                Self::User,
                Self::Membership,
                Self::Receipt,
                Self::Credential,
                Self::Session,
                Self::PasswordReset,
                Self::Document,
            ],
            Home::Organization(_) => &[
                Self::Organization,
                Self::Account,
                Self::AccountExternalId,
                Self::Member,
                Self::ApiKey,
                Self::Transfer,
                Self::Receipt,
                Self::Role,
                Self::Invitation,
                Self::InvitedAddress,
                Self::Document,
                Self::Holding,
            ],
            Home::Claim(_) => &[Self::Claim],
            Home::Directory(..) => &[Self::DirectoryEntry],
            Home::Feed => &[Self::Feed],
            Home::Stream(..) | Home::Activity(_) | Home::Outbox(_) | Home::Webhooks(_) => &[Self::Document],
        }
    }

    /// Its table, and the column that names its records; none where a home has one record of the kind.
    pub(crate) const fn table(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Organization | Self::User | Self::Claim | Self::Credential | Self::PasswordReset => None,
            Self::Account => Some(("accounts", "id")),
            Self::AccountExternalId => Some(("account_external_ids", "external_id")),
            Self::Member => Some(("members", "user_id")),
            Self::ApiKey => Some(("api_keys", "id")),
            Self::Transfer => Some(("transfers", "id")),
            Self::Membership => Some(("memberships", "organization_id")),
            Self::OperatorKey => Some(("operator_keys", "id")),
            Self::DirectoryEntry => Some(("directory_entries", "id")),
            Self::Receipt => Some(("receipts", "id")),
            Self::Role => Some(("roles", "id")),
            Self::Session => Some(("sessions", "id")),
            Self::Invitation => Some(("invitations", "id")),
            Self::InvitedAddress => Some(("invited_addresses", "address")),
            Self::Feed => Some(("feed_lines", "name")),
            Self::Document => Some(("documents", "name")),
            Self::Holding => Some(("holdings", "name")),
        }
    }

    /// The kind of a key and its name within the kind: an id in hexadecimal, or an external id as it is.
    pub(crate) fn of(key: &Key) -> (Self, String) {
        let name = |id: Uuid| id.simple().to_string();
        match key {
            Key::Organization => (Self::Organization, String::new()),
            Key::Account(id) => (Self::Account, name(id.uuid())),
            Key::AccountExternalId(id) => (Self::AccountExternalId, id.to_string()),
            Key::Member(id) => (Self::Member, name(id.uuid())),
            Key::ApiKey(id) => (Self::ApiKey, name(id.uuid())),
            Key::Transfer(id) => (Self::Transfer, name(id.uuid())),
            Key::User => (Self::User, String::new()),
            Key::Membership(id) => (Self::Membership, name(id.uuid())),
            Key::OperatorKey(id) => (Self::OperatorKey, name(id.uuid())),
            Key::Claim => (Self::Claim, String::new()),
            Key::DirectoryEntry(id) => (Self::DirectoryEntry, name(id.uuid())),
            Key::Receipt(id) => (Self::Receipt, hex(&id.0)),
            Key::Role(id) => (Self::Role, name(id.uuid())),
            Key::Credential => (Self::Credential, String::new()),
            Key::Session(id) => (Self::Session, name(id.uuid())),
            Key::PasswordReset => (Self::PasswordReset, String::new()),
            Key::Invitation(id) => (Self::Invitation, name(id.uuid())),
            Key::InvitedAddress(address) => (Self::InvitedAddress, address.clone()),
            Key::Feed(key) => (Self::Feed, key.to_string()),
            Key::Holding(name) => (Self::Holding, name.to_string()),
            Key::Job(_)
            | Key::JobPart(_)
            | Key::Mail(_)
            | Key::NewAddress
            | Key::MailPointer(_)
            | Key::HeldPosts(_)
            | Key::RecordTypes
            | Key::Note(_)
            | Key::Successions
            | Key::Customer(_)
            | Key::Webhook(_) => (Self::Document, key.document().unwrap_or_default()),
        }
    }
}

/// The records of a kind with these names, a JSON array. Where a home has one record of a kind, names do not matter.
pub(crate) async fn load(
    connection: &mut SqliteConnection,
    home: i64,
    kind: Kind,
    names: &str,
) -> Result<Vec<Stored>, Fault> {
    match kind {
        Kind::Organization => organization::load(connection, home).await,
        Kind::Account => account::load(connection, home, names).await,
        Kind::AccountExternalId => account_external_id::load(connection, home, names).await,
        Kind::Member => member::load(connection, home, names).await,
        Kind::ApiKey => api_key::load(connection, home, names).await,
        Kind::Transfer => transfer::load(connection, home, names).await,
        Kind::User => user::load(connection, home).await,
        Kind::Membership => membership::load(connection, home, names).await,
        Kind::OperatorKey => operator_key::load(connection, home, names).await,
        Kind::Claim => claim::load(connection, home).await,
        Kind::DirectoryEntry => directory_entry::load(connection, home, names).await,
        Kind::Receipt => receipt::load(connection, home, names).await,
        Kind::Role => role::load(connection, home, names).await,
        Kind::Credential => credential::load(connection, home).await,
        Kind::Session => session::load(connection, home, names).await,
        Kind::PasswordReset => password_reset::load(connection, home).await,
        Kind::Invitation => invitation::load(connection, home, names).await,
        Kind::InvitedAddress => invited_address::load(connection, home, names).await,
        Kind::Feed => feed::load(connection, home, names).await,
        Kind::Document => document::load(connection, home, names).await,
        Kind::Holding => holding::load(connection, home, names).await,
    }
}

/// Records of a kind from their rows, an array in JSON; of the kinds that `glance.rs` reads.
pub(crate) fn decode(kind: Kind, rows: &str) -> Result<Vec<Stored>, Fault> {
    fn each<R: DeserializeOwned>(
        rows: &str,
        stored: fn(R) -> Result<Stored, Fault>,
    ) -> Result<Vec<Stored>, Fault> {
        from_json::<Vec<R>>("row", rows)?.into_iter().map(stored).collect()
    }
    match kind {
        Kind::Organization => each(rows, organization::Row::stored),
        Kind::Account => each(rows, account::Row::stored),
        Kind::Member => each(rows, member::Row::stored),
        Kind::ApiKey => each(rows, api_key::Row::stored),
        Kind::User => each(rows, user::Row::stored),
        Kind::Membership => each(rows, membership::Row::stored),
        other => Err(bad("kind", format!("{other:?}"))),
    }
}

/// Every record of a kind in a home.
pub(crate) async fn load_all(
    connection: &mut SqliteConnection,
    home: i64,
    kind: Kind,
) -> Result<Vec<Stored>, Fault> {
    let names = match kind {
        Kind::Organization | Kind::User | Kind::Claim | Kind::Credential | Kind::PasswordReset => {
            String::new()
        }
        Kind::Account => account::names(connection, home).await?,
        Kind::AccountExternalId => account_external_id::names(connection, home).await?,
        Kind::Member => member::names(connection, home).await?,
        Kind::ApiKey => api_key::names(connection, home).await?,
        Kind::Transfer => transfer::names(connection, home).await?,
        Kind::Membership => membership::names(connection, home).await?,
        Kind::OperatorKey => operator_key::names(connection, home).await?,
        Kind::DirectoryEntry => directory_entry::names(connection, home).await?,
        Kind::Receipt => receipt::names(connection, home).await?,
        Kind::Role => role::names(connection, home).await?,
        Kind::Session => session::names(connection, home).await?,
        Kind::Invitation => invitation::names(connection, home).await?,
        Kind::InvitedAddress => invited_address::names(connection, home).await?,
        Kind::Feed => feed::names(connection, home).await?,
        Kind::Document => document::names(connection, home).await?,
        Kind::Holding => holding::names(connection, home).await?,
    };
    load(connection, home, kind, &names).await
}

/// Records in the vendor's product by id.
pub(crate) async fn load_holdings(
    connection: &mut SqliteConnection,
    home: i64,
    ids: &str,
) -> Result<Vec<Stored>, Fault> {
    holding::load_by_id(connection, home, ids).await
}

/// Entries of a directory by id, from whichever of its homes.
pub(crate) async fn load_directory(
    connection: &mut SqliteConnection,
    kind: DirectoryKind,
    names: &str,
) -> Result<Vec<Stored>, Fault> {
    directory_entry::load_across(connection, kind, names).await
}

/// The version that a key bears.
pub(crate) async fn version(
    connection: &mut SqliteConnection,
    home: i64,
    key: &Key,
) -> Result<Option<CommitId>, Fault> {
    let id = match key {
        Key::Organization => organization::version(connection, home).await,
        Key::Account(id) => account::version(connection, home, *id).await,
        Key::AccountExternalId(id) => account_external_id::version(connection, home, id).await,
        Key::Member(id) => member::version(connection, home, *id).await,
        Key::ApiKey(id) => api_key::version(connection, home, *id).await,
        Key::Transfer(id) => transfer::version(connection, home, *id).await,
        Key::User => user::version(connection, home).await,
        Key::Membership(id) => membership::version(connection, home, *id).await,
        Key::OperatorKey(id) => operator_key::version(connection, home, *id).await,
        Key::Claim => claim::version(connection, home).await,
        Key::DirectoryEntry(id) => directory_entry::version(connection, home, *id).await,
        Key::Receipt(id) => receipt::version(connection, home, *id).await,
        Key::Role(id) => role::version(connection, home, *id).await,
        Key::Credential => credential::version(connection, home).await,
        Key::Session(id) => session::version(connection, home, *id).await,
        Key::PasswordReset => password_reset::version(connection, home).await,
        Key::Invitation(id) => invitation::version(connection, home, *id).await,
        Key::InvitedAddress(address) => invited_address::version(connection, home, address).await,
        Key::Feed(key) => feed::version(connection, home, key).await,
        Key::Holding(name) => holding::version(connection, home, name).await,
        Key::Job(_)
        | Key::JobPart(_)
        | Key::Mail(_)
        | Key::NewAddress
        | Key::MailPointer(_)
        | Key::HeldPosts(_)
        | Key::RecordTypes
        | Key::Note(_)
        | Key::Successions
        | Key::Customer(_)
        | Key::Webhook(_) => document::version(connection, home, key).await,
    }?;
    Ok(id.map(CommitId::from_uuid))
}

/// A record to put.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Put<'a, T> {
    pub(crate) home: i64,
    pub(crate) commit: CommitId,
    pub(crate) it: &'a T,
}

impl<T> Put<'_, T> {
    /// The version in hexadecimal.
    fn version(&self) -> String {
        self.commit.uuid().simple().to_string()
    }
}

/// Puts records with everything that hangs on them, each key once: many of a kind that come together in one journey.
pub(crate) async fn put_all(
    connection: &mut SqliteConnection,
    puts: &[Put<'_, Record>],
) -> Result<(), Fault> {
    let (mut members, mut memberships, mut users) = (Vec::new(), Vec::new(), Vec::new());
    let (mut claims, mut entries, mut feed_lines) = (Vec::new(), Vec::new(), Vec::new());
    for put in puts {
        let Put { home, commit, .. } = *put;
        match put.it {
            Record::Member(it) => members.push(Put { home, commit, it }),
            Record::Membership(it) => memberships.push(Put { home, commit, it }),
            Record::User(it) => users.push(Put { home, commit, it }),
            Record::Claim(it) => claims.push(Put { home, commit, it }),
            Record::DirectoryEntry(it) => entries.push(Put { home, commit, it }),
            Record::Feed(it) => feed_lines.push(Put { home, commit, it }),
            other => put_one(connection, home, commit, other).await?,
        }
    }
    if !claims.is_empty() {
        claim::put_all(connection, &claims).await?;
    }
    if !entries.is_empty() {
        directory_entry::put_all(connection, &entries).await?;
    }
    if !feed_lines.is_empty() {
        feed::put_all(connection, &feed_lines).await?;
    }
    if !users.is_empty() {
        user::put_all(connection, &users).await?;
    }
    if !memberships.is_empty() {
        membership::put_all(connection, &memberships).await?;
    }
    if !members.is_empty() {
        member::put_all(connection, &members).await?;
    }
    Ok(())
}

async fn put_one(
    connection: &mut SqliteConnection,
    home: i64,
    commit: CommitId,
    record: &Record,
) -> Result<(), Fault> {
    let version = commit.uuid();
    match record {
        Record::Organization(it) => organization::put(connection, home, version, it).await,
        Record::Account(it) => account::put(connection, home, version, it).await,
        Record::AccountExternalId(id, account) => {
            account_external_id::put(connection, home, version, id, *account).await
        }
        Record::Member(it) => member::put_all(connection, &[Put { home, commit, it }]).await,
        Record::ApiKey(it) => api_key::put(connection, home, version, it).await,
        Record::Transfer(it) => transfer::put(connection, home, version, it).await,
        Record::User(it) => user::put_all(connection, &[Put { home, commit, it }]).await,
        Record::Membership(it) => membership::put_all(connection, &[Put { home, commit, it }]).await,
        Record::OperatorKey(it) => operator_key::put(connection, home, version, it).await,
        Record::Claim(it) => claim::put_all(connection, &[Put { home, commit, it }]).await,
        Record::DirectoryEntry(it) => directory_entry::put_all(connection, &[Put { home, commit, it }]).await,
        Record::Receipt(it) => receipt::put(connection, home, version, it).await,
        Record::Role(it) => role::put(connection, home, version, it).await,
        Record::Credential(it) => credential::put(connection, home, version, it).await,
        Record::Session(it) => session::put(connection, home, version, it).await,
        Record::PasswordReset(it) => password_reset::put(connection, home, version, it).await,
        Record::Invitation(it) => invitation::put(connection, home, version, it).await,
        Record::InvitedAddress(address, invitation) => {
            invited_address::put(connection, home, version, address, *invitation).await
        }
        Record::Feed(it) => feed::put_all(connection, &[Put { home, commit, it }]).await,
        Record::Holding(it) => holding::put(connection, home, version, it).await,
        Record::Job(_)
        | Record::JobPart(_)
        | Record::Mail(_)
        | Record::NewAddress(_)
        | Record::MailPointer(_)
        | Record::HeldPosts(_)
        | Record::RecordTypes(_)
        | Record::Note(_)
        | Record::Successions(_)
        | Record::Customer(_)
        | Record::Webhook(_) => document::put(connection, home, version, record).await,
    }?;
    due::put(connection, home, &record.key(), record.due()).await
}

/// Removes a record with everything that hangs on it.
pub(crate) async fn remove(connection: &mut SqliteConnection, home: i64, key: &Key) -> Result<(), Fault> {
    match key {
        Key::Organization => organization::remove(connection, home).await,
        Key::Account(id) => account::remove(connection, home, *id).await,
        Key::AccountExternalId(id) => account_external_id::remove(connection, home, id).await,
        Key::Member(id) => member::remove(connection, home, *id).await,
        Key::ApiKey(id) => api_key::remove(connection, home, *id).await,
        Key::Transfer(id) => transfer::remove(connection, home, *id).await,
        Key::User => user::remove(connection, home).await,
        Key::Membership(id) => membership::remove(connection, home, *id).await,
        Key::OperatorKey(id) => operator_key::remove(connection, home, *id).await,
        Key::Claim => claim::remove(connection, home).await,
        Key::DirectoryEntry(id) => directory_entry::remove(connection, home, *id).await,
        Key::Receipt(id) => receipt::remove(connection, home, *id).await,
        Key::Role(id) => role::remove(connection, home, *id).await,
        Key::Credential => credential::remove(connection, home).await,
        Key::Session(id) => session::remove(connection, home, *id).await,
        Key::PasswordReset => password_reset::remove(connection, home).await,
        Key::Invitation(id) => invitation::remove(connection, home, *id).await,
        Key::InvitedAddress(address) => invited_address::remove(connection, home, address).await,
        Key::Feed(key) => feed::remove(connection, home, key).await,
        Key::Holding(name) => holding::remove(connection, home, name).await,
        Key::Job(_)
        | Key::JobPart(_)
        | Key::Mail(_)
        | Key::NewAddress
        | Key::MailPointer(_)
        | Key::HeldPosts(_)
        | Key::RecordTypes
        | Key::Note(_)
        | Key::Successions
        | Key::Customer(_)
        | Key::Webhook(_) => document::remove(connection, home, key).await,
    }?;
    due::put(connection, home, key, None).await
}
