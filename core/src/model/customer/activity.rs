//! What people did: commutative and idempotent, so that a late or repeated event gives the same figures.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::id::UserId;
use crate::time::Timestamp;

/// Silence that parts two sessions, in milliseconds.
pub const SESSION_GAP: u64 = 30 * 60 * 1_000;
/// A day in milliseconds.
const DAY: u64 = 86_400_000;
/// How many requests a record remembers, so that none is counted twice.
const REMEMBERED: usize = 32;

/// From the first to the last sign of a session within a day, in milliseconds of it.
pub type Span = (u64, u64);

/// One day of one person.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Day {
    /// How often each event.
    pub events: BTreeMap<String, u64>,
    /// When they were there, each span more than [`SESSION_GAP`] from the next.
    pub spans: Vec<Span>,
}

impl Day {
    /// Whether nothing happened.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty() && self.spans.is_empty()
    }

    /// Notes a sign of the person.
    pub fn touch(&mut self, millis: u64) {
        let mut whole = (millis, millis);
        self.spans.retain(|(from, to)| {
            let near =
                *from <= millis.saturating_add(SESSION_GAP) && millis <= to.saturating_add(SESSION_GAP);
            if near {
                whole = (whole.0.min(*from), whole.1.max(*to));
            }
            !near
        });
        self.spans.push(whole);
        self.spans.sort_unstable();
    }

    /// Whether its last session goes on in the day after it.
    pub fn goes_on_in(&self, next: &Self) -> bool {
        match (self.spans.last(), next.spans.first()) {
            (Some((_, to)), Some((from, _))) => DAY + from - to <= SESSION_GAP,
            _ => false,
        }
    }
}

/// What a user did in an organization in one month.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ActivityMonth {
    /// Who.
    pub user: UserId,
    /// Year times 12 and month, counted from 0.
    pub month: u32,
    /// By the day of the month.
    pub days: BTreeMap<u8, Day>,
    /// The membership's last deletion when it was begun: what is older is in no statistics (rule L4).
    pub since: Option<Timestamp>,
}

/// When a user was seen in an organization.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Presence {
    /// Who.
    pub user: UserId,
    /// First.
    pub first_seen_at: Option<Timestamp>,
    /// Last.
    pub last_seen_at: Option<Timestamp>,
    /// How many sessions.
    pub sessions: i64,
    /// When they last wrote to us.
    pub last_message_received_at: Option<Timestamp>,
    /// When we last wrote to them.
    pub last_message_sent_at: Option<Timestamp>,
    /// As [`ActivityMonth::since`].
    pub since: Option<Timestamp>,
    /// Which requests are in it already, the last ones, each with its last part.
    pub applied: Vec<(Uuid, u32)>,
}

impl Presence {
    /// Nobody was seen yet.
    pub const fn new(user: UserId, since: Option<Timestamp>) -> Self {
        Self {
            user,
            first_seen_at: None,
            last_seen_at: None,
            sessions: 0,
            last_message_received_at: None,
            last_message_sent_at: None,
            since,
            applied: Vec::new(),
        }
    }

    /// Notes that a part of a request is in it; whether it was not before. The parts of a request come in their order.
    pub fn apply(&mut self, part: (Uuid, u32)) -> bool {
        let (request, n) = part;
        if self.applied.iter().any(|(known, last)| *known == request && *last >= n) {
            return false;
        }
        self.applied.retain(|(known, _)| *known != request);
        self.applied.push(part);
        let surplus = self.applied.len().saturating_sub(REMEMBERED);
        self.applied.drain(..surplus);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60_000;

    fn day(minutes: &[u64]) -> Day {
        let mut day = Day::default();
        for minute in minutes {
            day.touch(minute * MINUTE);
        }
        day
    }

    #[test]
    fn sessions_are_parted_by_half_an_hour_of_silence_whatever_the_order() {
        let spans = day(&[0, 29, 59, 90, 200]).spans;
        assert_eq!(spans, [(0, 59 * MINUTE), (90 * MINUTE, 90 * MINUTE), (200 * MINUTE, 200 * MINUTE)]);
        for order in [[200, 90, 59, 29, 0], [59, 200, 0, 90, 29], [29, 29, 0, 59, 90]] {
            let mut all = order.to_vec();
            all.extend([200, 0]);
            assert_eq!(day(&all).spans, spans, "{order:?}");
        }
        assert_eq!(day(&[0, 60, 30]).spans, [(0, 60 * MINUTE)], "one between two joins them");
    }

    #[test]
    fn a_session_over_midnight_is_one() {
        let late = day(&[23 * 60 + 50]);
        assert!(late.goes_on_in(&day(&[10])));
        assert!(!late.goes_on_in(&day(&[21])));
        assert!(!late.goes_on_in(&Day::default()));
    }
}
