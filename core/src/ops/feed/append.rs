//! Appends what logs have come to hold to the deployment's feed, and how far each has come, in one commit.

use std::collections::BTreeMap;

use crate::facts::Facts;
use crate::home::{Home, Key, Record};
use crate::model::{FeedKey, FeedLine, FeedSpan};
use crate::op::{Decision, Operation, View};
use crate::refusal::Refusal;
use crate::store::{MAX_WRITES, StoreError};

/// Logs that are appended at a time, at the most.
pub const MOST: usize = 500;

/// Logs of which one line of the feed tells: whoever reads it reads all of it.
const OF_A_LINE: usize = 100;

const _: () = assert!(
    MOST + MOST.div_ceil(OF_A_LINE) < MAX_WRITES,
    "one commit holds them, and how far the feed has come"
);

/// What logs have come to hold.
#[derive(Clone, Debug)]
pub struct AppendNews {
    /// The last entry of each, as far as is known; at most [`MOST`].
    pub ends: BTreeMap<Home, u64>,
}

/// How far the feed and each of the logs have come.
#[derive(Debug)]
pub struct Reached {
    end: Option<FeedLine>,
    marks: BTreeMap<Home, u64>,
}

impl Operation for AppendNews {
    type State = Reached;
    /// How many logs had something new.
    type Output = usize;

    fn home(&self) -> Home {
        Home::Feed
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Reached, StoreError> {
        let marks = self.ends.keys().map(FeedKey::mark);
        view.fetch(marks.chain([FeedKey::end()]).map(Key::Feed)).await?;
        let mut reached = Reached { end: view.get(&FeedKey::end()).await?, marks: BTreeMap::new() };
        for home in self.ends.keys() {
            let mark = view.get(&FeedKey::mark(home)).await?.map_or(0, |line| line.reached);
            reached.marks.insert(home.clone(), mark);
        }
        Ok(reached)
    }

    fn decide(&self, state: Reached, facts: &Facts) -> Result<Decision<usize>, Refusal> {
        let spans = self.ends.iter().filter_map(|(home, end)| {
            let mark = state.marks.get(home).copied().unwrap_or(0);
            let span = FeedSpan { home: home.clone(), from: mark + 1, to: *end };
            (mark < *end).then_some(span)
        });
        let spans: Vec<FeedSpan> = spans.collect();
        if spans.is_empty() {
            return Ok(Decision::unchanged(0));
        }
        let at = state.end.as_ref().map_or(facts.now, |end| facts.now.max(end.at));
        let mut number = state.end.map_or(0, |end| end.reached);
        let mark = |span: &FeedSpan| FeedLine::reaching(FeedKey::mark(&span.home), span.to, at);
        let mut lines: Vec<FeedLine> = spans.iter().map(mark).collect();
        let output = spans.len();
        for spans in spans.chunks(OF_A_LINE) {
            number += 1;
            lines.push(FeedLine { key: FeedKey::entry(number), reached: number, at, spans: spans.to_vec() });
        }
        lines.push(FeedLine::reaching(FeedKey::end(), number, at));
        let decision = Decision::unchanged(output);
        Ok(lines.into_iter().map(Record::Feed).fold(decision, Decision::put))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::actor::Actor;
    use crate::facts::Seed;
    use crate::policy::Policies;
    use crate::time::Timestamp;

    fn decide(
        ends: &[(Home, u64)],
        marks: &[(Home, u64)],
        end: Option<(u64, i64)>,
        now: i64,
    ) -> Vec<FeedLine> {
        let append = AppendNews { ends: ends.iter().cloned().collect() };
        let at = |(reached, at)| FeedLine::reaching(FeedKey::end(), reached, Timestamp::from_micros(at));
        let state = Reached { end: end.map(at), marks: marks.iter().cloned().collect() };
        let facts = Facts {
            actor: Actor::System,
            now: Timestamp::from_micros(now),
            policies: Arc::new(Policies::default()),
            seed: Seed { bytes: [0; 32], millis: 0 },
        };
        let puts = append.decide(state, &facts).unwrap().puts;
        let line = |record| if let Record::Feed(line) = record { line } else { panic!("{record:?}") };
        puts.into_iter().map(line).collect()
    }

    #[test]
    fn goes_on_where_each_log_was_left() {
        let user = Home::User(crate::id::UserId::from_uuid(uuid::Uuid::from_u128(1)));
        let lines =
            decide(&[(Home::Deployment, 3), (user.clone(), 9)], &[(user.clone(), 7)], Some((4, 50)), 60);
        let entry = &lines[lines.len() - 2];
        let spans = [
            FeedSpan { home: Home::Deployment, from: 1, to: 3 },
            FeedSpan { home: user.clone(), from: 8, to: 9 },
        ];
        assert_eq!((entry.key.clone(), entry.spans.as_slice()), (FeedKey::entry(5), spans.as_slice()));
        let reached: Vec<_> = lines.iter().map(|line| (line.key.clone(), line.reached)).collect();
        for wanted in [(FeedKey::mark(&user), 9), (FeedKey::mark(&Home::Deployment), 3), (FeedKey::end(), 5)]
        {
            assert!(reached.contains(&wanted), "{wanted:?} in {reached:?}");
        }
    }

    #[test]
    fn a_line_tells_of_a_hundred_logs_and_a_commit_of_several_lines() {
        let user = |n| Home::User(crate::id::UserId::from_uuid(uuid::Uuid::from_u128(n)));
        let ends: Vec<_> = (1..=250).map(|n| (user(n), 2)).collect();
        let lines = decide(&ends, &[], Some((4, 50)), 60);
        let entries: Vec<_> = lines.iter().filter(|line| !line.spans.is_empty()).collect();
        let told: Vec<_> =
            entries.iter().map(|line| (line.key.clone(), line.reached, line.spans.len())).collect();
        let entry = |n, logs| (FeedKey::entry(n), n, logs);
        assert_eq!(told, [entry(5, 100), entry(6, 100), entry(7, 50)]);
        let homes: std::collections::BTreeSet<_> =
            entries.iter().flat_map(|line| line.spans.iter().map(|span| &span.home)).collect();
        assert_eq!(homes.len(), 250, "each once");
        let end = lines.iter().find(|line| line.key == FeedKey::end()).unwrap();
        assert_eq!(end.reached, 7);
    }

    #[test]
    fn nothing_comes_twice_and_time_does_not_go_back() {
        assert!(decide(&[(Home::Deployment, 3)], &[(Home::Deployment, 3)], Some((4, 50)), 60).is_empty());
        assert!(decide(&[(Home::Deployment, 2)], &[(Home::Deployment, 3)], Some((4, 50)), 60).is_empty());
        let late = decide(&[(Home::Deployment, 4)], &[(Home::Deployment, 3)], Some((4, 50)), 40);
        assert!(late.iter().all(|line| line.at == Timestamp::from_micros(50)));
    }
}
