//! The worker that applies what stands in the inboxes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use uuid::Uuid;

use super::Unapplied;
use super::ahead::read_ahead;
use super::apply::Applying;
use super::batch::{Batch, Slice, take};
use super::message::Message;
use super::people::ERASED;
use super::receive::find_source;
use super::removals::Removals;
use super::signs::Signs;
use crate::actor::Actor;
use crate::facts::{Request, Seed};
use crate::flows::map_again_where_erased;
use crate::flows::refresh::refresh_cards;
use crate::home::{Home, Key, Record, TypedKey};
use crate::id::{DeadLetterId, SourceId};
use crate::model::customer::{Customer, CustomerKey, DeadLetter, Inbox, Source, TheMappings};
use crate::op::{Roster, run};
use crate::ops::stream::{
    ClearStream, FinishInbox, ForgetMessages, PutDeadLetters, ReleaseInbox, RemoveDeadLetters, TakeInbox,
};
use crate::overlay::{Overlay, on_overlay};
use crate::refusal::OpError;
use crate::stop::Stop;
use crate::store::{CommitError, StoreErrorKind};

/// How often inboxes are looked into that others fill.
const LOOK: Duration = Duration::from_millis(300);
/// How often old messages are forgotten, and what deleted sources have left.
const FORGET: Duration = Duration::from_hours(1);
/// How long one source's messages are applied before the next source's turn, and until a slice of them is done.
const TURN: Duration = Duration::from_millis(200);
/// How many requests of one source are read together.
const TOGETHER: u16 = 4;
/// After how many messages a worker makes sure that it is at the source still.
const RENEW: usize = 10;
/// How often a message is tried that loses against others, before it becomes a dead letter.
const GIVEN_UP: u32 = 20;

/// What could not be applied of a slice, by number; nothing where another worker is at its source by now.
type Gone = Option<Vec<(usize, DeadLetter)>>;

/// Applies what sources send until it is told to stop.
#[derive(Clone, Debug)]
pub struct Drain {
    roster: Roster,
    wake: Arc<Notify>,
    holder: Uuid,
    held: Arc<Mutex<BTreeSet<SourceId>>>,
    /// How often each message has lost against others.
    lost: Arc<Mutex<BTreeMap<(Uuid, usize), u32>>>,
    /// How far the request has come that a source's turn ended in.
    begun: Arc<Mutex<BTreeMap<SourceId, Begun>>>,
}

/// How far a request has come. Who knows nothing of it does again what was done, and that changes nothing.
#[derive(Debug, Default)]
struct Begun {
    inbox: Uuid,
    /// How many slices are done.
    slices: u32,
    /// What could not be applied of them, by number.
    dead: Vec<(usize, DeadLetter)>,
}

/// How far a turn came with a request.
enum Applied {
    /// All of it is applied.
    Whole,
    /// The turn is over.
    Part(Begun),
    /// Another worker is at the source by now: it goes on, and does again what was done.
    Not,
}

impl Drain {
    /// A worker on a store. `wake` tells it that something was taken in by this process.
    pub fn new(roster: Roster, wake: Arc<Notify>) -> Self {
        let holder = Seed::draw(roster.entropy.as_ref()).uuid("drain");
        Self { roster, wake, holder, held: Arc::default(), lost: Arc::default(), begun: Arc::default() }
    }

    /// Works until the word to stop is given.
    pub async fn work(&self, stop: Stop) {
        let mut forgot = None::<tokio::time::Instant>;
        while !stop.is_given() {
            if forgot.is_none_or(|last| last.elapsed() > FORGET) {
                forgot = Some(tokio::time::Instant::now());
                if let Err(error) = self.forget(&stop).await {
                    tracing::warn!(%error, "old messages cannot be forgotten; trying again in an hour");
                }
            }
            let found = match self.look(&stop).await {
                Ok(found) => found,
                Err(error) => {
                    tracing::warn!(%error, "what sources send cannot be applied; trying again");
                    false
                }
            };
            if found {
                continue;
            }
            tokio::select! {
                () = self.wake.notified() => {}
                () = tokio::time::sleep(LOOK) => {}
                () = stop.heard() => {}
            }
        }
        if let Err(error) = self.release().await {
            // The leases end by themselves.
            tracing::debug!(%error, "stopped, with inboxes that others wait for");
        }
    }

    /// Applies everything that is there.
    pub async fn work_off(&self) -> Result<(), OpError> {
        while self.look(&Stop::default()).await? {}
        self.release().await
    }

    /// Forgets the messages of every source that came more than seven days ago, and all that deleted sources have left: no
    /// id of one is another's later, and what was under way when it went is found the next time.
    pub async fn forget(&self, stop: &Stop) -> Result<(), OpError> {
        let mut after = Home::Stream(SourceId::from_uuid(Uuid::nil()), 0);
        let mut last: Option<(SourceId, bool)> = None;
        loop {
            let homes = self.roster.store.homes(Some(&after), 200).await?;
            for home in &homes {
                match home {
                    Home::Stream(source, part) if !stop.is_given() => {
                        let is_there = match last {
                            Some((known, is_there)) if known == *source => is_there,
                            _ => find_source(&self.roster, *source).await?.is_some(),
                        };
                        last = Some((*source, is_there));
                        if !is_there {
                            self.clear(*source, *part).await?;
                        } else if *part >= 2 {
                            self.forget_in(*source, *part).await?;
                        }
                    }
                    Home::Stream(..) => {}
                    _ => return Ok(()),
                }
            }
            let Some(last) = homes.last() else { return Ok(()) };
            after = last.clone();
        }
    }

    async fn clear(&self, source: SourceId, part: u8) -> Result<(), OpError> {
        let mut after = None;
        loop {
            let found = self.roster.store.records(&Home::Stream(source, part), after.as_ref(), 400).await?;
            let keys: Vec<Key> = found.iter().map(|stored| stored.record.key()).collect();
            let Some(last) = keys.last() else { return Ok(()) };
            after = Some(last.clone());
            let system = Request::new(Actor::System, self.roster.entropy.as_ref());
            run(&self.roster, &system, &ClearStream { source, part, keys }).await?;
        }
    }

    async fn forget_in(&self, source: SourceId, part: u8) -> Result<(), OpError> {
        let home = Home::Stream(source, part);
        let mut after = Key::Customer(CustomerKey::Seen(Uuid::nil()));
        loop {
            let found = self.roster.store.records(&home, Some(&after), 400).await?;
            let Some(last) = found.last() else { return Ok(()) };
            after = last.record.key();
            let hashes = found.iter().filter_map(|stored| match stored.record.key() {
                Key::Customer(CustomerKey::Seen(hash)) => Some(hash),
                _ => None,
            });
            let operation = ForgetMessages { source, part, hashes: hashes.collect() };
            let system = Request::new(Actor::System, self.roster.entropy.as_ref());
            run(&self.roster, &system, &operation).await?;
        }
    }

    /// Others need not wait until the leases have ended.
    async fn release(&self) -> Result<(), OpError> {
        let held = std::mem::take(&mut *self.held());
        for source in held {
            let system = Request::new(Actor::System, self.roster.entropy.as_ref());
            run(&self.roster, &system, &ReleaseInbox { source, holder: self.holder }).await?;
        }
        Ok(())
    }

    fn held(&self) -> std::sync::MutexGuard<'_, BTreeSet<SourceId>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begun(&self) -> std::sync::MutexGuard<'_, BTreeMap<SourceId, Begun>> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lost(&self) -> std::sync::MutexGuard<'_, BTreeMap<(Uuid, usize), u32>> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a message has lost against others so often that it must not keep its source waiting any longer.
    fn is_given_up(&self, inbox: Uuid, n: usize) -> bool {
        let mut lost = self.lost();
        let times = lost.entry((inbox, n)).or_default();
        *times += 1;
        *times >= GIVEN_UP
    }

    /// One turn of every source; whether there was anything.
    async fn look(&self, stop: &Stop) -> Result<bool, OpError> {
        let mut after = Home::Stream(SourceId::from_uuid(Uuid::nil()), 0);
        let mut found = false;
        loop {
            let homes = self.roster.store.homes(Some(&after), 200).await?;
            for home in &homes {
                match home {
                    Home::Stream(source, 0) if !stop.is_given() => {
                        // What is wrong with one does not keep the others waiting.
                        match self.turn(*source, stop).await {
                            Ok(any) => found |= any,
                            Err(error) => {
                                tracing::warn!(%source, %error, "a source's messages wait; trying again");
                            }
                        }
                    }
                    Home::Stream(..) => {}
                    _ => return Ok(found),
                }
            }
            let Some(last) = homes.last() else { return Ok(found) };
            after = last.clone();
        }
    }

    /// Applies what a source has sent for a while; whether there was anything.
    async fn turn(&self, id: SourceId, stop: &Stop) -> Result<bool, OpError> {
        let home = Home::Stream(id, 0);
        let first = Key::Customer(CustomerKey::Inbox(Uuid::nil()));
        let ends = tokio::time::Instant::now() + TURN;
        let mut any = false;
        loop {
            let waiting = self.roster.store.records(&home, Some(&first), TOGETHER).await?;
            let inboxes = waiting.into_iter().map_while(|stored| match stored.record {
                Record::Customer(it) => match *it {
                    Customer::Inbox(inbox) => Some(inbox),
                    _ => None,
                },
                _ => None,
            });
            let inboxes: Vec<Inbox> = inboxes.collect();
            if inboxes.is_empty() {
                return Ok(any);
            }
            for inbox in &inboxes {
                if stop.is_given() || !self.go_on(id, inbox, ends).await? {
                    return Ok(any);
                }
                any = true;
                if tokio::time::Instant::now() >= ends {
                    return Ok(true);
                }
            }
        }
    }

    /// Applies a request as far as there is time; whether this worker may go on.
    async fn go_on(&self, id: SourceId, inbox: &Inbox, ends: tokio::time::Instant) -> Result<bool, OpError> {
        let system = Request::new(Actor::System, self.roster.entropy.as_ref());
        if !self.holds(id).await? {
            self.begun().remove(&id);
            return Ok(false);
        }
        self.held().insert(id);
        // One that was deleted has nothing to say any more.
        if let Some(source) = find_source(&self.roster, id).await? {
            match self.apply(&source, inbox, ends).await? {
                Applied::Whole => {}
                Applied::Part(begun) => {
                    self.begun().insert(id, begun);
                    return Ok(true);
                }
                Applied::Not => return Ok(false),
            }
        }
        run(&self.roster, &system.step("finish"), &FinishInbox { source: id, id: inbox.id }).await?;
        self.lost().retain(|(request, _), _| *request != inbox.id);
        Ok(true)
    }

    /// Whether this worker is the one who applies what a source sends, for a while from now on.
    async fn holds(&self, source: SourceId) -> Result<bool, OpError> {
        let system = Request::new(Actor::System, self.roster.entropy.as_ref());
        let take = TakeInbox { source, holder: self.holder };
        Ok(run(&self.roster, &system, &take).await?.output)
    }

    /// Applies a request, slice by slice from where the turn before has ended, as far as there is time; what cannot be
    /// applied becomes dead letters.
    async fn apply(
        &self,
        source: &Source,
        inbox: &Inbox,
        ends: tokio::time::Instant,
    ) -> Result<Applied, OpError> {
        let batch = Batch::new(&self.roster, source, inbox);
        let known = self.begun().remove(&source.id).filter(|begun| begun.inbox == inbox.id);
        let mut begun = known.unwrap_or(Begun { inbox: inbox.id, ..Begun::default() });
        let from = begun.slices;
        for slice in batch.slices().filter(|slice| slice.number >= from) {
            if slice.number > from && tokio::time::Instant::now() >= ends {
                return Ok(Applied::Part(begun));
            }
            let letters = match self.apply_slice(&batch, &slice).await {
                Ok(Some(letters)) => letters,
                Ok(None) => return Ok(Applied::Not),
                Err(error) => {
                    self.begun().insert(source.id, begun);
                    return Err(error);
                }
            };
            begun.dead.extend(letters);
            begun.slices = slice.number + 1;
        }
        let dead = begun.dead;
        for letters in dead.chunks(100) {
            let letters = letters.iter().map(|(_, letter)| letter.clone()).collect();
            let put = PutDeadLetters { source: source.id, letters };
            run(&self.roster, &batch.whole.step("letters"), &put).await?;
        }
        self.forget_letters(&batch, &dead).await?;
        Ok(Applied::Whole)
    }

    async fn apply_slice(&self, batch: &Batch<'_>, slice: &Slice) -> Result<Gone, OpError> {
        match self.at_once(batch, slice).await? {
            Some(gone) => Ok(gone),
            None => self.go_through(&self.roster, batch, slice, true).await,
        }
    }

    /// Takes letters away whose person was erased while they were on their way: the erasure has emptied their messages
    /// before it looked for letters (rule L5).
    async fn forget_letters(&self, batch: &Batch<'_>, dead: &[(usize, DeadLetter)]) -> Result<(), OpError> {
        if dead.is_empty() {
            return Ok(());
        }
        let source = batch.source.id;
        let key = Key::Customer(CustomerKey::Inbox(batch.inbox.id));
        let read = self.roster.store.read(&Home::Stream(source, 0), std::slice::from_ref(&key), &[]).await?;
        let Some(Record::Customer(it)) = read.records.get(&key).map(|stored| &stored.record) else {
            return Ok(());
        };
        let Customer::Inbox(now) = &**it else { return Ok(()) };
        let emptied = |n: usize| now.messages.get(n).is_some_and(|(_, text)| text.is_empty());
        let letters: Vec<_> = dead.iter().filter(|(n, _)| emptied(*n)).map(|(_, letter)| letter.id).collect();
        for letters in letters.chunks(100) {
            let remove = RemoveDeadLetters { source, letters: letters.to_vec() };
            run(&self.roster, &batch.whole.as_system("erased"), &remove).await?;
        }
        Ok(())
    }

    /// All of a slice on an overlay, and what comes of it by one flush. Nothing where that does not go: others got in
    /// between, or the store itself must be asked. Then one goes after the other, and what was flushed is done again by
    /// the same ids.
    async fn at_once(&self, batch: &Batch<'_>, slice: &Slice) -> Result<Option<Gone>, OpError> {
        let (overlaid, overlay) = on_overlay(&self.roster, Overlay::in_parts);
        let messages: Vec<(Request, &Message)> = batch.messages(slice).collect();
        let gone = async {
            read_ahead(&overlaid, &overlay, batch.source, &messages).await?;
            self.go_through(&overlaid, batch, slice, false).await
        };
        let dead = match gone.await {
            Ok(Some(dead)) if !overlay.has_refused() => dead,
            Ok(None) => return Ok(Some(None)),
            told => {
                tracing::debug!(told = ?told.err(), "messages are applied one after the other");
                return Ok(None);
            }
        };
        let (cards, waiting) = (overlay.cards(), overlay.waiting());
        let flushed = overlay.flush().await;
        // Whatever has become of the others: some of it may have been committed.
        map_again_where_erased(&self.roster, &batch.whole.step("waiting"), waiting).await?;
        match flushed {
            Ok(_) => refresh_cards(&self.roster, &batch.whole.step("cards"), cards).await,
            Err(CommitError::Store(error)) if error.kind != StoreErrorKind::Corrupt => {
                return Err(error.into());
            }
            Err(_) => return Ok(None),
        }
        if !self.holds(batch.source.id).await? {
            return Ok(Some(None));
        }
        Ok(self.mapped_still(&overlay).await?.then_some(Some(dead)))
    }

    /// Whether the mappings stand by which owners were looked for. A mapping that has come since was held against traits as
    /// they were before the flush.
    async fn mapped_still(&self, overlay: &Overlay) -> Result<bool, OpError> {
        let key = TheMappings.key();
        for (home, version) in overlay.versions(&key) {
            let read = self.roster.store.read(&home, std::slice::from_ref(&key), &[]).await?;
            if read.records.get(&key).map(|stored| stored.version) != version {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Applies the messages of a slice that are this request's, and notes what they say of people.
    async fn go_through(
        &self,
        roster: &Roster,
        batch: &Batch<'_>,
        slice: &Slice,
        may_give_up: bool,
    ) -> Result<Gone, OpError> {
        let (source, inbox) = (batch.source, batch.inbox);
        if !self.holds(source.id).await? {
            return Ok(None);
        }
        let (mut signs, mut dead, removals) = (Signs::default(), Vec::new(), Removals::default());
        for n in take(roster, batch, slice).await? {
            if inbox.messages[n].1.is_empty() {
                continue;
            }
            if n % RENEW == RENEW - 1 && !self.holds(source.id).await? {
                return Ok(None);
            }
            let request = batch.request(n);
            let applying = Applying { roster, source, request: &request, removals: &removals };
            let outcome = match &batch.read[n] {
                Ok(message) => Box::pin(applying.apply(n, message, &mut signs)).await,
                Err(reason) => Err(Unapplied::Dead(reason)),
            };
            let reason = match outcome {
                Ok(()) => continue,
                Err(Unapplied::Dead(reason)) => reason,
                Err(Unapplied::Later(OpError::Refused(refusal)))
                    if may_give_up && self.is_given_up(inbox.id, n) =>
                {
                    refusal.code()
                }
                Err(Unapplied::Later(error)) => return Err(error),
            };
            dead.push((n, letter(&request, source.id, inbox, n, reason)));
        }
        if !self.holds(source.id).await? {
            return Ok(None);
        }
        for n in signs.observe(roster, batch, slice).await? {
            dead.push((n, letter(&batch.request(n), source.id, inbox, n, "too_many_events")));
        }
        Ok(Some(dead))
    }
}

fn letter(request: &Request, source: SourceId, inbox: &Inbox, n: usize, reason: &str) -> DeadLetter {
    let (kind, mut payload) = inbox.messages[n].clone();
    if reason == ERASED {
        "{}".clone_into(&mut payload);
    }
    DeadLetter {
        id: DeadLetterId::from_uuid(request.seed.uuid("dead letter")),
        source,
        received_at: inbox.received_at,
        reason: reason.to_owned(),
        kind,
        sent_at: inbox.sent_at.clone(),
        payload,
    }
}
