//! The contract of a store. Each sentence of these docs has a case in the conformance suite.
//!
//! A store keeps records by home and key, and knows nothing of rules. It gives: atomic commits that touch one home,
//! guarded by versions; tallies with bounds; a due index; one log a home, dense and chained; listings.
//! Postgres, `SQLite`, Redis and the memory store give the same answers.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

use async_trait::async_trait;

use crate::health::Description;
use crate::home::{Due, Home, Key, Record, Tally};
use crate::id::{AccountId, ApiKeyId, CommitId, OrganizationId, RoleId, UserId, Version};
use crate::load::Load;
use crate::log::{Head, LogEntry, LogFilter, Logged};
use crate::model::{Access, AccountStatus, ApiKey, MemberStatus, OrganizationStatus, Role, UserStatus};
use crate::permission::RoleRef;
use crate::presence::{Presence, Stay};
use crate::report::{Survey, Take, listed};
use crate::time::Timestamp;

pub use crate::listing::{Listing, MemberSort, Page, PageRequest, Position, Row, Scope};

/// The most writes that one commit carries.
pub const MAX_WRITES: usize = 512;

/// A backend.
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// Reads records, tallies and the log head of one home at one instant of the store: what stands in the answer
    /// stood there together. A key that is not there is not in the answer; a tally never added to is 0.
    async fn read(&self, home: &Home, keys: &[Key], tallies: &[Tally]) -> Result<Read, StoreError>;

    /// Homes among these in which nothing was ever kept, by one look; a store may leave some out. Reading them is spared
    /// to whoever is going to make many.
    async fn missing(&self, homes: &[Home]) -> Result<BTreeSet<Home>, StoreError> {
        let _ = homes;
        Ok(BTreeSet::new())
    }

    /// Homes among these that hold no receipt, by one look; a store may leave some out. Looking for receipts in each is spared
    /// to whoever goes through many.
    async fn without_receipts(&self, homes: &[Home]) -> Result<BTreeSet<Home>, StoreError> {
        let _ = homes;
        Ok(BTreeSet::new())
    }

    /// Applies a change set wholly or not at all. One that breaks its own form ([`ChangeSet::check`]) is an error.
    ///
    /// Checked inside the commit, in this order: the same id was committed before ([`Committed::Before`], nothing
    /// is done again); the instant is past `not_after` ([`CommitError::TooLate`]); a guarded key bears another
    /// version ([`CommitError::Conflict`]); a tally would leave its range ([`CommitError::OutOfBounds`]).
    /// Once answered `Ok`, the change survives what `docs/STORAGE.md` says. A caller that goes away does not stop
    /// a commit half-way.
    async fn commit(&self, changes: &ChangeSet) -> Result<Committed, CommitError>;

    /// Commits each set by itself, with an outcome each. Sets of one home apply in the order given; a set that is
    /// refused leaves the others alone. Nothing is answered before everything answered `Ok` is durable.
    async fn commit_all(&self, sets: &[ChangeSet]) -> Vec<Result<Committed, CommitError>>;

    /// One page of a listing, in its order. A row that exists throughout comes exactly once in the default order.
    async fn list(&self, listing: &Listing, page: &PageRequest) -> Result<Page, StoreError>;

    /// Hands out a line for everything that a survey is about, once and in no order; one that [it does not
    /// want](Survey::wants) may be left out. What is read is never more than a bounded part of it at a time, each part as it
    /// stood at one instant or, where there is nothing quicker than listings and reads, at several.
    async fn survey(&self, survey: &Arc<Survey>, take: Take<'_>) -> Result<(), StoreError> {
        listed(self, survey, take).await
    }

    /// What `check` needs to decide, many at a time in one round trip, each read after the call began.
    async fn access(&self, asks: &[AccessKey]) -> Result<Vec<AccessFacts>, StoreError>;

    /// Log entries with `seq > after` that the filter wants, oldest first, at most `limit`; fewer where there are no more
    /// of them. Without a filter a few that are gone make no page short. What must be read to find them grows with the entries that fit one of the names in the filter, not with the log.
    async fn log(
        &self,
        home: &Home,
        after: u64,
        limit: u16,
        filter: &LogFilter,
    ) -> Result<Vec<Logged>, StoreError>;

    /// Numbers of those among these entries of a home that a filter by what their bodies say would not find. None where
    /// filters look into the bodies.
    async fn unfound(&self, home: &Home, entries: &[Logged]) -> Result<Vec<u64>, StoreError> {
        let _ = (home, entries);
        Ok(Vec::new())
    }

    /// Homes after one, in the byte order of their printed form, at most `limit`.
    async fn homes(&self, after: Option<&Home>, limit: u16) -> Result<Vec<Home>, StoreError>;

    /// Homes with a log after one, in the order of [`Store::homes`], each with the number of its last entry, at most
    /// `limit`; those whose log is empty may be left out.
    async fn ends(&self, after: &Home, limit: u16) -> Result<Vec<(Home, u64)>, StoreError> {
        let (mut after, mut found) = (after.clone(), Vec::new());
        loop {
            let homes = self.homes(Some(&after), limit).await?;
            let Some(last) = homes.last() else { return Ok(found) };
            after = last.clone();
            for home in homes.into_iter().filter(Home::has_log) {
                let end = self.read(&home, &[], &[]).await?.head.seq;
                found.push((home, end));
            }
            if !found.is_empty() {
                return Ok(found);
            }
        }
    }

    /// Everything of a home but its log, at one instant.
    async fn dump(&self, home: &Home) -> Result<Dump, StoreError>;

    /// Records of a home after a key, in the order of their keys, at most `limit`.
    async fn records(&self, home: &Home, after: Option<&Key>, limit: u16) -> Result<Vec<Stored>, StoreError>;

    /// Fills an empty store with what another holds, in steps. Everything is kept as it was given; the due index and
    /// search words come from the records, the log's filters from its bodies. Commit ids of the log are found again;
    /// in a home without a log, those that last wrote a record. Begun on a store that holds anything, without a
    /// beginning, with a record that is there or an entry that does not go on from the one before, a step is refused
    /// and adds nothing. Until its end the store holds half of a deployment, and is not opened again.
    async fn load(&self, step: Load<'_>) -> Result<(), StoreError>;

    /// Whether what has lapsed in a home was looked for before, in something that nobody else changes meanwhile, where one look
    /// is enough. The first to ask is told no, and is to look.
    fn was_looked_through(&self, _: &Home) -> bool {
        false
    }

    /// Drops what lies beside the entries of a home's log about a person, values and salts, for good: the chain verifies
    /// as before. Of a home without a log that holds nothing, the name is forgotten.
    async fn forget(&self, home: &Home, subject: UserId) -> Result<(), StoreError>;

    /// Leaves nothing of what was deleted in the files that are the store's own. What a server keeps beside them goes as that
    /// server is told.
    async fn scrub(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Takes a place: `None` where one that is there forbids it, as [`Presence`] says.
    async fn enter(&self, presence: Presence) -> Result<Option<Stay>, StoreError>;

    /// What the store is.
    async fn describe(&self) -> Result<Description, StoreError>;

    /// Whether nothing changes here but by whoever asks, so that it is in vain to wait for others.
    fn stands_still(&self) -> bool {
        false
    }

    /// Whether the store answers.
    async fn ping(&self) -> Result<(), StoreError>;
}

/// A record with the commit that last wrote it.
#[derive(Clone, PartialEq, Debug)]
pub struct Stored {
    /// The record.
    pub record: Record,
    /// Its version.
    pub version: Version,
}

/// An answer of [`Store::read`].
#[derive(Clone, PartialEq, Debug)]
pub struct Read {
    /// The store's clock.
    pub clock: Timestamp,
    /// The end of the home's log; its start for a home without entries.
    pub head: Head,
    /// What was found.
    pub records: BTreeMap<Key, Stored>,
    /// What was asked for.
    pub tallies: BTreeMap<Tally, i64>,
}

impl Read {
    /// The instant to decide by: time never goes back in a home.
    pub fn now(&self) -> Timestamp {
        self.clock.max(self.head.time)
    }
}

/// What one commit does to one home.
#[derive(Clone, PartialEq, Debug)]
pub struct ChangeSet {
    /// Names the commit; sending it again does nothing again.
    pub id: CommitId,
    /// The one home.
    pub home: Home,
    /// Refuse after this instant of the store's clock.
    pub not_after: Option<Timestamp>,
    /// The version each key must bear, `None` for absent.
    pub guards: BTreeMap<Key, Option<Version>>,
    /// At most [`MAX_WRITES`].
    pub writes: Vec<Write>,
    /// Present exactly when the home [has a log](Home::has_log).
    pub entry: Option<LogEntry>,
}

impl ChangeSet {
    /// What every store refuses, before anything else, as a mistake of the caller's.
    pub fn check(&self) -> Result<(), StoreError> {
        let mistake =
            |detail: String| StoreError { kind: StoreErrorKind::Corrupt, operation: "commit", detail };
        if self.entry.is_some() != self.home.has_log() {
            return Err(mistake("a log entry is there exactly when the home has a log".into()));
        }
        if self.writes.len() > MAX_WRITES {
            return Err(mistake(format!("more than {MAX_WRITES} writes")));
        }
        match self.writes.iter().filter_map(Write::key).find(|key| !self.home.holds(key)) {
            Some(key) => Err(mistake(format!("{key:?} does not belong in {}", self.home))),
            None => Ok(()),
        }
    }
}

impl Write {
    /// The key of the record that is put or removed.
    pub fn key(&self) -> Option<Key> {
        match self {
            Self::Put(record) => Some(record.key()),
            Self::Remove(key) => Some(key.clone()),
            Self::Add { .. } => None,
        }
    }
}

/// One write.
#[derive(Clone, PartialEq, Debug)]
pub enum Write {
    /// Puts a record under its own key, and its line in the due index.
    Put(Record),
    /// Removes a record and its line in the due index.
    Remove(Key),
    /// Adds to a tally; the sum must lie within the range.
    Add {
        /// Which.
        tally: Tally,
        /// How much; may be zero, to check the range alone.
        by: i64,
        /// Where the sum must lie.
        within: RangeInclusive<i64>,
    },
}

/// How a commit went well.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Committed {
    /// Applied now; the head after it, for a home with a log.
    Now(Option<Head>),
    /// This id had been applied before.
    Before,
}

/// Why a commit did nothing.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum CommitError {
    /// Somebody else wrote a guarded key.
    #[error("a record changed meanwhile: {0:?}")]
    Conflict(Key),
    /// A tally would have left its range.
    #[error("out of bounds: {0:?}")]
    OutOfBounds(Tally),
    /// The instant is past `not_after`.
    #[error("too late: the pointer to this commit may have been taken over")]
    TooLate,
    /// The store failed, or nobody knows.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What kind of failure.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StoreErrorKind {
    /// Not reachable or not ready; nothing was done.
    Unavailable,
    /// Too much at a time; nothing was done.
    Busy,
    /// Sent, and no answer came: done or not done. Sending the same [`CommitId`] again tells.
    OutcomeUnknown,
    /// What is kept contradicts the contract.
    Corrupt,
}

impl StoreErrorKind {
    /// The code in the API contract.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Unavailable => "store_unavailable",
            Self::Busy => "busy",
            Self::OutcomeUnknown => "outcome_unknown",
            Self::Corrupt => "internal",
        }
    }
}

/// A failure of the store itself.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("store: {operation}: {detail}")]
pub struct StoreError {
    /// What kind.
    pub kind: StoreErrorKind,
    /// Which call.
    pub operation: &'static str,
    /// For the log, never for a client.
    pub detail: String,
}

/// One question of the hot path. What does not matter is left out.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AccessKey {
    /// In which organization.
    pub organization: Option<OrganizationId>,
    /// For which user.
    pub user: Option<UserId>,
    /// On which account.
    pub account: Option<AccountId>,
    /// By which key of the organization.
    pub api_key: Option<ApiKeyId>,
}

/// The facts about it; `None` for what does not exist or was not asked for.
#[derive(Clone, PartialEq, Debug)]
pub struct AccessFacts {
    /// The later of the store's clock and the organization's last entry.
    pub now: Timestamp,
    /// The organization's status.
    pub organization: Option<OrganizationStatus>,
    /// The user's status.
    pub user: Option<UserStatus>,
    /// How often the user has been removed from everything; 0 for one who does not exist.
    pub cuts: u32,
    /// The user's membership there.
    pub member: Option<MemberFacts>,
    /// The account's status.
    pub account: Option<AccountStatus>,
    /// The key.
    pub api_key: Option<ApiKey>,
    /// Roles of the organization's own that the membership there, or the key, names, and what replaces them.
    pub roles: Vec<Role>,
}

/// What stands in the place of roles that are being replaced, where it is a role of the organization's own.
pub fn replacements(roles: &[Role]) -> Vec<RoleId> {
    let next = roles.iter().filter_map(|role| role.replaced_by);
    next.filter_map(|role| if let RoleRef::Custom(id) = role { Some(id) } else { None }).collect()
}

impl AccessFacts {
    /// The same with roles, each once.
    #[must_use]
    pub fn with_roles(self, mut roles: Vec<Role>) -> Self {
        roles.sort_by_key(|role| role.id);
        roles.dedup_by_key(|role| role.id);
        Self { roles, ..self }
    }

    /// The roles of the organization's own that the membership and the key name.
    pub fn custom_roles(&self) -> Vec<RoleId> {
        let member = self.member.iter().flat_map(|member| [member.organization_role, member.account_role]);
        let mut named: Vec<RoleId> = member
            .flatten()
            .chain(self.api_key.iter().flat_map(|key| key.access.roles()))
            .filter_map(|role| if let RoleRef::Custom(id) = role { Some(id) } else { None })
            .collect();
        named.sort_unstable();
        named.dedup();
        named
    }
}

/// What `check` needs of a membership.
#[derive(Clone, PartialEq, Debug)]
pub struct MemberFacts {
    /// As stored.
    pub status: MemberStatus,
    /// Not before.
    pub starts_at: Option<Timestamp>,
    /// Not from then on.
    pub expires_at: Option<Timestamp>,
    /// The number of cuts that it survives.
    pub epoch: u32,
    /// The organization-wide role.
    pub organization_role: Option<RoleRef>,
    /// The role on the account asked for, when access is per account.
    pub account_role: Option<RoleRef>,
}

impl MemberFacts {
    /// The facts of a whole access.
    pub fn roles(access: &Access, account: Option<AccountId>) -> (Option<RoleRef>, Option<RoleRef>) {
        match access {
            Access::Organization(role) => (Some(*role), None),
            Access::Accounts(roles) => (None, account.and_then(|account| roles.get(&account).copied())),
        }
    }
}

/// Everything of a home but its log.
#[derive(Clone, PartialEq, Debug)]
pub struct Dump {
    /// The end of the log as the store keeps it.
    pub head: Head,
    /// All records.
    pub records: Vec<Stored>,
    /// All tallies that are not 0.
    pub tallies: BTreeMap<Tally, i64>,
    /// The due index as the store keeps it.
    pub due: Vec<Due>,
}

/// Where a store takes its instants from.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// The clock of a store: its server's own, or one handed in, which then rules every statement.
#[derive(Clone, Debug)]
pub enum StoreClock {
    /// The server's.
    Server,
    /// Handed in, by tests.
    Given(std::sync::Arc<dyn Clock>),
}
