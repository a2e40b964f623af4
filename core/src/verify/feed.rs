//! What the deployment's feed says: its entries follow each other, and so do those of every log in it.

use std::collections::BTreeMap;

use super::Report;
use crate::home::Home;
use crate::model::{FeedKey, FeedLine};
use crate::op::Roster;
use crate::store::{Dump, StoreError};

/// Entries without gaps from the first that is kept to the end; each log goes on where it was left, up to its mark, and
/// no mark is beyond its log.
pub(super) async fn check(roster: &Roster, dump: &Dump, report: Report<'_>) -> Result<(), StoreError> {
    let lines: BTreeMap<&FeedKey, &FeedLine> = dump
        .records
        .iter()
        .filter_map(|stored| stored.record.feed_line())
        .map(|line| (&line.key, line))
        .collect();
    let reached = |key: FeedKey| lines.get(&key).map_or(0, |line| line.reached);
    let (mut number, mut at) = (reached(FeedKey::gone()), None);
    let mut logs: BTreeMap<&Home, u64> = BTreeMap::new();
    for (key, line) in lines.iter().filter(|(key, _)| key.number().is_some()) {
        number += 1;
        if key.number() != Some(number) || line.reached != number || at > Some(line.at) {
            report("feed", format!("{key} stands where {number} should"));
        }
        at = Some(line.at);
        for span in &line.spans {
            let goes_on = logs.insert(&span.home, span.to).is_none_or(|before| span.from == before + 1);
            if !goes_on || span.from > span.to {
                report("feed", format!("{key}: the log of {} does not go on where it was left", span.home));
            }
        }
    }
    if reached(FeedKey::end()) != number {
        report("feed", format!("ends at {number}, not at {}", reached(FeedKey::end())));
    }
    for (home, last) in &logs {
        if reached(FeedKey::mark(home)) != *last {
            report("feed", format!("the mark of {home} is not at {last}"));
        }
    }
    for (home, line) in lines.iter().filter_map(|(key, line)| Some((key.marked()?, line))) {
        let end = roster.store.read(&home, &[], &[]).await?.head.seq;
        if line.reached > end {
            report("feed", format!("the mark of {home} is beyond the end of its log"));
        }
    }
    Ok(())
}
