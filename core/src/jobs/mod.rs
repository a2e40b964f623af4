//! The worker: takes jobs under a lease, does them chunk by chunk, and leaves each where another can go on.
//!
//! What a job did and how far it has come stand in the same commit wherever both lie in one home; where they do not,
//! its acts answer the same when they are done again. So a worker that dies, or wakes up after another has taken over,
//! changes nothing twice.

mod bulk;
mod erase;
mod import;
mod import_accounts;
mod invited;
mod map_owners;
mod queue;
mod reassign;
mod refresh_cards;
mod remove_everywhere;
mod replay;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex as Turn, Notify, OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, JoinSet};
use uuid::Uuid;

use self::queue::Queue;
use crate::actor::Actor;
use crate::facts::Request;
use crate::home::{Home, Key, Record};
use crate::id::JobId;
use crate::known::Known;
use crate::model::{DirectoryEntry, DirectoryId, Job, JobPartId, JobSide, PartContent, Work};
use crate::observe::Observer;
use crate::op::{Operation, Roster, run};
use crate::ops::job::{Advance, AdvanceJob, ClearParts, Ending, RowDone, RowInJob, TakeJob, Taken};
use crate::ops::pointer::{DEAD_AFTER, PutDirectoryEntry, RemoveDirectoryEntry};
use crate::refusal::OpError;
use crate::stop::Stop;
use crate::store::StoreErrorKind;

/// How often a worker looks for jobs that others asked for.
const LOOK: Duration = Duration::from_secs(2);
/// How many jobs one worker does at a time.
const AT_A_TIME: usize = 4;
/// How many of these may be such as are stopped or given up: there is always a place for what must end, such as the sweep
/// after a removal from everything, however long imports take.
const NOT_PRESSING: usize = 3;
/// The longest wait between two attempts, in seconds.
const LONGEST_WAIT: i64 = 300;

/// Does jobs until it is told to stop.
#[derive(Clone, Debug)]
pub struct Worker {
    roster: Roster,
    wake: Arc<Notify>,
    busy: Arc<Mutex<BTreeSet<JobId>>>,
    queue: Arc<Turn<Queue>>,
    room: Arc<Semaphore>,
}

impl Worker {
    /// A worker on a store. `wake` tells it that a job was asked for in this process.
    pub fn new(roster: Roster, wake: Arc<Notify>) -> Self {
        let room = Arc::new(Semaphore::new(NOT_PRESSING));
        Self { roster, wake, busy: Arc::default(), queue: Arc::default(), room }
    }

    /// Works until the word to stop is given; then every job at hand is left at the end of its chunk, its lease released.
    pub async fn work(&self, stop: Stop) {
        let mut at_hand = JoinSet::new();
        loop {
            while let Some(ended) = at_hand.try_join_next() {
                heard(ended);
            }
            if stop.is_given() {
                break;
            }
            if let Err(error) = self.look(&mut at_hand, &stop).await {
                tracing::warn!(%error, "jobs cannot be looked for; trying again");
            }
            tokio::select! {
                () = self.wake.notified() => {}
                Some(ended) = at_hand.join_next() => heard(ended),
                () = tokio::time::sleep(LOOK) => {}
                () = stop.heard() => {}
            }
        }
        while at_hand.join_next().await.is_some() {}
    }

    /// Does everything that can be done now, and answers when nothing is left that this worker could take.
    pub async fn work_off(&self) -> Result<(), OpError> {
        let never = Stop::default();
        loop {
            let mut at_hand = JoinSet::new();
            self.look(&mut at_hand, &never).await?;
            if at_hand.is_empty() {
                return Ok(());
            }
            while at_hand.join_next().await.is_some() {}
        }
    }

    /// Takes what waits, as much as there is room for.
    async fn look(&self, at_hand: &mut JoinSet<()>, stop: &Stop) -> Result<(), OpError> {
        let mut queue = self.queue.lock().await;
        queue.refresh(self.roster.store.as_ref()).await?;
        for id in queue.ready() {
            if at_hand.len() >= AT_A_TIME || stop.is_given() {
                break;
            }
            let room = if queue.must_end(id) {
                None
            } else {
                let Ok(room) = Arc::clone(&self.room).try_acquire_owned() else { continue };
                Some(room)
            };
            // What is wrong with one does not keep the others waiting.
            if let Err(error) = self.attend(&mut queue, (id, room), at_hand, stop).await {
                tracing::warn!(%error, "a job cannot be taken; trying again");
            }
        }
        let busy = self.busy().clone();
        Ok(queue.tell(self.roster.store.as_ref(), &busy, self.roster.observer.as_ref()).await?)
    }

    async fn attend(
        &self,
        queue: &mut Queue,
        (id, room): (JobId, Option<OwnedSemaphorePermit>),
        at_hand: &mut JoinSet<()>,
        stop: &Stop,
    ) -> Result<(), OpError> {
        let Some(open) = queue.get(id).cloned() else { return Ok(()) };
        if !self.busy().insert(id) {
            return Ok(());
        }
        let place = Busy { id, busy: Arc::clone(&self.busy) };
        let (home, observer) = (open.home, &self.roster.observer);
        let system = Request::new(Actor::System, self.roster.entropy.as_ref());
        let holder = system.seed.uuid("holder");
        let take = TakeJob { home: home.clone(), id, holder };
        match run(&self.roster, &system, &take).await?.output {
            Taken::Mine(job) => {
                let at_work = AtWork::on(&job, observer);
                let held = Held { roster: self.roster.clone(), home, holder, stop: stop.clone() };
                at_hand.spawn(async move {
                    Box::pin(held.do_it(*job)).await;
                    drop((place, at_work, room));
                });
            }
            Taken::NotNow(later) => queue.later(id, later),
            Taken::Ended(kind, status) => {
                observer.job_ended(kind, status.name());
                file_away(&self.roster, &system, id, &home).await?;
                queue.drop(id);
            }
            Taken::Finished => {
                file_away(&self.roster, &system, id, &home).await?;
                queue.drop(id);
            }
            Taken::Missing => {
                let made_at = i64::try_from(open.version.unix_millis()).unwrap_or(i64::MAX);
                if queue.now().micros() / 1_000 > made_at.saturating_add(DEAD_AFTER * 1_000) {
                    let entry = DirectoryId::Job(id);
                    let operation = RemoveDirectoryEntry { id: entry, version: open.version };
                    run(&self.roster, &system.step("dead"), &operation).await?;
                    queue.drop(id);
                }
            }
        }
        Ok(())
    }

    fn busy(&self) -> std::sync::MutexGuard<'_, BTreeSet<JobId>> {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A job that fell over is taken again when its lease has ended.
fn heard(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(panicked = error.is_panic(), "work on a job fell over");
    }
}

/// A job that this process is at.
#[derive(Debug)]
struct Busy {
    id: JobId,
    busy: Arc<Mutex<BTreeSet<JobId>>>,
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

/// Counted while it is there.
#[derive(Debug)]
struct AtWork {
    kind: &'static str,
    observer: Arc<dyn Observer>,
}

impl AtWork {
    fn on(job: &Job, observer: &Arc<dyn Observer>) -> Self {
        let kind = job.work.kind();
        observer.job_taken(kind, job.attempts > 1);
        Self { kind, observer: Arc::clone(observer) }
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.observer.job_left(self.kind);
    }
}

/// What it was to take is kept no longer, and lists of open jobs do not show it any more.
async fn file_away(roster: &Roster, request: &Request, id: JobId, home: &Home) -> Result<(), OpError> {
    for n in 0.. {
        let clear = ClearParts { home: home.clone(), id, n };
        if !run(roster, &request.as_system(&format!("clear {n}")), &clear).await?.output {
            break;
        }
    }
    let entry = PutDirectoryEntry { entry: DirectoryEntry::of_ended_job(id, home), anew: false };
    run(roster, &request.as_system("file away"), &entry).await.map(|_| ())
}

/// Why work on a job stops before its end.
#[derive(Debug)]
enum Interrupted {
    /// Another worker has it, or it was ended.
    Lost,
    /// The process is to stop.
    Stopped,
    /// It cannot go on before so many seconds have passed.
    Early(i64),
    /// It can never be done, for this reason.
    Hopeless(String),
    /// Something failed that may go better next time.
    Failed(OpError),
}

impl From<OpError> for Interrupted {
    fn from(error: OpError) -> Self {
        Self::Failed(error)
    }
}

impl From<crate::store::StoreError> for Interrupted {
    fn from(error: crate::store::StoreError) -> Self {
        Self::Failed(error.into())
    }
}

/// A job that this worker holds.
#[derive(Clone, Debug)]
struct Held {
    roster: Roster,
    home: Home,
    holder: Uuid,
    stop: Stop,
}

impl Held {
    async fn do_it(&self, job: Job) {
        let (id, attempts) = (job.id, job.attempts);
        let system = Request::new(Actor::System, self.roster.entropy.as_ref());
        let work = job.work.clone();
        tracing::info!(job = %id, kind = work.kind(), attempt = attempts, request_id = job.request_id, "a job is taken");
        let outcome = match &work {
            Work::RemoveEverywhere { user, epoch } => self.remove_everywhere(job, *user, *epoch).await,
            Work::MapOwners { organization } => self.map_owners(job, *organization).await,
            Work::ReplayLetters { source } => self.replay_letters(job, *source).await,
            Work::ReassignRecords { organization, number } => {
                self.reassign(job, *organization, *number).await
            }
            Work::EraseUser { user, epoch } => self.erase(job, *user, *epoch).await,
            Work::RefreshCards { user } => self.refresh_cards(job, *user).await,
            Work::Bulk { organization, action } => self.bulk(job, *organization, action).await,
            Work::ImportMembers { organization, create_accounts, dry_run } => {
                let options = crate::flows::import::ImportOptions {
                    create_accounts: *create_accounts,
                    dry_run: *dry_run,
                };
                Box::pin(self.import(job, *organization, options)).await
            }
            Work::ImportAccounts { organization, dry_run } => {
                self.import_accounts(job, *organization, *dry_run).await
            }
        };
        let ending = match outcome {
            Ok(()) => Ending::Done,
            Err(Interrupted::Lost) => {
                self.file_away_if_ended(&system, id).await;
                return;
            }
            Err(Interrupted::Stopped) => Ending::Released { after: 0, why: None },
            Err(Interrupted::Early(after)) => Ending::Released { after, why: None },
            Err(Interrupted::Hopeless(why)) => Ending::Failed(why),
            Err(Interrupted::Failed(error)) => {
                tracing::warn!(job = %id, %error, "a job is left for another attempt");
                let after = (1_i64 << attempts.min(8)).min(LONGEST_WAIT);
                Ending::Released { after, why: Some(said_of(&error)) }
            }
        };
        let said = self.say(&system, id, Advance { ending, ..Advance::default() }).await;
        if let Err(error) = said {
            // Its lease ends by itself.
            tracing::warn!(job = %id, ?error, "the end of a job's work could not be written down");
        }
        self.file_away_if_ended(&system, id).await;
    }

    async fn file_away_if_ended(&self, system: &Request, id: JobId) {
        let read = self.roster.store.read(&self.home, &[Key::Job(id)], &[]).await;
        let ended = read.is_ok_and(|read| {
            matches!(
                read.records.get(&Key::Job(id)).map(|stored| &stored.record),
                Some(Record::Job(job)) if job.status.is_finished()
            )
        });
        if ended && let Err(error) = file_away(&self.roster, system, id, &self.home).await {
            // Whoever looks for open jobs next does it.
            tracing::debug!(job = %id, %error, "a job that has ended is still listed as open");
        }
    }

    /// Writes down what was done. The job after it.
    async fn say(&self, request: &Request, id: JobId, advance: Advance) -> Result<Job, Interrupted> {
        let going_on = matches!(advance.ending, Ending::GoOn | Ending::Renewed);
        let operation = AdvanceJob { home: self.home.clone(), id, holder: self.holder, advance };
        match run(&self.roster, &request.as_system("advance"), &operation).await?.output {
            Some(job) if going_on => self.going_on(*job),
            Some(job) => {
                self.heard_of(&job);
                Ok(*job)
            }
            None => Err(Interrupted::Lost),
        }
    }

    /// An act on an item, with its outcome. A refusal is counted as one, though it is an outcome.
    async fn row<O: Operation>(&self, request: &Request, row: &RowInJob<O>) -> Result<RowDone, OpError> {
        let done = run(&self.roster, request, row).await?.output;
        if let Some(code) = done.refused {
            self.roster.observer.refused(row.name(), code);
        }
        Ok(done)
    }

    /// The job, if it is still to be worked on by this process.
    fn going_on(&self, job: Job) -> Result<Job, Interrupted> {
        self.heard_of(&job);
        if job.status.is_finished() || job.lease.is_none_or(|lease| lease.holder != self.holder) {
            Err(Interrupted::Lost)
        } else if self.stop.is_given() {
            Err(Interrupted::Stopped)
        } else {
            Ok(job)
        }
    }

    /// A job that was written by this worker may have ended with that.
    fn heard_of(&self, job: &Job) {
        if job.status.is_finished() {
            let (kind, status) = (job.work.kind(), job.status.name());
            tracing::info!(job = %job.id, kind, status, request_id = job.request_id, "a job has ended");
            self.roster.observer.job_ended(kind, status);
        }
    }

    /// Items of a part, none behind the last.
    async fn items(&self, job: JobId, n: u64) -> Result<Vec<String>, Interrupted> {
        match self.part(job, JobSide::Input, n).await? {
            Some(PartContent::Items(items)) => Ok(items),
            Some(PartContent::Outcomes(_)) | None => Ok(Vec::new()),
        }
    }

    async fn part(&self, job: JobId, side: JobSide, n: u64) -> Result<Option<PartContent>, Interrupted> {
        let n = u32::try_from(n).unwrap_or(u32::MAX);
        let key = Key::JobPart(JobPartId { job, side, n });
        let mut read = self.roster.store.read(&self.home, std::slice::from_ref(&key), &[]).await?;
        Ok(match read.records.remove(&key).map(|stored| stored.record) {
            Some(Record::JobPart(part)) => Some(part.content),
            _ => None,
        })
    }
}

/// Why a job did not get on, for whoever may see it: a code, and what there is to do. What a store says is for the log.
fn said_of(error: &OpError) -> String {
    let words = match error {
        OpError::Store(failure) => match failure.kind {
            StoreErrorKind::Unavailable => "the store cannot be reached".to_owned(),
            StoreErrorKind::Busy => "the store has too much to do".to_owned(),
            StoreErrorKind::OutcomeUnknown => "the store did not answer".to_owned(),
            StoreErrorKind::Corrupt => "something in the store cannot be read; the log says what".to_owned(),
        },
        OpError::Refused(_) | OpError::Busy | OpError::Lost | OpError::Replay(_) => error.to_string(),
    };
    format!("{}: {words}", error.code())
}

/// The request by which a job acts: as whoever asked for it, with ids of its own.
pub(crate) fn as_asked(roster: &Roster, job: &Job) -> Request {
    Request {
        actor: job.actor,
        cuts: 0,
        request_id: job.request_id.clone(),
        reason: job.reason.clone(),
        seed: roster.seed(job.seed, job.seed_millis),
        if_match: None,
        receipt: None,
        known: Known::default(),
        fence: None,
        opening: None,
    }
}
