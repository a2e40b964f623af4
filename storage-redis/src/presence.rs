//! Who uses the store: a line with an end for each server, which it moves on every few seconds, and a key with an end
//! for whoever is alone. What a killed process leaves ends by itself.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use roster_core::presence::{Presence, Stay};
use tokio::task::JoinHandle;

use crate::error::Fault;
use crate::keys;
use crate::store::Inner;

/// How long a place lasts unless it is taken again, in milliseconds.
const LIFE: u64 = 20_000;
/// Between two times that it is taken again.
const PAUSE: Duration = Duration::from_secs(5);

/// The task that holds the place.
struct Held {
    holding: JoinHandle<()>,
    store: Arc<Inner>,
    presence: Presence,
    name: String,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.holding.abort();
        let (store, presence, name) = (Arc::clone(&self.store), self.presence, self.name.clone());
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Err(fault) = turn(&store, "leave", presence, &name).await {
                    tracing::debug!(%fault, "a place is left by its end");
                }
            });
        }
    }
}

/// An answer of `enter`.
pub(crate) async fn enter(store: Arc<Inner>, presence: Presence) -> Result<Option<Stay>, Fault> {
    let name = format!("{:016x}{:016x}", random(), random());
    if !turn(&store, "take", presence, &name).await? {
        return Ok(None);
    }
    let holding = tokio::spawn(hold(Arc::clone(&store), presence, name.clone()));
    Ok(Some(Stay::new(Held { holding, store, presence, name })))
}

/// Any number that no other process has: nothing rests on its being secret.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

async fn hold(store: Arc<Inner>, presence: Presence, name: String) {
    loop {
        tokio::time::sleep(PAUSE).await;
        if !matches!(turn(&store, "take", presence, &name).await, Ok(true)) {
            tracing::warn!("the place that says who uses Redis could not be taken again");
        }
    }
}

/// Takes or leaves a place; whether that went well.
async fn turn(store: &Inner, what: &str, presence: Presence, name: &str) -> Result<bool, Fault> {
    let how = match presence {
        Presence::Serving => "serving",
        Presence::Alone => "alone",
    };
    let arguments = [what, how, name, &LIFE.to_string()].map(|text| text.as_bytes().to_vec());
    let places = keys::places(&store.prefix);
    Ok(store.quick.call(&store.scripts.presence, &places, &arguments).await?)
}
