//! The word to stop, for everything that goes on by itself: long answers, and what a server does beside answering.

use std::sync::Arc;

use tokio::sync::watch;

/// Given once, heard by every clone.
#[derive(Clone, Debug)]
pub struct Stop(Arc<watch::Sender<bool>>);

impl Default for Stop {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }
}

impl Stop {
    /// Gives the word.
    pub fn give(&self) {
        self.0.send_replace(true);
    }

    /// Whether it was given.
    pub fn is_given(&self) -> bool {
        *self.0.borrow()
    }

    /// Until it is given.
    pub async fn heard(&self) {
        // The sender is held here, so waiting cannot fail.
        self.0.subscribe().wait_for(|given| *given).await.ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_clone_hears_it_before_and_after() {
        let stop = Stop::default();
        let other = stop.clone();
        let waiting = tokio::spawn(async move { other.heard().await });
        assert!(!stop.is_given());
        stop.give();
        waiting.await.unwrap();
        stop.heard().await;
        assert!(stop.is_given());
    }
}
