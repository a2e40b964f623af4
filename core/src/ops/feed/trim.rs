//! Takes entries out of the deployment's feed that cannot be read any more. Time has decided that; this tidies.

use crate::facts::Facts;
use crate::home::{Home, Key, Record};
use crate::model::{FeedKey, FeedLine};
use crate::op::{Decision, Operation, View};
use crate::refusal::Refusal;
use crate::store::StoreError;

/// Entries that are taken out at a time, at the most.
pub const MOST: u64 = 400;

/// Takes out the oldest.
#[derive(Clone, Copy, Debug)]
pub struct TrimFeed;

impl Operation for TrimFeed {
    /// How many are gone, and the oldest of those that are left.
    type State = (u64, Vec<FeedLine>);
    /// How many were taken out.
    type Output = u64;

    fn home(&self) -> Home {
        Home::Feed
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        let gone = view.get(&FeedKey::gone()).await?.map_or(0, |line| line.reached);
        let Some(first) = view.get(&FeedKey::entry(gone + 1)).await?.filter(|line| !line.is_live(view.now()))
        else {
            return Ok((gone, Vec::new()));
        };
        let others = || (2..=MOST).map(|n| FeedKey::entry(gone + n));
        view.fetch(others().map(Key::Feed)).await?;
        let mut lines = vec![first];
        for key in others() {
            lines.extend(view.get(&key).await?);
        }
        Ok((gone, lines))
    }

    fn decide(&self, (gone, lines): Self::State, facts: &Facts) -> Result<Decision<u64>, Refusal> {
        let dead: Vec<FeedLine> = lines.into_iter().take_while(|line| !line.is_live(facts.now)).collect();
        let taken = dead.len() as u64;
        if taken == 0 {
            return Ok(Decision::unchanged(0));
        }
        let line = FeedLine::reaching(FeedKey::gone(), gone + taken, facts.now);
        let decision = Decision::unchanged(taken).put(Record::Feed(line));
        Ok(dead.into_iter().map(|line| Key::Feed(line.key)).fold(decision, Decision::remove))
    }
}
