//! Keeps the deployment's feed: what every log comes to hold is appended to it, once, by whoever is first.
//!
//! What this process commits it knows of, and appends within a moment. What others commit they append themselves; a
//! sweep over the ends of all logs finds what was committed by a process that died before, or by one that keeps no
//! feed, such as a command. Nothing is appended in the commits themselves.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use uuid::Uuid;

use crate::actor::Actor;
use crate::facts::Request;
use crate::home::{Home, Key};
use crate::model::FeedKey;
use crate::news::end_of;
use crate::op::{Roster, run};
use crate::ops::feed::{AppendNews, TrimFeed, append, trim};
use crate::refusal::OpError;
use crate::stop::Stop;

/// For so long commits gather, so that one append serves many.
const GATHER: Duration = Duration::from_millis(100);
/// Pause between two sweeps.
const SWEEP_EVERY: Duration = Duration::from_secs(2);
/// Logs that a sweep looks at together. Who keeps the feed pauses after that, so many times as long as asking where they end
/// took, within bounds: a sweep of very many takes long rather than all of the store, and the longer the more the store has
/// to do.
const PAGE: u16 = 500;
const PAUSES: u32 = 19;
const PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);
/// Of so many logs, at the most, a process remembers how far the feed has come, at some 30 bytes each; of others every sweep
/// reads it.
const MOST_KNOWN: usize = 900_000;
/// After this it reads all of it again.
const KNOWN_FOR: Duration = Duration::from_mins(10);

/// How far the feed has come at least, of logs of people and organizations: so a sweep at rest reads no more than where each
/// log ends.
#[derive(Debug, Default)]
struct Known {
    reached: HashMap<Uuid, u64>,
    /// Where the feed itself ended when it was last looked at.
    end: u64,
}

impl Known {
    const fn id(home: &Home) -> Option<Uuid> {
        match home {
            Home::User(id) => Some(id.uuid()),
            Home::Organization(id) => Some(id.uuid()),
            _ => None,
        }
    }

    fn reaches(&self, home: &Home, end: u64) -> bool {
        Self::id(home).and_then(|id| self.reached.get(&id)).is_some_and(|reached| *reached >= end)
    }

    fn note(&mut self, home: &Home, end: u64) {
        let Some(id) = Self::id(home) else { return };
        if self.reached.len() < MOST_KNOWN || self.reached.contains_key(&id) {
            self.reached.insert(id, end);
        }
    }
}

/// Keeps the feed until told to stop; then what this process has committed is appended, and the task ends. Any number of
/// processes may keep it at the same time. The roster must be one whose store [tells](crate::observe::Observed) of its
/// commits; of any other the sweep finds them.
pub async fn keep_feed(roster: &Roster, stop: &Stop) {
    roster.news.gather();
    // What one of the two appends the other would find in its way.
    let turn = Mutex::new(());
    tokio::select! {
        () = stop.heard() => {}
        () = append_own(roster, &turn) => {}
        () = sweep(roster, &turn) => {}
    }
    append_gathered(roster).await;
}

async fn append_own(roster: &Roster, turn: &Mutex<()>) {
    loop {
        roster.news.gathered().await;
        tokio::time::sleep(GATHER).await;
        let _mine = turn.lock().await;
        append_gathered(roster).await;
    }
}

/// Where it fails, the sweep finds what was to be appended.
async fn append_gathered(roster: &Roster) {
    if let Err(error) = append_all(roster, roster.news.take_gathered()).await {
        tracing::warn!(%error, "the feed is behind");
    }
}

async fn sweep(roster: &Roster, turn: &Mutex<()>) {
    let (mut known, mut since) = (Known::default(), Instant::now());
    loop {
        let swept = sweep_in_turn(roster, turn, &mut known, Pace::Resting).await;
        if let Err(error) = &swept {
            tracing::warn!(%error, "the feed cannot be swept");
        }
        // A store that failed may have gone back to what a replica holds of it.
        if swept.is_err() || since.elapsed() > KNOWN_FOR {
            (known, since) = (Known::default(), Instant::now());
        }
        tokio::time::sleep(SWEEP_EVERY).await;
    }
}

/// Appends whatever any log holds that is not in the feed yet, and takes out what is too old.
pub async fn sweep_once(roster: &Roster) -> Result<(), OpError> {
    sweep_in_turn(roster, &Mutex::new(()), &mut Known::default(), Pace::AtOnce).await
}

/// Whether somebody waits for a sweep.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pace {
    AtOnce,
    Resting,
}

async fn sweep_in_turn(
    roster: &Roster,
    turn: &Mutex<()>,
    known: &mut Known,
    pace: Pace,
) -> Result<(), OpError> {
    let end = end_of(roster.store.as_ref(), &Home::Feed).await?;
    if end < known.end {
        // A replica has taken over that had not heard of all of it.
        *known = Known::default();
    }
    known.end = end;
    let end = end_of(roster.store.as_ref(), &Home::Deployment).await?;
    append_new(roster, BTreeMap::from([(Home::Deployment, end)]), turn).await?;
    // In the order of homes, all others with a log come after the feed.
    let mut after = Home::Feed;
    loop {
        let asked = Instant::now();
        let ends = roster.store.ends(&after, PAGE).await?;
        let took = asked.elapsed();
        let Some((last, _)) = ends.last() else { break };
        after = last.clone();
        let new: BTreeMap<Home, u64> =
            ends.into_iter().filter(|(home, end)| !known.reaches(home, *end)).collect();
        if !new.is_empty() {
            append_new(roster, new.clone(), turn).await?;
            for (home, end) in &new {
                known.note(home, *end);
            }
        }
        if pace == Pace::Resting {
            tokio::time::sleep((took * PAUSES).clamp(PAUSE, LONGEST_PAUSE)).await;
        }
    }
    while run(roster, &system(roster), &TrimFeed).await?.output == trim::MOST {}
    Ok(())
}

/// Appends those that the feed does not hold, by one look at where it is.
async fn append_new(roster: &Roster, mut ends: BTreeMap<Home, u64>, turn: &Mutex<()>) -> Result<(), OpError> {
    let _mine = turn.lock().await;
    let keys: Vec<Key> = ends.keys().map(|home| Key::Feed(FeedKey::mark(home))).collect();
    let read = roster.store.read(&Home::Feed, &keys, &[]).await?;
    ends.retain(|home, end| {
        let mark = read.records.get(&Key::Feed(FeedKey::mark(home)));
        let reached = mark.and_then(|stored| stored.record.feed_line()).map_or(0, |line| line.reached);
        reached < *end
    });
    append_all(roster, ends).await
}

async fn append_all(roster: &Roster, ends: BTreeMap<Home, u64>) -> Result<(), OpError> {
    let mut ends = ends.into_iter().peekable();
    while ends.peek().is_some() {
        let some = ends.by_ref().take(append::MOST).collect();
        run(roster, &system(roster), &AppendNews { ends: some }).await?;
    }
    Ok(())
}

fn system(roster: &Roster) -> Request {
    Request::new(Actor::System, roster.entropy.as_ref())
}
