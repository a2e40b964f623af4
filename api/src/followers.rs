//! Answers that wait for what happens next keep a connection each for as long as they like. A process has so many of them
//! at a time, and nobody more than half, so that there is room for whoever asks for anything else.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::StatusCode;
use roster_core::actor::Actor;

use crate::error::Problem;

/// How many there may be unless another number is set.
pub const USUAL: usize = 1_000;
/// When to ask again, in seconds.
const AGAIN: u16 = 5;

/// Who waits.
#[derive(Debug)]
pub struct Followers {
    most: usize,
    waiting: Mutex<HashMap<Actor, usize>>,
}

/// The place of one who waits, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    actor: Actor,
    followers: Arc<Followers>,
}

impl Default for Followers {
    fn default() -> Self {
        Self::new(USUAL)
    }
}

impl Followers {
    /// So many at the most.
    pub fn new(most: usize) -> Self {
        Self { most, waiting: Mutex::default() }
    }

    /// A place for one more; refused where all are taken, or where half are by the same.
    pub(crate) fn place(self: &Arc<Self>, actor: Actor) -> Result<Place, Problem> {
        let mut waiting = self.waiting();
        let own = waiting.get(&actor).copied().unwrap_or(0);
        if own >= self.most.div_ceil(2) || waiting.values().sum::<usize>() >= self.most {
            let detail = "Too many wait for what happens next. Try again, or ask without waiting.";
            let busy = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", detail);
            return Err(Problem { retry_after: AGAIN, ..busy });
        }
        waiting.insert(actor, own + 1);
        drop(waiting);
        Ok(Place { actor, followers: Arc::clone(self) })
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<Actor, usize>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut waiting = self.followers.waiting();
        if let Some(own) = waiting.get_mut(&self.actor) {
            *own -= 1;
            if *own == 0 {
                waiting.remove(&self.actor);
            }
        }
    }
}
