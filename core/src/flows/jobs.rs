//! Asking for jobs: the pointer that leads workers to the job, then the job (rule X3).

use serde::{Deserialize, Serialize};

use super::import::{AccountLine, ImportLine, ImportOptions};
use super::refresh::tidied;
use super::sweep::sweep_first;
use crate::facts::{Facts, Request};
use crate::home::{Home, Key, Record};
use crate::id::{JobId, OrganizationId, SourceId, UserId, Version};
use crate::model::customer::Mappings;
use crate::model::{DirectoryEntry, DirectoryId, Job, JobPart, JobPartId, JobSide, PartContent, Work};
use crate::op::{Decision, Done, Operation, Roster, View, preflight, run};
use crate::ops::customer::PutMappings;
use crate::ops::job::{Asked, BeginJob, CancelJob, as_called};
use crate::ops::member::AccessAsk;
use crate::ops::pointer::{NOT_AFTER, PutDirectoryEntry};
use crate::ops::source::BeginReplay;
use crate::ops::user::RemoveEverywhere;
use crate::permission::RoleRef;
use crate::policy::Reach;
use crate::reads::{pointers, visible_standing};
use crate::reference::AccountRef;
use crate::refusal::{OpError, Refusal};
use crate::store::StoreError;
use crate::time::Timestamp;

/// The most members of one bulk act.
pub const MAX_BULK: usize = 10_000;

/// What an import needs on the whole organization; what its rows do is judged row by row.
const IMPORTS: &str = "imports:run";

/// An act on each of many members.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "action")]
pub enum BulkAct {
    /// Removal from the organization.
    Remove,
    /// No access, with a way back.
    Deactivate,
    /// The way back.
    Reactivate,
    /// Removal, out of the statistics too.
    Delete,
    /// A link to a new password, mailed.
    PasswordReset,
    /// Organization-wide access.
    SetWideAccess {
        /// The role.
        role: RoleRef,
    },
    /// Access to named accounts.
    SetAccess {
        /// Accounts as they were named, and roles.
        accounts: Vec<(String, RoleRef)>,
    },
}

impl BulkAct {
    /// A new access.
    pub fn set_access(access: &AccessAsk) -> Self {
        match access {
            AccessAsk::Organization(role) => Self::SetWideAccess { role: *role },
            AccessAsk::Accounts(rows) => Self::SetAccess {
                accounts: rows.iter().map(|(account, role)| (account.to_string(), *role)).collect(),
            },
        }
    }

    /// The access that it gives; nothing for acts that give none.
    pub(crate) fn access(&self) -> Option<AccessAsk> {
        match self {
            Self::Remove | Self::Deactivate | Self::Reactivate | Self::Delete | Self::PasswordReset => None,
            Self::SetWideAccess { role } => Some(AccessAsk::Organization(*role)),
            Self::SetAccess { accounts } => {
                let rows =
                    accounts.iter().map(|(account, role)| Some((account.parse::<AccountRef>().ok()?, *role)));
                rows.collect::<Option<Vec<_>>>().map(AccessAsk::Accounts)
            }
        }
    }

    /// Whether it takes away and gives nothing: that is done though the operator key or the session of
    /// whoever asked is gone by then.
    pub(crate) const fn takes_away(&self) -> bool {
        match self {
            Self::Remove | Self::Deactivate | Self::Delete => true,
            Self::Reactivate | Self::PasswordReset | Self::SetWideAccess { .. } | Self::SetAccess { .. } => {
                false
            }
        }
    }

    const fn permission(&self) -> &'static str {
        match self {
            Self::Remove => "members:remove",
            Self::Deactivate | Self::Reactivate => "members:deactivate",
            Self::Delete => "members:delete",
            Self::PasswordReset => "members:reset_password",
            Self::SetWideAccess { .. } | Self::SetAccess { .. } => "members:update",
        }
    }
}

/// Removes a person from everything: their access ends when this answers, the job sweeps (rule M5). Where they are in few
/// organizations, it finds that done.
pub async fn remove_everywhere(
    roster: &Roster,
    request: &Request,
    user: UserId,
) -> Result<Done<Job>, OpError> {
    let (home, asked) = (Home::User(user), asked(request));
    let organizations = pointers(roster, user).await?;
    let total = u64::try_from(organizations.len()).unwrap_or(u64::MAX);
    let mut operation = RemoveEverywhere { user, asked, total, not_after: None };
    preflight(roster, request, &operation).await?;
    operation.not_after =
        Some(announce(roster, request, operation.asked.id, &home, "remove_everywhere").await?);
    let done = run(roster, request, &operation).await?;
    tidied(sweep_first(roster, &done.output, &organizations).await);
    Ok(done)
}

/// Queues an act on each of many members, in the order given.
pub async fn begin_bulk(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    act: &BulkAct,
    users: Vec<String>,
) -> Result<Done<Job>, OpError> {
    if users.is_empty() || users.len() > MAX_BULK {
        return Err(Refusal::invalid("/users", format!("name 1 to {MAX_BULK} users")).into());
    }
    let action = serde_json::to_string(act).map_err(|bad| Refusal::invalid("/action", bad.to_string()))?;
    let work = Work::Bulk { organization, action };
    if *act == BulkAct::PasswordReset && !roster.post.is_set_up() {
        let asked = asked(request);
        let total = users.len() as u64;
        let permission = Some(act.permission());
        let may = BeginJob { asked, work, total, permission, not_after: None };
        preflight(roster, request, &may).await?;
        return Err(Refusal::MailNotConfigured.into());
    }
    begin(roster, request, work, Some(act.permission()), users.into_iter().map(Ok)).await
}

/// Queues the import of a file that has been read.
pub async fn begin_import(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    lines: impl Iterator<Item = Result<ImportLine, Refusal>> + Send,
    options: ImportOptions,
) -> Result<Done<Job>, OpError> {
    let ImportOptions { create_accounts, dry_run } = options;
    let work = Work::ImportMembers { organization, create_accounts, dry_run };
    begin(roster, request, work, Some(IMPORTS), lines.map(item)).await
}

/// Queues the import of accounts from a file that has been read.
pub async fn begin_account_import(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    lines: impl Iterator<Item = Result<AccountLine, Refusal>> + Send,
    dry_run: bool,
) -> Result<Done<Job>, OpError> {
    let work = Work::ImportAccounts { organization, dry_run };
    begin(roster, request, work, Some(IMPORTS), lines.map(item)).await
}

/// A row as the job keeps it.
fn item(line: Result<impl Serialize, Refusal>) -> Result<String, Refusal> {
    serde_json::to_string(&line?).map_err(|bad| Refusal::invalid("", bad.to_string()))
}

/// Sets which traits name owners, and has a job look at everything again (rule T2).
pub async fn put_mappings(
    roster: &Roster,
    request: &Request,
    home: Home,
    mappings: Mappings,
) -> Result<Done<Job>, OpError> {
    let mut operation = PutMappings { home: home.clone(), asked: asked(request), mappings, not_after: None };
    preflight(roster, request, &operation).await?;
    operation.not_after = Some(announce(roster, request, operation.asked.id, &home, "map_owners").await?);
    run(roster, request, &operation).await
}

/// Has a job put all dead letters of a source back into its inbox (rule G5).
pub async fn replay_letters(
    roster: &Roster,
    request: &Request,
    source: SourceId,
) -> Result<Done<Job>, OpError> {
    let mut operation = BeginReplay { asked: asked(request), source, not_after: None };
    preflight(roster, request, &operation).await?;
    let kind = "replay_dead_letters";
    operation.not_after = Some(announce(roster, request, operation.asked.id, &Home::Deployment, kind).await?);
    run(roster, request, &operation).await
}

/// The items in parts, then the job. A crash before the job leaves parts that nothing leads to.
async fn begin(
    roster: &Roster,
    request: &Request,
    work: Work,
    permission: Option<&'static str>,
    items: impl Iterator<Item = Result<String, Refusal>> + Send,
) -> Result<Done<Job>, OpError> {
    let (home, kind) = (work.home(), work.kind());
    let mut operation = BeginJob { asked: asked(request), work, total: 0, permission, not_after: None };
    preflight(roster, request, &operation).await?;
    operation.total = store_items(roster, request, &home, operation.asked.id, items).await?;
    operation.not_after = Some(announce(roster, request, operation.asked.id, &home, kind).await?);
    run(roster, request, &operation).await
}

pub(super) fn asked(request: &Request) -> Asked {
    let step = request.step("job");
    Asked {
        id: JobId::from_uuid(step.seed.uuid("job")),
        actor: request.actor,
        request_id: request.request_id.clone(),
        // Words about a person stand in the log, beside what can be taken away of it.
        reason: None,
        seed: step.seed,
    }
}

/// Notes where workers find a job that is about to be there. Until when it must be.
pub(super) async fn announce(
    roster: &Roster,
    request: &Request,
    id: JobId,
    home: &Home,
    kind: &'static str,
) -> Result<Timestamp, OpError> {
    Ok(announced(roster, request, id, home, kind).await?.0)
}

/// The same with the version of the note.
pub(super) async fn announced(
    roster: &Roster,
    request: &Request,
    id: JobId,
    home: &Home,
    kind: &'static str,
) -> Result<(Timestamp, Option<Version>), OpError> {
    let clock = roster.store.read(home, &[], &[]).await?.clock;
    let entry = PutDirectoryEntry { entry: DirectoryEntry::of_job(id, home, kind), anew: true };
    let noted = run(roster, &request.as_system("directory"), &entry).await?;
    Ok((clock.plus_seconds(NOT_AFTER), noted.version))
}

/// How many parts go into one commit.
const PARTS: usize = 20;

#[derive(Debug)]
struct StoreParts {
    home: Home,
    parts: Vec<JobPart>,
}

impl StoreParts {
    /// The part of the request that a part with outcomes of it is about.
    fn about(part: &JobPart) -> Option<JobPartId> {
        let foreseen = part.id.side == JobSide::Foreseen && matches!(part.content, PartContent::Outcomes(_));
        foreseen.then_some(JobPartId { side: JobSide::Input, ..part.id })
    }
}

impl Operation for StoreParts {
    type State = Vec<Option<JobPart>>;
    type Output = ();

    fn home(&self) -> Home {
        self.home.clone()
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        let about = self.parts.iter().filter_map(Self::about);
        view.fetch(self.parts.iter().map(|part| part.id).chain(about).map(Key::JobPart)).await?;
        let mut found = Vec::with_capacity(self.parts.len());
        for part in &self.parts {
            found.push(match Self::about(part) {
                Some(about) => view.get(&about).await?,
                None => None,
            });
        }
        Ok(found)
    }

    fn decide(&self, found: Self::State, _: &Facts) -> Result<Decision<()>, Refusal> {
        let parts = self.parts.iter().zip(&found).filter_map(|(part, about)| match &part.content {
            // Its rows are done by somebody else: nothing is foreseen of them any more.
            PartContent::Outcomes(_) if Self::about(part).is_some() && about.is_none() => None,
            PartContent::Outcomes(outcomes) => {
                let content = PartContent::Outcomes(as_called(about.as_ref(), outcomes.clone()));
                Some(Record::JobPart(JobPart { content, id: part.id }))
            }
            PartContent::Items(_) => Some(Record::JobPart(part.clone())),
        });
        Ok(parts.fold(Decision::unchanged(()), Decision::put))
    }
}

/// The items in parts beside the job; how many there are.
async fn store_items(
    roster: &Roster,
    request: &Request,
    home: &Home,
    job: JobId,
    items: impl Iterator<Item = Result<String, Refusal>> + Send,
) -> Result<u64, OpError> {
    let (mut items, mut total) = (items.peekable(), 0);
    for group in 0.. {
        let mut parts = Vec::new();
        while parts.len() < PARTS && items.peek().is_some() {
            let n = u32::try_from(group * PARTS + parts.len()).unwrap_or(u32::MAX);
            let some = items.by_ref().take(Job::PART).collect::<Result<Vec<_>, _>>()?;
            total += some.len() as u64;
            let id = JobPartId { job, side: JobSide::Input, n };
            parts.push(JobPart { id, content: PartContent::Items(some) });
        }
        if parts.is_empty() {
            break;
        }
        store_parts(roster, request, home, parts, &format!("parts {group}")).await?;
    }
    Ok(total)
}

/// Puts parts of a job beside it.
pub(crate) async fn store_parts(
    roster: &Roster,
    request: &Request,
    home: &Home,
    parts: Vec<JobPart>,
    step: &str,
) -> Result<(), OpError> {
    let operation = StoreParts { home: home.clone(), parts };
    run(roster, &request.as_system(step), &operation).await.map(|_| ())
}

/// Refused to whoever may not import into an organization, or not any more.
pub(crate) async fn require_import(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
) -> Result<(), OpError> {
    let mut view = View::new(roster, Home::Organization(organization), request);
    let (_, standing) = view.open_organization().await?.open()?;
    roster.policies.access.require(&standing, IMPORTS, Reach::Organization)?;
    Ok(())
}

/// The home of a job and the job, if the actor may see it: operators, whoever asked for it, and those who hold
/// `imports:run` on the whole organization.
pub async fn find_job(roster: &Roster, request: &Request, id: JobId) -> Result<Job, OpError> {
    Ok(shown_job(roster, request, id).await?.0)
}

/// The same with its version.
pub async fn shown_job(roster: &Roster, request: &Request, id: JobId) -> Result<(Job, Version), OpError> {
    let entry_home = Home::directory(DirectoryId::Job(id));
    let key = Key::DirectoryEntry(DirectoryId::Job(id));
    let mut read = roster.store.read(&entry_home, std::slice::from_ref(&key), &[]).await?;
    let Some(Record::DirectoryEntry(entry)) = read.records.remove(&key).map(|stored| stored.record) else {
        return Err(Refusal::NotFound.into());
    };
    let home = entry.home().ok_or(Refusal::NotFound)?;
    let mut view = View::new(roster, home, request);
    let job = view.get(&id).await?.ok_or(Refusal::NotFound)?;
    let version = view.version(&Key::Job(id)).ok_or(Refusal::NotFound)?;
    may_see_job(roster, request, &job).await?;
    Ok((job, version))
}

/// 404 where the actor does not see the organization, or where it is none's; 403 for others who may not.
async fn may_see_job(roster: &Roster, request: &Request, job: &Job) -> Result<(), OpError> {
    if request.actor.is_operator() {
        return Ok(());
    }
    let organization = job.work.organization().ok_or(Refusal::NotFound)?;
    let (_, standing) = visible_standing(roster, request, organization).await?;
    if job.actor.fingerprint() == request.actor.fingerprint() {
        return Ok(());
    }
    Ok(roster.policies.access.require(&standing, IMPORTS, Reach::Organization)?)
}

/// Stops a job that the actor may see.
pub async fn cancel_job(roster: &Roster, request: &Request, id: JobId) -> Result<Job, OpError> {
    let job = find_job(roster, request, id).await?;
    let operation = CancelJob { home: job.work.home(), id };
    let after = run(roster, &request.as_system("cancel"), &operation).await?.output;
    if after.status.is_finished() {
        roster.observer.job_ended(after.work.kind(), after.status.name());
    }
    Ok(after)
}
