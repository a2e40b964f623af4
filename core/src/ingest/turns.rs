//! Turns of sources: some are at work at a time, each for a while, in the order in which they ask (rule G5).

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::stop::Stop;

/// How many sources are at work at a time.
const AT_A_TIME: usize = 4;
/// How long one is before it lets another.
const WHILE: Duration = Duration::from_millis(200);

/// Room for so many.
#[derive(Clone, Debug)]
pub(super) struct Turns(Arc<Semaphore>);

impl Default for Turns {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_A_TIME)))
    }
}

/// One source's turn, and the turns that follow.
#[derive(Debug)]
pub(super) struct Turn {
    turns: Turns,
    place: Option<OwnedSemaphorePermit>,
    ends: Instant,
    stop: Stop,
}

impl Turns {
    /// Waits for a turn.
    pub(super) async fn ask(&self, stop: &Stop) -> Turn {
        let (turns, stop) = (self.clone(), stop.clone());
        let mut turn = Turn { turns, place: None, ends: Instant::now(), stop };
        turn.pass().await;
        turn
    }
}

impl Turn {
    /// Once its time is over, lets those who wait go on and waits for the next turn; whether it did.
    pub(super) async fn pass(&mut self) -> bool {
        if Instant::now() < self.ends {
            return false;
        }
        self.place = None;
        // It is closed never.
        self.place = Arc::clone(&self.turns.0).acquire_owned().await.ok();
        self.ends = Instant::now() + WHILE;
        true
    }

    /// Whether the word to stop is given.
    pub(super) fn is_stopped(&self) -> bool {
        self.stop.is_given()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// Whoever comes waits for as many as are before them, however much those have to do.
    #[tokio::test(start_paused = true)]
    async fn g5_whoever_asks_has_a_turn_once_each_of_those_before_has_had_one() {
        let (turns, stop, done) = (Turns::default(), Stop::default(), Arc::new(Mutex::new(Vec::new())));
        let act = |who: usize, steps: u32| {
            let (turns, stop, done) = (turns.clone(), stop.clone(), Arc::clone(&done));
            async move {
                let mut turn = turns.ask(&stop).await;
                for _ in 0..steps {
                    tokio::time::sleep(WHILE / 4).await;
                    turn.pass().await;
                }
                done.lock().unwrap().push(who);
            }
        };
        let many = futures::future::join_all((0..2 * AT_A_TIME).map(|who| act(who, 400)));
        let begun = Instant::now();
        let last = async {
            tokio::time::sleep(WHILE / 8).await;
            act(99, 1).await;
            assert!(begun.elapsed() <= 3 * WHILE, "{:?}", begun.elapsed());
        };
        futures::future::join(many, last).await;
        assert_eq!(done.lock().unwrap().first(), Some(&99));
    }
}
