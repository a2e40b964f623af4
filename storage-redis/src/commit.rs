//! One change set, for the script that checks and writes it.

use std::fmt::Display;

use redis::{RedisError, RedisResult, Value};
use roster_core::home::{Home, Key};
use roster_core::log::{Head, LogEntry, hex};
use roster_core::store::{ChangeSet, CommitError, Committed, StoreClock, Write};

use crate::error::{Fault, bad};
use crate::index::lines;
use crate::keys::{field, tally_field};
use crate::store::Inner;
use crate::{head, log, record, registry};

/// What the script answers.
pub(crate) enum Answer {
    /// The home's name must be known first.
    Register,
    /// The outcome, and whether the home holds nothing now.
    Told(Result<Committed, CommitError>, bool),
}

/// Applies one set.
pub(crate) async fn commit(store: &Inner, changes: &ChangeSet) -> Result<Committed, CommitError> {
    changes.check()?;
    let during = |fault: Fault| fault.during("commit");
    let mut known = makes_its_home(changes);
    if known {
        registry::add(store, &changes.home).await.map_err(during)?;
    }
    loop {
        let guess = store.seen.get(&changes.home);
        let arguments = arguments(changes, &store.clock, known, &guess).map_err(during)?;
        let keys = store.keys(&changes.home);
        let answer: Result<Value, _> = store.quick.call(&store.scripts.commit, keys.all(), &arguments).await;
        let answer = answer.map_err(|error| Fault::from(error).at_commit(store.quick.is_cluster()))?;
        match read_answer(changes, &answer).map_err(during)? {
            Answer::Register => {
                registry::add(store, &changes.home).await.map_err(during)?;
                known = true;
            }
            Answer::Told(outcome, empty) => {
                tidy(store, changes, known, &outcome, empty).await;
                return outcome;
            }
        }
    }
}

/// What is to be done after an answer. The answer stands, so what fails here is only logged.
async fn tidy(
    store: &Inner,
    changes: &ChangeSet,
    registered: bool,
    outcome: &Result<Committed, CommitError>,
    empty: bool,
) {
    if let Ok(Committed::Now(Some(after))) = outcome {
        store.seen.set(&changes.home, *after);
    }
    // A home that only points may be emptied at any time, and its name taken out, after this one put it in.
    let doubtful = registered && (outcome.is_err() || !changes.home.has_log());
    if (empty || doubtful)
        && let Err(fault) = registry::settle(store, &changes.home).await
    {
        tracing::warn!(%fault, "the list of homes was not brought up to date");
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
    known: bool,
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
    list.text(if known { "1" } else { "" });
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

/// Sends sets of one home in one go, in their order.
pub(crate) async fn commit_many(store: &Inner, sets: &[&ChangeSet]) -> Sent {
    let [first, _, ..] = sets else { return Sent::Nothing };
    let home = &first.home;
    if sets.iter().any(|set| set.check().is_err()) || registry::add(store, home).await.is_err() {
        return Sent::Nothing;
    }
    let Ok(pipeline) = together(store, home, sets) else { return Sent::Nothing };
    let is_cluster = store.quick.is_cluster();
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
    let mut is_empty = false;
    for (set, answer) in sets.iter().zip(answers) {
        let outcome = match answer.map_err(failed).map(|answer| read_answer(set, &answer)) {
            Ok(Ok(Answer::Told(outcome, empty))) => {
                is_empty = empty;
                outcome
            }
            // Not asked for: the home's name is known.
            Ok(Ok(Answer::Register)) => Err(bad("commit", "an answer out of place").during("commit").into()),
            Ok(Err(fault)) => Err(fault.during("commit").into()),
            Err(error) => Err(error),
        };
        if let Ok(Committed::Now(Some(after))) = &outcome {
            store.seen.set(home, *after);
        }
        outcomes.push(outcome);
    }
    let last = outcomes.last().cloned().unwrap_or(Ok(Committed::Before));
    tidy(store, first, true, &last, is_empty).await;
    Sent::All(outcomes)
}

fn together(store: &Inner, home: &Home, sets: &[&ChangeSet]) -> Result<redis::Pipeline, Fault> {
    let keys = store.keys(home);
    let mut guess = store.seen.get(home);
    let mut pipeline = redis::pipe();
    pipeline.ignore_errors();
    for set in sets {
        let arguments = arguments(set, &store.clock, true, &guess)?;
        pipeline
            .cmd("EVALSHA")
            .arg(store.scripts.commit.get_hash())
            .arg(keys.all().len())
            .arg(keys.all())
            .arg(arguments);
        if let Some(entry) = &set.entry {
            guess = guess.after(entry);
        }
    }
    Ok(pipeline)
}
