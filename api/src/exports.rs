//! Exports of people read much of the store: a process makes one at a time for operators, and one for everybody else.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::Problem;

/// How long an export waits for its turn.
const PATIENCE: Duration = Duration::from_secs(5);
/// When to ask again, in seconds.
const AGAIN: u16 = 10;

/// Whose turn it is.
#[derive(Debug)]
pub struct Exports {
    operators: Arc<Semaphore>,
    people: Arc<Semaphore>,
}

impl Default for Exports {
    fn default() -> Self {
        Self { operators: Arc::new(Semaphore::new(1)), people: Arc::new(Semaphore::new(1)) }
    }
}

impl Exports {
    /// Waits a while for the turn, which lasts as long as what comes back.
    pub(crate) async fn turn(&self, operator: bool) -> Result<OwnedSemaphorePermit, Problem> {
        let line = Arc::clone(if operator { &self.operators } else { &self.people });
        if let Ok(Ok(turn)) = tokio::time::timeout(PATIENCE, line.acquire_owned()).await {
            return Ok(turn);
        }
        let detail = "Other exports are under way; nothing was done. Try again.";
        let busy = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", detail);
        Err(Problem { retry_after: AGAIN, ..busy })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rule L5: whoever reads slowly keeps neither operators waiting nor anybody for ever.
    #[tokio::test(start_paused = true)]
    async fn l5_one_export_at_a_time_and_others_wait_their_turn() {
        let exports = Exports::default();
        let first = exports.turn(false).await.unwrap();
        assert!(exports.turn(true).await.is_ok());
        let problem = exports.turn(false).await.unwrap_err();
        assert_eq!(
            (problem.status, problem.code, problem.wait()),
            (StatusCode::SERVICE_UNAVAILABLE, "busy", 10)
        );
        let (second, ()) = tokio::join!(exports.turn(false), async {
            tokio::time::sleep(PATIENCE / 2).await;
            drop(first);
        });
        assert!(second.is_ok());
    }
}
