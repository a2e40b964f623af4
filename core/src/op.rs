//! An operation is a pure decision; `run` is the one way from it to a durable change.

mod run;
mod shown;
mod stage;
mod sweep;
mod view;

use std::future::Future;
use std::sync::Arc;

use serde_json::Value;

pub use run::{Done, Seal, TRIES, Unsettled, preflight, run, run_sealed, unsettled};
pub(crate) use run::{back_off, lapse_with_keys, settle_inviters};
pub(crate) use view::personal_key_holds;
pub use view::{View, Visible};

use crate::facts::{Entropy, Facts, Seed};
use crate::home::{Home, Key, Record, Tally};
use crate::id::UserId;
use crate::last_use::LastUses;
use crate::limits::Limits;
use crate::log::{Change, Detached};
use crate::mail::Post;
use crate::news::News;
use crate::observe::{Nobody, Observer, operation_name};
use crate::policy::Policies;
use crate::refusal::Refusal;
use crate::secret::Links;
use crate::sign_in::SignIn;
use crate::store::{Store, StoreError};
use crate::time::Timestamp;
use crate::webhooks::Webhooks;

/// Everything an operation runs in.
#[derive(Clone, Debug)]
pub struct Roster {
    /// Where things are kept.
    pub store: Arc<dyn Store>,
    /// Where randomness comes from.
    pub entropy: Arc<dyn Entropy>,
    /// The rules that can be exchanged.
    pub policies: Arc<Policies>,
    /// Who hears what is done.
    pub observer: Arc<dyn Observer>,
    /// Who waits for what is committed.
    pub news: Arc<News>,
    /// How people sign in.
    pub sign_in: Arc<SignIn>,
    /// The links that are sent to people.
    pub links: Arc<Links>,
    /// Who carries mail.
    pub post: Post,
    /// How often something may be tried.
    pub limits: Arc<Limits>,
    /// Who sends events on.
    pub webhooks: Webhooks,
    /// When this process has seen keys last.
    pub last_uses: Arc<LastUses>,
}

impl Roster {
    /// With the built-in rules, and nobody who listens.
    pub fn new(store: Arc<dyn Store>, entropy: Arc<dyn Entropy>) -> Self {
        let (policies, observer, news) = (Arc::default(), Arc::new(Nobody), Arc::default());
        let (sign_in, links, limits, last_uses) =
            (Arc::default(), Arc::default(), Arc::default(), Arc::default());
        let (post, webhooks) = (Post::default(), Webhooks::default());
        Self { store, entropy, policies, observer, news, sign_in, links, post, limits, webhooks, last_uses }
    }

    /// The seed that what is kept of it stands for: it takes the master key to tell, so that neither secrets nor the
    /// salts of what was erased can be made again from a copy of the store.
    pub fn seed(&self, kept: [u8; 32], millis: u64) -> Seed {
        Seed { bytes: self.links.seed(&kept), millis }
    }
}

/// One act on one home: what it reads, and what it decides from that.
pub trait Operation: Send + Sync {
    /// What `load` hands to `decide`.
    type State: Send;
    /// What the caller gets.
    type Output: Send;

    /// What it is called where it is counted.
    fn name(&self) -> &'static str {
        operation_name::<Self>()
    }

    /// The home that is read and changed.
    fn home(&self) -> Home;

    /// The record that `If-Match` speaks of.
    fn subject(&self) -> Option<Key> {
        None
    }

    /// Whether it takes its subject, a member, for what they are to one who has been removed from everything, by a number
    /// that was read before it. Where it does not, that is written down first (rule M5).
    fn knows_cuts(&self) -> bool {
        false
    }

    /// Reads. Every key read is guarded in the commit.
    fn load(&self, view: &mut View<'_>) -> impl Future<Output = Result<Self::State, StoreError>> + Send;

    /// Decides: no I/O, no clock, no randomness.
    fn decide(&self, state: Self::State, facts: &Facts) -> Result<Decision<Self::Output>, Refusal>;

    /// Whom it is done to, where somebody may say why: their erasure takes the words away.
    fn about(&self) -> Option<UserId> {
        None
    }

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
    /// What tallies must be when it commits, before anything is added.
    pub exact: Vec<(Tally, i64)>,
    /// What the log says.
    pub events: Vec<Event>,
    /// What the caller gets.
    pub output: T,
}

impl<T> Decision<T> {
    /// Nothing to do.
    pub const fn unchanged(output: T) -> Self {
        Self {
            puts: Vec::new(),
            removes: Vec::new(),
            checks: Vec::new(),
            exact: Vec::new(),
            events: Vec::new(),
            output,
        }
    }

    /// One more record.
    #[must_use]
    pub fn put(mut self, record: Record) -> Self {
        self.puts.push(record);
        self
    }

    /// One more record, in the place of what the decision does under its key already.
    #[must_use]
    pub fn put_over(mut self, record: Record) -> Self {
        let key = record.key();
        self.puts.retain(|put| put.key() != key);
        self.removes.retain(|removed| *removed != key);
        self.put(record)
    }

    /// What is put under a key.
    pub fn find(&self, key: &Key) -> Option<&Record> {
        self.puts.iter().find(|put| put.key() == *key)
    }

    /// The same with another output.
    pub fn giving<U>(self, output: U) -> Decision<U> {
        let Self { puts, removes, checks, exact, events, .. } = self;
        Decision { puts, removes, checks, exact, events, output }
    }

    /// The same with something more to give.
    pub fn with<U>(self, more: U) -> Decision<(T, U)> {
        let Self { puts, removes, checks, exact, events, output } = self;
        Decision { puts, removes, checks, exact, events, output: (output, more) }
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

/// The field of an event that holds the external id of somebody who may not be known, or not be the person it is about: the
/// log keeps its HMAC.
pub(crate) const SOMEBODY: &str = "$external_id";

/// A line of the log, before personal values are detached.
#[derive(Clone, PartialEq, Debug)]
pub struct Event {
    /// From the vocabulary of the API contract.
    pub action: &'static str,
    /// The kind and id of the thing.
    pub target: (&'static str, String),
    /// The person it is about: their `email`, `name`, `external_id` and `traits` are detached, and a `title`.
    pub user: Option<UserId>,
    /// Fields before.
    pub before: Value,
    /// Fields after.
    pub after: Value,
}

impl Event {
    /// An event about a thing.
    pub fn new(action: &'static str, kind: &'static str, id: impl std::fmt::Display) -> Self {
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

    fn detach(self, personal: &mut Detached<'_>, links: &Links) -> Change {
        let mut field = |name: String, value: Value| match (name.as_str(), self.user) {
            (SOMEBODY, _) => {
                ("external_id_hmac".to_owned(), value.as_str().map(|it| links.pseudonym(it)).into())
            }
            ("email" | "name" | "external_id" | "traits" | "title", Some(user)) => {
                (name, personal.hide(user, &value))
            }
            _ => (name, value),
        };
        let mut hide = |value: Value| match value {
            Value::Object(fields) => {
                Value::Object(fields.into_iter().map(|(name, value)| field(name, value)).collect())
            }
            value => value,
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
