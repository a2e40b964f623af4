//! A carrier that keeps what it is handed, and fails when it is told to.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use roster_core::mail::{Carrier, Post, Postman, Undelivered, Written};
use roster_core::op::Roster;

/// Everybody's mailbox.
#[derive(Debug, Default)]
pub struct Mailbox {
    letters: Mutex<Vec<Written>>,
    failure: Mutex<Option<Undelivered>>,
    tries: Mutex<usize>,
}

impl Mailbox {
    /// A roster whose mail comes here.
    pub fn of(roster: Roster) -> (Arc<Self>, Roster) {
        let mailbox = Arc::new(Self::default());
        let post = Post::by(Arc::<Self>::clone(&mailbox));
        (mailbox, Roster { post, ..roster })
    }

    /// From now on every letter is refused so, or taken again.
    pub fn fail(&self, failure: Option<Undelivered>) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = failure;
    }

    /// How often a letter was handed over, taken or not.
    pub fn tries(&self) -> usize {
        *self.tries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What has come, after everything that can be sent now was sent; it is empty then.
    ///
    /// # Panics
    /// Where the store fails.
    pub async fn collect(&self, roster: &Roster) -> Vec<Written> {
        let postman = Postman::new(roster.clone()).expect("mail is set up");
        postman.work_off().await.expect("a store that answers");
        std::mem::take(&mut *self.letters.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The one letter that has come.
    ///
    /// # Panics
    /// Where it is another number.
    pub async fn one(&self, roster: &Roster) -> Written {
        let mut letters = self.collect(roster).await;
        assert_eq!(letters.len(), 1, "{letters:?}");
        letters.remove(0)
    }
}

/// The token at the end of a letter's link.
///
/// # Panics
/// Where it holds none.
pub fn token(letter: &Written) -> String {
    let url = letter.fields["url"].as_str().expect("a link");
    url.rsplit('/').next().expect("a token").to_owned()
}

#[async_trait]
impl Carrier for Mailbox {
    async fn carry(&self, letter: &Written) -> Result<(), Undelivered> {
        *self.tries.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        if let Some(failure) = self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone() {
            return Err(failure);
        }
        self.letters.lock().unwrap_or_else(PoisonError::into_inner).push(letter.clone());
        Ok(())
    }
}
