//! Exports of people read much of the store: a process makes a few at a time for operators, a few for everybody else, and
//! one at a time of each about the same person. None lasts for ever, however slowly it is read.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use roster_core::id::UserId;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::error::Problem;

/// How long an export waits for its turn.
const PATIENCE: Duration = Duration::from_secs(5);
/// When to ask again, in seconds.
const AGAIN: u16 = 10;
/// How long one may last.
pub(crate) const LONGEST: Duration = Duration::from_mins(10);
/// How many are made for operators at a time.
const FOR_OPERATORS: usize = 2;
/// How many are made for people at a time.
const FOR_PEOPLE: usize = 4;

/// Whose turn it is.
#[derive(Debug)]
pub struct Exports {
    operators: Arc<Semaphore>,
    people: Arc<Semaphore>,
    about: Arc<About>,
}

/// About whom exports are under way.
#[derive(Debug, Default)]
struct About {
    /// By whether an operator asked for it.
    users: Mutex<BTreeSet<(bool, UserId)>>,
    ended: Notify,
}

/// The only export about a person, until it is dropped.
#[derive(Debug)]
struct Only {
    user: (bool, UserId),
    about: Arc<About>,
}

impl Drop for Only {
    fn drop(&mut self) {
        self.about.users().remove(&self.user);
        self.about.ended.notify_waiters();
    }
}

/// One export's, until it is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    _only: Only,
    _place: OwnedSemaphorePermit,
}

impl Default for Exports {
    fn default() -> Self {
        let (operators, people) = (Semaphore::new(FOR_OPERATORS), Semaphore::new(FOR_PEOPLE));
        Self { operators: Arc::new(operators), people: Arc::new(people), about: Arc::default() }
    }
}

impl Exports {
    /// Waits a while for the turn, which lasts as long as what comes back.
    pub(crate) async fn turn(&self, operator: bool, user: UserId) -> Result<Turn, Problem> {
        let line = Arc::clone(if operator { &self.operators } else { &self.people });
        let turn = async {
            // First of all, so that who asks twice takes one place.
            let only = only(&self.about, (operator, user)).await;
            line.acquire_owned().await.map(|place| Turn { _only: only, _place: place })
        };
        if let Ok(Ok(turn)) = tokio::time::timeout(PATIENCE, turn).await {
            return Ok(turn);
        }
        let detail = "Other exports are under way; nothing was done. Try again.";
        let busy = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", detail);
        Err(Problem { retry_after: AGAIN, ..busy })
    }
}

impl About {
    fn users(&self) -> MutexGuard<'_, BTreeSet<(bool, UserId)>> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits until no other export about a person is under way.
async fn only(about: &Arc<About>, user: (bool, UserId)) -> Only {
    loop {
        let ended = about.ended.notified();
        if about.users().insert(user) {
            return Only { user, about: Arc::clone(about) };
        }
        ended.await;
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn user(n: u128) -> UserId {
        UserId::from_uuid(Uuid::from_u128(n))
    }

    fn is_busy(problem: &Problem) {
        let found = (problem.status, problem.code, problem.wait());
        assert_eq!(found, (StatusCode::SERVICE_UNAVAILABLE, "busy", 10));
    }

    /// Rule L5: whoever reads slowly keeps neither operators nor anybody else waiting.
    #[tokio::test(start_paused = true)]
    async fn l5_one_slow_reader_keeps_nobody_waiting() {
        let exports = Exports::default();
        let slow = exports.turn(false, user(1)).await.unwrap();
        is_busy(&exports.turn(false, user(1)).await.unwrap_err());
        let mut others = Vec::new();
        for n in 2..=4 {
            others.push(exports.turn(false, user(n)).await.unwrap());
        }
        is_busy(&exports.turn(false, user(5)).await.unwrap_err());
        assert!(exports.turn(true, user(6)).await.is_ok());
        assert!(exports.turn(true, user(1)).await.is_ok(), "nor operators who ask about the same person");
        let (again, ()) = tokio::join!(exports.turn(false, user(1)), async {
            tokio::time::sleep(PATIENCE / 2).await;
            drop(slow);
        });
        assert!(again.is_ok(), "one who asks again waits for their own");
        others.pop();
        assert!(exports.turn(false, user(5)).await.is_ok(), "who gave up holds no place");
    }
}
