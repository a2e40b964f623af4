//! The receipt of an act that one commit cannot hold. It is there before the act changes anything, and not earlier: what
//! is refused at once leaves nothing.

use futures::future::BoxFuture;
use tokio::sync::Mutex;

use crate::facts::{Request, Seed};
use crate::flows::write_receipt;
use crate::home::Home;
use crate::op::Roster;
use crate::refusal::OpError;

/// A receipt that is still to be written.
#[derive(Debug)]
pub struct Opening {
    home: Home,
    /// The request as it came, with what identifies it.
    request: Request,
    kept: Seed,
    state: Mutex<State>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Owed,
    Written,
    /// The same request has come a second time and was quicker: its ids are the ones that count.
    Overtaken,
}

impl Opening {
    pub(crate) fn new(home: Home, request: Request, kept: Seed) -> Self {
        Self { home, request, kept, state: Mutex::new(State::Owed) }
    }

    /// Whether the act has changed anything.
    pub async fn is_written(&self) -> bool {
        *self.state.lock().await == State::Written
    }

    /// Whether the act has stopped because the same request was quicker.
    pub async fn is_overtaken(&self) -> bool {
        *self.state.lock().await == State::Overtaken
    }

    /// Writes the receipt, unless it is there. `Busy` where the same request was quicker.
    pub fn write<'a>(&'a self, roster: &'a Roster) -> BoxFuture<'a, Result<(), OpError>> {
        Box::pin(async move {
            let mut state = self.state.lock().await;
            if *state == State::Owed {
                *state = match write_receipt(roster, &self.request, &self.home, self.kept).await {
                    Ok(kept) if kept == self.kept => State::Written,
                    Ok(_) | Err(OpError::Replay(_) | OpError::Refused(_)) => State::Overtaken,
                    Err(error) => return Err(error),
                };
            }
            if *state == State::Written { Ok(()) } else { Err(OpError::Busy) }
        })
    }
}
