//! Writing down how far a webhook has come, and what became of an attempt, in one commit.

use uuid::Uuid;

use super::line::lease;
use crate::facts::Facts;
use crate::home::Home;
use crate::id::{DeliveryId, WebhookId};
use crate::model::{
    DeliveredEvent, Delivery, DeliveryError, DeliveryStatus, Pending, Reached, TheDelivery, TheLine,
    WebhookLine,
};
use crate::op::{Decision, Operation, View};
use crate::refusal::Refusal;
use crate::store::StoreError;
use crate::time::Timestamp;
use crate::webhooks::Answered;

/// How long after each failure the next attempt is made, in seconds: three days in all.
const PAUSES: [i64; 9] = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];
/// How often a delivery is tried.
pub const TRIES: u32 = 10;
/// The longest that a receiver is left alone in which everything has failed lately, in seconds.
pub const LONGEST_REST: i64 = 300;
/// So many failures in a row are bad luck.
const BAD_LUCK: u32 = 2;
/// The longest that a receiver may ask to be left alone, in seconds.
const LONGEST_WISH: u32 = 86_400;

/// What came of one attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Attempt {
    /// The receiver answered.
    Answered(Answered),
    /// It did not.
    Failed(DeliveryError),
}

impl Attempt {
    /// Whether the receiver has the event.
    pub const fn is_success(self) -> bool {
        matches!(self, Self::Answered(Answered { status: 200..=299, .. }))
    }

    /// Why it failed, if it did.
    pub const fn error(self) -> Option<DeliveryError> {
        match self {
            Self::Answered(_) if self.is_success() => None,
            Self::Answered(_) => Some(DeliveryError::Status),
            Self::Failed(error) => Some(error),
        }
    }

    /// Whether the receiver says that it is gone for good.
    pub const fn says_gone(self) -> bool {
        matches!(self, Self::Answered(Answered { status: 410, .. }))
    }

    /// Whether another would end alike: the receiver is gone for good, or the event is.
    const fn is_final(self) -> bool {
        self.says_gone() || matches!(self, Self::Failed(DeliveryError::Gone))
    }

    /// For how many seconds the receiver wants to be left alone. Only whoever says that it is too much for now is asked.
    fn wish(self) -> i64 {
        match self {
            Self::Answered(Answered { status: 429 | 503, retry_after }) => {
                retry_after.unwrap_or(0).min(LONGEST_WISH).into()
            }
            Self::Answered(_) | Self::Failed(_) => 0,
        }
    }

    /// Whether nobody is there who could take any event. Who refuses this one may take the next.
    const fn is_nobody(self) -> bool {
        match self {
            Self::Answered(Answered { status, .. }) => matches!(status, 429 | 502..=504),
            Self::Failed(error) => !matches!(error, DeliveryError::Gone | DeliveryError::Status),
        }
    }
}

/// An event that was tried.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tried {
    /// Which; none where it is tried for the first time.
    pub delivery: Option<DeliveryId>,
    /// Which event.
    pub event: DeliveredEvent,
    /// What came of it.
    pub attempt: Attempt,
}

/// Notes what was tried and how far the webhook has come by it. The line afterwards; nothing for a sender that has lost it.
#[derive(Debug)]
pub struct Note {
    /// Which.
    pub webhook: WebhookId,
    /// The sender.
    pub holder: Uuid,
    /// What was tried, if anything was.
    pub tried: Option<Tried>,
    /// Everything before this was tried.
    pub reached: Option<Reached>,
    /// Whether the sender gives it back.
    pub release: bool,
}

impl Operation for Note {
    type State = (Option<WebhookLine>, Option<Delivery>);
    type Output = Option<WebhookLine>;

    fn home(&self) -> Home {
        self.webhook.part()
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        let line = view.get(&TheLine(self.webhook)).await?;
        let known = self.tried.as_ref().and_then(|tried| tried.delivery);
        let delivery = match known {
            Some(id) => view.get(&TheDelivery(self.webhook, id)).await?,
            None => None,
        };
        Ok((line, delivery))
    }

    fn decide(&self, (line, found): Self::State, facts: &Facts) -> Result<Decision<Self::Output>, Refusal> {
        let mine = |line: &WebhookLine| line.lease.is_some_and(|lease| lease.holder == self.holder);
        let Some(mut line) = line.filter(mine) else { return Ok(Decision::unchanged(None)) };
        line.lease = Some(lease(self.holder, facts)).filter(|_| !self.release);
        line.reached = self.reached.or(line.reached);
        if line.rest.is_some_and(|rest| rest <= facts.now) {
            line.rest = None;
        }
        let delivery = self.tried.as_ref().and_then(|tried| match (tried.delivery, found) {
            (Some(_), None) => None,
            (Some(_), found) => found,
            (None, _) => Some(first(&mut line, tried.event.clone(), facts)),
        });
        let Some((tried, delivery)) = self.tried.as_ref().zip(delivery) else {
            // What is not kept any more is not tried again.
            line.pending
                .retain(|it| self.tried.as_ref().is_none_or(|tried| tried.delivery != Some(it.delivery)));
            return Ok(Decision::unchanged(Some(line.clone())).put(line.into()));
        };
        let delivery = after(delivery, tried.attempt, facts);
        line.pending.retain(|it| it.delivery != delivery.id);
        line.pending.extend(delivery.next_attempt_at.map(|at| Pending { at, delivery: delivery.id }));
        line.failures = match tried.attempt {
            attempt if attempt.is_nobody() => line.failures.saturating_add(1),
            // Nobody was asked.
            Attempt::Failed(_) => line.failures,
            Attempt::Answered(_) => 0,
        };
        let rest = rest(line.failures).max(tried.attempt.wish());
        line.rest = Some(facts.now.plus_seconds(rest)).filter(|_| rest > 0);
        Ok(Decision::unchanged(Some(line.clone())).put(line.into()).put(delivery.into()))
    }
}

/// A delivery that is begun. Its id says when, and of two in the same instant which was first.
fn first(line: &mut WebhookLine, event: DeliveredEvent, facts: &Facts) -> Delivery {
    line.begun += 1;
    line.kept = line.kept.saturating_add(1);
    let mut tail = [0_u8; 10];
    tail[3..7].copy_from_slice(&u32::try_from(line.begun & 0xffff_ffff).unwrap_or_default().to_be_bytes());
    tail[7..].copy_from_slice(&facts.seed.derive("delivery")[..3]);
    let millis = (facts.now.micros() / 1_000).unsigned_abs();
    Delivery {
        id: DeliveryId::from_uuid(uuid::Builder::from_unix_timestamp_millis(millis, &tail).into_uuid()),
        webhook: line.id,
        event,
        status: DeliveryStatus::Pending,
        attempts: 0,
        tries: 0,
        response_status: None,
        error: None,
        created_at: facts.now,
        next_attempt_at: None,
        delivered_at: None,
    }
}

fn after(mut delivery: Delivery, attempt: Attempt, facts: &Facts) -> Delivery {
    delivery.attempts += 1;
    delivery.tries += 1;
    delivery.error = attempt.error();
    delivery.response_status = match attempt {
        Attempt::Answered(answered) => Some(answered.status),
        Attempt::Failed(_) => None,
    };
    delivery.next_attempt_at = None;
    delivery.delivered_at = None;
    delivery.status = if attempt.is_success() {
        delivery.delivered_at = Some(facts.now);
        DeliveryStatus::Delivered
    } else if attempt.is_final() || delivery.tries >= TRIES {
        DeliveryStatus::Failed
    } else {
        let [random, ..] = facts.seed.derive(&format!("jitter {}", delivery.id));
        let pause = pause(delivery.tries, random).max(attempt.wish().saturating_mul(1_000_000));
        delivery.next_attempt_at = Some(Timestamp::from_micros(facts.now.micros().saturating_add(pause)));
        DeliveryStatus::Pending
    };
    delivery
}

/// How long after so many tries the next is made, in microseconds: up to a fifth longer than planned, so that many do not
/// come together.
fn pause(tries: u32, random: u8) -> i64 {
    let n = usize::try_from(tries.saturating_sub(1)).unwrap_or(usize::MAX);
    let seconds = PAUSES.get(n).or(PAUSES.last()).copied().unwrap_or_default();
    seconds * 1_000_000 + seconds * 200_000 * i64::from(random) / 255
}

/// How long a receiver is left alone in which so many attempts in a row have failed, in seconds.
pub fn rest(failures: u32) -> i64 {
    match failures.checked_sub(BAD_LUCK + 1) {
        None => 0,
        Some(more) => 5_i64.saturating_mul(1 << more.min(16)).min(LONGEST_REST),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actor::Actor;
    use crate::facts::Seed;
    use crate::id::EventId;

    const HOLDER: Uuid = Uuid::from_u128(1);

    fn id() -> WebhookId {
        WebhookId::from_uuid(Uuid::from_u128(2))
    }

    fn event() -> DeliveredEvent {
        let id = EventId::from_uuid(Uuid::from_u128(3));
        let kind = "member.added".to_owned();
        DeliveredEvent { id, kind, organization: None, home: Home::Deployment, seq: 1, n: 0 }
    }

    fn answered(status: u16, retry_after: Option<u32>) -> Attempt {
        Attempt::Answered(Answered { status, retry_after })
    }

    fn decide(
        line: &WebhookLine,
        found: Option<Delivery>,
        attempt: Attempt,
        now: i64,
    ) -> Option<(WebhookLine, Delivery)> {
        let tried = Tried { delivery: found.as_ref().map(|it| it.id), event: event(), attempt };
        let note = Note { webhook: id(), holder: HOLDER, tried: Some(tried), reached: None, release: false };
        let facts = Facts {
            actor: Actor::System,
            now: Timestamp::EPOCH.plus_seconds(now),
            policies: std::sync::Arc::default(),
            seed: Seed { bytes: [0; 32], millis: 0 },
        };
        let decision = note.decide((Some(line.clone()), found), &facts).unwrap();
        let delivery = decision.puts.into_iter().find_map(<TheDelivery as crate::home::TypedKey>::pick);
        decision.output.zip(delivery)
    }

    fn line() -> WebhookLine {
        let lease = crate::model::Lease { holder: HOLDER, until: Timestamp::EPOCH };
        WebhookLine { lease: Some(lease), ..WebhookLine::new(id(), None) }
    }

    #[test]
    fn x2_attempts_lie_further_and_further_apart_for_three_days() {
        let (mut line, mut found, mut now) = (line(), None, 0);
        let mut pauses = Vec::new();
        loop {
            let (after, delivery) = decide(&line, found, answered(500, None), now).unwrap();
            line = after;
            let Some(next) = delivery.next_attempt_at else {
                assert_eq!((delivery.status, delivery.attempts), (DeliveryStatus::Failed, TRIES));
                break;
            };
            pauses.push(next.micros() / 1_000_000 - now);
            now = next.micros() / 1_000_000 + 1;
            found = Some(delivery);
        }
        assert!(
            pauses.iter().zip(PAUSES).all(|(pause, least)| (least..=least + least / 5 + 1).contains(pause))
        );
        assert_eq!(line.pending, []);
        assert!((3 * 86_400..4 * 86_400).contains(&PAUSES.iter().sum::<i64>()));
    }

    #[test]
    fn x2_only_2xx_is_success_and_410_is_the_end() {
        for (attempt, status, error) in [
            (answered(200, None), DeliveryStatus::Delivered, None),
            (answered(299, None), DeliveryStatus::Delivered, None),
            (answered(199, None), DeliveryStatus::Pending, Some(DeliveryError::Status)),
            (answered(302, None), DeliveryStatus::Pending, Some(DeliveryError::Status)),
            (answered(410, None), DeliveryStatus::Failed, Some(DeliveryError::Status)),
            (Attempt::Failed(DeliveryError::Timeout), DeliveryStatus::Pending, Some(DeliveryError::Timeout)),
            (Attempt::Failed(DeliveryError::Gone), DeliveryStatus::Failed, Some(DeliveryError::Gone)),
        ] {
            let (line, delivery) = decide(&line(), None, attempt, 0).unwrap();
            assert_eq!((delivery.status, delivery.error), (status, error), "{attempt:?}");
            let waits = line.pending.len();
            assert_eq!(waits, usize::from(status == DeliveryStatus::Pending));
        }
    }

    #[test]
    fn a_receiver_that_wants_to_be_left_alone_is() {
        let (line, delivery) = decide(&line(), None, answered(429, Some(600)), 0).unwrap();
        let until = Timestamp::EPOCH.plus_seconds(600);
        assert_eq!((delivery.next_attempt_at, line.rest), (Some(until), Some(until)));
    }

    #[test]
    fn x2_only_who_is_busy_or_down_says_for_how_long() {
        for status in [400, 418, 500, 502] {
            let (line, delivery) = decide(&line(), None, answered(status, Some(86_400)), 0).unwrap();
            assert_eq!(line.rest, None, "{status}");
            assert!(delivery.next_attempt_at.is_some_and(|at| at < Timestamp::EPOCH.plus_seconds(10)));
        }
    }

    #[test]
    fn x2_events_that_are_refused_give_the_receiver_no_rest() {
        let mut line = line();
        for status in [500, 400, 302, 500, 500, 500] {
            line = decide(&line, None, answered(status, None), 0).unwrap().0;
            assert_eq!((line.rest, line.failures), (None, 0), "somebody is there");
        }
        for attempt in [
            answered(429, None),
            answered(502, None),
            answered(504, None),
            Attempt::Failed(DeliveryError::Timeout),
            Attempt::Failed(DeliveryError::Connection),
        ] {
            line = decide(&line, None, attempt, 0).unwrap().0;
        }
        assert_eq!((line.failures, line.rest.is_some()), (5, true));
    }

    #[test]
    fn failures_in_a_row_give_a_rest_and_one_success_ends_it() {
        let mut line = line();
        for rest in [None, None, Some(5), Some(10), Some(20)] {
            line = decide(&line, None, answered(503, None), 0).unwrap().0;
            assert_eq!(line.rest, rest.map(|rest| Timestamp::EPOCH.plus_seconds(rest)));
        }
        let (after, _) = decide(&line, None, answered(204, None), 0).unwrap();
        assert_eq!((after.rest, after.failures, after.pending.len()), (None, 0, 5));
        assert_eq!(rest(60), LONGEST_REST);
    }

    #[test]
    fn a_sender_that_has_lost_it_changes_nothing() {
        let lost = WebhookLine { lease: None, ..line() };
        assert_eq!(decide(&lost, None, answered(200, None), 0), None);
    }

    #[test]
    fn deliveries_of_the_same_instant_stand_in_the_order_in_which_they_were_begun() {
        let (next, one) = decide(&line(), None, answered(200, None), 7).unwrap();
        let (_, two) = decide(&next, None, answered(200, None), 7).unwrap();
        assert!(one.id < two.id);
    }
}
