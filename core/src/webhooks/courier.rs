//! Looks which webhooks have something to send, and has it sent: the feed says what is new, lines say what is to be tried
//! again. Any number of processes may do so at the same time; each webhook has one sender at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use super::Sender;
use super::round::{Ended, Glance, Round};
use crate::actor::Actor;
use crate::facts::Request;
use crate::flows::forget_webhook;
use crate::home::{Home, Key};
use crate::id::{OrganizationId, WebhookId};
use crate::model::{FeedKey, MAX_DELIVERIES, WEBHOOK_PARTS, WebhookLine};
use crate::op::{Roster, run};
use crate::ops::pointer::DEAD_AFTER;
use crate::ops::webhook::{ForgetDeliveries, TakeLine, TakenLine};
use crate::reads::{last_entry, lines_of, surplus};
use crate::refusal::OpError;
use crate::stop::Stop;
use crate::time::Timestamp;

/// How often all lines are looked at, for what others have made or left.
const SCAN: Duration = Duration::from_secs(5);
/// The longest wait for anything.
const LOOK: Duration = Duration::from_secs(1);
/// How many webhooks a process serves at a time whose receivers answer, and beside them whose do not: so those that do not
/// answer keep nobody waiting who does.
const AT_A_TIME: usize = 16;
/// Lines, and entries of the feed, that are read at a time.
const PAGE: u16 = 200;
/// So many deliveries too many are taken away together.
const SLACK: u32 = 100;

/// Sends events until it is told to stop.
#[derive(Clone, Debug)]
pub struct Courier {
    roster: Roster,
    sender: Arc<dyn Sender>,
    healthy: Arc<Semaphore>,
    failing: Arc<Semaphore>,
}

/// What is known in this process of a webhook.
#[derive(Clone, Copy, Debug)]
struct Known {
    /// Something may be new.
    news: bool,
    /// When something is to be tried again.
    due: Option<Timestamp>,
    failing: bool,
    waits: usize,
}

/// What one process knows.
#[derive(Debug, Default)]
struct Board {
    known: BTreeMap<WebhookId, Known>,
    by_organization: BTreeMap<Option<OrganizationId>, BTreeSet<WebhookId>>,
    at_hand: BTreeSet<WebhookId>,
    /// Up to this entry the feed was looked at.
    heard: u64,
}

impl Courier {
    /// A courier on a store; nothing where nobody sends.
    pub fn new(roster: Roster) -> Option<Self> {
        let sender = roster.webhooks.sender.clone()?;
        let slots = || Arc::new(Semaphore::new(AT_A_TIME));
        Some(Self { roster, sender, healthy: slots(), failing: slots() })
    }

    /// Works until the word to stop is given; then what is being sent is finished, and every webhook given back.
    pub async fn work(&self, stop: Stop) {
        let (mut board, mut at_hand) = (Board::default(), JoinSet::new());
        let mut scanned: Option<Instant> = None;
        while !stop.is_given() {
            let due = scanned.is_none_or(|at| at.elapsed() >= SCAN);
            let looked = async {
                if due {
                    self.scan(&mut board).await?;
                    scanned = Some(Instant::now());
                }
                if board.known.is_empty() {
                    // Whoever comes next has to look at everything.
                    board.heard = 0;
                    return Ok(());
                }
                self.hear(&mut board).await?;
                self.start(&mut board, &mut at_hand, &stop).await
            };
            if let Err(error) = looked.await {
                tracing::warn!(%error, "webhooks cannot be looked at; trying again");
                tokio::time::sleep(LOOK).await;
            }
            let news = self.news(&board);
            tokio::select! {
                Some(ended) = at_hand.join_next() => board.note(ended),
                () = self.roster.webhooks.wake.notified() => scanned = None,
                () = news => {}
                () = tokio::time::sleep(LOOK) => {}
                () = stop.heard() => {}
            }
            while let Some(ended) = at_hand.try_join_next() {
                board.note(ended);
            }
        }
        while at_hand.join_next().await.is_some() {}
    }

    /// Until the feed goes beyond what was heard; never where no webhook is there to be told.
    async fn news(&self, board: &Board) {
        if board.known.is_empty() {
            std::future::pending::<()>().await;
        }
        self.roster.news.beyond(self.roster.store.as_ref(), &Home::Feed, board.heard).await;
    }

    /// Sends everything that can be sent now.
    pub async fn work_off(&self) -> Result<(), OpError> {
        let (mut board, stop) = (Board::default(), Stop::default());
        self.scan(&mut board).await?;
        loop {
            let mut at_hand = JoinSet::new();
            self.start(&mut board, &mut at_hand, &stop).await?;
            if at_hand.is_empty() {
                return Ok(());
            }
            while let Some(ended) = at_hand.join_next().await {
                board.note(ended);
            }
        }
    }

    /// Looks at every line. What this process has not seen before may have news.
    async fn scan(&self, board: &mut Board) -> Result<(), OpError> {
        let mut there = BTreeMap::new();
        for part in 0..WEBHOOK_PARTS {
            let mut after = None;
            loop {
                let lines = lines_of(&self.roster, part, after, PAGE).await?;
                let Some(last) = lines.last() else { break };
                after = Some(last.id);
                there.extend(lines.into_iter().map(|line| (line.id, line)));
            }
        }
        self.roster.observer.waiting(there.values().map(|line| line.pending.len() as u64).sum());
        board.learn(&there);
        Ok(())
    }

    /// Looks at what the feed has come to hold.
    async fn hear(&self, board: &mut Board) -> Result<(), OpError> {
        let end = last_entry(&self.roster).await?;
        if board.heard == 0 || end < board.heard {
            board.heard = end;
            board.all_have_news();
        }
        while board.heard < end {
            let to = end.min(board.heard + u64::from(PAGE));
            let keys: Vec<Key> = (board.heard + 1..=to).map(|n| Key::Feed(FeedKey::entry(n))).collect();
            let read = self.roster.store.read(&Home::Feed, &keys, &[]).await?;
            for line in read.records.values().filter_map(|stored| stored.record.feed_line()) {
                for span in &line.spans {
                    board.news_of(if let Home::Organization(id) = span.home { Some(id) } else { None });
                }
            }
            board.heard = to;
        }
        Ok(())
    }

    /// Begins with those that have something to send, as long as there is room.
    async fn start(
        &self,
        board: &mut Board,
        at_hand: &mut JoinSet<(WebhookId, Option<Ended>)>,
        stop: &Stop,
    ) -> Result<(), OpError> {
        let now = self.roster.store.read(&Home::Webhooks(0), &[], &[]).await?.clock;
        for id in board.wanted(now) {
            let Some(known) = board.known.get(&id).copied() else { continue };
            let slots = if known.failing { &self.failing } else { &self.healthy };
            let Ok(slot) = Arc::clone(slots).try_acquire_owned() else { continue };
            board.begin(id);
            let (this, stop) = (self.clone(), stop.clone());
            at_hand.spawn(async move {
                let ended = this.serve(id, slot, stop).await.unwrap_or_else(|error| {
                    tracing::warn!(webhook = %id, %error, "a webhook cannot be served; trying again");
                    None
                });
                (id, ended)
            });
        }
        Ok(())
    }

    /// Serves one webhook as long as it has something to send. Nothing where it has been left for another time.
    async fn serve(
        &self,
        id: WebhookId,
        slot: OwnedSemaphorePermit,
        stop: Stop,
    ) -> Result<Option<Ended>, OpError> {
        let system = Request::new(Actor::System, self.roster.entropy.as_ref());
        let holder = system.seed.uuid("holder");
        let round = Round {
            roster: self.roster.clone(),
            sender: Arc::clone(&self.sender),
            webhook: id,
            holder,
            stop,
        };
        match round.glance().await? {
            Glance::Idle(ended) => return Ok(Some(ended)),
            Glance::Busy => {}
            Glance::Missing => {
                self.sweep(&system, id).await?;
                return Ok(None);
            }
        }
        let line = match run(&self.roster, &system, &TakeLine { webhook: id, holder }).await?.output {
            TakenLine::Mine(line) => line,
            TakenLine::NotNow(until) => return Ok(Some(Ended::not_before(until))),
            TakenLine::Missing => return Ok(None),
        };
        let ended = round.go(line).await?;
        drop(slot);
        if ended.kept > MAX_DELIVERIES + SLACK {
            let deliveries = surplus(&self.roster, id, MAX_DELIVERIES).await?;
            let forget = ForgetDeliveries { webhook: id, deliveries, gone: false };
            run(&self.roster, &system.step("surplus"), &forget).await?;
        }
        Ok(Some(ended))
    }

    /// Takes away what leads to a webhook that is not there, unless it may still be made.
    async fn sweep(&self, system: &Request, id: WebhookId) -> Result<(), OpError> {
        let key = Key::Webhook(crate::model::WebhookKey::Line(id));
        let read = self.roster.store.read(&id.part(), std::slice::from_ref(&key), &[]).await?;
        let Some(stored) = read.records.get(&key) else { return Ok(()) };
        let made_at = i64::try_from(stored.version.unix_millis()).unwrap_or(i64::MAX);
        if read.clock.micros() / 1_000 > made_at.saturating_add(DEAD_AFTER * 1_000) {
            forget_webhook(&self.roster, system, id).await?;
        }
        Ok(())
    }
}

impl Board {
    fn learn(&mut self, there: &BTreeMap<WebhookId, WebhookLine>) {
        self.known.retain(|id, _| there.contains_key(id) || self.at_hand.contains(id));
        self.by_organization.clear();
        for (id, line) in there {
            self.by_organization.entry(line.organization).or_default().insert(*id);
            let ended = Ended::of(line);
            let known =
                self.known.entry(*id).or_insert(Known { news: true, due: None, failing: false, waits: 0 });
            (known.due, known.failing, known.waits) = (ended.due, ended.failing, line.pending.len());
        }
    }

    fn all_have_news(&mut self) {
        self.known.values_mut().for_each(|known| known.news = true);
    }

    /// Something has happened in an organization, or outside of them.
    fn news_of(&mut self, organization: Option<OrganizationId>) {
        let own = self.by_organization.get(&organization).into_iter().flatten();
        // The deployment's hear of everything.
        let deployment = self.by_organization.get(&None).into_iter().flatten();
        for id in own.chain(deployment) {
            if let Some(known) = self.known.get_mut(id) {
                known.news = true;
            }
        }
    }

    /// Those that may have something to send at an instant and are not being served.
    fn wanted(&self, now: Timestamp) -> Vec<WebhookId> {
        let wants = |known: &Known| known.news || known.due.is_some_and(|due| due <= now);
        let free = self.known.iter().filter(|(id, known)| wants(known) && !self.at_hand.contains(id));
        free.map(|(id, _)| *id).collect()
    }

    fn begin(&mut self, id: WebhookId) {
        self.at_hand.insert(id);
        if let Some(known) = self.known.get_mut(&id) {
            (known.news, known.due) = (false, None);
        }
    }

    /// What came of serving one. One that fell over is served again when its lease has ended.
    fn note(&mut self, ended: Result<(WebhookId, Option<Ended>), JoinError>) {
        let (id, ended) = match ended {
            Ok(ended) => ended,
            Err(error) => {
                tracing::error!(%error, "sending events fell over");
                return;
            }
        };
        self.at_hand.remove(&id);
        let Some(known) = self.known.get_mut(&id) else { return };
        if let Some(ended) = ended {
            known.news |= ended.more;
            (known.due, known.failing) = (ended.due, ended.failing);
        }
    }
}
