//! One change set, for the script that checks and writes it.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Display;

use redis::{RedisError, RedisResult, Value};
use roster_core::home::{Home, Key};
use roster_core::log::{Head, LogEntry, hex};
use roster_core::store::{ChangeSet, CommitError, Committed, StoreClock, Write};

use crate::error::{Fault, bad, was_cut_off};
use crate::index::lines;
use crate::keys::{field, registry, registry_of, tally_field};
use crate::store::Inner;
use crate::{head, log, record, registry};

/// What the script answers.
pub(crate) enum Answer {
    /// The home's name must be known first.
    Register,
    /// The outcome, and whether the home holds nothing now.
    Told(Result<Committed, CommitError>, bool),
}

/// The keys that the script takes, and what it is told of the home's name.
pub(crate) struct Place {
    pub(crate) keys: Vec<String>,
    pub(crate) name: String,
}

impl Place {
    /// Where one server holds all keys the script puts the name in and takes it out itself. In a cluster the name lies
    /// elsewhere, so that it must be known to be in first.
    pub(crate) fn of(store: &Inner, home: &Home, known: bool) -> Self {
        let mut keys = store.keys(home).into_all();
        if store.quick.is_cluster() {
            return Self { keys, name: if known { "1" } else { "" }.to_owned() };
        }
        let name = home.to_string();
        keys.push(registry(&store.prefix, registry_of(&name)));
        Self { keys, name }
    }
}

/// Applies one set.
pub(crate) async fn commit(store: &Inner, changes: &ChangeSet) -> Result<Committed, CommitError> {
    changes.check()?;
    let during = |fault: Fault| fault.during("commit");
    let mut known = store.quick.is_cluster() && makes_its_home(changes);
    if known {
        registry::add(store, &changes.home).await.map_err(during)?;
    }
    loop {
        let guess = store.seen.get(&changes.home);
        let Place { keys, name } = Place::of(store, &changes.home, known);
        let arguments = arguments(changes, &store.clock, &name, &guess).map_err(during)?;
        let answer: Result<Value, _> = store.quick.call(&store.scripts.commit, &keys, &arguments).await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                // Nothing more is asked of one that does not answer, nor of a cluster, which may still do what it was
                // sent: a name that is in is not believed.
                let is_over = !store.quick.is_cluster() && !was_cut_off(&error);
                let outcome = Err(Fault::from(error).at_commit(store.quick.is_cluster()).into());
                if is_over && is_in_doubt(changes, known, &outcome, false) {
                    settle(store, [&changes.home]).await;
                }
                return outcome;
            }
        };
        match read_answer(changes, &answer).map_err(during)? {
            Answer::Register => {
                registry::add(store, &changes.home).await.map_err(during)?;
                known = true;
            }
            Answer::Told(outcome, is_empty) => {
                see(store, changes, &outcome);
                if is_in_doubt(changes, known, &outcome, is_empty) {
                    settle(store, [&changes.home]).await;
                }
                return outcome;
            }
        }
    }
}

/// The end of a log as a commit has left it.
fn see(store: &Inner, changes: &ChangeSet, outcome: &Result<Committed, CommitError>) {
    if let Ok(Committed::Now(Some(after))) = outcome {
        store.seen.set(&changes.home, *after);
    }
}

/// Whether a home's name may be in though it holds nothing, or out though it holds something. One of a home with a log
/// stays: nobody is named by it. In a cluster a home that only points may be emptied at any time, and its name taken out,
/// after this one put it in; one server refuses the script a write behind the name where rights were taken away meanwhile.
fn is_in_doubt(
    changes: &ChangeSet,
    registered: bool,
    outcome: &Result<Committed, CommitError>,
    is_empty: bool,
) -> bool {
    let is_refused = matches!(outcome, Err(CommitError::Store(_))) && makes_its_home(changes);
    !changes.home.has_log() && (is_empty || registered || is_refused)
}

/// The outcome stands, so what fails here is only logged; nothing more is asked then.
async fn settle<'a>(store: &Inner, homes: impl IntoIterator<Item = &'a Home>) {
    for home in homes {
        if let Err(fault) = registry::settle(store, home).await {
            tracing::warn!(%fault, "the list of homes was not brought up to date");
            return;
        }
    }
}

/// Whether the set can only apply where nothing is yet.
pub(crate) fn makes_its_home(changes: &ChangeSet) -> bool {
    let root = match &changes.home {
        Home::User(_) => Key::User,
        Home::Organization(_) => Key::Organization,
        Home::Claim(_) => Key::Claim,
        Home::Deployment
        | Home::Directory(..)
        | Home::Feed
        | Home::Stream(..)
        | Home::Activity(_)
        | Home::Outbox(_)
        | Home::Webhooks(_) => return false,
    };
    changes.guards.get(&root) == Some(&None)
}

/// The arguments in the order in which the script takes them.
pub(crate) fn arguments(
    changes: &ChangeSet,
    clock: &StoreClock,
    name: &str,
    guess: &Head,
) -> Result<Vec<Vec<u8>>, Fault> {
    let mut list = Arguments::default();
    list.text(changes.id);
    list.text(if let StoreClock::Given(clock) = clock {
        clock.now().micros().to_string()
    } else {
        String::new()
    });
    list.text(changes.not_after.map(|end| end.micros().to_string()).unwrap_or_default());
    list.text(name);
    list.text(changes.guards.len());
    for (key, version) in &changes.guards {
        list.text(field(key));
        list.text(version.map(|version| version.to_string()).unwrap_or_default());
    }
    list.text(changes.writes.len());
    for write in &changes.writes {
        list.write(changes, write)?;
    }
    match &changes.entry {
        Some(entry) => list.entry(&changes.home, entry, guess)?,
        None => list.text(""),
    }
    Ok(list.0)
}

#[derive(Default)]
struct Arguments(Vec<Vec<u8>>);

impl Arguments {
    fn text(&mut self, text: impl Display) {
        self.0.push(text.to_string().into_bytes());
    }

    fn write(&mut self, changes: &ChangeSet, write: &Write) -> Result<(), Fault> {
        match write {
            Write::Put(put) => {
                self.text("put");
                self.text(field(&put.key()));
                self.0.push(record::encode(changes.id, put)?);
                let lines = lines(put);
                self.text(lines.len());
                self.0.extend(lines.into_iter().map(String::into_bytes));
            }
            Write::Remove(key) => {
                self.text("remove");
                self.text(field(key));
            }
            Write::Add { tally, by, within } => {
                self.text("add");
                self.text(tally_field(*tally));
                self.text(by);
                self.text(within.start());
                self.text(within.end());
            }
        }
        Ok(())
    }

    fn entry(&mut self, home: &Home, entry: &LogEntry, guess: &Head) -> Result<(), Fault> {
        self.text("entry");
        self.text(head::text(&Head::start(home)));
        self.text(entry.time.micros());
        self.0.push(entry.digest.to_vec());
        self.0.push(entry.body.clone());
        self.0.push(log::text_of(&entry.personal)?);
        let terms = log::terms(entry);
        self.text(terms.len());
        for term in terms {
            self.text(term);
        }
        self.text(head::text(guess));
        let foreseen = guess.after(entry).hash;
        self.text(hex(&foreseen));
        self.0.push(foreseen.to_vec());
        Ok(())
    }
}

/// The script's answer.
pub(crate) fn read_answer(changes: &ChangeSet, answer: &Value) -> Result<Answer, Fault> {
    let wrong = || bad("commit", format!("{answer:?} is no answer"));
    let Value::Array(parts) = answer else { return Err(wrong()) };
    let text = |n: usize| parts.get(n).and_then(|part| redis::from_redis_value_ref::<String>(part).ok());
    let number = || {
        let number = parts.get(1).and_then(|part| redis::from_redis_value_ref::<usize>(part).ok());
        number.ok_or_else(wrong)
    };
    let told = |outcome| Ok(Answer::Told(outcome, false));
    match text(0).as_deref() {
        Some("now") => {
            let after = text(1).filter(|text| !text.is_empty());
            let after = after.map(|text| head::read(&changes.home, Some(&text))).transpose()?;
            Ok(Answer::Told(Ok(Committed::Now(after)), text(2).as_deref() == Some("0")))
        }
        Some("before") => told(Ok(Committed::Before)),
        Some("late") => told(Err(CommitError::TooLate)),
        Some("register") => Ok(Answer::Register),
        Some("conflict") => {
            let key = changes.guards.keys().nth(number()?).ok_or_else(wrong)?;
            told(Err(CommitError::Conflict(key.clone())))
        }
        Some("bounds") => match changes.writes.get(number()?) {
            Some(Write::Add { tally, .. }) => told(Err(CommitError::OutOfBounds(*tally))),
            _ => Err(wrong()),
        },
        _ => Err(wrong()),
    }
}

/// What became of sets that were sent together.
pub(crate) enum Sent {
    /// Nothing was sent: each can be sent by itself.
    Nothing,
    /// An outcome each. What nobody knows is [`StoreErrorKind::OutcomeUnknown`].
    All(Vec<Result<Committed, CommitError>>),
}

/// Sends sets in one go, those of one home in their order; in a cluster all are of one home.
pub(crate) async fn commit_many(store: &Inner, sets: &[&ChangeSet]) -> Sent {
    let [first, _, ..] = sets else { return Sent::Nothing };
    let is_cluster = store.quick.is_cluster();
    if sets.iter().any(|set| set.check().is_err()) {
        return Sent::Nothing;
    }
    if is_cluster && registry::add(store, &first.home).await.is_err() {
        return Sent::Nothing;
    }
    let Ok(pipeline) = together(store, sets) else { return Sent::Nothing };
    let failed = |error: RedisError| CommitError::from(Fault::from(error).at_commit(is_cluster));
    let answers: Result<Vec<RedisResult<Value>>, _> = pipeline.query_async(&mut store.quick.clone()).await;
    let answers = match answers {
        Ok(answers) => answers,
        Err(error) => return Sent::All(sets.iter().map(|_| Err(failed(error.clone()))).collect()),
    };
    if answers.iter().all(|answer| matches!(answer, Err(error) if error.code() == Some("NOSCRIPT"))) {
        return Sent::Nothing;
    }
    let mut outcomes = Vec::with_capacity(sets.len());
    let mut doubted: BTreeSet<&Home> = BTreeSet::new();
    for (set, answer) in sets.iter().zip(answers) {
        let (outcome, is_empty) = match answer.map_err(failed).map(|answer| read_answer(set, &answer)) {
            Ok(Ok(Answer::Told(outcome, is_empty))) => (outcome, is_empty),
            // Not asked for: the home's name is known.
            Ok(Ok(Answer::Register)) => {
                (Err(bad("commit", "an answer out of place").during("commit").into()), false)
            }
            Ok(Err(fault)) => (Err(fault.during("commit").into()), false),
            Err(error) => (Err(error), false),
        };
        see(store, set, &outcome);
        if is_in_doubt(set, is_cluster, &outcome, is_empty) {
            doubted.insert(&set.home);
        }
        outcomes.push(outcome);
    }
    settle(store, doubted).await;
    Sent::All(outcomes)
}

fn together(store: &Inner, sets: &[&ChangeSet]) -> Result<redis::Pipeline, Fault> {
    let mut guesses: HashMap<&Home, Head> = HashMap::new();
    let mut pipeline = redis::pipe();
    pipeline.ignore_errors();
    for set in sets {
        let guess = guesses.entry(&set.home).or_insert_with(|| store.seen.get(&set.home));
        let Place { keys, name } = Place::of(store, &set.home, true);
        let arguments = arguments(set, &store.clock, &name, guess)?;
        let script = store.scripts.commit.get_hash();
        pipeline.cmd("EVALSHA").arg(script).arg(keys.len()).arg(keys).arg(arguments);
        if let Some(entry) = &set.entry {
            *guess = guess.after(entry);
        }
    }
    Ok(pipeline)
}
