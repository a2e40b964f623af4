//! The one connection that writes. Calls queue; whoever gets the connection commits all that wait, in one
//! transaction, so that many commits share one fsync. Nothing is answered before COMMIT.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use roster_core::store::{ChangeSet, CommitError, Committed, StoreClock, StoreError, StoreErrorKind};
use tokio::sync::oneshot;

use crate::commit::{Outcome, apply};
use crate::error::Fault;
use crate::pool::{Held, Pool};
use crate::session::{Session, WRITE};

/// The most change sets that one transaction carries: so many pages are written once rather than with each of several.
pub(crate) const MAX_SETS: usize = 1_200;

struct Job {
    sets: Vec<ChangeSet>,
    answer: oneshot::Sender<Vec<Outcome>>,
}

/// The writer of a store.
#[derive(Debug)]
pub(crate) struct Writer {
    pool: Pool,
    clock: StoreClock,
    longest: usize,
    queue: Mutex<VecDeque<Job>>,
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Job({} sets)", self.sets.len())
    }
}

impl Writer {
    /// With a pool of one connection.
    pub(crate) fn new(pool: Pool, clock: StoreClock, longest: usize) -> Self {
        Self { pool, clock, longest, queue: Mutex::default() }
    }

    /// Its connection.
    pub(crate) const fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Commits at most [`MAX_SETS`] sets. The work goes on when the caller goes away.
    pub(crate) async fn commit(self: &Arc<Self>, sets: Vec<ChangeSet>) -> Vec<Outcome> {
        let many = sets.len();
        let (answer, outcomes) = oneshot::channel();
        match self.enqueue(Job { sets, answer }) {
            Queued::Full => {
                return vec![Err(failure(StoreErrorKind::Busy, "too many commits are waiting")); many];
            }
            Queued::First => drop(tokio::spawn(Arc::clone(self).serve())),
            Queued::Behind => {}
        }
        outcomes.await.unwrap_or_else(|_| vec![Err(half_way()); many])
    }

    fn queue(&self) -> MutexGuard<'_, VecDeque<Job>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enqueue(&self, job: Job) -> Queued {
        let mut queue = self.queue();
        if queue.len() >= self.longest {
            return Queued::Full;
        }
        queue.push_back(job);
        if queue.len() == 1 { Queued::First } else { Queued::Behind }
    }

    /// As many jobs as one transaction carries, and whether more wait.
    fn take(&self) -> (Vec<Job>, bool) {
        let mut queue = self.queue();
        let (mut jobs, mut sets) = (Vec::new(), 0);
        while let Some(job) = queue.front() {
            sets += job.sets.len();
            if sets > MAX_SETS && !jobs.is_empty() {
                break;
            }
            jobs.extend(queue.pop_front());
        }
        (jobs, !queue.is_empty())
    }

    /// Commits all that waits. Whoever queues first starts it, so that one such task is there whenever something
    /// waits, and no more than one waits for the connection: none can wait longer than one transaction takes.
    async fn serve(self: Arc<Self>) {
        let mut more = true;
        while more {
            let connection = self.pool.take().await;
            let jobs;
            (jobs, more) = self.take();
            let (sets, answers): (Vec<_>, Vec<_>) =
                jobs.into_iter().map(|job| (job.sets, job.answer)).unzip();
            let lengths: Vec<usize> = sets.iter().map(Vec::len).collect();
            let sets: Vec<ChangeSet> = sets.into_iter().flatten().collect();
            let many = sets.len();
            // In a task of its own, so that even a panic leaves this loop to those who wait.
            let work = tokio::spawn(turn(self.pool.clone(), connection, sets, self.clock.clone()));
            let mut outcomes = work.await.unwrap_or_else(|_| vec![Err(half_way()); many]);
            for (length, answer) in lengths.into_iter().zip(answers) {
                let rest = outcomes.split_off(length);
                // A caller that has gone away does not read its answer; what was done is done.
                let _gone = answer.send(std::mem::replace(&mut outcomes, rest));
            }
        }
    }
}

/// How a job was queued.
enum Queued {
    Full,
    First,
    Behind,
}

/// Sets in one transaction, each by itself. Where one of them spoils it, each in a transaction of its own.
async fn turn(
    pool: Pool,
    connection: Result<Held, sqlx::Error>,
    sets: Vec<ChangeSet>,
    clock: StoreClock,
) -> Vec<Outcome> {
    match transact(connection, &sets, &clock).await {
        Ok(outcomes) => outcomes,
        Err(fault) if fault.is_of_one_set() && sets.len() > 1 => {
            let mut outcomes = Vec::with_capacity(sets.len());
            for set in &sets {
                let alone = std::slice::from_ref(set);
                let done = transact(pool.take().await, alone, &clock).await;
                outcomes.extend(done.unwrap_or_else(|fault| all(alone, &fault.during("commit"))));
            }
            outcomes
        }
        Err(fault) => all(&sets, &fault.during("commit")),
    }
}

/// An error where nothing was sent to COMMIT.
async fn transact(
    connection: Result<Held, sqlx::Error>,
    sets: &[ChangeSet],
    clock: &StoreClock,
) -> Result<Vec<Outcome>, Fault> {
    let mut session = Session::begin_on(connection?, WRITE).await?;
    let outcomes = match apply(session.connection(), sets, clock).await {
        Ok(outcomes) => outcomes,
        Err(fault) => {
            session.roll_back().await;
            return Err(fault);
        }
    };
    if !outcomes.iter().any(|outcome| matches!(outcome, Ok(Committed::Now(_)))) {
        session.roll_back().await;
        return Ok(outcomes);
    }
    match session.commit().await {
        Ok(()) => Ok(outcomes),
        // Nobody is told anything that rests on a set which may not be there.
        Err(error) => Ok(all(sets, &Fault::from(error).at_commit())),
    }
}

fn all(sets: &[ChangeSet], error: &StoreError) -> Vec<Outcome> {
    sets.iter().map(|_| Err(error.clone().into())).collect()
}

fn half_way() -> CommitError {
    failure(StoreErrorKind::OutcomeUnknown, "the writer stopped half-way")
}

fn failure(kind: StoreErrorKind, detail: &str) -> CommitError {
    StoreError { kind, operation: "commit", detail: detail.to_owned() }.into()
}
