//! Serving one webhook: what is due again and what is new take turns, one at a time, each noted before the next.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use super::{Message, Sender, signatures};
use crate::actor::Actor;
use crate::facts::Request;
use crate::home::{Home, Key, TheOrganization, TypedKey};
use crate::id::{DeliveryId, WebhookId};
use crate::log::LogFilter;
use crate::model::{
    DeliveredEvent, DeliveryError, OrganizationStatus, Reached, TheDelivery, TheLine, TheWebhook, Webhook,
    WebhookLine,
};
use crate::op::{Roster, run};
use crate::ops::webhook::{Attempt, BeginLine, DisableWebhook, Note, Tried, webhook_home};
use crate::reads::{
    Event, EventPlace, EventSource, defined, event_at, events_behind, events_end, last_entry,
};
use crate::refusal::{OpError, Refusal};
use crate::stop::Stop;
use crate::time::Timestamp;

/// The longest that one attempt may take, whatever the sender does.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long an attempt that is under way may go on after the word to stop.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// How many attempts are made before others get their turn, and for how long.
const TURNS: usize = 100;
const TURN: Duration = Duration::from_secs(5);
/// A receiver that takes longer is slow.
const SLOW: Duration = Duration::from_secs(2);
/// After so many pages that hold nothing for a webhook, or after so long, it is noted how far it has come.
const PAGES: usize = 10;
const READING: Duration = Duration::from_secs(10);
/// Events that are read at a time.
const CHUNK: u16 = 100;

/// How things stand with a webhook that was served.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ended {
    /// Whether there is more to send at once.
    pub more: bool,
    /// When something is to be tried again.
    pub due: Option<Timestamp>,
    /// Whether its receiver failed last.
    pub failing: bool,
    /// Whether its receiver took long last, if it was asked.
    pub slow: Option<bool>,
    /// When to look at it in any case.
    pub look: Option<Timestamp>,
    /// How many deliveries are kept of it beside those that wait.
    pub settled: u32,
}

impl Ended {
    /// There is nothing to do.
    pub(super) const NOTHING: Self =
        Self { more: false, due: None, failing: false, slow: None, look: None, settled: 0 };

    /// As a line says. Whoever holds it may have died with something new at hand: it is looked at when the lease ends,
    /// however late what waits is due.
    pub(super) fn of(line: &WebhookLine) -> Self {
        let due = line.lease.map(|lease| lease.until).or_else(|| line.due());
        Self { due, failing: line.failures > 0, settled: line.settled(), ..Self::NOTHING }
    }

    pub(super) const fn not_before(until: Timestamp) -> Self {
        Self { due: Some(until), ..Self::NOTHING }
    }
}

/// What there is to do for a webhook.
#[derive(Clone, Copy, Debug)]
pub(super) enum Glance {
    /// It is not there.
    Missing,
    /// Nothing now.
    Idle(Ended),
    /// Something, perhaps.
    Busy,
    /// Its organization is closed: what waits is to be given up.
    Over,
}

/// A webhook that this process serves.
#[derive(Debug)]
pub(super) struct Round {
    pub(super) roster: Roster,
    pub(super) sender: Arc<dyn Sender>,
    pub(super) webhook: WebhookId,
    pub(super) holder: Uuid,
    pub(super) stop: Stop,
}

/// A webhook at an instant at which events may be sent to it.
#[derive(Debug)]
struct Target {
    webhook: Webhook,
    now: Timestamp,
}

/// An event that is still to be tried for the first time.
#[derive(Debug)]
struct Ahead {
    event: DeliveredEvent,
    /// The place behind it.
    behind: Reached,
}

/// What is tried next.
#[derive(Debug)]
struct Turn {
    delivery: Option<DeliveryId>,
    event: DeliveredEvent,
    reached: Option<Reached>,
}

/// What is new, as far as it was read.
#[derive(Debug, Default)]
struct News {
    ahead: VecDeque<Ahead>,
    /// Whether nothing came behind it when it was read.
    is_all: bool,
}

impl Round {
    /// Whether there is anything to do, without taking it.
    pub(super) async fn glance(&self) -> Result<Glance, OpError> {
        let Some(line) = self.line().await? else { return Ok(Glance::Missing) };
        let Some(target) = self.look(&line).await? else {
            // That of a closed organization stays, and sends nothing any more.
            let there = defined(&self.roster, &line).await?.is_some();
            return Ok(match there {
                false => Glance::Missing,
                true if line.pending.is_empty() => Glance::Idle(Ended::NOTHING),
                true => Glance::Over,
            });
        };
        if target.webhook.disabled.is_some() {
            return Ok(Glance::Idle(Ended::NOTHING));
        }
        // What somebody has left is given back.
        let left = line.lease.is_some_and(|lease| lease.until <= target.now);
        let due = left || line.due().is_some_and(|due| due <= target.now);
        let idle = !due && !self.has_news(&line).await?;
        Ok(if idle { Glance::Idle(Ended::of(&line)) } else { Glance::Busy })
    }

    async fn line(&self) -> Result<Option<WebhookLine>, OpError> {
        let key = TheLine(self.webhook).key();
        let mut read = self.roster.store.read(&self.webhook.part(), std::slice::from_ref(&key), &[]).await?;
        Ok(read.records.remove(&key).and_then(|stored| TheLine::pick(stored.record)))
    }

    /// Whether the log has gone beyond what was reached. A rest keeps it waiting, and much that waits itself.
    async fn has_news(&self, line: &WebhookLine) -> Result<bool, OpError> {
        if line.rest.is_some() || line.is_full() {
            return Ok(false);
        }
        let Some(reached) = line.reached else { return Ok(true) };
        Ok(match line.organization {
            Some(id) => {
                self.roster.store.read(&Home::Organization(id), &[], &[]).await?.head.seq >= reached.seq
            }
            None => last_entry(&self.roster).await? >= reached.entry,
        })
    }

    /// The webhook as it is now, if events are to be sent to it.
    async fn look(&self, line: &WebhookLine) -> Result<Option<Target>, OpError> {
        let key = TheWebhook(self.webhook).key();
        let keys = [key.clone(), Key::Organization];
        let home = webhook_home(line.organization);
        let asked = if line.organization.is_some() { &keys[..] } else { &keys[..1] };
        let mut read = self.roster.store.read(&home, asked, &[]).await?;
        let now = read.clock;
        let organization = read.records.remove(&Key::Organization);
        let closed = organization
            .and_then(|stored| TheOrganization::pick(stored.record))
            .is_some_and(|it| it.status == OrganizationStatus::Closed);
        let webhook = read.records.remove(&key).and_then(|stored| TheWebhook::pick(stored.record));
        Ok(webhook.filter(|_| !closed).map(|webhook| Target { webhook, now }))
    }

    /// Sends what is to be sent, until nothing is left, the receiver is to be left alone, or others are to have their turn.
    pub(super) async fn go(&self, line: WebhookLine) -> Result<Ended, OpError> {
        let mut slow = None;
        let ended = self.turns(line, &mut slow).await?;
        Ok(Ended { slow, ..ended })
    }

    async fn turns(&self, line: WebhookLine, slow: &mut Option<bool>) -> Result<Ended, OpError> {
        let (begun, system) = (Instant::now(), Request::new(Actor::System, self.roster.entropy.as_ref()));
        let Some(mut line) = self.begun(&system, line).await? else {
            return Ok(Ended::not_before(Timestamp::EPOCH));
        };
        // After a rest what is new comes first: what waits may be what nobody takes.
        let (mut news, mut again) = (News::default(), line.rest.is_none());
        for n in 0..TURNS {
            if self.stop.is_given() || begun.elapsed() >= TURN {
                break;
            }
            let Some(target) = self.look(&line).await?.filter(|it| it.webhook.disabled.is_none()) else {
                break;
            };
            if line.rest.is_some_and(|rest| rest > target.now) {
                break;
            }
            let step = system.step(&format!("turn {n}"));
            let Some(turn) = self.turn(&step, &target, &mut line, &mut news, again).await? else {
                return self.release(&system, false).await;
            };
            again = turn.delivery.is_none();
            let asked = Instant::now();
            let Some(attempt) = self.attempt(&target, &turn).await? else { break };
            *slow = Some(asked.elapsed() > SLOW);
            let tried = Tried { delivery: turn.delivery, event: turn.event, attempt };
            let last =
                news.ahead.is_empty() && news.is_all && line.pending.is_empty() && attempt.is_success();
            let note = self.note(Some(tried), turn.reached, last);
            if attempt.says_gone() {
                self.disable(&step, &target).await?;
            }
            let noted = run(&self.roster, &step.step("note"), &note).await?.output;
            match noted {
                Some(after) if last => return Ok(Ended::of(&after)),
                Some(after) => line = after,
                // Another has taken over.
                None => return Ok(Ended::not_before(Timestamp::EPOCH)),
            }
        }
        self.release(&system, true).await
    }

    /// Leaves a receiver alone that is gone for good. Whoever dies before is told so again.
    async fn disable(&self, step: &Request, target: &Target) -> Result<(), OpError> {
        let Webhook { organization, url, .. } = target.webhook.clone();
        tracing::warn!(webhook = %self.webhook, url = url.origin(), "a receiver is gone: its webhook is disabled");
        let disable = DisableWebhook { organization, webhook: self.webhook, receiver: url };
        run(&self.roster, &step.step("disable"), &disable).await?;
        Ok(())
    }

    const fn note(&self, tried: Option<Tried>, reached: Option<Reached>, release: bool) -> Note {
        Note { webhook: self.webhook, holder: self.holder, tried, reached, release }
    }

    async fn release(&self, system: &Request, more: bool) -> Result<Ended, OpError> {
        let note = self.note(None, None, true);
        let line = run(&self.roster, &system.step("release"), &note).await?.output;
        let more = more && line.as_ref().is_some_and(|line| line.rest.is_none());
        Ok(line.map_or(Ended::not_before(Timestamp::EPOCH), |line| Ended { more, ..Ended::of(&line) }))
    }

    /// The line with the place where the webhook begins: behind its own making.
    async fn begun(&self, system: &Request, line: WebhookLine) -> Result<Option<WebhookLine>, OpError> {
        let (None, Some(target)) = (line.reached, self.look(&line).await?) else { return Ok(Some(line)) };
        let from = match line.organization {
            Some(_) => self.made_at(&target.webhook).await?.unwrap_or(target.webhook.begins),
            None => target.webhook.begins,
        };
        let begin = BeginLine { webhook: self.webhook, from };
        Ok(run(&self.roster, &system.step("begin"), &begin).await?.output)
    }

    /// The place behind the making of a webhook in its organization's log.
    async fn made_at(&self, webhook: &Webhook) -> Result<Option<Reached>, OpError> {
        let home = webhook_home(webhook.organization);
        let filter = LogFilter { action: Some("webhook.created".to_owned()), ..LogFilter::ALL };
        let mut after = webhook.begins.seq.saturating_sub(1);
        loop {
            let found = self.roster.store.log(&home, after, CHUNK, &filter).await?;
            let Some(last) = found.last() else { return Ok(None) };
            after = last.seq;
            for logged in &found {
                if let Some(event) = event_at(&self.roster, &home, logged.seq, 0).await?
                    && is_own_making(&event, webhook)
                {
                    return Ok(Some(Reached { entry: 0, span: 0, seq: logged.seq, n: 1 }));
                }
            }
        }
    }

    /// What is tried next: what is due again and what is new take turns. Nothing too where another has taken over.
    async fn turn(
        &self,
        step: &Request,
        target: &Target,
        line: &mut WebhookLine,
        news: &mut News,
        again: bool,
    ) -> Result<Option<Turn>, OpError> {
        if again && let Some(turn) = self.due(target, line).await? {
            return Ok(Some(turn));
        }
        if line.is_full() {
            return self.due(target, line).await;
        }
        if news.ahead.is_empty() && !news.is_all && !self.read_on(step, target, line, news).await? {
            return Ok(None);
        }
        if let Some(Ahead { event, behind }) = news.ahead.pop_front() {
            return Ok(Some(Turn { delivery: None, event, reached: Some(behind) }));
        }
        self.due(target, line).await
    }

    async fn due(&self, target: &Target, line: &mut WebhookLine) -> Result<Option<Turn>, OpError> {
        while let Some(id) = line.due_delivery(target.now) {
            let key = TheDelivery(self.webhook, id).key();
            let mut read =
                self.roster.store.read(&self.webhook.part(), std::slice::from_ref(&key), &[]).await?;
            if let Some(it) = read.records.remove(&key).and_then(|stored| TheDelivery::pick(stored.record)) {
                return Ok(Some(Turn { delivery: Some(id), event: it.event, reached: None }));
            }
            line.pending.retain(|it| it.delivery != id);
        }
        Ok(None)
    }

    /// Reads what is new, up to the first page that holds something that the webhook wants. False where another has taken
    /// over meanwhile.
    async fn read_on(
        &self,
        step: &Request,
        target: &Target,
        line: &mut WebhookLine,
        news: &mut News,
    ) -> Result<bool, OpError> {
        let source = target.webhook.organization.map_or(EventSource::Deployment, EventSource::Organization);
        let from = line.reached.unwrap_or(target.webhook.begins);
        let (mut place, mut pages, mut noted) = (EventPlace::from(from), 0, Instant::now());
        while !self.stop.is_given() {
            let page = match events_behind(&self.roster, source, place, CHUNK).await {
                Ok(page) => page,
                Err(OpError::Refused(Refusal::CursorExpired)) => {
                    tracing::warn!(webhook = %self.webhook, "what is next is not kept any more: it is left out");
                    place = self.go_on(source).await?;
                    events_behind(&self.roster, source, place, CHUNK).await?
                }
                Err(error) => return Err(error),
            };
            news.is_all = page.rows.len() < usize::from(CHUNK);
            let wanted = page.rows.iter().filter(|(event, _)| wants(&target.webhook, event));
            news.ahead.extend(
                wanted.map(|(event, behind)| Ahead { event: delivered(event), behind: (*behind).into() }),
            );
            if let Some(last) = news.ahead.back_mut() {
                last.behind = page.next.into();
                return Ok(true);
            }
            place = page.next;
            if news.is_all {
                break;
            }
            pages += 1;
            if pages % PAGES == 0 || noted.elapsed() >= READING {
                if !self.skip(&step.step(&format!("page {pages}")), line, place).await? {
                    return Ok(false);
                }
                noted = Instant::now();
            }
        }
        self.skip(step, line, place).await
    }

    /// Notes that a webhook has come so far, and that it is still held. False where another has taken over.
    async fn skip(&self, step: &Request, line: &mut WebhookLine, place: EventPlace) -> Result<bool, OpError> {
        let reached = Reached::from(place);
        if Some(reached) == line.reached {
            return Ok(true);
        }
        let note = self.note(None, Some(reached), false);
        let noted = run(&self.roster, &step.step("skip"), &note).await?.output;
        let held = noted.is_some();
        *line = noted.unwrap_or_else(|| line.clone());
        Ok(held)
    }

    /// Where to go on when what is next is gone: of the deployment at the first event that can still be read; of an
    /// organization, whose store has lost events, at what is to come.
    async fn go_on(&self, source: EventSource) -> Result<EventPlace, OpError> {
        match source {
            EventSource::Deployment => Ok(EventPlace::START),
            EventSource::Organization(_) => events_end(&self.roster, source).await,
        }
    }

    /// Sends one event, with the body that it has now. Nothing where the process is to stop first.
    async fn attempt(&self, target: &Target, turn: &Turn) -> Result<Option<Attempt>, OpError> {
        let DeliveredEvent { home, seq, n, .. } = &turn.event;
        let attempt = match event_at(&self.roster, home, *seq, *n).await? {
            None => Attempt::Failed(DeliveryError::Gone),
            Some(event) => {
                let message = self.message(target, &event);
                let sent = tokio::time::timeout(PATIENCE, self.sender.send(&message));
                let stopped = async {
                    self.stop.heard().await;
                    tokio::time::sleep(LAST_WORDS).await;
                };
                tokio::select! {
                    sent = sent => match sent.unwrap_or(Err(DeliveryError::Timeout)) {
                        Ok(answered) => Attempt::Answered(answered),
                        Err(error) => Attempt::Failed(error),
                    },
                    () = stopped => return Ok(None),
                }
            }
        };
        self.tell(target, turn, attempt);
        Ok(Some(attempt))
    }

    fn tell(&self, target: &Target, turn: &Turn, attempt: Attempt) {
        let outcome = attempt.error().map_or("delivered", DeliveryError::name);
        self.roster.observer.sent(outcome);
        let Some(error) = attempt.error() else { return };
        let status = if let Attempt::Answered(answered) = attempt { Some(answered.status) } else { None };
        tracing::warn!(
            webhook = %self.webhook, url = target.webhook.url.origin(), event = %turn.event.id,
            error = error.name(), status, "an event was not taken by a webhook"
        );
    }

    fn message(&self, target: &Target, event: &Event) -> Message {
        let (id, body) = (event.id.to_string(), event.told().to_string().into_bytes());
        let timestamp = target.now.micros().div_euclid(1_000_000);
        let signature = signatures(&self.roster.links, &target.webhook, target.now, &id, timestamp, &body);
        Message { url: target.webhook.url.clone(), id, timestamp, signature, body }
    }
}

/// Whether an event is to be sent: one of those that the webhook wants, from after its making.
fn wants(webhook: &Webhook, event: &Event) -> bool {
    webhook.wants(&event.change.change.action)
        && event.change.time >= webhook.created_at
        && !is_own_making(event, webhook)
}

fn is_own_making(event: &Event, webhook: &Webhook) -> bool {
    let change = &event.change.change;
    change.action == "webhook.created" && change.target_id == webhook.id.to_string()
}

fn delivered(event: &Event) -> DeliveredEvent {
    DeliveredEvent {
        id: event.id,
        kind: event.change.change.action.clone(),
        organization: event.organization,
        home: event.home.clone(),
        seq: event.change.seq,
        n: event.n as u64,
    }
}
