//! Calls of a store that wait at the same time and go to it together.
//!
//! Nobody waits for others to come: a call that finds room is sent at once, alone. While as many are under way as may
//! be, those that come queue, and the next one sent takes along all that wait. So whatever is read is read after it was
//! asked for, and one call at a time costs no more than before.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::sync::oneshot;

use crate::home::Home;

/// Answers many questions, each with an answer of its own in their order.
type Work<Q, A> = Box<dyn Fn(Vec<Q>) -> BoxFuture<'static, Vec<A>> + Send + Sync>;

/// Those who are sent together, with their lanes.
type Group<Q, A> = (Vec<Waiting<Q, A>>, BTreeSet<Home>);

/// Where a question must be alone: of those that name one home, one group at a time is under way.
pub type Lane<Q> = fn(&Q) -> Option<&Home>;

/// Questions on their way to a store. The work goes on when who asked goes away.
pub struct Gather<Q, A> {
    work: Work<Q, A>,
    lane: Lane<Q>,
    limits: Limits,
    state: Mutex<State<Q, A>>,
}

/// How much at a time.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Groups under way.
    pub groups: usize,
    /// Questions of a group.
    pub questions: usize,
}

struct State<Q, A> {
    waiting: VecDeque<Waiting<Q, A>>,
    under_way: usize,
    /// The lanes of the groups under way.
    taken: BTreeSet<Home>,
}

struct Waiting<Q, A> {
    questions: Vec<Q>,
    answer: oneshot::Sender<Vec<A>>,
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
        lane: Lane<Q>,
        work: impl Fn(Vec<Q>) -> F + Send + Sync + 'static,
    ) -> Arc<Self>
    where
        F: Future<Output = Vec<A>> + Send + 'static,
    {
        let work: Work<Q, A> = Box::new(move |questions| work(questions).boxed());
        let state = State { waiting: VecDeque::new(), under_way: 0, taken: BTreeSet::new() };
        Arc::new(Self { work, lane, limits, state: Mutex::new(state) })
    }

    /// The answers to questions, which go together; nothing where the work came to no end.
    pub async fn ask(self: &Arc<Self>, questions: Vec<Q>) -> Option<Vec<A>> {
        let (answer, answers) = oneshot::channel();
        if self.enqueue(Waiting { questions, answer }) {
            drop(tokio::spawn(Arc::clone(self).serve()));
        }
        answers.await.ok()
    }

    fn state(&self) -> MutexGuard<'_, State<Q, A>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is room for a group more.
    fn enqueue(&self, waiting: Waiting<Q, A>) -> bool {
        let mut state = self.state();
        state.waiting.push_back(waiting);
        let room = state.under_way < self.limits.groups;
        state.under_way += usize::from(room);
        room
    }

    /// Sends groups until nothing waits.
    async fn serve(self: Arc<Self>) {
        while let Some((group, lanes)) = self.take() {
            let (questions, askers): (Vec<_>, Vec<_>) =
                group.into_iter().map(|waiting| (waiting.questions, waiting.answer)).unzip();
            let lengths: Vec<usize> = questions.iter().map(Vec::len).collect();
            let questions = questions.into_iter().flatten().collect();
            // After a panic all who asked hear that there is no answer, and the others go on.
            let answers = AssertUnwindSafe(async { (self.work)(questions).await }).catch_unwind().await;
            self.state().taken.retain(|home| !lanes.contains(home));
            let mut answers = answers.unwrap_or_default();
            for (length, asker) in lengths.into_iter().zip(askers) {
                if answers.len() < length {
                    break;
                }
                let rest = answers.split_off(length);
                // One who has gone away does not read the answer.
                let _gone = asker.send(std::mem::replace(&mut answers, rest));
            }
        }
    }

    /// The next group with its lanes; nothing when there is none, and one group less is under way then.
    fn take(&self) -> Option<Group<Q, A>> {
        let mut state = self.state();
        let State { waiting, under_way, taken } = &mut *state;
        let (mut group, mut lanes, mut passed, mut length) =
            (Vec::new(), BTreeSet::new(), VecDeque::new(), 0);
        while let Some(next) = waiting.pop_front() {
            let full = !group.is_empty() && length + next.questions.len() > self.limits.questions;
            let mut homes = next.questions.iter().filter_map(self.lane);
            if full || homes.any(|home| taken.contains(home)) {
                passed.push_back(next);
                if full {
                    break;
                }
                continue;
            }
            length += next.questions.len();
            lanes.extend(next.questions.iter().filter_map(self.lane).cloned());
            group.push(next);
        }
        passed.append(waiting);
        *waiting = passed;
        if group.is_empty() {
            *under_way -= 1;
            return None;
        }
        taken.extend(lanes.iter().cloned());
        Some((group, lanes))
    }
}

#[cfg(test)]
#[path = "gather_tests.rs"]
mod tests;
