//! Posts that wait for somebody whose membership begins later: a job looks again when it does (rules T3, M12).

use sha2::{Digest, Sha256};

use super::jobs::{announce, asked};
use crate::facts::Request;
use crate::home::{Home, Key, Record};
use crate::id::{AccountId, JobId, OrganizationId, UserId};
use crate::model::{Member, MemberStatus};
use crate::op::{Roster, run};
use crate::ops::customer::MapLater;
use crate::ops::job::Asked;
use crate::refusal::OpError;
use crate::time::Timestamp;

/// Queues the job, if the person will be in the account, or in the organization, later than now.
pub(super) async fn await_start(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    account: Option<AccountId>,
    user: UserId,
) -> Result<(), OpError> {
    let (home, key) = (Home::Organization(organization), Key::Member(user));
    let read = roster.store.read(&home, std::slice::from_ref(&key), &[]).await?;
    let now = read.now();
    let begins = match read.records.get(&key).map(|stored| &stored.record) {
        Some(Record::Member(member)) => begins(&member.at(now), account, now),
        _ => None,
    };
    let Some(at) = begins else { return Ok(()) };
    let request = request.as_system(&format!("map later {at}"));
    let asked = Asked { id: job_id(organization, at), ..asked(&request) };
    let known = roster.store.read(&home, &[Key::Job(asked.id)], &[]).await?;
    if let Some(Record::Job(job)) = known.records.get(&Key::Job(asked.id)).map(|stored| &stored.record)
        && !job.status.is_finished()
    {
        return Ok(());
    }
    let not_after = Some(announce(roster, &request, asked.id, &home, "map_owners").await?);
    run(roster, &request, &MapLater { organization, asked, at, not_after }).await.map(drop)
}

fn begins(member: &Member, account: Option<AccountId>, now: Timestamp) -> Option<Timestamp> {
    let reaches = account.is_none_or(|account| member.access.role_on(account).is_some());
    let waits = member.status == MemberStatus::Active && reaches;
    member.starts_at.filter(|start| waits && *start > now)
}

/// One job serves everybody whose time comes at the same instant.
fn job_id(organization: OrganizationId, at: Timestamp) -> JobId {
    let digest = Sha256::digest(format!("map {organization} at {at}"));
    let mut tail = [0_u8; 10];
    tail.copy_from_slice(&digest[..10]);
    let millis = u64::try_from(at.micros() / 1_000).unwrap_or(0);
    JobId::from_uuid(uuid::Builder::from_unix_timestamp_millis(millis, &tail).into_uuid())
}
