//! What one process knows of webhooks: who may have something to send, whom it is serving, and who gets the next slot.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use tokio::task::Id;

use super::round::Ended;
use crate::home::Home;
use crate::id::{OrganizationId, WebhookId};
use crate::model::WebhookLine;
use crate::time::Timestamp;

/// How many webhooks a process serves at a time whose receivers answer soon, and beside them whose do not: so those that
/// do not keep nobody waiting who does.
const AT_A_TIME: usize = 16;
/// Of those, how many of one organization.
const OF_ONE: usize = 4;
/// How long a webhook is left alone whose serving failed here, in seconds.
const FAILED_FOR: i64 = 5;

/// What is known of a webhook.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    organization: Option<OrganizationId>,
    /// Something may be new.
    news: bool,
    /// When something is to be tried again, as its line says.
    due: Option<Timestamp>,
    /// When to look at it in any case, whatever its line says.
    look: Option<Timestamp>,
    /// Serving it has failed here: not before this instant.
    hold: Option<Timestamp>,
    /// Its receiver failed last.
    failing: bool,
    /// Its receiver takes long.
    slow: bool,
    /// When it was last served, as a number that grows.
    served: u64,
}

impl Known {
    fn wants(&self, now: Timestamp) -> bool {
        let reached = |at: Option<Timestamp>| at.is_some_and(|at| at <= now);
        let wants = self.news || reached(self.due) || reached(self.look);
        wants && self.hold.is_none_or(|hold| hold <= now)
    }

    /// Of whose slots it takes one.
    const fn slots(&self) -> (Option<OrganizationId>, bool) {
        (self.organization, self.failing || self.slow)
    }
}

/// A webhook that is being served.
#[derive(Clone, Copy, Debug)]
struct Serving {
    since: Timestamp,
    slots: (Option<OrganizationId>, bool),
}

/// What one process knows.
#[derive(Debug, Default)]
pub(super) struct Board {
    known: BTreeMap<WebhookId, Known>,
    by_organization: BTreeMap<Option<OrganizationId>, BTreeSet<WebhookId>>,
    at_hand: BTreeMap<WebhookId, Serving>,
    tasks: HashMap<Id, WebhookId>,
    served: u64,
    /// Up to this entry the feed was looked at, if it was.
    pub(super) heard: Option<u64>,
}

impl Board {
    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// How many of a part are known.
    pub(super) fn how_many_in(&self, part: u8) -> u16 {
        let own = self.known.keys().filter(|id| id.part() == Home::Webhooks(part)).count();
        u16::try_from(own).unwrap_or(u16::MAX)
    }

    /// Takes over what lines say. What this process has not seen before may have news.
    pub(super) fn learn(&mut self, there: &BTreeMap<WebhookId, WebhookLine>) {
        self.known.retain(|id, _| there.contains_key(id) || self.at_hand.contains_key(id));
        self.by_organization.clear();
        for (id, line) in there {
            self.by_organization.entry(line.organization).or_default().insert(*id);
            let ended = Ended::of(line);
            let new = Known { organization: line.organization, news: true, ..Known::default() };
            let known = self.known.entry(*id).or_insert(new);
            (known.due, known.failing) = (ended.due, ended.failing);
        }
    }

    pub(super) fn all_have_news(&mut self) {
        self.known.values_mut().for_each(|known| known.news = true);
    }

    /// Something has happened in an organization, or outside of them.
    pub(super) fn news_of(&mut self, organization: Option<OrganizationId>) {
        let own = self.by_organization.get(&organization).into_iter().flatten();
        // The deployment's hear of everything.
        let deployment = self.by_organization.get(&None).into_iter().flatten();
        for id in own.chain(deployment) {
            if let Some(known) = self.known.get_mut(id) {
                known.news = true;
            }
        }
    }

    /// Those that may have something to send at an instant, as many as there is room for: whoever was not served for
    /// longest comes first, and no organization takes all the room.
    pub(super) fn wanted(&self, now: Timestamp) -> Vec<WebhookId> {
        let mut free: Vec<(&WebhookId, &Known)> = self
            .known
            .iter()
            .filter(|(id, known)| known.wants(now) && !self.at_hand.contains_key(id))
            .collect();
        free.sort_by_key(|(_, known)| known.served);
        let mut all = BTreeMap::<bool, usize>::new();
        let mut own = BTreeMap::<(Option<OrganizationId>, bool), usize>::new();
        for serving in self.at_hand.values() {
            *all.entry(serving.slots.1).or_default() += 1;
            *own.entry(serving.slots).or_default() += 1;
        }
        free.retain(|(_, known)| {
            let slots = known.slots();
            let (all, own) = (all.entry(slots.1).or_default(), own.entry(slots).or_default());
            let room = *all < AT_A_TIME && *own < OF_ONE;
            *all += usize::from(room);
            *own += usize::from(room);
            room
        });
        free.into_iter().map(|(id, _)| *id).collect()
    }

    /// A webhook is served from now on, if it is known.
    pub(super) fn begin(&mut self, id: WebhookId, now: Timestamp) {
        let Some(known) = self.known.get_mut(&id) else { return };
        self.served += 1;
        self.at_hand.insert(id, Serving { since: now, slots: known.slots() });
        *known = Known { news: false, due: None, look: None, hold: None, served: self.served, ..*known };
    }

    /// By which task.
    pub(super) fn is_served_by(&mut self, id: WebhookId, task: Id) {
        self.tasks.insert(task, id);
    }

    /// What came of a task: nothing where it failed or fell over.
    pub(super) fn ended(&mut self, task: Id, ended: Option<Ended>) {
        if let Some(id) = self.tasks.remove(&task) {
            self.over(id, ended);
        }
    }

    fn over(&mut self, id: WebhookId, ended: Option<Ended>) {
        let Some(serving) = self.at_hand.remove(&id) else { return };
        let Some(known) = self.known.get_mut(&id) else { return };
        if let Some(ended) = ended {
            known.news |= ended.more;
            (known.due, known.look, known.failing) = (ended.due, ended.look, ended.failing);
            known.slow = ended.slow.unwrap_or(known.slow);
        } else {
            // What it was served for is still to be done.
            (known.news, known.hold) = (true, Some(serving.since.plus_seconds(FAILED_FOR)));
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::id::DeliveryId;
    use crate::model::{Lease, Pending};

    fn id(n: u128) -> WebhookId {
        WebhookId::from_uuid(Uuid::from_u128(n))
    }

    fn organization(n: u128) -> OrganizationId {
        OrganizationId::from_uuid(Uuid::from_u128(n))
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::EPOCH.plus_seconds(seconds)
    }

    fn lines(of: &[(u128, u128)]) -> BTreeMap<WebhookId, WebhookLine> {
        let line = |(n, of): &(u128, u128)| (id(*n), WebhookLine::new(id(*n), Some(organization(*of))));
        of.iter().map(line).collect()
    }

    fn idle() -> Ended {
        Ended::of(&WebhookLine::new(id(1), None))
    }

    #[test]
    fn x2_what_another_holds_is_looked_at_when_its_lease_ends() {
        let retry = Pending { at: at(36_000), delivery: DeliveryId::from_uuid(Uuid::nil()) };
        for pending in [vec![], vec![retry]] {
            let mut there = lines(&[(1, 1)]);
            let mut board = Board::default();
            for line in there.values_mut() {
                line.lease = Some(Lease { holder: Uuid::nil(), until: at(60) });
                line.pending.clone_from(&pending);
            }
            board.learn(&there);
            board.begin(id(1), at(0));
            board.over(id(1), Some(Ended::not_before(at(60))));
            board.learn(&there);
            assert_eq!(board.wanted(at(59)), []);
            assert_eq!(board.wanted(at(60)), [id(1)], "{pending:?}");
        }
    }

    #[test]
    fn x2_what_could_not_be_served_is_served_soon() {
        let there = lines(&[(1, 1)]);
        let mut board = Board::default();
        board.learn(&there);
        board.begin(id(1), at(0));
        board.over(id(1), None);
        board.learn(&there);
        assert_eq!(board.wanted(at(4)), [], "not at once");
        assert_eq!(board.wanted(at(5)), [id(1)]);
        board.begin(id(1), at(5));
        board.over(id(1), Some(Ended { look: Some(at(65)), ..idle() }));
        board.learn(&there);
        assert_eq!((board.wanted(at(64)), board.wanted(at(65))), (vec![], vec![id(1)]));
    }

    #[test]
    fn x2_no_organization_takes_all_slots() {
        let mut board = Board::default();
        let many: Vec<(u128, u128)> = (1..=20).map(|n| (n, 1)).chain([(30, 2)]).collect();
        board.learn(&lines(&many));
        let first = board.wanted(at(0));
        assert_eq!(first, [1, 2, 3, 4, 30].map(id));
        for id in first {
            board.begin(id, at(0));
        }
        assert_eq!(board.wanted(at(0)), [], "four of one at a time");
        // A receiver that takes long has its slots elsewhere.
        board.over(id(1), Some(Ended { more: true, slow: Some(true), ..idle() }));
        assert_eq!(board.wanted(at(0)), [id(5), id(1)]);
    }

    #[test]
    fn x2_whoever_has_waited_longest_comes_first() {
        let mut board = Board::default();
        board.learn(&lines(&[(1, 1), (2, 1), (3, 1), (4, 1), (5, 1), (6, 1)]));
        let more = Some(Ended { more: true, ..idle() });
        let mut seen = Vec::new();
        for _ in 0..3 {
            let round = board.wanted(at(0));
            for id in &round {
                board.begin(*id, at(0));
            }
            for id in &round {
                board.over(*id, more);
            }
            seen.extend(round);
        }
        assert_eq!(seen, [1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6].map(id));
    }
}
