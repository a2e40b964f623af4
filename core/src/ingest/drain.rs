//! The worker that applies what stands in the inboxes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::{JoinError, JoinSet};
use uuid::Uuid;

use super::Unapplied;
use super::ahead::read_ahead;
use super::apply::Applying;
use super::batch::{Batch, Slice, take};
use super::message::Message;
use super::people::ERASED;
use super::receive::find_source;
use super::removals::Removals;
use super::signs::{Signs, forget_early, forget_erased};
use super::turns::{Turn, Turns};
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
use crate::time::Timestamp;

/// How often inboxes are looked into that others fill.
const LOOK: Duration = Duration::from_millis(300);
/// How often old messages are forgotten, and what deleted sources have left.
const FORGET: Duration = Duration::from_hours(1);
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
    /// How far the request has come that could not be applied to its end.
    begun: Arc<Mutex<BTreeMap<SourceId, Begun>>>,
    /// The sources that this worker is at.
    busy: Arc<Mutex<BTreeSet<SourceId>>>,
    /// When the oldest request came that was last seen of each source that had any; what is put back came long ago, and has no
    /// such instant.
    waiting: Arc<Mutex<BTreeMap<SourceId, Option<Timestamp>>>>,
    turns: Turns,
}

/// A source that a worker is at, until this is dropped.
struct Busy {
    source: SourceId,
    all: Arc<Mutex<BTreeSet<SourceId>>>,
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.source);
    }
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

impl Drain {
    /// A worker on a store. `wake` tells it that something was taken in by this process.
    pub fn new(roster: Roster, wake: Arc<Notify>) -> Self {
        let holder = Seed::draw(roster.entropy.as_ref()).uuid("drain");
        let (held, lost, begun, busy, waiting) = Default::default();
        Self { roster, wake, holder, held, lost, begun, busy, waiting, turns: Turns::default() }
    }

    /// Works until the word to stop is given.
    pub async fn work(&self, stop: Stop) {
        tokio::join!(self.keep_applying(&stop), self.keep_forgetting(&stop));
        if let Err(error) = self.release().await {
            // The leases end by themselves.
            tracing::debug!(%error, "stopped, with inboxes that others wait for");
        }
    }

    async fn keep_applying(&self, stop: &Stop) {
        let mut at_hand = JoinSet::new();
        while !stop.is_given() {
            if let Err(error) = self.look(&mut at_hand, stop).await {
                tracing::warn!(%error, "what sources send cannot be applied; trying again");
            }
            tokio::select! {
                () = self.wake.notified() => {}
                () = tokio::time::sleep(LOOK) => {}
                () = stop.heard() => {}
            }
            while let Some(ended) = at_hand.try_join_next() {
                heard(ended);
            }
        }
        while let Some(ended) = at_hand.join_next().await {
            heard(ended);
        }
    }

    async fn keep_forgetting(&self, stop: &Stop) {
        let rounds = async {
            loop {
                if let Err(error) = self.forget(stop).await {
                    tracing::warn!(%error, "old messages cannot be forgotten; trying again in an hour");
                }
                tokio::time::sleep(FORGET).await;
            }
        };
        tokio::select! {
            () = stop.heard() => {}
            () = rounds => {}
        }
    }

    /// Applies everything that is there.
    ///
    /// # Panics
    /// Where applying it does.
    pub async fn work_off(&self) -> Result<(), OpError> {
        let (never, mut found) = (Stop::default(), true);
        while found {
            let mut at_hand = JoinSet::new();
            self.look(&mut at_hand, &never).await?;
            found = false;
            while let Some(ended) = at_hand.join_next().await {
                found |= ended.unwrap_or_else(|failed| std::panic::resume_unwind(failed.into_panic()));
            }
        }
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
                        } else if *part == 1 {
                            forget_early(&self.roster, *source).await?;
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

    /// Begins to apply what there is of every source that this worker is not at already.
    async fn look(&self, at_hand: &mut JoinSet<bool>, stop: &Stop) -> Result<(), OpError> {
        let mut after = Home::Stream(SourceId::from_uuid(Uuid::nil()), 0);
        let mut there = BTreeSet::new();
        'all: loop {
            let homes = self.roster.store.homes(Some(&after), 200).await?;
            for home in &homes {
                match home {
                    Home::Stream(source, 0) if !stop.is_given() => {
                        there.insert(*source);
                        self.attend(*source, at_hand, stop);
                    }
                    Home::Stream(..) => {}
                    _ => break 'all,
                }
            }
            let Some(last) = homes.last() else { break };
            after = last.clone();
        }
        self.tell_what_waits(&there).await
    }

    /// Of the sources that have an inbox, as it was last seen.
    async fn tell_what_waits(&self, there: &BTreeSet<SourceId>) -> Result<(), OpError> {
        let (sources, oldest) = {
            let mut waiting = self.waiting();
            waiting.retain(|source, _| there.contains(source));
            (waiting.len() as u64, waiting.values().flatten().min().copied())
        };
        let waited = match oldest {
            Some(oldest) => {
                let now = self.roster.store.read(&Home::Deployment, &[], &[]).await?.clock;
                u64::try_from(now.micros() - oldest.micros()).unwrap_or(0)
            }
            None => 0,
        };
        self.roster.observer.sources_waiting(sources, Duration::from_micros(waited));
        Ok(())
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, BTreeMap<SourceId, Option<Timestamp>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One task applies what a source sends, in its order; whether there was anything, it says in the end.
    fn attend(&self, source: SourceId, at_hand: &mut JoinSet<bool>, stop: &Stop) {
        if !self.busy.lock().unwrap_or_else(PoisonError::into_inner).insert(source) {
            return;
        }
        let place = Busy { source, all: Arc::clone(&self.busy) };
        let (drain, stop) = (self.clone(), stop.clone());
        at_hand.spawn(async move {
            let any = Box::pin(drain.apply_all(source, &stop)).await;
            drop(place);
            // What is wrong with one does not keep the others waiting.
            any.unwrap_or_else(|error| {
                tracing::warn!(%source, %error, "a source's messages wait; trying again");
                false
            })
        });
    }

    /// Applies what a source has sent, turn by turn; whether there was anything.
    async fn apply_all(&self, id: SourceId, stop: &Stop) -> Result<bool, OpError> {
        let home = Home::Stream(id, 0);
        let first = Key::Customer(CustomerKey::Inbox(Uuid::nil()));
        let (mut turn, mut any) = (self.turns.ask(stop).await, false);
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
                self.waiting().remove(&id);
                return Ok(any);
            }
            let came = inboxes.iter().find(|inbox| !inbox.again).map(|inbox| inbox.received_at);
            self.waiting().insert(id, came);
            for inbox in &inboxes {
                if !self.go_on(id, inbox, &mut turn).await? {
                    return Ok(any);
                }
                any = true;
                // What was read before others had their turns may be another by now.
                if turn.pass().await {
                    break;
                }
            }
        }
    }

    /// Applies a request; whether this worker may go on.
    async fn go_on(&self, id: SourceId, inbox: &Inbox, turn: &mut Turn) -> Result<bool, OpError> {
        let system = Request::new(Actor::System, self.roster.entropy.as_ref());
        if turn.is_stopped() || !self.holds(id).await? {
            self.begun().remove(&id);
            return Ok(false);
        }
        self.held().insert(id);
        // One that was deleted has nothing to say any more.
        if let Some(source) = find_source(&self.roster, id).await?
            && !self.apply(&source, inbox, turn).await?
        {
            return Ok(false);
        }
        run(&self.roster, &system.step("finish"), &FinishInbox { source: id, id: inbox.id }).await?;
        self.lost().retain(|(request, _), _| *request != inbox.id);
        Ok(true)
    }

    /// Whether a request and its source are what they were when they were read: while others had their turns an erasure may
    /// have emptied messages, an operator changed the source, or another worker finished the request.
    async fn stands(&self, source: &Source, inbox: &Inbox) -> Result<bool, OpError> {
        let key = Key::Customer(CustomerKey::Inbox(inbox.id));
        let read =
            self.roster.store.read(&Home::Stream(source.id, 0), std::slice::from_ref(&key), &[]).await?;
        let same = match read.records.get(&key).map(|stored| &stored.record) {
            Some(Record::Customer(it)) => matches!(&**it, Customer::Inbox(now) if now == inbox),
            _ => false,
        };
        Ok(same && find_source(&self.roster, source.id).await?.is_some_and(|now| now == *source))
    }

    /// Whether this worker is the one who applies what a source sends, for a while from now on.
    async fn holds(&self, source: SourceId) -> Result<bool, OpError> {
        let system = Request::new(Actor::System, self.roster.entropy.as_ref());
        let take = TakeInbox { source, holder: self.holder };
        Ok(run(&self.roster, &system, &take).await?.output)
    }

    /// Applies a request, slice by slice; what cannot be applied becomes dead letters. Not to its end where the word to stop
    /// is given, or another worker is at the source by now: whoever goes on does again what was done.
    async fn apply(&self, source: &Source, inbox: &Inbox, turn: &mut Turn) -> Result<bool, OpError> {
        let batch = Batch::new(&self.roster, source, inbox);
        let known = self.begun().remove(&source.id).filter(|begun| begun.inbox == inbox.id);
        let mut begun = known.unwrap_or(Begun { inbox: inbox.id, ..Begun::default() });
        let from = begun.slices;
        for slice in batch.slices().filter(|slice| slice.number >= from) {
            let applied = self.apply_slice(&batch, &slice, turn).await;
            // Whoever was erased while this was on its way: nobody comes back to it.
            let applied = forget_erased(&self.roster, &batch).await.and(applied);
            let letters = match applied {
                Ok(Some(letters)) => letters,
                Ok(None) => return Ok(false),
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
        Ok(true)
    }

    async fn apply_slice(&self, batch: &Batch<'_>, slice: &Slice, turn: &mut Turn) -> Result<Gone, OpError> {
        match self.at_once(batch, slice, turn).await? {
            Some(gone) => Ok(gone),
            None => self.go_through(&self.roster, batch, slice, turn, true).await,
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
    async fn at_once(
        &self,
        batch: &Batch<'_>,
        slice: &Slice,
        turn: &mut Turn,
    ) -> Result<Option<Gone>, OpError> {
        let (overlaid, overlay) = on_overlay(&self.roster, Overlay::in_parts);
        let messages: Vec<(Request, &Message)> = batch.messages(slice).collect();
        let gone = async {
            read_ahead(&overlaid, &overlay, batch.source, &messages).await?;
            self.go_through(&overlaid, batch, slice, turn, false).await
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
        let flushed = overlay.flush().await.map_err(|cut_short| cut_short.why);
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
        turn: &mut Turn,
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
            let waited = turn.pass().await;
            if turn.is_stopped() || (waited || n % RENEW == RENEW - 1) && !self.holds(source.id).await? {
                return Ok(None);
            }
            if waited && !self.stands(source, inbox).await? {
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
        for (n, reason) in signs.observe(roster, batch, slice).await? {
            dead.push((n, letter(&batch.request(n), source.id, inbox, n, &reason)));
        }
        Ok(Some(dead))
    }
}

/// What is wrong with a task keeps no other from going on.
fn heard(ended: Result<bool, JoinError>) {
    if let Err(error) = ended {
        tracing::error!(
            panicked = error.is_panic(),
            "what a source sends could not be applied; trying again"
        );
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
        // Behind those before it in its request, when it is put back too.
        received_at: Timestamp::from_micros(
            inbox.received_at.micros().saturating_add(i64::try_from(n).unwrap_or_default()),
        ),
        reason: reason.to_owned(),
        kind,
        sent_at: inbox.sent_at.clone(),
        payload,
        put_at: None,
    }
}
