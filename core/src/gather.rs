//! Calls of a store that wait at the same time and go to it together.
//!
//! Nobody waits for others to come: a call that finds room is sent at once, alone. While as many are under way as may
//! be, those that come queue, and the next one sent takes along those that wait, of as many lanes as a group may be of. So
//! whatever is read is read after it was asked for, and one call at a time costs no more than before.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::sync::{Notify, oneshot};
use tokio::time::timeout;

use crate::home::Home;
use crate::store::{StoreError, StoreErrorKind};

/// Answers many questions, each with an answer of its own in their order.
type Work<Q, A> = Box<dyn Fn(Vec<Q>) -> BoxFuture<'static, Vec<A>> + Send + Sync>;

/// The home in whose lane a question goes. Of a lane one group at a time is under way; questions without a lane go with any
/// other such.
pub type LaneOf<Q> = fn(&Q) -> Option<&Home>;

/// Questions on their way to a store. The work goes on when who asked goes away.
pub struct Gather<Q, A> {
    work: Work<Q, A>,
    lane: LaneOf<Q>,
    limits: Limits,
    state: Mutex<State<Q, A>>,
    empty: Notify,
}

/// How much at a time.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Groups under way.
    pub groups: usize,
    /// Questions of a group.
    pub questions: usize,
    /// Lanes of a group.
    pub lanes: usize,
    /// Calls that wait.
    pub waiting: usize,
    /// How long a call waits until it is sent.
    pub patience: Duration,
}

/// Why there is no answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoAnswer {
    /// Too many wait, or it waited too long. It was not sent.
    Unsent,
    /// The work stopped half-way.
    HalfWay,
}

struct State<Q, A> {
    lanes: BTreeMap<Option<Home>, Lane<Q, A>>,
    /// Lanes in which something waits that may be sent.
    ready: VecDeque<Option<Home>>,
    under_way: usize,
    waiting: usize,
}

struct Lane<Q, A> {
    waiting: VecDeque<Waiting<Q, A>>,
    /// Whether it is among those that are ready.
    ready: bool,
    /// Whether a group is under way that nothing may overtake.
    taken: bool,
}

struct Waiting<Q, A> {
    questions: Vec<Q>,
    answer: oneshot::Sender<Vec<A>>,
    /// Set by who comes first: the one that sends it, or the one that gives up.
    settled: Arc<AtomicBool>,
}

/// Those who are sent together, with their lanes.
type Group<Q, A> = (Vec<Option<Home>>, Vec<Waiting<Q, A>>);

impl<Q, A> Default for Lane<Q, A> {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), ready: false, taken: false }
    }
}

impl<Q, A> fmt::Debug for Gather<Q, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gather").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl<Q: Send + 'static, A: Send + 'static> Gather<Q, A> {
    /// Nothing under way yet.
    pub fn new<F>(
        limits: Limits,
        lane: LaneOf<Q>,
        work: impl Fn(Vec<Q>) -> F + Send + Sync + 'static,
    ) -> Arc<Self>
    where
        F: Future<Output = Vec<A>> + Send + 'static,
    {
        let work: Work<Q, A> = Box::new(move |questions| work(questions).boxed());
        let state = State { lanes: BTreeMap::new(), ready: VecDeque::new(), under_way: 0, waiting: 0 };
        Arc::new(Self { work, lane, limits, state: Mutex::new(state), empty: Notify::new() })
    }

    /// The answers to questions, which go together, in the lane of the first.
    pub async fn ask(self: &Arc<Self>, questions: Vec<Q>) -> Result<Vec<A>, NoAnswer> {
        let lane = questions.first().and_then(self.lane).cloned();
        let (answer, mut answers) = oneshot::channel();
        let settled = Arc::new(AtomicBool::new(false));
        let waiting = Waiting { questions, answer, settled: Arc::clone(&settled) };
        if self.state().enqueue(lane, waiting, self.limits)? {
            drop(tokio::spawn(Arc::clone(self).serve()));
        }
        let answered = match timeout(self.limits.patience, &mut answers).await {
            Ok(answered) => answered,
            Err(_) if !settled.swap(true, Ordering::AcqRel) => return Err(NoAnswer::Unsent),
            Err(_) => answers.await,
        };
        answered.map_err(|_| NoAnswer::HalfWay)
    }

    /// Waits until nothing is under way.
    pub async fn rest(&self) {
        loop {
            let empty = self.empty.notified();
            if self.state().under_way == 0 {
                return;
            }
            empty.await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State<Q, A>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends groups until nothing waits.
    async fn serve(self: Arc<Self>) {
        loop {
            let taken = self.state().take(self.limits);
            let Some((lanes, group)) = taken else { break };
            let (questions, askers): (Vec<_>, Vec<_>) =
                group.into_iter().map(|waiting| (waiting.questions, waiting.answer)).unzip();
            let lengths: Vec<usize> = questions.iter().map(Vec::len).collect();
            let questions = questions.into_iter().flatten().collect();
            // After a panic all who asked hear that there is no answer, and the others go on.
            let answers = AssertUnwindSafe(async { (self.work)(questions).await }).catch_unwind().await;
            self.state().leave(lanes);
            deal(answers.unwrap_or_default(), &lengths, askers);
        }
        self.empty.notify_waiters();
    }
}

/// Asks all together, and one by one where something is there that cannot be read: it fails nobody else's question. What keeps
/// one from being asked keeps those behind it too.
pub async fn apart<Q: Clone, A, F>(
    questions: Vec<Q>,
    ask: impl Fn(Arc<[Q]>) -> F,
) -> Vec<Result<A, StoreError>>
where
    F: Future<Output = Result<Vec<Result<A, StoreError>>, StoreError>>,
{
    let all: Arc<[Q]> = questions.into();
    let mut error = match ask(Arc::clone(&all)).await {
        Ok(answers) => return answers,
        Err(error) => error,
    };
    let mut answers = Vec::with_capacity(all.len());
    for question in &*all {
        if all.len() == 1 || error.kind != StoreErrorKind::Corrupt {
            answers.push(Err(error.clone()));
            continue;
        }
        match ask(Arc::from([question.clone()])).await {
            Ok(one) => answers.extend(one),
            Err(of_one) => {
                answers.push(Err(of_one.clone()));
                error = of_one;
            }
        }
    }
    answers
}

/// To each who asked as many answers as questions; to none if the number is wrong, for then nothing says whose is which.
fn deal<A>(mut answers: Vec<A>, lengths: &[usize], askers: Vec<oneshot::Sender<Vec<A>>>) {
    if answers.len() != lengths.iter().sum::<usize>() {
        return;
    }
    for (length, asker) in lengths.iter().zip(askers) {
        let rest = answers.split_off(*length);
        // One who has gone away does not read the answer.
        let _gone = asker.send(std::mem::replace(&mut answers, rest));
    }
}

impl<Q, A> State<Q, A> {
    /// Whether there is room for a group more, and something to send.
    fn enqueue(
        &mut self,
        lane: Option<Home>,
        waiting: Waiting<Q, A>,
        limits: Limits,
    ) -> Result<bool, NoAnswer> {
        if self.waiting >= limits.waiting {
            return Err(NoAnswer::Unsent);
        }
        self.waiting += 1;
        self.lanes.entry(lane.clone()).or_default().waiting.push_back(waiting);
        self.make_ready(lane);
        let room = self.under_way < limits.groups && !self.ready.is_empty();
        self.under_way += usize::from(room);
        Ok(room)
    }

    /// A lane is ready once, and only when something waits in it and nothing holds it.
    fn make_ready(&mut self, name: Option<Home>) {
        let Some(lane) = self.lanes.get_mut(&name) else { return };
        if lane.taken {
            return;
        }
        if lane.waiting.is_empty() {
            self.lanes.remove(&name);
        } else if !std::mem::replace(&mut lane.ready, true) {
            self.ready.push_back(name);
        }
    }

    /// The next group, of lanes in the order in which they became ready; nothing when there is none, and one group less
    /// is under way then.
    fn take(&mut self, limits: Limits) -> Option<Group<Q, A>> {
        let (mut lanes, mut group, mut length) = (Vec::new(), Vec::new(), 0);
        while lanes.len() < limits.lanes && length < limits.questions {
            let Some(name) = self.ready.pop_front() else { break };
            let Some(lane) = self.lanes.get_mut(&name) else { continue };
            lane.ready = false;
            let before = lane.waiting.len();
            let some = lane.take(limits.questions - length, group.is_empty());
            self.waiting -= before - lane.waiting.len();
            lane.taken = name.is_some() && !some.is_empty();
            self.make_ready(name.clone());
            if some.is_empty() {
                if self.ready.back() == Some(&name) {
                    // What waits there has no room in this group.
                    break;
                }
                continue;
            }
            length += some.iter().map(|waiting| waiting.questions.len()).sum::<usize>();
            group.extend(some);
            lanes.push(name);
        }
        if group.is_empty() {
            self.under_way -= 1;
            return None;
        }
        Some((lanes, group))
    }

    /// A group has come to its end.
    fn leave(&mut self, names: Vec<Option<Home>>) {
        for name in names {
            if let Some(lane) = self.lanes.get_mut(&name) {
                lane.taken = false;
                self.make_ready(name);
            }
        }
    }
}

impl<Q, A> Lane<Q, A> {
    /// Those at the front that have not given up, up to so many questions; `one` at least, however many it asks.
    fn take(&mut self, most: usize, one: bool) -> Vec<Waiting<Q, A>> {
        let (mut group, mut length) = (Vec::new(), 0);
        while let Some(next) = self.waiting.pop_front() {
            if !(one && group.is_empty()) && length + next.questions.len() > most {
                self.waiting.push_front(next);
                break;
            }
            if !next.settled.swap(true, Ordering::AcqRel) {
                length += next.questions.len();
                group.push(next);
            }
        }
        group
    }
}

#[cfg(test)]
#[path = "gather_tests.rs"]
mod tests;
