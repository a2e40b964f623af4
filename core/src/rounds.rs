//! What nobody waits for, done once an hour, home by home and a little at a time, by whoever works: receipts that count no
//! more are taken away, which gives back their room, and what was uploaded for jobs that never came about; what a death between an
//! act and what comes after it has left behind is done: owners who do not follow their trait are looked for again, and whoever names
//! a role that was replaced is written anew.

use std::time::Duration;

use uuid::Uuid;

use crate::actor::Actor;
use crate::facts::Request;
use crate::flows::{map_lagging_owners, tidy_roles};
use crate::home::{Home, Key, Record};
use crate::id::{JobId, Version};
use crate::model::{JobPartId, JobSide, ReceiptId};
use crate::op::{Roster, run};
use crate::ops::job::DropParts;
use crate::ops::receipt::DropReceipts;
use crate::refusal::OpError;
use crate::stop::Stop;
use crate::store::StoreError;

/// Pause between two rounds.
const EVERY: Duration = Duration::from_hours(1);
/// Homes that are looked at together, and the pause after that: a round over very many takes long rather than all of the
/// store.
const PAGE: u16 = 100;
const PAUSE: Duration = Duration::from_millis(50);
/// An upload has ended, one way or another, after so many seconds.
const UPLOAD_SECONDS: i64 = 2 * 3_600;
/// How many receipts or parts one commit takes away.
const AT_ONCE: u16 = 200;

/// What a round has done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Round {
    /// How many receipts were taken away.
    pub receipts: usize,
    /// How many parts of uploads were taken away.
    pub parts: usize,
    /// How many posts are another's now.
    pub owners: usize,
    /// How many replaced roles were looked after.
    pub roles: usize,
}

/// Makes its rounds until the word to stop is given.
pub async fn make_rounds(roster: &Roster, stop: &Stop) {
    let rounds = async {
        loop {
            if let Err(error) = make_round(roster).await {
                tracing::warn!(%error, "an hourly round is not whole; trying again");
            }
            tokio::time::sleep(EVERY).await;
        }
    };
    tokio::select! {
        () = stop.heard() => {}
        () = rounds => {}
    }
}

/// One round. A home where it fails keeps none of the others; its error comes last.
pub async fn make_round(roster: &Roster) -> Result<Round, OpError> {
    let (mut round, mut failed) = (Round::default(), None);
    // In the order of homes, all others with a log come after the feed.
    let (mut homes, mut after) = (vec![Home::Deployment], Home::Feed);
    loop {
        // Where even that cannot be told, each home is looked at, and says what is wrong with it.
        let without_receipts = roster.store.without_receipts(&homes).await.unwrap_or_default();
        for home in &homes {
            let may_hold = !without_receipts.contains(home);
            if let Err(error) = look_at(roster, home, may_hold, &mut round).await {
                tracing::warn!(%error, %home, "the hourly round of a home is not whole");
                failed = Some(error);
            }
        }
        let ends = roster.store.ends(&after, PAGE).await?;
        let Some((last, _)) = ends.last() else { return failed.map_or(Ok(round), Err) };
        after = last.clone();
        homes = ends.into_iter().map(|(home, _)| home).collect();
        tokio::time::sleep(PAUSE).await;
    }
}

async fn look_at(
    roster: &Roster,
    home: &Home,
    may_hold_receipts: bool,
    round: &mut Round,
) -> Result<(), OpError> {
    if may_hold_receipts {
        round.receipts += drop_in(roster, home).await?;
    }
    if let Home::Organization(organization) = home {
        round.parts += drop_uploads(roster, home).await?;
        round.owners += map_lagging_owners(roster, *organization).await?;
        let system = Request::new(Actor::System, roster.entropy.as_ref());
        round.roles += tidy_roles(roster, &system, *organization).await?;
    }
    Ok(())
}

/// Takes away what was uploaded for jobs that are not there and will not be.
async fn drop_uploads(roster: &Roster, home: &Home) -> Result<usize, OpError> {
    let none = JobPartId { job: JobId::from_uuid(Uuid::nil()), side: JobSide::Foreseen, n: 0 };
    let mut after = Key::JobPart(none);
    let mut dropped = 0;
    loop {
        // Most jobs are there: one part of each tells.
        let Some((part, version)) = parts(roster, home, &after, 1).await?.pop() else { return Ok(dropped) };
        let read = roster.store.read(home, &[Key::Job(part.job)], &[]).await?;
        let by = u64::try_from(read.now().plus_seconds(-UPLOAD_SECONDS).micros() / 1_000).unwrap_or(0);
        after = Key::JobPart(JobPartId { side: JobSide::Results, n: u32::MAX, ..part });
        if !read.records.is_empty() || version.unix_millis() > by {
            continue;
        }
        let mut ids = vec![part];
        while !ids.is_empty() {
            let last = ids[ids.len() - 1];
            let system = Request::new(Actor::System, roster.entropy.as_ref());
            let operation = DropParts { home: home.clone(), job: part.job, parts: ids };
            dropped += run(roster, &system, &operation).await?.output;
            let more = parts(roster, home, &Key::JobPart(last), AT_ONCE).await?;
            ids = more.into_iter().map(|(id, _)| id).filter(|id| id.job == part.job).collect();
        }
    }
}

/// Parts of jobs in a home after a key, with their versions.
async fn parts(
    roster: &Roster,
    home: &Home,
    after: &Key,
    limit: u16,
) -> Result<Vec<(JobPartId, Version)>, StoreError> {
    let found = roster.store.records(home, Some(after), limit).await?;
    let parts = found.into_iter().map_while(|stored| match stored.record {
        Record::JobPart(part) => Some((part.id, stored.version)),
        _ => None,
    });
    Ok(parts.collect())
}

async fn drop_in(roster: &Roster, home: &Home) -> Result<usize, OpError> {
    let mut after = Key::Receipt(ReceiptId([0; 32]));
    let (mut dropped, mut limit) = (0, 1);
    loop {
        // One record tells whether there is any.
        let found = roster.store.records(home, Some(&after), limit).await?;
        let whole = found.len() == usize::from(limit);
        let receipts = found.into_iter().map_while(|stored| match stored.record {
            Record::Receipt(receipt) => Some(receipt),
            _ => None,
        });
        let receipts: Vec<_> = receipts.collect();
        let Some(last) = receipts.last() else { return Ok(dropped) };
        let more = whole && receipts.len() == usize::from(limit);
        after = Key::Receipt(last.id);
        let now = roster.store.read(home, &[], &[]).await?.now();
        let ids: Vec<ReceiptId> =
            receipts.iter().filter(|receipt| !receipt.is_live(now)).map(|receipt| receipt.id).collect();
        if !ids.is_empty() {
            let system = Request::new(Actor::System, roster.entropy.as_ref());
            dropped += run(roster, &system, &DropReceipts { home: home.clone(), ids }).await?.output;
        }
        if !more {
            return Ok(dropped);
        }
        limit = AT_ONCE;
    }
}
