//! Receipts that count no more are taken away, home by home and a few at a time, by whoever works. Time has ended them
//! already; this only gives back the room.

use std::time::Duration;

use crate::actor::Actor;
use crate::facts::Request;
use crate::home::{Home, Key, Record};
use crate::model::ReceiptId;
use crate::op::{Roster, run};
use crate::ops::receipt::DropReceipts;
use crate::refusal::OpError;
use crate::stop::Stop;

/// Pause between two rounds.
const EVERY: Duration = Duration::from_hours(1);
/// Homes that are looked at together, and the pause after that: a round over very many takes long rather than all of the
/// store.
const PAGE: u16 = 100;
const PAUSE: Duration = Duration::from_millis(50);
/// How many receipts one commit takes away.
const AT_ONCE: u16 = 200;

/// Makes its rounds until the word to stop is given.
pub async fn tidy_receipts(roster: &Roster, stop: &Stop) {
    let rounds = async {
        loop {
            if let Err(error) = drop_old_receipts(roster).await {
                tracing::warn!(%error, "old receipts cannot be taken away; trying again");
            }
            tokio::time::sleep(EVERY).await;
        }
    };
    tokio::select! {
        () = stop.heard() => {}
        () = rounds => {}
    }
}

/// One round: how many were taken away. A home where that fails keeps none of the others; its error comes last.
pub async fn drop_old_receipts(roster: &Roster) -> Result<usize, OpError> {
    let (mut dropped, mut failed) = (0, None);
    // In the order of homes, all others with a log come after the feed.
    let (mut homes, mut after) = (vec![Home::Deployment], Home::Feed);
    loop {
        for home in &homes {
            match drop_in(roster, home).await {
                Ok(some) => dropped += some,
                Err(error) => {
                    tracing::warn!(%error, %home, "old receipts of a home cannot be taken away");
                    failed = Some(error);
                }
            }
        }
        let ends = roster.store.ends(&after, PAGE).await?;
        let Some((last, _)) = ends.last() else { return failed.map_or(Ok(dropped), Err) };
        after = last.clone();
        homes = ends.into_iter().map(|(home, _)| home).collect();
        tokio::time::sleep(PAUSE).await;
    }
}

async fn drop_in(roster: &Roster, home: &Home) -> Result<usize, OpError> {
    let mut after = Key::Receipt(ReceiptId([0; 32]));
    let (mut dropped, mut limit) = (0, 1);
    loop {
        // Most homes have none: one record tells.
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
