//! Work that takes long: asked for in one commit, done in chunks by whichever worker holds the lease (rule X3).

use std::collections::BTreeMap;
use std::fmt;
use std::ops::AddAssign;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::actor::Actor;
use crate::home::Home;
use crate::id::{JobId, OrganizationId, SourceId, UserId};
use crate::time::Timestamp;

/// How far a job has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobStatus {
    /// Nobody has begun it.
    Queued,
    /// A worker is at it, or was and will be followed by another.
    Running,
    /// Done, with nothing refused.
    Completed,
    /// Done, with something refused.
    CompletedWithConflicts,
    /// Given up.
    Failed,
    /// Stopped at somebody's wish.
    Cancelled,
}

impl JobStatus {
    /// Whether nothing more will be done.
    pub const fn is_finished(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }

    /// The name in the API contract.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::CompletedWithConflicts => "completed_with_conflicts",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What is to be done.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// Sweeps what a user lost when they were removed from everything.
    RemoveEverywhere {
        /// Who.
        user: UserId,
        /// Memberships before this cut are swept.
        epoch: u32,
    },
    /// Writes records anew that were handed over.
    ReassignRecords {
        /// Where.
        organization: OrganizationId,
        /// The number of the hand-over.
        number: u64,
    },
    /// Takes away what names an erased person.
    EraseUser {
        /// Who.
        user: UserId,
        /// Memberships before this cut are swept.
        epoch: u32,
    },
    /// One act on each of many members.
    Bulk {
        /// Where.
        organization: OrganizationId,
        /// The act, as the front end gave it.
        action: String,
    },
    /// Adds the members of a file.
    ImportMembers {
        /// Where to.
        organization: OrganizationId,
        /// Makes accounts that do not exist.
        create_accounts: bool,
        /// Does nothing, and reports what would be done.
        dry_run: bool,
    },
    /// Makes and renames the accounts of a file.
    ImportAccounts {
        /// Where to.
        organization: OrganizationId,
        /// Does nothing, and reports what would be done.
        dry_run: bool,
    },
    /// Looks again at whom traits name as owners.
    MapOwners {
        /// In one organization, or everywhere.
        organization: Option<OrganizationId>,
    },
    /// Puts the dead letters of a source back into its inbox.
    ReplayLetters {
        /// Whose.
        source: SourceId,
    },
    /// Has the lists of organizations show what a user's record says.
    RefreshCards {
        /// Whose.
        user: UserId,
    },
}

impl Work {
    /// Every kind there is.
    pub const KINDS: [&'static str; 9] = [
        "remove_everywhere",
        "reassign_records",
        "erase_user",
        "bulk",
        "import_members",
        "import_accounts",
        "map_owners",
        "replay_dead_letters",
        "refresh_cards",
    ];

    /// The kind, as the API shows it. It is one of the list, so that a new one cannot be left out there.
    pub const fn kind(&self) -> &'static str {
        Self::KINDS[match self {
            Self::RemoveEverywhere { .. } => 0,
            Self::ReassignRecords { .. } => 1,
            Self::EraseUser { .. } => 2,
            Self::Bulk { .. } => 3,
            Self::ImportMembers { .. } => 4,
            Self::ImportAccounts { .. } => 5,
            Self::MapOwners { .. } => 6,
            Self::ReplayLetters { .. } => 7,
            Self::RefreshCards { .. } => 8,
        }]
    }

    /// The organization it is about, if it is about one.
    pub const fn organization(&self) -> Option<OrganizationId> {
        match self {
            Self::RemoveEverywhere { .. }
            | Self::EraseUser { .. }
            | Self::ReplayLetters { .. }
            | Self::RefreshCards { .. } => None,
            Self::MapOwners { organization } => *organization,
            Self::Bulk { organization, .. }
            | Self::ImportMembers { organization, .. }
            | Self::ImportAccounts { organization, .. }
            | Self::ReassignRecords { organization, .. } => Some(*organization),
        }
    }

    /// The kinds that are neither stopped nor given up: what they tidy has happened already.
    pub const MUST_END: [&'static str; 4] =
        ["remove_everywhere", "reassign_records", "erase_user", "refresh_cards"];

    /// Whether it is of one of them.
    pub fn must_end(&self) -> bool {
        Self::MUST_END.contains(&self.kind())
    }

    /// The home that holds the job.
    pub const fn home(&self) -> Home {
        match self {
            Self::RemoveEverywhere { user, .. }
            | Self::EraseUser { user, .. }
            | Self::RefreshCards { user } => Home::User(*user),
            Self::MapOwners { organization: None } | Self::ReplayLetters { .. } => Home::Deployment,
            Self::MapOwners { organization: Some(organization) }
            | Self::Bulk { organization, .. }
            | Self::ImportMembers { organization, .. }
            | Self::ImportAccounts { organization, .. }
            | Self::ReassignRecords { organization, .. } => Home::Organization(*organization),
        }
    }
}

/// Who may work on it, and until when.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Lease {
    /// The worker, by a number it drew for this taking.
    pub holder: Uuid,
    /// Others may take over from then on.
    pub until: Timestamp,
}

/// How one item ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeStatus {
    /// Added.
    Added,
    /// Changed.
    Changed,
    /// Removed.
    Removed,
    /// Already so.
    Unchanged,
    /// Refused; `code` says why.
    Refused,
    /// Its turn had not come when the job was stopped or given up. Of the hundred rows that an import was at when it was given
    /// up after too many attempts, some may be in.
    Left,
}

impl OutcomeStatus {
    /// The name in the API contract.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Changed => "changed",
            Self::Removed => "removed",
            Self::Unchanged => "unchanged",
            Self::Refused => "refused",
            Self::Left => "left",
        }
    }
}

/// The outcome of one item.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Outcome {
    /// What names the item.
    pub item: String,
    /// The line of a file on which it begins.
    pub line: Option<u64>,
    /// How it ended.
    pub status: OutcomeStatus,
    /// Why it was refused.
    pub code: Option<String>,
    /// What to look at although it was done.
    pub warning: Option<String>,
    /// Why it was refused, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Outcome {
    /// Whether the item is done with something in the organization.
    pub fn brings_in(&self) -> bool {
        matches!(self.status, OutcomeStatus::Added | OutcomeStatus::Changed)
    }
}

/// What an import made by the way.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Made {
    /// Accounts.
    pub accounts: u64,
    /// Users.
    pub users: u64,
}

impl Made {
    /// Whether nothing was.
    pub const fn is_nothing(self) -> bool {
        self.accounts == 0 && self.users == 0
    }

    /// What was made beside that.
    #[must_use]
    pub const fn since(self, before: Self) -> Self {
        Self { accounts: self.accounts - before.accounts, users: self.users - before.users }
    }

    /// The accounts by themselves, and the users.
    #[must_use]
    pub const fn apart(self) -> (Self, Self) {
        (Self { users: 0, ..self }, Self { accounts: 0, ..self })
    }
}

impl AddAssign for Made {
    fn add_assign(&mut self, more: Self) {
        self.accounts += more.accounts;
        self.users += more.users;
    }
}

/// One job.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// What is to be done.
    pub work: Work,
    /// Who asked, by whose rights it is done.
    pub actor: Actor,
    /// The request that asked.
    pub request_id: Option<String>,
    /// Why they asked.
    pub reason: Option<String>,
    /// From what ids and salts are drawn with the master key ([`Roster::seed`](crate::op::Roster::seed)).
    pub seed: [u8; 32],
    /// The instant that ids carry, in milliseconds since the epoch.
    pub seed_millis: u64,
    /// How far it has come.
    pub status: JobStatus,
    /// Items done.
    pub done: u64,
    /// Items in all, as far as is known.
    pub total: u64,
    /// How many ended how.
    pub summary: BTreeMap<String, u64>,
    /// What it made by the way, but for what an attempt that was cut off made.
    #[serde(default)]
    pub made: Made,
    /// Outcomes that are not yet in a part.
    pub fresh: Vec<Outcome>,
    /// Where to go on, in the terms of the work.
    pub cursor: Option<String>,
    /// Of how many items it was looked, before any of them is done, whether all can be.
    #[serde(default)]
    pub examined: u64,
    /// Organizations that could not be read or written: they are tried again behind all others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passed_over: Vec<OrganizationId>,
    /// Those of them in which it is not written down yet that a membership has ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unswept: Vec<OrganizationId>,
    /// Seats held for what is still to be done.
    pub seats_held: i64,
    /// Who is at it.
    pub lease: Option<Lease>,
    /// How often in a row it has been taken without getting on.
    pub attempts: u32,
    /// Not to be taken before.
    pub not_before: Timestamp,
    /// Somebody wants it stopped.
    pub cancelled: bool,
    /// Why it was given up, or did not get on when it was last tried: a code, words for people, or both with a colon between.
    pub failure: Option<String>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

impl Job {
    /// How many outcomes a part holds; the n-th part holds those from `n` times this.
    pub const PART: usize = 100;

    /// What the cursor of an import says once seats are held for the whole file.
    pub const ADMITTED: &str = "admitted";

    /// Where it stands what is to come of rows that may be in, though it does not tell of them yet: whoever works on it finds
    /// out which before it is stopped.
    pub fn may_be_half_in(&self) -> Option<JobPartId> {
        let runs = matches!(self.work, Work::ImportMembers { dry_run: false, .. });
        let n = u32::try_from(self.done / Self::PART as u64).unwrap_or(u32::MAX);
        (runs && self.done < self.total).then_some(JobPartId { job: self.id, side: JobSide::Foreseen, n })
    }

    /// What the cursor of an import begins with that tells of rows which find no seat, and of no others.
    pub const SHORT: &str = "no seat ";

    /// Whether it takes items one by one, in the order in which they were given, and tells of each when it is done.
    pub fn tells_in_order(&self) -> bool {
        let is_short = || self.cursor.as_deref().is_some_and(|cursor| cursor.starts_with(Self::SHORT));
        match self.work {
            Work::Bulk { .. } | Work::ImportAccounts { .. } => true,
            Work::ImportMembers { dry_run, .. } => dry_run || !is_short(),
            Work::RemoveEverywhere { .. }
            | Work::ReassignRecords { .. }
            | Work::EraseUser { .. }
            | Work::MapOwners { .. }
            | Work::ReplayLetters { .. }
            | Work::RefreshCards { .. } => false,
        }
    }

    /// How many items its results tell of: of one that was stopped or given up, those that were left too.
    pub fn told(&self) -> u64 {
        let was_cut_off = matches!(self.status, JobStatus::Cancelled | JobStatus::Failed);
        if was_cut_off && self.tells_in_order() { self.total } else { self.done }
    }

    /// Whether somebody wants it stopped that may be.
    pub fn is_to_stop(&self) -> bool {
        self.cancelled && !self.work.must_end()
    }

    /// One outcome more. The part that is full now, if it is.
    pub fn record(&mut self, outcome: Outcome) -> Option<JobPart> {
        *self.summary.entry(outcome.status.name().to_owned()).or_default() += 1;
        self.done += 1;
        self.fresh.push(outcome);
        if self.fresh.len() < Self::PART {
            return None;
        }
        let n = u32::try_from(self.done / Self::PART as u64 - 1).unwrap_or(u32::MAX);
        let id = JobPartId { job: self.id, side: JobSide::Results, n };
        Some(JobPart { id, content: PartContent::Outcomes(std::mem::take(&mut self.fresh)) })
    }

    /// How it ends when all is done.
    pub fn conclusion(&self) -> JobStatus {
        if self.summary.contains_key(OutcomeStatus::Refused.name()) {
            JobStatus::CompletedWithConflicts
        } else {
            JobStatus::Completed
        }
    }
}

/// Which side of a job a part is of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobSide {
    /// What is to come of a chunk that is about to be done.
    Foreseen,
    /// What it takes.
    Input,
    /// What it gives.
    Results,
}

/// The name of a part.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct JobPartId {
    /// Of which job.
    pub job: JobId,
    /// Of which side.
    pub side: JobSide,
    /// Counted from 0.
    pub n: u32,
}

impl JobPartId {
    /// The part of a request in which the n-th item stands.
    pub fn of_item(job: JobId, n: u64) -> Self {
        let n = u32::try_from(n / Job::PART as u64).unwrap_or(u32::MAX);
        Self { job, side: JobSide::Input, n }
    }
}

/// `HEX:SIDE:N`, whose order of bytes is the order of parts.
impl fmt::Display for JobPartId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = match self.side {
            JobSide::Foreseen => "foreseen",
            JobSide::Input => "input",
            JobSide::Results => "results",
        };
        write!(f, "{}:{side}:{:010}", self.job.uuid().simple(), self.n)
    }
}

/// The text names no part.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a part of a job")]
pub struct MalformedPart;

impl FromStr for JobPartId {
    type Err = MalformedPart;

    fn from_str(text: &str) -> Result<Self, MalformedPart> {
        let mut parts = text.split(':');
        let (Some(job), Some(side), Some(n), None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(MalformedPart);
        };
        let job = JobId::from_uuid(Uuid::try_parse(job).map_err(|_| MalformedPart)?);
        let side = match side {
            "foreseen" => JobSide::Foreseen,
            "input" => JobSide::Input,
            "results" => JobSide::Results,
            _ => return Err(MalformedPart),
        };
        Ok(Self { job, side, n: n.parse().map_err(|_| MalformedPart)? })
    }
}

/// What a part holds.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartContent {
    /// Items to work on, in the terms of the work.
    Items(Vec<String>),
    /// What came of them.
    Outcomes(Vec<Outcome>),
}

/// A part of what a job takes or gives.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct JobPart {
    /// Its name.
    pub id: JobPartId,
    /// What it holds.
    pub content: PartContent,
}
