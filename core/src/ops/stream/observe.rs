//! Signs of people, as sources tell them (rule T7). Done again it counts nothing twice.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::facts::Facts;
use crate::home::{Home, TypedKey};
use crate::id::{OrganizationId, UserId};
use crate::model::customer::{ActivityMonth, Day, Presence, TheActivity, ThePresence};
use crate::op::{Decision, Operation, View};
use crate::refusal::Refusal;
use crate::store::StoreError;
use crate::time::{Timestamp, day_of, day_start, month_of};

/// One sign of a person.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sign {
    /// When.
    pub at: Timestamp,
    /// What they did.
    pub event: String,
    /// They wrote to us.
    pub received: bool,
    /// We wrote to them: no sign that they were there.
    pub sent: bool,
}

/// Notes what a request says about one person in one organization, in one commit.
#[derive(Debug)]
pub struct Observe {
    /// Where.
    pub organization: OrganizationId,
    /// Who.
    pub user: UserId,
    /// Their last deletion there: what is older is in no statistics (rule L4).
    pub since: Option<Timestamp>,
    /// Which part of which request it is.
    pub part: (Uuid, u32),
    /// What it says.
    pub signs: Vec<Sign>,
}

/// A day by its month and its number in it.
type DayKey = (u32, u8);

impl Operation for Observe {
    type State = (Option<Presence>, Vec<ActivityMonth>);
    type Output = ();

    fn home(&self) -> Home {
        Home::Activity(self.organization)
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        let presence = ThePresence(self.user);
        let mut months: Vec<u32> = self.signs.iter().flat_map(|sign| months_around(sign.at)).collect();
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

    fn decide(&self, (presence, months): Self::State, _: &Facts) -> Result<Decision<()>, Refusal> {
        let nothing = Decision::unchanged(());
        let presence = presence.filter(|presence| presence.since >= self.since);
        let mut presence = presence.unwrap_or_else(|| Presence::new(self.user, self.since));
        if presence.since > self.since || !presence.apply(self.part) {
            return Ok(nothing);
        }
        let kept = months.into_iter().filter(|month| month.since >= self.since);
        let mut days: BTreeMap<DayKey, Day> = kept
            .flat_map(|month| month.days.into_iter().map(move |(day, it)| ((month.month, day), it)))
            .collect();
        for sign in &self.signs {
            note(sign, &mut presence, &mut days);
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
        let joints = [(before, own), (own, after)];
        let joined = joints.iter().filter(|(one, next)| day(*one).goes_on_in(day(*next))).count();
        i64::try_from(day(own).spans.len()).unwrap_or(0) - i64::try_from(joined).unwrap_or(0)
    };
    let counted = sessions(days);
    let day = days.entry(key).or_default();
    *day.events.entry(sign.event.clone()).or_default() += 1;
    if sign.sent {
        presence.last_message_sent_at = presence.last_message_sent_at.max(Some(at));
    } else {
        day.touch(millis);
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
    use crate::model::customer::Customer;
    use std::sync::Arc;

    fn observed(orders: &[&[&str]]) -> Presence {
        let user = UserId::from_uuid(Uuid::from_u128(1));
        let organization = OrganizationId::from_uuid(Uuid::from_u128(2));
        let (mut presence, mut months) = (None, BTreeMap::new());
        for (n, times) in orders.iter().enumerate() {
            let sign = |at: &&str| Sign {
                at: at.parse().unwrap(),
                event: "page".into(),
                received: false,
                sent: false,
            };
            let part = (Uuid::from_u128(u128::try_from(n).unwrap()), 0);
            let signs = times.iter().map(sign).collect();
            let operation = Observe { organization, user, since: None, part, signs };
            let facts = Facts {
                actor: crate::actor::Actor::System,
                now: Timestamp::EPOCH,
                policies: Arc::default(),
                seed: Seed { bytes: [0; 32], millis: 0 },
            };
            let known: Vec<ActivityMonth> = months.values().cloned().collect();
            let decision = operation.decide((presence.clone(), known), &facts).unwrap();
            for record in decision.puts {
                let Record::Customer(it) = record else { continue };
                match *it {
                    Customer::Presence(it) => presence = Some(it),
                    Customer::Activity(it) => drop(months.insert(it.month, it)),
                    _ => {}
                }
            }
        }
        presence.unwrap()
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
}
