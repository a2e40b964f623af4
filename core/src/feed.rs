//! Keeps the deployment's feed: what every log comes to hold is appended to it, once, by whoever is first.
//!
//! What this process commits it knows of, and appends within a moment. What others commit they append themselves; a
//! sweep over the ends of all logs finds what was committed by a process that died before, or by one that keeps no
//! feed, such as a command. Nothing is appended in the commits themselves.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::Mutex;

use crate::actor::Actor;
use crate::facts::Request;
use crate::home::{Home, Key};
use crate::model::FeedKey;
use crate::op::{Roster, run};
use crate::ops::feed::{AppendNews, TrimFeed, append, trim};
use crate::refusal::OpError;
use crate::stop::Stop;

/// For so long commits gather, so that one append serves many.
const GATHER: Duration = Duration::from_millis(100);
/// Pause between two sweeps.
const SWEEP_EVERY: Duration = Duration::from_secs(2);
/// Logs that a sweep looks at together, and the pause after that: a sweep of very many takes long rather than all of
/// the store.
const PAGE: u16 = 500;
const PAUSE: Duration = Duration::from_millis(20);

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
    loop {
        if let Err(error) = sweep_in_turn(roster, turn).await {
            tracing::warn!(%error, "the feed cannot be swept");
        }
        tokio::time::sleep(SWEEP_EVERY).await;
    }
}

/// Appends whatever any log holds that is not in the feed yet, and takes out what is too old.
pub async fn sweep_once(roster: &Roster) -> Result<(), OpError> {
    sweep_in_turn(roster, &Mutex::new(())).await
}

async fn sweep_in_turn(roster: &Roster, turn: &Mutex<()>) -> Result<(), OpError> {
    let end = roster.store.read(&Home::Deployment, &[], &[]).await?.head.seq;
    append_new(roster, BTreeMap::from([(Home::Deployment, end)]), turn).await?;
    // In the order of homes, all others with a log come after the feed.
    let mut after = Home::Feed;
    loop {
        let ends = roster.store.ends(&after, PAGE).await?;
        let Some((last, _)) = ends.last() else { break };
        after = last.clone();
        append_new(roster, ends.into_iter().collect(), turn).await?;
        tokio::time::sleep(PAUSE).await;
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
