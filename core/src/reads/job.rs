//! Jobs: which there are, how far they are, what came of each item.

use super::{Rows, visible_standing};
use crate::facts::Request;
use crate::flows::find_job;
use crate::home::{Home, Key, Record};
use crate::id::{JobId, OrganizationId};
use crate::listing::{Listing, PageRequest};
use crate::model::{DirectoryEntry, DirectoryKind, Job, JobPart, JobPartId, JobSide, Outcome, PartContent};
use crate::op::Roster;
use crate::ops::job::left_of;
use crate::permission::Permission;
use crate::policy::Reach;
use crate::refusal::{OpError, Refusal};
use crate::store::StoreError;

/// The deployment's jobs for operators; an organization's for those who hold `imports:run` on the whole of it.
pub async fn jobs(
    roster: &Roster,
    request: &Request,
    organization: Option<OrganizationId>,
    page: &PageRequest,
) -> Result<Rows<Job>, OpError> {
    match organization {
        None if request.actor.is_operator() => {}
        None => return Err(Refusal::lacks("operator").into()),
        Some(id) => {
            let (_, standing) = visible_standing(roster, request, id).await?;
            if !standing.holds(&Permission::of("imports:run"), Reach::Organization) {
                return Err(Refusal::lacks("imports:run").into());
            }
        }
    }
    let q = organization.map(|id| Home::Organization(id).to_string());
    let listing = Listing::Directory { kind: DirectoryKind::Jobs, active: None, q };
    let found = roster.store.list(&listing, page).await?;
    let next = found.more.then(|| found.rows.last().map(|row| row.position.clone())).flatten();
    let mut rows = Vec::with_capacity(found.rows.len());
    for row in found.rows {
        let Record::DirectoryEntry(entry) = row.stored.record else { continue };
        rows.extend(of_entry(roster, &entry).await?);
    }
    Ok(Rows { rows, next })
}

/// The job that an entry leads to; nothing if it never came.
async fn of_entry(roster: &Roster, entry: &DirectoryEntry) -> Result<Option<Job>, StoreError> {
    let Some((id, home)) = entry.id.job().zip(entry.home()) else { return Ok(None) };
    let mut read = roster.store.read(&home, &[Key::Job(id)], &[]).await?;
    Ok(match read.records.remove(&Key::Job(id)).map(|stored| stored.record) {
        Some(Record::Job(job)) => Some(*job),
        _ => None,
    })
}

/// What came of a job's items from the n-th on, and where to go on.
pub async fn job_results(
    roster: &Roster,
    request: &Request,
    id: JobId,
    from: u64,
    limit: u16,
) -> Result<(Vec<Outcome>, Option<u64>), OpError> {
    let job = find_job(roster, request, id).await?;
    let told = job.told();
    let to = told.min(from.saturating_add(u64::from(limit)));
    let per_part = Job::PART as u64;
    let mut outcomes = Vec::new();
    for n in from / per_part..to.div_ceil(per_part) {
        let part = part(roster, &job, n).await?;
        let begin = n * per_part;
        let wanted = (begin..).zip(part).filter(|(at, _)| (from..to).contains(at));
        outcomes.extend(wanted.map(|(_, outcome)| outcome));
    }
    Ok((outcomes, Some(to).filter(|to| *to < told)))
}

/// The outcomes of a part: full ones stand beside the job, the last one in it. What was left stands in the request until
/// that is taken away.
async fn part(roster: &Roster, job: &Job, n: u64) -> Result<Vec<Outcome>, StoreError> {
    let is_last = n == job.done / Job::PART as u64;
    if is_last && job.told() == job.done {
        return Ok(job.fresh.clone());
    }
    let n = u32::try_from(n).unwrap_or(u32::MAX);
    let sides =
        [JobSide::Results, JobSide::Input].map(|side| Key::JobPart(JobPartId { job: job.id, side, n }));
    let mut read = roster.store.read(&job.work.home(), &sides, &[]).await?;
    let mut found = sides.iter().filter_map(|key| match read.records.remove(key)?.record {
        Record::JobPart(part) => Some(part),
        _ => None,
    });
    Ok(match found.next() {
        Some(JobPart { content: PartContent::Outcomes(outcomes), .. }) => outcomes,
        Some(input) => match left_of(job, &input) {
            Some(JobPart { content: PartContent::Outcomes(outcomes), .. }) => outcomes,
            _ => Vec::new(),
        },
        None if is_last => job.fresh.clone(),
        None => Vec::new(),
    })
}
