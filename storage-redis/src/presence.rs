//! Who uses the store: a line with an end for each server, which it moves on every few seconds, and a key with an end
//! for whoever is alone. What a killed process leaves ends by itself.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use roster_core::presence::{Held, Presence, Stay};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use crate::error::Fault;
use crate::keys;
use crate::store::Inner;

/// How long a place lasts unless it is taken again.
const LIFE: Duration = Duration::from_secs(20);
/// Between two times that it is taken again.
const PAUSE: Duration = Duration::from_secs(5);

/// The task that holds the place.
struct Place {
    holding: JoinHandle<()>,
    store: Arc<Inner>,
    presence: Presence,
    name: String,
    lost: Arc<AtomicBool>,
}

#[async_trait]
impl Held for Place {
    fn is_held(&self) -> bool {
        !self.lost.load(Ordering::SeqCst)
    }

    async fn leave(self: Box<Self>) {
        self.holding.abort();
        leave(&self.store, self.presence, &self.name).await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.holding.abort();
        let (store, presence, name) = (Arc::clone(&self.store), self.presence, self.name.clone());
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { leave(&store, presence, &name).await });
        }
    }
}

async fn leave(store: &Inner, presence: Presence, name: &str) {
    if !matches!(timeout(PAUSE, turn(store, "leave", presence, name)).await, Ok(Ok(_))) {
        tracing::debug!("a place on Redis is left by its end");
    }
}

/// An answer of `enter`.
pub(crate) async fn enter(store: Arc<Inner>, presence: Presence) -> Result<Option<Stay>, Fault> {
    let name = format!("{:016x}{:016x}", random(), random());
    if !turn(&store, "take", presence, &name).await? {
        return Ok(None);
    }
    let lost = Arc::new(AtomicBool::new(false));
    let holding = tokio::spawn(hold(Arc::clone(&store), presence, name.clone(), Arc::clone(&lost)));
    Ok(Some(Stay::new(Place { holding, store, presence, name, lost })))
}

/// Any number that no other process has: nothing rests on its being secret.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// Takes the place again and again, by which a server that does nothing else notices within seconds that its primary has
/// become a replica. Where that was not to be done in time, whoever was alone may not be any more.
async fn hold(store: Arc<Inner>, presence: Presence, name: String, lost: Arc<AtomicBool>) {
    let mut until = Instant::now() + LIFE;
    loop {
        tokio::time::sleep(PAUSE).await;
        let begun = Instant::now();
        let expired = presence == Presence::Alone && begun >= until;
        match timeout(PAUSE, turn(&store, "take", presence, &name)).await {
            Ok(Ok(true)) if !expired => until = begun + LIFE,
            Ok(Ok(_)) => return lost.store(true, Ordering::SeqCst),
            Ok(Err(_)) | Err(_) if expired => return lost.store(true, Ordering::SeqCst),
            Ok(Err(_)) | Err(_) => tracing::debug!("Redis does not answer yet"),
        }
    }
}

/// Takes or leaves a place; whether that went well.
async fn turn(store: &Inner, what: &str, presence: Presence, name: &str) -> Result<bool, Fault> {
    let how = match presence {
        Presence::Serving => "serving",
        Presence::Alone => "alone",
    };
    let arguments = [what, how, name, &LIFE.as_millis().to_string()].map(|text| text.as_bytes().to_vec());
    let places = keys::places(&store.prefix);
    Ok(store.quick.call(&store.scripts.presence, &places, &arguments).await?)
}
