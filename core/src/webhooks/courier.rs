//! Looks which webhooks have something to send, and has it sent: the feed says what is new, lines say what is to be tried
//! again. Any number of processes may do so at the same time; each webhook has one sender at a time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;

use super::Sender;
use super::board::Board;
use super::round::{Ended, Glance, Round};
use crate::actor::Actor;
use crate::facts::Request;
use crate::flows::forget_webhook;
use crate::home::{Home, Key};
use crate::id::WebhookId;
use crate::model::{FeedKey, MAX_DELIVERIES, WEBHOOK_PARTS, WebhookLine};
use crate::op::{Roster, run};
use crate::ops::pointer::DEAD_AFTER;
use crate::ops::webhook::{ForgetDeliveries, Settle, Settled, TakeLine, TakenLine};
use crate::reads::{last_entry, lines_of, surplus};
use crate::refusal::OpError;
use crate::stop::Stop;
use crate::time::Timestamp;

/// How often all lines are looked at, for what others have made or left.
const SCAN: Duration = Duration::from_secs(5);
/// The longest wait for anything.
const LOOK: Duration = Duration::from_secs(1);
/// Lines, and entries of the feed, that are read at a time.
const PAGE: u16 = 200;
/// How long until what leads to a webhook that is not there is looked at again, in seconds.
const MISSING: i64 = 60;
/// So many lines may come between two looks before a part is read in more than one go.
const NEW: u16 = 8;
/// So many deliveries too many are taken away together.
const SLACK: u32 = 100;

/// Sends events until it is told to stop.
#[derive(Clone, Debug)]
pub struct Courier {
    roster: Roster,
    sender: Arc<dyn Sender>,
}

impl Courier {
    /// A courier on a store; nothing where nobody sends.
    pub fn new(roster: Roster) -> Option<Self> {
        let sender = roster.webhooks.sender.clone()?;
        Some(Self { roster, sender })
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
                if board.is_empty() {
                    // Whoever comes next has to look at everything.
                    board.heard = None;
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
                Some(ended) = at_hand.join_next_with_id() => note(&mut board, ended),
                () = self.roster.webhooks.wake.notified() => scanned = None,
                () = news => {}
                () = tokio::time::sleep(LOOK) => {}
                () = stop.heard() => {}
            }
            while let Some(ended) = at_hand.try_join_next_with_id() {
                note(&mut board, ended);
            }
        }
        while at_hand.join_next().await.is_some() {}
    }

    /// Until the feed goes beyond what was heard; never where no webhook is there to be told.
    async fn news(&self, board: &Board) {
        if board.is_empty() {
            std::future::pending::<()>().await;
        }
        self.roster
            .news
            .beyond(self.roster.store.as_ref(), &Home::Feed, board.heard.unwrap_or_default())
            .await;
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
            while let Some(ended) = at_hand.join_next_with_id().await {
                note(&mut board, ended);
            }
        }
    }

    /// Looks at every line. What this process has not seen before may have news.
    async fn scan(&self, board: &mut Board) -> Result<(), OpError> {
        let mut there = BTreeMap::new();
        for part in 0..WEBHOOK_PARTS {
            // Deliveries stand behind the lines, very many of them, and are not to be read with them.
            let (mut after, mut limit) = (None, PAGE.min(board.how_many_in(part).saturating_add(NEW)));
            loop {
                let (lines, more) = lines_of(&self.roster, part, after, limit).await?;
                (after, limit) = (lines.last().map(|line| line.id), PAGE);
                there.extend(lines.into_iter().map(|line| (line.id, line)));
                if !more {
                    break;
                }
            }
        }
        self.tell_what_waits(&there).await?;
        board.learn(&there);
        Ok(())
    }

    /// Of all lines. The id of a delivery bears the instant at which it was begun.
    async fn tell_what_waits(&self, there: &BTreeMap<WebhookId, WebhookLine>) -> Result<(), OpError> {
        let count = there.values().map(|line| line.pending.len() as u64).sum();
        let oldest = there.values().flat_map(|line| &line.pending).map(|pending| pending.delivery).min();
        let waited = match oldest.and_then(|oldest| oldest.uuid().get_timestamp()) {
            Some(begun) => {
                let now = self.roster.store.read(&Home::Feed, &[], &[]).await?.clock;
                let (seconds, nanos) = begun.to_unix();
                let now = Duration::from_micros(u64::try_from(now.micros()).unwrap_or(0));
                now.saturating_sub(Duration::new(seconds, nanos))
            }
            None => Duration::ZERO,
        };
        self.roster.observer.waiting(count, waited);
        Ok(())
    }

    /// Looks at what the feed has come to hold.
    async fn hear(&self, board: &mut Board) -> Result<(), OpError> {
        let end = last_entry(&self.roster).await?;
        let mut heard = board.heard.filter(|heard| *heard <= end).unwrap_or_else(|| {
            board.all_have_news();
            end
        });
        board.heard = Some(heard);
        while heard < end {
            let to = end.min(heard + u64::from(PAGE));
            let keys: Vec<Key> = (heard + 1..=to).map(|n| Key::Feed(FeedKey::entry(n))).collect();
            let read = self.roster.store.read(&Home::Feed, &keys, &[]).await?;
            for line in read.records.values().filter_map(|stored| stored.record.feed_line()) {
                for span in &line.spans {
                    board.news_of(if let Home::Organization(id) = span.home { Some(id) } else { None });
                }
            }
            heard = to;
            board.heard = Some(heard);
        }
        Ok(())
    }

    /// Begins with those that have something to send, as long as there is room.
    async fn start(
        &self,
        board: &mut Board,
        at_hand: &mut JoinSet<Option<Ended>>,
        stop: &Stop,
    ) -> Result<(), OpError> {
        let now = self.roster.store.read(&Home::Webhooks(0), &[], &[]).await?.clock;
        for id in board.wanted(now) {
            board.begin(id, now);
            let (this, stop) = (self.clone(), stop.clone());
            let task = at_hand.spawn(async move {
                let served = this.serve(id, now, stop).await;
                let failed =
                    |error| tracing::warn!(webhook = %id, %error, "a webhook cannot be served; trying again");
                served.map_err(failed).ok()
            });
            board.is_served_by(id, task.id());
        }
        Ok(())
    }

    /// Serves one webhook as long as it has something to send.
    async fn serve(&self, id: WebhookId, now: Timestamp, stop: Stop) -> Result<Ended, OpError> {
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
            Glance::Idle(ended) => return Ok(ended),
            Glance::Busy => {}
            Glance::Over => {
                let settle = Settle { webhook: id, settled: Settled::GivenUp };
                let line = run(&self.roster, &system, &settle).await?.output;
                let more = line.is_some_and(|line| !line.pending.is_empty());
                return Ok(Ended { more, ..Ended::NOTHING });
            }
            Glance::Missing => {
                self.sweep(&system, id).await?;
                return Ok(Ended { look: Some(now.plus_seconds(MISSING)), ..Ended::NOTHING });
            }
        }
        let line = match run(&self.roster, &system, &TakeLine { webhook: id, holder }).await?.output {
            TakenLine::Mine(line) => line,
            TakenLine::NotNow(until) => return Ok(Ended::not_before(until)),
            TakenLine::Missing => return Ok(Ended::NOTHING),
        };
        let ended = round.go(line).await?;
        if ended.settled > MAX_DELIVERIES + SLACK {
            let deliveries = surplus(&self.roster, id, MAX_DELIVERIES).await?;
            let forget = ForgetDeliveries { webhook: id, deliveries, gone: false };
            run(&self.roster, &system.step("surplus"), &forget).await?;
        }
        Ok(ended)
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

/// What came of serving one.
fn note(board: &mut Board, ended: Result<(Id, Option<Ended>), JoinError>) {
    match ended {
        Ok((task, ended)) => board.ended(task, ended),
        Err(error) => {
            tracing::error!(panicked = error.is_panic(), "sending events fell over; trying again");
            board.ended(error.id(), None);
        }
    }
}
