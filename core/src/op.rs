//! An operation is a pure decision; `run` is the one way from it to a durable change.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::actor::{Actor, Via};
use crate::facts::{Entropy, Facts, Request, commit_id};
use crate::home::{Home, Key, Record, Tally, TheMember, TheOrganization, TypedKey};
use crate::id::{CommitId, UserId, Version};
use crate::listing::{Listing, PageRequest};
use crate::log::{Body, Change, Detached, Head, LogEntry, digest};
use crate::model::{Organization, OrganizationStatus, Receipt};
use crate::policy::{Policies, Standing};
use crate::refusal::{OpError, Refusal, RefusalKind};
use crate::settle::SettleDue;
use crate::store::{ChangeSet, CommitError, Store, StoreError, Stored, Write};
use crate::time::Timestamp;

/// How often a decision is made afresh when others change what it read.
pub const TRIES: u32 = 5;

/// Everything an operation runs in.
#[derive(Clone, Debug)]
pub struct Roster {
    /// Where things are kept.
    pub store: Arc<dyn Store>,
    /// Where randomness comes from.
    pub entropy: Arc<dyn Entropy>,
    /// The rules that can be exchanged.
    pub policies: Arc<Policies>,
}

/// One act on one home: what it reads, and what it decides from that.
pub trait Operation: Send + Sync {
    /// What `load` hands to `decide`.
    type State: Send;
    /// What the caller gets.
    type Output: Send;

    /// The home that is read and changed.
    fn home(&self) -> Home;

    /// The record that `If-Match` speaks of.
    fn subject(&self) -> Option<Key> {
        None
    }

    /// Reads. Every key read is guarded in the commit.
    fn load(&self, view: &mut View<'_>) -> impl Future<Output = Result<Self::State, StoreError>> + Send;

    /// Decides: no I/O, no clock, no randomness.
    fn decide(&self, state: Self::State, facts: &Facts) -> Result<Decision<Self::Output>, Refusal>;

    /// The refusal when a tally would leave its range.
    fn out_of_bounds(&self, tally: Tally) -> Refusal {
        Refusal::out_of_bounds(tally)
    }

    /// The instant after which the commit must not happen, when a pointer leads to it.
    fn not_after(&self) -> Option<Timestamp> {
        None
    }
}

/// What is to be done.
#[derive(Clone, Debug)]
pub struct Decision<T> {
    /// Records to put.
    pub puts: Vec<Record>,
    /// Keys to remove.
    pub removes: Vec<Key>,
    /// Tallies whose range must hold although nothing is added.
    pub checks: Vec<Tally>,
    /// What the log says.
    pub events: Vec<Event>,
    /// What the caller gets.
    pub output: T,
}

impl<T> Decision<T> {
    /// Nothing to do.
    pub const fn unchanged(output: T) -> Self {
        Self { puts: Vec::new(), removes: Vec::new(), checks: Vec::new(), events: Vec::new(), output }
    }

    /// One more record.
    #[must_use]
    pub fn put(mut self, record: Record) -> Self {
        self.puts.push(record);
        self
    }

    /// One key less.
    #[must_use]
    pub fn remove(mut self, key: Key) -> Self {
        self.removes.push(key);
        self
    }

    /// One more line in the log.
    #[must_use]
    pub fn event(mut self, event: Event) -> Self {
        self.events.push(event);
        self
    }

    /// Whether nothing is to be done.
    pub fn is_empty(&self) -> bool {
        self.puts.is_empty() && self.removes.is_empty() && self.checks.is_empty() && self.events.is_empty()
    }
}

/// A line of the log, before personal values are detached.
#[derive(Clone, PartialEq, Debug)]
pub struct Event {
    /// From the vocabulary of the API contract.
    pub action: &'static str,
    /// The kind and id of the thing.
    pub target: (&'static str, String),
    /// The person it is about: their `email`, `name`, `external_id` and `traits` are detached.
    pub user: Option<UserId>,
    /// Fields before.
    pub before: Value,
    /// Fields after.
    pub after: Value,
}

impl Event {
    /// An event about a thing.
    pub fn new(action: &'static str, kind: &'static str, id: impl ToString) -> Self {
        Self { action, target: (kind, id.to_string()), user: None, before: Value::Null, after: Value::Null }
    }

    /// An event about a person in an organization.
    pub fn member(action: &'static str, user: UserId) -> Self {
        Self { user: Some(user), ..Self::new(action, "member", user) }
    }

    /// With the fields before.
    #[must_use]
    pub fn before(self, before: Value) -> Self {
        Self { before, ..self }
    }

    /// With the fields after.
    #[must_use]
    pub fn after(self, after: Value) -> Self {
        Self { after, ..self }
    }

    fn detach(self, personal: &mut Detached<'_>) -> Change {
        let mut hide = |value: Value| match (self.user, value) {
            (Some(user), Value::Object(fields)) => Value::Object(
                fields
                    .into_iter()
                    .map(|(name, value)| {
                        let own = matches!(name.as_str(), "email" | "name" | "external_id" | "traits");
                        let value = if own { personal.hide(user, &value) } else { value };
                        (name, value)
                    })
                    .collect(),
            ),
            (_, value) => value,
        };
        Change {
            action: self.action.to_owned(),
            target_type: self.target.0.to_owned(),
            target_id: self.target.1,
            user: self.user,
            before: hide(self.before),
            after: hide(self.after),
        }
    }
}

/// What an operation sees of its home. Remembers every key that was read.
#[derive(Debug)]
pub struct View<'a> {
    store: &'a dyn Store,
    home: Home,
    actor: Actor,
    now: Timestamp,
    head: Option<Head>,
    seen: BTreeMap<Key, Option<Stored>>,
}

impl<'a> View<'a> {
    /// A view of a home for an actor, with nothing read yet.
    pub fn new(store: &'a dyn Store, home: Home, actor: Actor) -> Self {
        Self { store, home, actor, now: Timestamp::EPOCH, head: None, seen: BTreeMap::new() }
    }

    /// Reads keys in one round trip, so that `get` need not.
    pub async fn fetch(&mut self, keys: impl IntoIterator<Item = Key> + Send) -> Result<(), StoreError> {
        let mut keys: Vec<Key> = keys.into_iter().filter(|key| !self.seen.contains_key(key)).collect();
        if keys.is_empty() && self.head.is_some() {
            return Ok(());
        }
        keys.sort_unstable();
        keys.dedup();
        let mut read = self.store.read(&self.home, &keys, &[]).await?;
        self.now = self.now.max(read.now());
        self.head = Some(read.head);
        for key in keys {
            let found = read.records.remove(&key);
            self.seen.insert(key, found);
        }
        Ok(())
    }

    /// The record under a key, as time has made it.
    pub async fn get<K: TypedKey + Sync>(&mut self, key: &K) -> Result<Option<K::Record>, StoreError> {
        let key = key.key();
        self.fetch([key.clone()]).await?;
        let record = self.seen.get(&key).cloned().flatten().map(|stored| stored.record);
        Ok(record.map(|record| record.at(self.now)).and_then(K::pick))
    }

    /// Who acts.
    pub const fn actor(&self) -> Actor {
        self.actor
    }

    /// The instant to decide by.
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// The organization and how the actor stands in it, by one round trip.
    pub async fn organization(&mut self) -> Result<(Option<Organization>, Standing), StoreError> {
        let own = match self.actor {
            Actor::ApiKey { key, .. } => vec![Key::ApiKey(key)],
            Actor::User { user, via: Via::ApiKey { key, .. } } => vec![Key::Member(user), Key::ApiKey(key)],
            Actor::User { user, .. } => vec![Key::Member(user)],
            Actor::Operator { .. } | Actor::System => Vec::new(),
        };
        self.fetch(own.into_iter().chain([Key::Organization])).await?;
        let organization = self.get(&TheOrganization).await?;
        let standing = match self.actor {
            Actor::Operator { .. } | Actor::System => Standing::everything(),
            Actor::ApiKey { organization, key } => self.key_standing(organization, key).await?,
            Actor::User { user, via } => {
                let member = self.get(&TheMember(user)).await?;
                let standing = Standing::of_member(member.as_ref(), self.now);
                match via {
                    Via::Operator { .. } => standing,
                    Via::ApiKey { organization, key } => {
                        standing.under(self.key_standing(organization, key).await?)
                    }
                }
            }
        };
        Ok((organization, standing))
    }

    async fn key_standing(
        &mut self,
        organization: crate::id::OrganizationId,
        key: crate::id::ApiKeyId,
    ) -> Result<Standing, StoreError> {
        if self.home != Home::Organization(organization) {
            return Ok(Standing::none());
        }
        let key = self.get(&key).await?;
        Ok(Standing::of_key(key.as_ref(), self.now))
    }

    /// The organization, visible to the actor and open: what almost every operation begins with.
    pub async fn open_organization(&mut self) -> Result<Visible, StoreError> {
        let (organization, standing) = self.organization().await?;
        Ok(Visible { organization, standing, operator: self.actor.is_operator() })
    }

    /// Keys that were read whose record has ended by time and is not settled yet.
    pub(crate) fn due(&self) -> Vec<Key> {
        let ended = |stored: &Stored| stored.record.due().is_some_and(|due| due.at <= self.now);
        self.seen
            .iter()
            .filter(|(_, found)| found.as_ref().is_some_and(ended))
            .map(|(key, _)| key.clone())
            .collect()
    }

    /// The version of a record that was read.
    pub fn version(&self, key: &Key) -> Option<Version> {
        self.seen.get(key)?.as_ref().map(|stored| stored.version)
    }
}

/// An organization as it was read, before it is known whether the actor may see it.
#[derive(Clone, Debug)]
pub struct Visible {
    organization: Option<Organization>,
    standing: Standing,
    operator: bool,
}

impl Visible {
    /// The organization and the actor's standing in it; 404 where there is none, 409 for an operator on a closed one.
    pub fn open(self) -> Result<(Organization, Standing), Refusal> {
        let organization = self.organization.ok_or(Refusal::NotFound)?;
        match organization.status {
            OrganizationStatus::Active if self.standing.is_in() => Ok((organization, self.standing)),
            OrganizationStatus::Closed if self.operator => Err(Refusal::OrganizationClosed),
            OrganizationStatus::Active | OrganizationStatus::Closed => Err(Refusal::NotFound),
        }
    }
}

/// What was done.
#[derive(Clone, PartialEq, Debug)]
pub struct Done<T> {
    /// The operation's output.
    pub output: T,
    /// The commit; nothing if nothing was to be done.
    pub version: Option<Version>,
}

/// Turns what was done into the sealed answer that a receipt keeps.
pub type Seal<'a, T> = &'a (dyn Fn(&Done<T>) -> Vec<u8> + Send + Sync);

/// Loads, decides and commits; decides afresh when others changed what was read.
pub async fn run<O: Operation>(
    roster: &Roster,
    request: &Request,
    operation: &O,
) -> Result<Done<O::Output>, OpError> {
    run_sealed(roster, request, operation, None).await
}

/// [`run`] that leaves a receipt with the sealed answer, when the request asks for one.
pub async fn run_sealed<O: Operation>(
    roster: &Roster,
    request: &Request,
    operation: &O,
    seal: Option<Seal<'_, O::Output>>,
) -> Result<Done<O::Output>, OpError> {
    let mut settled_for_room = false;
    let mut attempt = 0;
    while attempt < TRIES {
        attempt += 1;
        let view = match prepare(roster, request, operation, attempt).await? {
            Prepared::Settled => continue,
            Prepared::Decided(view) => view,
        };
        let (view, decision) = *view;
        let receipt = request.receipt.filter(|_| seal.is_some());
        if decision.is_empty() && receipt.is_none() {
            return Ok(Done { output: decision.output, version: None });
        }
        let id = commit_id(&request.seed, &view.home.to_string(), attempt);
        let done_version = if decision.is_empty() { None } else { Some(id) };
        let mut staged = stage(roster, request, operation, view, &decision, id);
        let done = Done { output: decision.output, version: done_version };
        if let (Some(draft), Some(seal)) = (receipt, seal) {
            staged.writes.push(Write::Put(Record::Receipt(Receipt {
                id: draft.id,
                digest: draft.digest,
                seed: request.seed.bytes,
                seed_millis: request.seed.millis,
                answer: Some(seal(&done)),
                created_at: staged.entry.as_ref().map_or(Timestamp::EPOCH, |entry| entry.time),
            })));
        }
        match roster.store.commit(&staged).await {
            Ok(_) => return Ok(done),
            Err(CommitError::Conflict(_)) => back_off(roster, attempt).await,
            Err(CommitError::TooLate) => return Err(OpError::Busy),
            Err(CommitError::Store(error)) => return Err(error.into()),
            Err(CommitError::OutOfBounds(tally)) => {
                let room =
                    !settled_for_room && settle_due(roster, request, operation.home(), attempt).await?;
                if !room {
                    return Err(operation.out_of_bounds(tally).into());
                }
                settled_for_room = true;
            }
        }
    }
    Err(Refusal::Conflict.into())
}

/// The same without commit: what would be done, or the refusal. Bounds of tallies are checked as they stand.
pub async fn preflight<O: Operation>(
    roster: &Roster,
    request: &Request,
    operation: &O,
) -> Result<O::Output, OpError> {
    let (view, decision) = decide(roster, request, operation).await?;
    let id = commit_id(&request.seed, &view.home.to_string(), 0);
    let home = view.home.clone();
    let staged = stage(roster, request, operation, view, &decision, id);
    let adds: Vec<_> = staged
        .writes
        .iter()
        .filter_map(|write| {
            if let Write::Add { tally, by, within } = write { Some((*tally, *by, within)) } else { None }
        })
        .collect();
    if !adds.is_empty() {
        let tallies: Vec<Tally> = adds.iter().map(|(tally, ..)| *tally).collect();
        let read = roster.store.read(&home, &[], &tallies).await?;
        let due = due_seats(roster, &home, read.now()).await?;
        for (tally, by, within) in adds {
            let held =
                read.tallies.get(&tally).copied().unwrap_or(0) - if tally == Tally::Seats { due } else { 0 };
            if !within.contains(&(held + by)) {
                return Err(operation.out_of_bounds(tally).into());
            }
        }
    }
    Ok(decision.output)
}

/// Seats held by what has ended by time though nobody has settled it.
pub async fn due_seats(roster: &Roster, home: &Home, now: Timestamp) -> Result<i64, StoreError> {
    let listing = Listing::Due { home: home.clone(), until: now };
    let mut page = PageRequest { after: None, limit: 500 };
    let mut seats = 0;
    loop {
        let found = roster.store.list(&listing, &page).await?;
        seats +=
            found.rows.iter().filter_map(|row| row.stored.record.due()).map(|due| due.seats).sum::<i64>();
        page.after = found.rows.last().map(|row| row.position.clone());
        if !found.more {
            return Ok(seats);
        }
    }
}

enum Prepared<'a, T> {
    Settled,
    Decided(Box<(View<'a>, Decision<T>)>),
}

async fn prepare<'a, O: Operation>(
    roster: &'a Roster,
    request: &Request,
    operation: &O,
    attempt: u32,
) -> Result<Prepared<'a, O::Output>, OpError> {
    let mut view = View::new(roster.store.as_ref(), operation.home(), request.actor);
    let state = load(request, operation, &mut view).await?;
    let due = view.due();
    if !due.is_empty() && request.actor != Actor::System {
        settle(roster, request, view.home.clone(), due, attempt).await?;
        return Ok(Prepared::Settled);
    }
    let decision = judge(roster, request, operation, state, &view)?;
    Ok(Prepared::Decided(Box::new((view, decision))))
}

async fn decide<'a, O: Operation>(
    roster: &'a Roster,
    request: &Request,
    operation: &O,
) -> Result<(View<'a>, Decision<O::Output>), OpError> {
    let mut view = View::new(roster.store.as_ref(), operation.home(), request.actor);
    let state = load(request, operation, &mut view).await?;
    let decision = judge(roster, request, operation, state, &view)?;
    Ok((view, decision))
}

async fn load<O: Operation>(
    request: &Request,
    operation: &O,
    view: &mut View<'_>,
) -> Result<O::State, OpError> {
    if let Some(draft) = request.receipt {
        if let Some(found) = view.get(&draft.id).await?.filter(|found| found.is_live(view.now)) {
            if found.digest != draft.digest {
                return Err(Refusal::IdempotencyMismatch.into());
            }
            if let Some(answer) = found.answer {
                return Err(OpError::Replay(answer));
            }
        }
    }
    let state = operation.load(view).await?;
    if let Some(subject) = operation.subject().filter(|_| request.if_match.is_some()) {
        view.fetch([subject]).await?;
    }
    Ok(state)
}

/// Decides, with `If-Match` between what is forbidden and what is in conflict.
fn judge<O: Operation>(
    roster: &Roster,
    request: &Request,
    operation: &O,
    state: O::State,
    view: &View<'_>,
) -> Result<Decision<O::Output>, Refusal> {
    let facts = Facts {
        actor: request.actor,
        now: view.now,
        policies: Arc::clone(&roster.policies),
        seed: request.seed,
    };
    let decided = operation.decide(state, &facts);
    let stale = match (request.if_match, operation.subject()) {
        (Some(wanted), Some(subject)) => view.version(&subject) != Some(wanted),
        _ => false,
    };
    match decided {
        Err(refusal) if !stale || refusal.kind() != RefusalKind::Conflict => Err(refusal),
        Ok(decision) if !stale => Ok(decision),
        Ok(_) | Err(_) => Err(Refusal::PreconditionFailed),
    }
}

/// The change set of a decision: guards on all that was read, tallies from the difference of the records.
fn stage<O: Operation>(
    roster: &Roster,
    request: &Request,
    operation: &O,
    view: View<'_>,
    decision: &Decision<O::Output>,
    id: CommitId,
) -> ChangeSet {
    let mut guards: BTreeMap<Key, Option<Version>> = view
        .seen
        .iter()
        .map(|(key, found)| (key.clone(), found.as_ref().map(|stored| stored.version)))
        .collect();
    let mut sums: BTreeMap<Tally, i64> = decision.checks.iter().map(|tally| (*tally, 0)).collect();
    let mut writes = Vec::new();
    let before = |key: &Key| view.seen.get(key).and_then(Option::as_ref).map(|stored| &stored.record);
    for record in &decision.puts {
        let key = record.key();
        for (tally, weight) in record.weighs() {
            *sums.entry(tally).or_default() += weight;
        }
        for (tally, weight) in before(&key).map(Record::weighs).unwrap_or_default() {
            *sums.entry(tally).or_default() -= weight;
        }
        guards.entry(key).or_insert(None);
        writes.push(Write::Put(record.clone()));
    }
    for key in &decision.removes {
        for (tally, weight) in before(key).map(Record::weighs).unwrap_or_default() {
            *sums.entry(tally).or_default() -= weight;
        }
        writes.push(Write::Remove(key.clone()));
    }
    let organization = decision.puts.iter().chain(before(&Key::Organization)).find_map(|record| {
        if let Record::Organization(organization) = record { Some(organization) } else { None }
    });
    for (tally, by) in sums {
        if by != 0 || decision.checks.contains(&tally) {
            let within = roster.policies.seats.range(tally, by, organization);
            writes.push(Write::Add { tally, by, within });
        }
    }
    let entry = view.home.has_log().then(|| log_entry(request, view.now, id, decision.events.clone()));
    ChangeSet { id, home: view.home, not_after: operation.not_after(), guards, writes, entry }
}

fn log_entry(request: &Request, time: Timestamp, id: CommitId, events: Vec<Event>) -> LogEntry {
    let salts = |n: u16| {
        let mut salt = [0_u8; 16];
        salt.copy_from_slice(&request.seed.derive(&format!("salt {id} {n}"))[..16]);
        salt
    };
    let mut personal = Detached::new(&salts);
    let changes: Vec<Change> = events.into_iter().map(|event| event.detach(&mut personal)).collect();
    let subject = request.actor.user().or_else(|| changes.first().and_then(|change| change.user));
    let reason = match (&request.reason, subject) {
        (None, _) => Value::Null,
        (Some(reason), Some(subject)) => personal.hide(subject, &json!(reason)),
        (Some(reason), None) => json!(reason),
    };
    let mut users: Vec<UserId> =
        changes.iter().filter_map(|change| change.user).chain(request.actor.user()).collect();
    users.sort_unstable();
    users.dedup();
    let actions = changes.iter().map(|change| change.action.clone()).collect();
    let body = Body {
        actor: request.actor,
        request_id: request.request_id.clone(),
        reason,
        time,
        commit: id,
        changes,
    };
    let bytes = canonical(&body);
    LogEntry {
        digest: digest(&bytes),
        body: bytes,
        time,
        personal: personal.into_personal(),
        actor: request.actor.id().unwrap_or_else(|| request.actor.kind().to_owned()),
        users,
        actions,
    }
}

/// JSON with sorted keys and no spaces.
fn canonical(body: &Body) -> Vec<u8> {
    serde_json::to_value(body).map(|value| value.to_string().into_bytes()).unwrap_or_default()
}

async fn settle(
    roster: &Roster,
    request: &Request,
    home: Home,
    keys: Vec<Key>,
    attempt: u32,
) -> Result<(), OpError> {
    let system = request.as_system(&format!("settle {attempt}"));
    let operation = SettleDue { home, keys };
    match Box::pin(run(roster, &system, &operation)).await {
        Ok(_) | Err(OpError::Refused(Refusal::Conflict)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Settles what has ended in a home, at most 100 records; whether there was anything.
async fn settle_due(roster: &Roster, request: &Request, home: Home, attempt: u32) -> Result<bool, OpError> {
    let now = roster.store.read(&home, &[], &[]).await?.now();
    let listing = Listing::Due { home: home.clone(), until: now };
    let page = roster.store.list(&listing, &PageRequest { after: None, limit: 100 }).await?;
    let keys: Vec<Key> = page.rows.iter().map(|row| row.stored.record.key()).collect();
    let any = !keys.is_empty();
    if any {
        settle(roster, request, home, keys, 100 + attempt).await?;
    }
    Ok(any)
}

/// Waits a random while, longer with each try, so that those who lost do not lose together again.
async fn back_off(roster: &Roster, attempt: u32) {
    let [random, ..] = roster.entropy.bytes();
    let millis = u64::from(random) * u64::from(attempt) / 32;
    tokio::time::sleep(std::time::Duration::from_millis(millis)).await;
}
