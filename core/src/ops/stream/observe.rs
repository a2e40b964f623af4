//! Signs of people, as sources tell them (rule T7). Done again it counts nothing twice.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::facts::Facts;
use crate::home::{Home, TypedKey};
use crate::id::{OrganizationId, SourceId, UserId};
use crate::model::customer::{ActivityMonth, Day, EarlyPart, Presence, Sign, TheActivity, ThePresence};
use crate::op::{Decision, Operation, View};
use crate::refusal::Refusal;
use crate::store::StoreError;
use crate::time::{Timestamp, day_of, day_start, month_of};

/// Notes what a request says about one person in one organization, in one commit; the messages that there is no room for.
#[derive(Debug)]
pub struct Observe {
    /// Which source says so.
    pub source: SourceId,
    /// Where.
    pub organization: OrganizationId,
    /// Who.
    pub user: UserId,
    /// Their last deletion there: what is older is in no statistics (rule L4).
    pub since: Option<Timestamp>,
    /// Which part of which request it is; nothing where there is only what came early.
    pub part: Option<(Uuid, u32)>,
    /// What it says.
    pub signs: Vec<Sign>,
    /// What was said before the person was in any organization, and may be counted here already.
    pub early: Vec<EarlyPart>,
}

impl Observe {
    /// All that it says.
    pub fn all(&self) -> impl Iterator<Item = &Sign> {
        self.signs.iter().chain(self.early.iter().flat_map(|part| &part.signs))
    }
}

/// A day by its month and its number in it.
type DayKey = (u32, u8);

impl Operation for Observe {
    type State = (Option<Presence>, Vec<ActivityMonth>);
    type Output = Vec<usize>;

    fn home(&self) -> Home {
        Home::Activity(self.organization)
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        let presence = ThePresence(self.user);
        let mut months: Vec<u32> = self.all().flat_map(|sign| months_around(sign.at)).collect();
        months.sort_unstable();
        months.dedup();
        let keys = months.iter().map(|month| TheActivity(self.user, *month).key()).chain([presence.key()]);
        view.fetch(keys.collect::<Vec<_>>()).await?;
        let mut found = Vec::new();
        for month in months {
            found.extend(view.get(&TheActivity(self.user, month)).await?);
        }
        Ok((view.get(&presence).await?, found))
    }

    fn decide(
        &self,
        (presence, months): Self::State,
        facts: &Facts,
    ) -> Result<Decision<Vec<usize>>, Refusal> {
        let presence = presence.filter(|presence| presence.since >= self.since);
        let mut presence = presence.unwrap_or_else(|| Presence::new(self.user, self.since));
        if presence.since > self.since {
            return Ok(Decision::unchanged(Vec::new()));
        }
        let kept = months.into_iter().filter(|month| month.since >= self.since);
        let mut days: BTreeMap<DayKey, Day> = kept
            .flat_map(|month| month.days.into_iter().map(move |(day, it)| ((month.month, day), it)))
            .collect();
        let is_new = self.part.is_none_or(|part| presence.apply(self.source, part));
        let mut any = is_new && self.part.is_some();
        let mut refused = Vec::new();
        let mut count = |signs: &[Sign], is_new: bool, presence: &mut Presence| {
            for sign in signs {
                let day = days.entry(day_key(sign.at)).or_default();
                if !day.has_room(&sign.event, sign.session.as_deref()) {
                    refused.push(sign.message);
                } else if is_new {
                    note(sign, presence, &mut days);
                }
            }
        };
        count(&self.signs, is_new, &mut presence);
        for early in &self.early {
            // Of a part that is done again, the link says so again.
            let is_new = is_new && presence.take_early(early.part, early.came_at, facts.now);
            any |= is_new;
            count(&early.signs, is_new, &mut presence);
        }
        let nothing = Decision::unchanged(refused);
        if !any {
            return Ok(nothing);
        }
        let mut months: BTreeMap<u32, BTreeMap<u8, Day>> = BTreeMap::new();
        for ((month, day), it) in days.into_iter().filter(|(_, day)| !day.is_empty()) {
            months.entry(month).or_default().insert(day, it);
        }
        let (user, since) = (self.user, self.since);
        let months = months.into_iter().map(|(month, days)| ActivityMonth { user, month, days, since });
        Ok(months.fold(nothing.put(presence.into()), |decision, month| decision.put(month.into())))
    }
}

fn note(sign: &Sign, presence: &mut Presence, days: &mut BTreeMap<DayKey, Day>) {
    let at = sign.at;
    let (key, millis) = (day_key(at), millis_of_day(at));
    let [before, own, after] = around(at);
    let sessions = |days: &BTreeMap<DayKey, Day>| {
        let nothing = Day::default();
        let day = |key: DayKey| days.get(&key).unwrap_or(&nothing);
        let joined = day(before).go_on_in(day(own)) + day(own).go_on_in(day(after));
        i64::try_from(day(own).sessions()).unwrap_or(0) - i64::try_from(joined).unwrap_or(0)
    };
    let counted = sessions(days);
    let day = days.entry(key).or_default();
    *day.events.entry(sign.event.clone()).or_default() += 1;
    if sign.sent {
        presence.last_message_sent_at = presence.last_message_sent_at.max(Some(at));
    } else {
        match &sign.session {
            Some(session) => drop(day.sessions.insert(session.clone())),
            None => day.touch(millis),
        }
        presence.last_seen_at = presence.last_seen_at.max(Some(at));
        presence.first_seen_at = Some(presence.first_seen_at.map_or(at, |first| first.min(at)));
    }
    if sign.received {
        presence.last_message_received_at = presence.last_message_received_at.max(Some(at));
    }
    presence.sessions += sessions(days) - counted;
}

fn day_key(at: Timestamp) -> DayKey {
    (month_of(at), day_of(at))
}

fn millis_of_day(at: Timestamp) -> u64 {
    u64::try_from((at.micros() - day_start(at).micros()) / 1_000).unwrap_or(0)
}

/// The months around an instant that a sign may change.
pub(crate) fn months_around(at: Timestamp) -> impl Iterator<Item = u32> {
    around(at).into_iter().map(|(month, _)| month)
}

/// The day before, the day, and the day after.
fn around(at: Timestamp) -> [DayKey; 3] {
    [at.plus_seconds(-86_400), at, at.plus_seconds(86_400)].map(day_key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Seed;
    use crate::home::Record;
    use crate::model::customer::{Customer, MOST_A_DAY};
    use std::sync::Arc;

    fn facts() -> Facts {
        Facts {
            actor: crate::actor::Actor::System,
            now: Timestamp::EPOCH,
            policies: Arc::default(),
            seed: Seed { bytes: [0; 32], millis: 0 },
        }
    }

    /// What is kept of one person.
    #[derive(Default)]
    struct Kept {
        presence: Option<Presence>,
        months: BTreeMap<u32, ActivityMonth>,
    }

    impl Kept {
        fn observe(&mut self, part: usize, signs: Vec<Sign>) -> Vec<usize> {
            let part = (Uuid::from_u128(u128::try_from(part).unwrap()), 0);
            let operation = Observe {
                source: SourceId::from_uuid(Uuid::from_u128(3)),
                organization: OrganizationId::from_uuid(Uuid::from_u128(2)),
                user: UserId::from_uuid(Uuid::from_u128(1)),
                since: None,
                part: Some(part),
                signs,
                early: Vec::new(),
            };
            let known: Vec<ActivityMonth> = self.months.values().cloned().collect();
            let decision = operation.decide((self.presence.clone(), known), &facts()).unwrap();
            for record in decision.puts {
                let Record::Customer(it) = record else { continue };
                match *it {
                    Customer::Presence(it) => self.presence = Some(it),
                    Customer::Activity(it) => drop(self.months.insert(it.month, it)),
                    _ => {}
                }
            }
            decision.output
        }
    }

    /// One at an instant, in a session of the client's where one stands behind it.
    fn sign(message: usize, said: &str) -> Sign {
        let (at, session) = said.split_once(' ').map_or((said, None), |(at, id)| (at, Some(id.to_owned())));
        Sign { message, at: at.parse().unwrap(), event: "page".into(), session, received: false, sent: false }
    }

    fn observed(orders: &[&[&str]]) -> Presence {
        let mut kept = Kept::default();
        for (n, said) in orders.iter().enumerate() {
            kept.observe(n, said.iter().map(|said| sign(0, said)).collect());
        }
        kept.presence.unwrap()
    }

    #[test]
    fn t7_sessions_are_the_same_in_every_order_also_over_midnight_and_the_end_of_a_month() {
        let (a, b, c) = ("2026-01-31T23:50:00Z", "2026-02-01T00:10:00Z", "2026-02-01T00:45:00Z");
        for order in [[a, b, c], [c, b, a], [b, a, c], [c, a, b]] {
            let seen = observed(&[&order]);
            assert_eq!(seen.sessions, 2, "{order:?}");
            let single = observed(&[&order[..1], &order[1..2], &order[2..]]);
            assert_eq!(single.sessions, 2, "{order:?}");
            assert_eq!(single.last_seen_at, Some(c.parse().unwrap()));
            assert_eq!(single.first_seen_at, Some(a.parse().unwrap()));
        }
    }

    #[test]
    fn t7_sessions_of_the_client_count_by_their_id_and_others_by_silence() {
        let said = [
            "2026-01-31T20:00:00Z s1",
            "2026-01-31T23:50:00Z s1",
            "2026-02-01T00:30:00Z s1",
            "2026-01-31T20:01:00Z s2",
            "2026-01-31T20:02:00Z",
            "2026-01-31T21:00:00Z",
        ];
        let turned: Vec<&str> = said.iter().rev().copied().collect();
        let mixed: Vec<&str> = [2, 5, 0, 3, 1, 4, 0, 2].iter().map(|n| said[*n]).collect();
        for order in [&said[..], &turned, &mixed] {
            let single: Vec<&[&str]> = order.chunks(1).collect();
            assert_eq!(observed(&single).sessions, 4, "s1, s2, and two parted by silence: {order:?}");
            assert_eq!(observed(&[order]).sessions, 4, "{order:?}");
        }
        assert_eq!(observed(&[&["2026-01-01T00:00:00Z s", "2026-01-03T00:00:00Z s"]]).sessions, 2);
    }

    #[test]
    fn g5_a_day_has_room_for_so_many_names_and_sessions_and_done_again_for_the_same() {
        let at = "2026-01-31T20:00:00Z";
        let named = |n: usize| Sign { event: format!("e-{n}"), ..sign(n, at) };
        let told = |n: usize| Sign { session: Some(format!("s-{n}")), ..sign(n, at) };
        for make in [&named as &dyn Fn(usize) -> Sign, &told] {
            let mut kept = Kept::default();
            let signs: Vec<Sign> = (0..MOST_A_DAY + 3).map(make).collect();
            let beyond = [MOST_A_DAY, MOST_A_DAY + 1, MOST_A_DAY + 2];
            assert_eq!(kept.observe(1, signs.clone()), beyond);
            let months = kept.months.clone();
            assert_eq!(kept.observe(1, signs), beyond, "done again");
            assert_eq!(kept.months, months);
            assert_eq!(
                kept.observe(2, vec![make(0), make(MOST_A_DAY)]),
                [MOST_A_DAY],
                "what is known has room"
            );
            let tomorrow = Sign { at: "2026-02-01T20:00:00Z".parse().unwrap(), ..make(MOST_A_DAY) };
            assert_eq!(kept.observe(3, vec![tomorrow]), [0_usize; 0]);
        }
    }
}
