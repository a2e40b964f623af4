//! What time has ended is written down as ended, organization by organization, by whoever works: so that the audit trail,
//! events and webhooks tell of it although nobody acts there. Time has ended it already, whether or not anybody came by.

use std::time::{Duration, Instant};

use crate::actor::Actor;
use crate::facts::Request;
use crate::home::{Home, Key};
use crate::listing::{Listing, PageRequest};
use crate::op::{Roster, lapse_with_keys, run};
use crate::refusal::OpError;
use crate::settle::SettleDue;
use crate::stop::Stop;
use crate::store::StoreError;
use crate::time::Timestamp;

/// Pause between two rounds, at least; where there is much to look at, so many times what a round takes, and at most that.
const LEAST: Duration = Duration::from_secs(5);
const TIMES: u32 = 20;
const MOST: Duration = Duration::from_mins(5);
/// Organizations that are looked at together, and the pause after that.
const PAGE: u16 = 100;
const PAUSE: Duration = Duration::from_millis(50);
/// How much is written down in one commit.
const AT_ONCE: u16 = 100;

/// Makes its rounds until the word to stop is given.
pub async fn keep_settling(roster: &Roster, stop: &Stop) {
    let rounds = async {
        loop {
            let began = Instant::now();
            if let Err(error) = settle_due(roster).await {
                tracing::warn!(%error, "what has ended cannot be written down; trying again");
            }
            tokio::time::sleep((began.elapsed() * TIMES).clamp(LEAST, MOST)).await;
        }
    };
    tokio::select! {
        () = stop.heard() => {}
        () = rounds => {}
    }
}

/// One round: how much was written down. An organization where that fails keeps none of the others; its error comes last.
pub async fn settle_due(roster: &Roster) -> Result<usize, OpError> {
    let (mut settled, mut failed) = (0, None);
    // In the order of homes, organizations come after the feed, and others with a log after them.
    let mut after = Home::Feed;
    loop {
        let ends = roster.store.ends(&after, PAGE).await?;
        let now = roster.store.read(&Home::Deployment, &[], &[]).await?.now();
        let Some((last, _)) = ends.last() else { break };
        after = last.clone();
        let homes = ends.iter().map(|(home, _)| home);
        for home in homes.take_while(|home| matches!(home, Home::Organization(_))) {
            match settle_in(roster, home, now).await {
                Ok(some) => settled += some,
                Err(error) => {
                    tracing::warn!(%error, %home, "what has ended in a home cannot be written down");
                    failed = Some(error);
                }
            }
        }
        if !matches!(after, Home::Organization(_)) {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    failed.map_or(Ok(settled), Err)
}

/// All that has ended in one home by an instant: how much was written down.
pub(crate) async fn settle_in(roster: &Roster, home: &Home, now: Timestamp) -> Result<usize, OpError> {
    let mut left = due_in(roster, home, now).await?;
    let mut settled = 0;
    while !left.is_empty() {
        let system = Request::new(Actor::System, roster.entropy.as_ref());
        lapse_with_keys(roster, &system, home, &left).await?;
        run(roster, &system, &SettleDue { home: home.clone(), keys: left.clone() }).await?;
        let still = due_in(roster, home, now).await?;
        settled += left.iter().filter(|key| !still.contains(key)).count();
        if still == left {
            // Its index names what has not ended: that is for `roster verify` to tell.
            break;
        }
        left = still;
    }
    Ok(settled)
}

async fn due_in(roster: &Roster, home: &Home, until: Timestamp) -> Result<Vec<Key>, StoreError> {
    let listing = Listing::Due { home: home.clone(), until };
    let found = roster.store.list(&listing, &PageRequest { after: None, limit: AT_ONCE }).await?;
    Ok(found.rows.iter().map(|row| row.stored.record.key()).collect())
}
