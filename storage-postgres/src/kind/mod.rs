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

pub(crate) use account::Row as AccountRow;
pub(crate) use api_key::Row as ApiKeyRow;
pub(crate) use member::Row as MemberRow;
pub(crate) use membership::Row as MembershipRow;
pub(crate) use organization::Row as OrganizationRow;
pub(crate) use user::Row as UserRow;

use std::collections::BTreeMap;

use roster_core::home::{Home, Key, Record};
use roster_core::id::CommitId;
use roster_core::model::DirectoryKind;
use roster_core::store::Stored;
use sqlx::PgConnection;
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
    Document,
    Holding,
    /// In a home of its own, which statements about others do not read.
    Feed = 90,
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

    /// The kind of a row of a statement that reads several kinds.
    pub(crate) fn of_number(number: i32) -> Result<Self, Fault> {
        let all = [
            Self::Organization,
            Self::Account,
            Self::AccountExternalId,
            Self::Member,
            Self::ApiKey,
            Self::Transfer,
            Self::User,
            Self::Membership,
            Self::OperatorKey,
            Self::Claim,
            Self::DirectoryEntry,
            Self::Receipt,
            Self::Role,
            Self::Credential,
            Self::Session,
            Self::PasswordReset,
            Self::Invitation,
            Self::InvitedAddress,
            Self::Document,
            Self::Holding,
            Self::Feed,
        ];
        all.into_iter().find(|kind| *kind as i32 == number).ok_or_else(|| bad("what", number))
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

    /// The kind of a key.
    pub(crate) const fn of(key: &Key) -> Self {
        match key {
            Key::Organization => Self::Organization,
            Key::Account(_) => Self::Account,
            Key::AccountExternalId(_) => Self::AccountExternalId,
            Key::Member(_) => Self::Member,
            Key::ApiKey(_) => Self::ApiKey,
            Key::Transfer(_) => Self::Transfer,
            Key::User => Self::User,
            Key::Membership(_) => Self::Membership,
            Key::OperatorKey(_) => Self::OperatorKey,
            Key::Claim => Self::Claim,
            Key::DirectoryEntry(_) => Self::DirectoryEntry,
            Key::Receipt(_) => Self::Receipt,
            Key::Role(_) => Self::Role,
            Key::Credential => Self::Credential,
            Key::Session(_) => Self::Session,
            Key::PasswordReset => Self::PasswordReset,
            Key::Invitation(_) => Self::Invitation,
            Key::InvitedAddress(_) => Self::InvitedAddress,
            Key::Feed(_) => Self::Feed,
            Key::Holding(_) => Self::Holding,
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
            | Key::Webhook(_) => Self::Document,
        }
    }
}

/// The names of keys of one kind. Where a home has one record of a kind there are none.
#[derive(Clone, Default, Debug)]
pub(crate) struct Names {
    pub(crate) ids: Vec<Uuid>,
    pub(crate) texts: Vec<String>,
    pub(crate) bytes: Vec<Vec<u8>>,
}

impl Names {
    pub(crate) const fn of_ids(ids: Vec<Uuid>) -> Self {
        Self { ids, texts: Vec::new(), bytes: Vec::new() }
    }

    pub(crate) fn add(&mut self, key: &Key) {
        match key {
            Key::Organization | Key::User | Key::Claim | Key::Credential | Key::PasswordReset => {}
            Key::Account(id) => self.ids.push(id.uuid()),
            Key::Member(id) => self.ids.push(id.uuid()),
            Key::ApiKey(id) => self.ids.push(id.uuid()),
            Key::Transfer(id) => self.ids.push(id.uuid()),
            Key::Role(id) => self.ids.push(id.uuid()),
            Key::Membership(id) => self.ids.push(id.uuid()),
            Key::OperatorKey(id) => self.ids.push(id.uuid()),
            Key::DirectoryEntry(id) => self.ids.push(id.uuid()),
            Key::AccountExternalId(id) => self.texts.push(id.to_string()),
            Key::Receipt(id) => self.bytes.push(id.0.to_vec()),
            Key::Session(id) => self.ids.push(id.uuid()),
            Key::Invitation(id) => self.ids.push(id.uuid()),
            Key::InvitedAddress(address) => self.texts.push(address.clone()),
            Key::Feed(key) => self.texts.push(key.to_string()),
            Key::Holding(name) => self.texts.push(name.to_string()),
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
            | Key::Webhook(_) => self.texts.extend(key.document()),
        }
    }
}

/// The records of a kind with these names.
pub(crate) async fn load(
    connection: &mut PgConnection,
    home: i64,
    kind: Kind,
    names: &Names,
) -> Result<Vec<Stored>, Fault> {
    match kind {
        Kind::Organization => organization::load(connection, home).await,
        Kind::Account => account::load(connection, home, &names.ids).await,
        Kind::AccountExternalId => account_external_id::load(connection, home, &names.texts).await,
        Kind::Member => member::load(connection, home, &names.ids).await,
        Kind::ApiKey => api_key::load(connection, home, &names.ids).await,
        Kind::Transfer => transfer::load(connection, home, &names.ids).await,
        Kind::User => user::load(connection, home).await,
        Kind::Membership => membership::load(connection, home, &names.ids).await,
        Kind::OperatorKey => operator_key::load(connection, home, &names.ids).await,
        Kind::Claim => claim::load(connection, home).await,
        Kind::DirectoryEntry => directory_entry::load(connection, home, &names.ids).await,
        Kind::Receipt => receipt::load(connection, home, &names.bytes).await,
        Kind::Role => role::load(connection, home, &names.ids).await,
        Kind::Credential => credential::load(connection, home).await,
        Kind::Session => session::load(connection, home, &names.ids).await,
        Kind::PasswordReset => password_reset::load(connection, home).await,
        Kind::Invitation => invitation::load(connection, home, &names.ids).await,
        Kind::InvitedAddress => invited_address::load(connection, home, &names.texts).await,
        Kind::Feed => feed::load(connection, home, &names.texts).await,
        Kind::Document => document::load(connection, home, &names.texts).await,
        Kind::Holding => holding::load(connection, home, &names.texts).await,
    }
}

/// Every record of a kind in a home.
pub(crate) async fn load_all(
    connection: &mut PgConnection,
    home: i64,
    kind: Kind,
) -> Result<Vec<Stored>, Fault> {
    let mut names = Names::default();
    match kind {
        Kind::Organization | Kind::User | Kind::Claim | Kind::Credential | Kind::PasswordReset => {}
        Kind::Account => names.ids = account::names(connection, home).await?,
        Kind::AccountExternalId => names.texts = account_external_id::names(connection, home).await?,
        Kind::Member => names.ids = member::names(connection, home).await?,
        Kind::ApiKey => names.ids = api_key::names(connection, home).await?,
        Kind::Transfer => names.ids = transfer::names(connection, home).await?,
        Kind::Membership => names.ids = membership::names(connection, home).await?,
        Kind::OperatorKey => names.ids = operator_key::names(connection, home).await?,
        Kind::DirectoryEntry => names.ids = directory_entry::names(connection, home).await?,
        Kind::Receipt => names.bytes = receipt::names(connection, home).await?,
        Kind::Role => names.ids = role::names(connection, home).await?,
        Kind::Session => names.ids = session::names(connection, home).await?,
        Kind::Invitation => names.ids = invitation::names(connection, home).await?,
        Kind::InvitedAddress => names.texts = invited_address::names(connection, home).await?,
        Kind::Feed => names.texts = feed::names(connection, home).await?,
        Kind::Document => names.texts = document::names(connection, home).await?,
        Kind::Holding => names.texts = holding::names(connection, home).await?,
    }
    load(connection, home, kind, &names).await
}

/// Records in the vendor's product by id.
pub(crate) async fn load_holdings(
    connection: &mut PgConnection,
    home: i64,
    ids: &[Uuid],
) -> Result<Vec<Stored>, Fault> {
    holding::load_by_id(connection, home, ids).await
}

/// Entries of a directory by id, from whichever of its homes.
pub(crate) async fn load_directory(
    connection: &mut PgConnection,
    kind: DirectoryKind,
    names: &[Uuid],
) -> Result<Vec<Stored>, Fault> {
    directory_entry::load_across(connection, kind, names).await
}

/// A record from its row in JSON.
pub(crate) fn decode(kind: Kind, row: &str) -> Result<Stored, Fault> {
    match kind {
        Kind::Organization => from_json::<organization::Row>("organization", row)?.stored(),
        Kind::Account => from_json::<account::Row>("account", row)?.stored(),
        Kind::AccountExternalId => from_json::<account_external_id::Row>("external_id", row)?.stored(),
        Kind::Member => from_json::<member::Row>("member", row)?.stored(),
        Kind::ApiKey => from_json::<api_key::Row>("api_key", row)?.stored(),
        Kind::Transfer => from_json::<transfer::Row>("transfer", row)?.stored(),
        Kind::User => from_json::<user::Row>("user", row)?.stored(),
        Kind::Membership => from_json::<membership::Row>("membership", row)?.stored(),
        Kind::OperatorKey => from_json::<operator_key::Row>("operator_key", row)?.stored(),
        Kind::Claim => from_json::<claim::Row>("claim", row)?.stored(),
        Kind::DirectoryEntry => from_json::<directory_entry::Row>("directory_entry", row)?.stored(),
        Kind::Receipt => from_json::<receipt::Row>("receipt", row)?.stored(),
        Kind::Role => from_json::<role::Row>("role", row)?.stored(),
        Kind::Credential => from_json::<credential::Row>("credential", row)?.stored(),
        Kind::Session => from_json::<session::Row>("session", row)?.stored(),
        Kind::PasswordReset => from_json::<password_reset::Row>("password_reset", row)?.stored(),
        Kind::Invitation => from_json::<invitation::Row>("invitation", row)?.stored(),
        Kind::InvitedAddress => Ok(from_json::<invited_address::Row>("invited_address", row)?.stored()),
        Kind::Feed => from_json::<feed::Row>("feed", row)?.stored(),
        Kind::Document => from_json::<document::Row>("document", row)?.stored(),
        Kind::Holding => from_json::<holding::Row>("holding", row)?.stored(),
    }
}

/// A record to put: in which home, by which commit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Put<'a, T> {
    pub(crate) home: i64,
    pub(crate) commit: CommitId,
    pub(crate) it: &'a T,
}

/// Puts records with everything that hangs on them, each key once: of the kinds that come many together, all of a kind
/// in one statement.
pub(crate) async fn put_all(connection: &mut PgConnection, puts: &[Put<'_, Record>]) -> Result<(), Fault> {
    let (mut members, mut memberships, mut users) = (Vec::new(), Vec::new(), Vec::new());
    let (mut claims, mut entries, mut feed_lines) = (Vec::new(), Vec::new(), Vec::new());
    let (mut documents, mut holdings, mut receipts) = (Vec::new(), Vec::new(), Vec::new());
    let (mut accounts, mut external_ids) = (Vec::new(), Vec::new());
    let (mut invitations, mut addresses) = (Vec::new(), Vec::new());
    for put in puts {
        let Put { home, commit, .. } = *put;
        let version = commit.uuid();
        match put.it {
            Record::Member(it) => members.push(Put { home, commit, it }),
            Record::Membership(it) => memberships.push(Put { home, commit, it }),
            Record::User(it) => users.push(Put { home, commit, it }),
            Record::Claim(it) => claims.push(Put { home, commit, it }),
            Record::DirectoryEntry(it) => entries.push(Put { home, commit, it }),
            Record::Feed(it) => feed_lines.push(Put { home, commit, it }),
            Record::Holding(it) => holdings.push(Put { home, commit, it }),
            Record::Receipt(it) => receipts.push(Put { home, commit, it }),
            Record::Account(it) => accounts.push(Put { home, commit, it }),
            Record::AccountExternalId(..) => external_ids.push(Put { home, commit, it: put.it }),
            Record::Invitation(it) => invitations.push(Put { home, commit, it }),
            Record::InvitedAddress(..) => addresses.push(Put { home, commit, it: put.it }),
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
            | Record::Webhook(_) => documents.push(Put { home, commit, it: put.it }),
            Record::Organization(it) => organization::put(connection, home, version, it).await?,
            Record::ApiKey(it) => api_key::put(connection, home, version, it).await?,
            Record::Transfer(it) => transfer::put(connection, home, version, it).await?,
            Record::OperatorKey(it) => operator_key::put(connection, home, version, it).await?,
            Record::Role(it) => role::put(connection, home, version, it).await?,
            Record::Credential(it) => credential::put(connection, home, version, it).await?,
            Record::Session(it) => session::put(connection, home, version, it).await?,
            Record::PasswordReset(it) => password_reset::put(connection, home, version, it).await?,
        }
    }
    if !accounts.is_empty() {
        account::put_all(connection, &accounts).await?;
    }
    if !external_ids.is_empty() {
        account_external_id::put_all(connection, &external_ids).await?;
    }
    if !receipts.is_empty() {
        receipt::put_all(connection, &receipts).await?;
    }
    if !invitations.is_empty() {
        invitation::put_all(connection, &invitations).await?;
    }
    if !addresses.is_empty() {
        invited_address::put_all(connection, &addresses).await?;
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
    if !documents.is_empty() {
        document::put_all(connection, &documents).await?;
        let ending = documents.iter().filter_map(|put| put.it.due().map(|due| (put.home, due)));
        let ending: Vec<_> = ending.collect();
        if !ending.is_empty() {
            due::put_all(connection, &ending).await?;
        }
    }
    if !holdings.is_empty() {
        holding::put_all(connection, &holdings).await?;
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

/// Removes records with everything that hangs on them, all of a kind in one statement.
pub(crate) async fn remove_all(connection: &mut PgConnection, keys: &[(i64, Key)]) -> Result<(), Fault> {
    let mut kinds: BTreeMap<Kind, (Vec<i64>, Names)> = BTreeMap::new();
    let (mut places, mut called, mut notes) = (Vec::new(), Vec::new(), Vec::new());
    for (home, key) in keys {
        if let Key::Note(note) = key
            && let Some((kind, id)) = note.ending()
        {
            places.push(*home);
            called.push(kind);
            notes.push(id);
        }
        let (homes, names) = kinds.entry(Kind::of(key)).or_default();
        homes.push(*home);
        names.add(key);
    }
    for (kind, (homes, Names { ids, texts, bytes })) in kinds {
        match kind {
            Kind::Organization => organization::remove_all(connection, &homes).await?,
            Kind::Account => account::remove_all(connection, &homes, &ids).await?,
            Kind::AccountExternalId => account_external_id::remove_all(connection, &homes, &texts).await?,
            Kind::Member => member::remove_all(connection, &homes, &ids).await?,
            Kind::ApiKey => api_key::remove_all(connection, &homes, &ids).await?,
            Kind::Transfer => transfer::remove_all(connection, &homes, &ids).await?,
            Kind::User => user::remove_all(connection, &homes).await?,
            Kind::Membership => membership::remove_all(connection, &homes, &ids).await?,
            Kind::OperatorKey => operator_key::remove_all(connection, &homes, &ids).await?,
            Kind::Claim => claim::remove_all(connection, &homes).await?,
            Kind::DirectoryEntry => directory_entry::remove_all(connection, &homes, &ids).await?,
            Kind::Receipt => receipt::remove_all(connection, &homes, &bytes).await?,
            Kind::Role => role::remove_all(connection, &homes, &ids).await?,
            Kind::Credential => credential::remove_all(connection, &homes).await?,
            Kind::Session => session::remove_all(connection, &homes, &ids).await?,
            Kind::PasswordReset => password_reset::remove_all(connection, &homes).await?,
            Kind::Invitation => invitation::remove_all(connection, &homes, &ids).await?,
            Kind::InvitedAddress => invited_address::remove_all(connection, &homes, &texts).await?,
            Kind::Document => document::remove_all(connection, &homes, &texts).await?,
            Kind::Holding => holding::remove_all(connection, &homes, &texts).await?,
            Kind::Feed => feed::remove_all(connection, &homes, &texts).await?,
        }
    }
    if !notes.is_empty() {
        due::remove_all(connection, &places, &called, &notes).await?;
    }
    Ok(())
}
