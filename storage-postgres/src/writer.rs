//! Commits. Those to organizations that nobody holds go together in one transaction, which waits for nobody; the others
//! apart, those of a home together.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use roster_core::gather::{Gather, Limits, NoAnswer};
use roster_core::home::Home;
use roster_core::store::{ChangeSet, CommitError, Committed, StoreClock, StoreError, StoreErrorKind};
use sqlx::PgConnection;
use tokio::time::timeout;

use crate::commit::{self, Outcome};
use crate::config::PostgresConfig;
use crate::error::Fault;
use crate::log::{self, Place};
use crate::pool::{CALL_LIMIT, Pool};
use crate::session::{Session, WRITE};
use crate::store::{GROUP, WAITING, busy, lost};

/// The most change sets that one transaction carries.
const MAX_SETS: usize = 500;
/// How often a commit whose answer was lost is sent again: the store knows its id.
const RESENDS: u32 = 2;
/// How often homes are made that are gone when they are to be held.
const MAKINGS: u32 = 3;
/// Groups of commits to several homes that are under way at a time.
const GROUPS: usize = 2;
/// How long what leads to a COMMIT together may take, before each goes apart.
const TOGETHER: Duration = Duration::from_secs(5);

/// Whoever commits.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    base: Base,
    /// Commits to homes that nobody holds.
    together: Arc<Gather<ChangeSet, Option<Outcome>>>,
    /// The others: a home that is held elsewhere delays nobody but those who commit to it.
    apart: Arc<Gather<ChangeSet, Outcome>>,
}

#[derive(Clone, Debug)]
struct Base {
    pool: Pool,
    clock: StoreClock,
}

impl Writer {
    /// On a pool, by a clock.
    pub(crate) fn new(pool: Pool, clock: StoreClock, config: &PostgresConfig) -> Self {
        let base = Base { pool, clock };
        let (freely, surely) = (base.clone(), base.clone());
        let commit_free = move |sets: Vec<ChangeSet>| {
            let base = freely.clone();
            async move { base.commit_free(sets).await }
        };
        let commit = move |sets: Vec<ChangeSet>| {
            let base = surely.clone();
            async move { base.commit_surely(&sets).await }
        };
        let patience = config.acquire_timeout;
        let limits = |groups, lanes| Limits { groups, questions: GROUP, lanes, waiting: WAITING, patience };
        let connections = usize::try_from(config.connections).unwrap_or(usize::MAX);
        let together = Gather::new(limits(GROUPS, GROUP), |set| Some(&set.home), commit_free);
        let apart = Gather::new(limits(connections, 1), |set: &ChangeSet| Some(&set.home), commit);
        Self { base, together, apart }
    }

    /// Waits until nothing is under way.
    pub(crate) async fn rest(&self) {
        self.together.rest().await;
        self.apart.rest().await;
    }

    /// With others, or apart from them.
    pub(crate) async fn commit(&self, set: ChangeSet) -> Outcome {
        let mut unknown = None;
        // Others are made by their first commit, and seldom written to by two at a time.
        if matches!(set.home, Home::Organization(_)) && set.check().is_ok() {
            let told = self.together.ask(vec![set.clone()]).await.map_err(no_outcome)?;
            match told.into_iter().next().flatten() {
                Some(outcome) if is_unknown(&outcome) => unknown = Some(outcome),
                Some(outcome) => return outcome,
                None => {}
            }
        }
        let told = match self.apart.ask(vec![set]).await {
            Ok(told) => told.into_iter().next().unwrap_or_else(|| Err(lost("commit").into())),
            Err(why) => Err(no_outcome(why)),
        };
        match unknown {
            Some(unknown) if !is_known(&told) => unknown,
            _ => told,
        }
    }

    /// Many that come together; none after those that the store gave no answer to.
    pub(crate) async fn commit_all(&self, sets: &[ChangeSet]) -> Vec<Outcome> {
        let mut outcomes: Vec<Outcome> = Vec::with_capacity(sets.len());
        for chunk in sets.chunks(MAX_SETS) {
            if outcomes.last().is_some_and(|last| !is_known(last)) {
                outcomes.extend(chunk.iter().map(|_| Err(not_sent().into())));
            } else {
                outcomes.extend(self.base.commit_surely(chunk).await);
            }
        }
        outcomes
    }
}

impl Base {
    /// Sets in one transaction, each by itself. Where one of them spoils it, each in a transaction of its own, and none after
    /// one that the store gave no answer to: sent again, that one would come behind them.
    async fn commit_sets(&self, sets: &[ChangeSet]) -> Vec<Outcome> {
        let mut done = self.transact(sets).await;
        if matches!(&done, Err(Failed::Before(fault)) if fault.is_of_prepared()) {
            // Nothing was sent to COMMIT, and the connection is gone.
            done = self.transact(sets).await;
        }
        match done {
            Ok(outcomes) => outcomes,
            Err(Failed::Before(fault)) if fault.is_of_one_set() && sets.len() > 1 => {
                let mut outcomes = Vec::with_capacity(sets.len());
                for set in sets {
                    if outcomes.last().is_some_and(is_unanswered) {
                        outcomes.push(Err(not_sent().into()));
                        continue;
                    }
                    let alone = std::slice::from_ref(set);
                    outcomes.extend(self.transact(alone).await.unwrap_or_else(|failed| failed.of(alone)));
                }
                outcomes
            }
            Err(failed) => failed.of(sets),
        }
    }

    /// The same; sets of which nobody knows are sent again, since the store knows their ids.
    async fn commit_surely(&self, sets: &[ChangeSet]) -> Vec<Outcome> {
        let mut outcomes = self.commit_sets(sets).await;
        for n in 1..=RESENDS {
            let unknown: Vec<usize> = (0..sets.len()).filter(|n| is_unknown(&outcomes[*n])).collect();
            if unknown.is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(u64::from(n) * 100)).await;
            let again: Vec<ChangeSet> = unknown.iter().map(|n| sets[*n].clone()).collect();
            for (n, told) in unknown.into_iter().zip(self.commit_sets(&again).await) {
                if is_known(&told) {
                    outcomes[n] = told;
                }
            }
        }
        outcomes
    }

    /// Sets to homes that nobody holds, in one transaction, which waits for nobody. `None` for those that are to go apart:
    /// their home is held elsewhere or was never made, or one of them spoils it for all. Of what was sent to COMMIT and not
    /// answered nobody knows; that is found out apart too.
    async fn commit_free(&self, sets: Vec<ChangeSet>) -> Vec<Option<Outcome>> {
        let many = sets.len();
        let mut told: Vec<Option<Outcome>> = (0..many).map(|_| None).collect();
        let Free { session, places, outcomes } = match timeout(TOGETHER, self.prepare_free(sets)).await {
            Ok(Ok(Some(free))) => free,
            Ok(Ok(None)) | Err(_) => return told,
            Ok(Err(fault)) if fault.is_of_one_set() || fault.is_broken_connection() => return told,
            Ok(Err(fault)) => return (0..many).map(|_| Some(Err(fault.during("commit").into()))).collect(),
        };
        let outcomes = if outcomes.iter().any(|outcome| matches!(outcome, Ok(Committed::Now(_)))) {
            match session.commit().await {
                Ok(()) => outcomes,
                Err(error) => {
                    let unknown = Fault::from(error).at_commit();
                    outcomes.iter().map(|_| Err(unknown.clone().into())).collect()
                }
            }
        } else {
            session.roll_back().await;
            outcomes
        };
        for (place, outcome) in places.into_iter().zip(outcomes) {
            told[place] = Some(outcome);
        }
        told
    }

    async fn prepare_free(&self, sets: Vec<ChangeSet>) -> Result<Option<Free>, Fault> {
        let homes: BTreeMap<String, &Home> =
            sets.iter().map(|set| (set.home.to_string(), &set.home)).collect();
        let mut session = Session::begin(&self.pool, WRITE).await?;
        let applied = match log::hold_free(session.connection(), &homes).await {
            Ok(held) => {
                let (places, sets): (Vec<usize>, Vec<ChangeSet>) =
                    sets.iter().cloned().enumerate().filter(|(_, set)| held.contains_key(&set.home)).unzip();
                let outcomes = match sets.as_slice() {
                    [] => Ok(Vec::new()),
                    some => commit::apply(session.connection(), some, held, &self.clock).await,
                };
                outcomes.map(|outcomes| (places, outcomes))
            }
            Err(fault) => Err(fault),
        };
        match applied {
            Ok((places, outcomes)) if !places.is_empty() => Ok(Some(Free { session, places, outcomes })),
            Ok(_) => {
                session.roll_back().await;
                Ok(None)
            }
            Err(fault) => {
                session.roll_back_after(&fault).await;
                Err(fault)
            }
        }
    }

    async fn transact(&self, sets: &[ChangeSet]) -> Result<Vec<Outcome>, Failed> {
        let late = |_| Failed::Before(Fault::NoConnection(sqlx::Error::Io(ErrorKind::TimedOut.into())));
        let (session, outcomes) = timeout(CALL_LIMIT, self.prepare(sets)).await.map_err(late)??;
        if !outcomes.iter().any(|outcome| matches!(outcome, Ok(Committed::Now(_)))) {
            session.roll_back().await;
            return Ok(outcomes);
        }
        // Nobody is told anything that rests on a set which may not be there.
        session.commit().await.map_err(|error| Failed::AtCommit(error.into()))?;
        Ok(outcomes)
    }

    /// Everything but the COMMIT.
    async fn prepare(&self, sets: &[ChangeSet]) -> Result<(Session, Vec<Outcome>), Failed> {
        let (mut session, places) = self.hold(sets).await.map_err(Failed::Before)?;
        match commit::apply(session.connection(), sets, places, &self.clock).await {
            Ok(outcomes) => Ok((session, outcomes)),
            Err(fault) => {
                session.roll_back_after(&fault).await;
                Err(Failed::Before(fault))
            }
        }
    }

    /// A transaction that holds the homes of the sets. Those that are missing are made before any is held, so that
    /// no two who make and hold wait for each other.
    async fn hold(&self, sets: &[ChangeSet]) -> Result<(Session, BTreeMap<Home, Place>), Fault> {
        let homes: BTreeMap<String, &Home> = sets
            .iter()
            .filter(|set| set.check().is_ok())
            .map(|set| (set.home.to_string(), &set.home))
            .collect();
        let mut session = Session::begin(&self.pool, WRITE).await?;
        let mut found = log::hold(session.connection(), &homes).await;
        if let Ok(places) = &found
            && places.len() < homes.len()
        {
            if !places.is_empty() {
                session.roll_back().await;
                session = Session::begin(&self.pool, WRITE).await?;
            }
            found = make_and_hold(session.connection(), &homes).await;
        }
        match found {
            Ok(places) => Ok((session, places)),
            Err(fault) => {
                session.roll_back_after(&fault).await;
                Err(fault)
            }
        }
    }
}

/// Some of many sets in a transaction of their own, before its COMMIT.
struct Free {
    session: Session,
    /// Which of the many they are.
    places: Vec<usize>,
    outcomes: Vec<Outcome>,
}

/// Why a transaction came to nothing, or perhaps not.
enum Failed {
    Before(Fault),
    AtCommit(Fault),
}

impl Failed {
    /// What all the sets are told.
    fn of(&self, sets: &[ChangeSet]) -> Vec<Outcome> {
        let error = match self {
            Self::Before(fault) => fault.during("commit"),
            Self::AtCommit(fault) => fault.at_commit(),
        };
        sets.iter().map(|_| Err(error.clone().into())).collect()
    }
}

/// One that was there when it was to be made may be forgotten before it is held, so it is tried again.
async fn make_and_hold(
    connection: &mut PgConnection,
    homes: &BTreeMap<String, &Home>,
) -> Result<BTreeMap<Home, Place>, Fault> {
    let mut held = BTreeMap::new();
    for _ in 0..MAKINGS {
        log::make(connection, homes).await?;
        held = log::hold(connection, homes).await?;
        if held.len() == homes.len() {
            break;
        }
    }
    Ok(held)
}

fn no_outcome(why: NoAnswer) -> CommitError {
    match why {
        NoAnswer::Unsent => busy("commit").into(),
        NoAnswer::HalfWay => lost("commit").into(),
    }
}

fn not_sent() -> StoreError {
    let detail = "not sent: the store did not answer the one before".to_owned();
    StoreError { kind: StoreErrorKind::Unavailable, operation: "commit_all", detail }
}

fn is_unknown(outcome: &Outcome) -> bool {
    matches!(outcome, Err(CommitError::Store(error)) if error.kind == StoreErrorKind::OutcomeUnknown)
}

/// Whether the store did not say what became of a set. That it was in another's way is an answer: it was not done.
fn is_unanswered(outcome: &Outcome) -> bool {
    let no_answer = [StoreErrorKind::OutcomeUnknown, StoreErrorKind::Unavailable];
    matches!(outcome, Err(CommitError::Store(error)) if no_answer.contains(&error.kind))
}

/// Whether an answer to a set that was sent again says how it went: one that the store could not be asked says nothing.
fn is_known(outcome: &Outcome) -> bool {
    !matches!(outcome, Err(CommitError::Store(error)) if error.kind != StoreErrorKind::Corrupt)
}
