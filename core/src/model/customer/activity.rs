//! What people did: commutative and idempotent, so that a late or repeated event gives the same figures.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::id::{SourceId, UserId};
use crate::time::Timestamp;

/// Silence that parts two sessions, in milliseconds.
pub const SESSION_GAP: u64 = 30 * 60 * 1_000;
/// A day in milliseconds.
const DAY: u64 = 86_400_000;
/// How many requests of each source a record remembers, so that none is counted twice.
const REMEMBERED: usize = 32;
/// Of how many sources; beyond, the requests that came first are forgotten.
const MOST_SOURCES: usize = 32;
/// How many events of different names one person does a day, and in how many sessions of the client's, at the most: a write
/// key in wrong hands makes no record grow without end.
pub const MOST_A_DAY: usize = 1_000;

/// From the first to the last sign of a session within a day, in milliseconds of it.
pub type Span = (u64, u64);

/// One sign of a person.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Sign {
    /// Which message of the request says so.
    pub message: usize,
    /// When.
    pub at: Timestamp,
    /// What they did.
    pub event: String,
    /// In which session of the client's, by a hash of its id; by its time where that is not known.
    pub session: Option<String>,
    /// They wrote to us.
    pub received: bool,
    /// We wrote to them: no sign that they were there.
    pub sent: bool,
}

/// How many signs of one person wait for them to be put into an organization, at the most; those that came first.
const MOST_EARLY: usize = 200;
/// For how long they wait, in seconds.
const EARLY_SECONDS: i64 = 7 * 86_400;
/// After how long nobody need know any more that a part is counted: an hour's margin, as clocks of stores may be set.
const EARLY_KNOWN_SECONDS: i64 = EARLY_SECONDS + 3_600;

/// What one part of a request said of a person before they were in any organization.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct EarlyPart {
    /// Which part of which request.
    pub part: (Uuid, u32),
    /// When the request came.
    pub came_at: Timestamp,
    /// What it said.
    pub signs: Vec<Sign>,
}

impl EarlyPart {
    /// Whether it waits still.
    pub fn waits(&self, now: Timestamp) -> bool {
        self.came_at.plus_seconds(EARLY_SECONDS) > now
    }
}

/// What a source said of a person before they were in any organization: it waits for the organizations that the source puts
/// them into, and counts in each of them once.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Early {
    /// Who.
    pub user: UserId,
    /// What, as it came.
    pub parts: Vec<EarlyPart>,
}

impl Early {
    /// Takes in what there is room for. A part that is here already stays as it is.
    pub fn add(&mut self, mut new: EarlyPart) {
        let held: usize = self.parts.iter().map(|part| part.signs.len()).sum();
        new.signs.truncate(MOST_EARLY.saturating_sub(held));
        let known = self.parts.iter().any(|part| part.part == new.part);
        if !known && !new.signs.is_empty() {
            self.parts.push(new);
        }
    }
}

/// One day of one person.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Day {
    /// How often each event.
    pub events: BTreeMap<String, u64>,
    /// When they were there, each span more than [`SESSION_GAP`] from the next; what lies in a session of the client's is
    /// in none.
    pub spans: Vec<Span>,
    /// The client's sessions, by a hash of their id.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub sessions: BTreeSet<String>,
}

impl Day {
    /// Whether nothing happened.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty() && self.spans.is_empty() && self.sessions.is_empty()
    }

    /// Whether it has room for an event, in a session of the client's or in none. One that it has no room for now, it never
    /// will have: done again, the same is let in.
    pub fn has_room(&self, event: &str, session: Option<&str>) -> bool {
        let named = self.events.contains_key(event) || self.events.len() < MOST_A_DAY;
        let told = session.is_none_or(|id| self.sessions.contains(id) || self.sessions.len() < MOST_A_DAY);
        named && told
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

    /// How many sessions there are in it.
    pub fn sessions(&self) -> usize {
        self.spans.len() + self.sessions.len()
    }

    /// How many of its sessions go on in the day after it. One of the client's goes on from day to day: it counts anew
    /// after a day without it.
    pub fn go_on_in(&self, next: &Self) -> usize {
        let goes_on = match (self.spans.last(), next.spans.first()) {
            (Some((_, to)), Some((from, _))) => DAY + from - to <= SESSION_GAP,
            _ => false,
        };
        usize::from(goes_on) + self.sessions.intersection(&next.sessions).count()
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
    /// Of which source each of them is; not of those that were noted before this was.
    #[serde(default)]
    pub of: BTreeMap<Uuid, SourceId>,
    /// Which parts are in it that came before the person was in any organization, with when they came.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub early: Vec<((Uuid, u32), Timestamp)>,
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
            of: BTreeMap::new(),
            early: Vec::new(),
        }
    }

    /// Notes that what came early is in it; whether it was not before.
    pub fn take_early(&mut self, part: (Uuid, u32), came_at: Timestamp, now: Timestamp) -> bool {
        if self.early.iter().any(|(known, _)| *known == part) {
            return false;
        }
        self.early.retain(|(_, came_at)| came_at.plus_seconds(EARLY_KNOWN_SECONDS) > now);
        self.early.push((part, came_at));
        true
    }

    /// Notes that a part of a request of a source is in it; whether it was not before. The parts of a request come in their
    /// order. However much others send in between, none of it is forgotten for that.
    pub fn apply(&mut self, source: SourceId, part: (Uuid, u32)) -> bool {
        let (request, n) = part;
        if self.applied.iter().any(|(known, last)| *known == request && *last >= n) {
            return false;
        }
        self.applied.retain(|(known, _)| *known != request);
        self.applied.push(part);
        self.of.insert(request, source);
        self.forget_old();
        true
    }

    fn forget_old(&mut self) {
        let mut last: BTreeMap<Option<SourceId>, usize> = BTreeMap::new();
        let mut kept: Vec<(Uuid, u32)> = Vec::with_capacity(self.applied.len());
        for part in self.applied.iter().rev() {
            let of = self.of.get(&part.0).copied();
            if last.len() == MOST_SOURCES && !last.contains_key(&of) {
                continue;
            }
            let many = last.entry(of).or_default();
            *many += 1;
            if *many <= REMEMBERED {
                kept.push(*part);
            }
        }
        kept.reverse();
        self.applied = kept;
        let Self { applied, of, .. } = self;
        of.retain(|request, _| applied.iter().any(|(known, _)| known == request));
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
        assert_eq!(late.go_on_in(&day(&[10])), 1);
        assert_eq!(late.go_on_in(&day(&[21])), 0);
        assert_eq!(late.go_on_in(&Day::default()), 0);
    }

    #[test]
    fn g4_what_one_source_sent_is_remembered_however_much_another_sends() {
        let source = |n: u128| SourceId::from_uuid(Uuid::from_u128(n));
        let part = |n: u128| (Uuid::from_u128(n), 0);
        let mut presence = Presence::new(UserId::from_uuid(Uuid::nil()), None);
        presence.applied.push(part(1));
        assert!(!presence.apply(source(1), part(1)), "one from before sources were told apart");
        assert!(presence.apply(source(1), part(2)));
        for n in 100..133 {
            assert!(presence.apply(source(2), part(n)));
        }
        assert!(!presence.apply(source(1), part(2)), "33 of another in between");
        assert!(presence.apply(source(2), part(100)), "33 of its own");
        assert!(!presence.apply(source(2), part(132)));
        for n in 200..300 {
            assert!(presence.apply(source(n), part(n)));
        }
        assert_eq!((presence.applied.len(), presence.of.len()), (MOST_SOURCES, MOST_SOURCES));
        let stored = serde_json::to_value(&presence).unwrap();
        assert_eq!(serde_json::from_value::<Presence>(stored.clone()).unwrap(), presence);
        let mut before = stored;
        before.as_object_mut().unwrap().remove("of");
        let read: Presence = serde_json::from_value(before).unwrap();
        assert_eq!((read.applied, read.of.len()), (presence.applied, 0), "as it was kept before");
    }
}
