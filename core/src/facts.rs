//! What an operation decides by besides the records: drawn once a request, so that deciding again decides the same.

use std::fmt;
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use uuid::Uuid;

use crate::actor::Actor;
use crate::home::Home;
use crate::id::{CommitId, JobId, Version};
use crate::known::Known;
use crate::model::ReceiptId;
use crate::opening::Opening;
use crate::policy::Policies;
use crate::time::Timestamp;

/// Source of randomness and of the instant that ids carry. Injected.
pub trait Entropy: fmt::Debug + Send + Sync + 'static {
    /// 32 random bytes.
    fn bytes(&self) -> [u8; 32];
    /// Milliseconds since the epoch, for ids only.
    fn millis(&self) -> u64;
}

/// From what the ids and salts of one request are drawn.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Seed {
    /// 256 random bits.
    pub bytes: [u8; 32],
    /// The instant that ids carry, in milliseconds since the epoch.
    pub millis: u64,
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(hidden)")
    }
}

impl Seed {
    /// A fresh seed.
    pub fn draw(entropy: &dyn Entropy) -> Self {
        Self { bytes: entropy.bytes(), millis: entropy.millis() }
    }

    /// 32 bytes for a purpose; the same for the same purpose.
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        hmac_sha256(&self.bytes, purpose.as_bytes())
    }

    /// A `UUIDv7` for a purpose (RFC 9562, section 5.7).
    pub fn uuid(&self, purpose: &str) -> Uuid {
        let random = self.derive(purpose);
        let mut tail = [0_u8; 10];
        tail.copy_from_slice(&random[..10]);
        uuid::Builder::from_unix_timestamp_millis(self.millis, &tail).into_uuid()
    }
}

/// HMAC-SHA-256.
pub fn hmac_sha256(key: &[u8; 32], message: &[u8]) -> [u8; 32] {
    let mut block = [0_u8; 64];
    block[..32].copy_from_slice(key);
    let mut mac = <Hmac<Sha256> as KeyInit>::new(&block.into());
    mac.update(message);
    mac.finalize().into_bytes().into()
}

/// One request, from whatever front end.
#[derive(Clone, Debug)]
pub struct Request {
    /// Who asks.
    pub actor: Actor,
    /// How often the user who asks has been removed from everything (rule M5).
    pub cuts: u32,
    /// Under which id.
    pub request_id: Option<String>,
    /// Why, in their words.
    pub reason: Option<String>,
    /// From what ids are drawn.
    pub seed: Seed,
    /// The version that the thing acted on must bear.
    pub if_match: Option<Expected>,
    /// For an idempotency key: what to remember.
    pub receipt: Option<ReceiptDraft>,
    /// What it has read already.
    pub known: Known,
    /// What must still be so when it commits, beside what its operations read.
    pub fence: Option<Fence>,
    /// The receipt that is written before it changes anything.
    pub opening: Option<Arc<Opening>>,
}

/// The version of what was never set, where that is shown as well.
pub const NOTHING: Version = CommitId::from_uuid(Uuid::nil());

/// What must be there before something is changed (RFC 9110, section 13.1.1).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Expected {
    /// Anything at all.
    Something,
    /// One of these versions.
    OneOf(Vec<Version>),
}

impl Expected {
    /// The same, or this version.
    #[must_use]
    pub(crate) fn or(self, version: Version) -> Self {
        match self {
            Self::Something => Self::Something,
            Self::OneOf(versions) => Self::OneOf(versions.into_iter().chain([version]).collect()),
        }
    }

    /// Whether what is there will do.
    pub fn fits(&self, found: Option<Version>) -> bool {
        match self {
            Self::Something => found.is_some(),
            Self::OneOf(versions) => versions.contains(&found.unwrap_or(NOTHING)),
        }
    }
}

/// A job for which something is done: a worker that has lost it, or that is to stop, changes nothing in its home any more.
/// A seat that is taken there comes from those that the job holds, in the same commit.
#[derive(Clone, Debug)]
pub struct Fence {
    /// The home that holds the job.
    pub home: Home,
    /// Which.
    pub job: JobId,
    /// The worker.
    pub holder: Uuid,
}

/// What identifies a request that may be sent again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReceiptDraft {
    /// Who asked, with which key.
    pub id: ReceiptId,
    /// SHA-256 over method, path and body.
    pub digest: [u8; 32],
}

impl Request {
    /// A request without headers.
    pub fn new(actor: Actor, entropy: &dyn Entropy) -> Self {
        Self {
            actor,
            cuts: 0,
            request_id: None,
            reason: None,
            seed: Seed::draw(entropy),
            if_match: None,
            receipt: None,
            known: Known::default(),
            fence: None,
            opening: None,
        }
    }

    /// The same request for one step of a longer act: ids of its own, no receipt and no precondition.
    #[must_use]
    pub fn step(&self, label: &str) -> Self {
        let seed = Seed { bytes: self.seed.derive(&format!("step {label}")), millis: self.seed.millis };
        Self { seed, if_match: None, receipt: None, ..self.clone() }
    }

    /// The same request as what writes down that something has ended by time: whatever comes of the request.
    #[must_use]
    pub(crate) fn as_settling(&self, label: &str) -> Self {
        Self { opening: None, ..self.as_system(label) }
    }

    /// The same request as Roster's own housekeeping.
    #[must_use]
    pub fn as_system(&self, label: &str) -> Self {
        Self { actor: Actor::System, reason: None, ..self.step(label) }
    }
}

/// What `decide` sees.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Who acts.
    pub actor: Actor,
    /// The instant to decide by.
    pub now: Timestamp,
    /// The rules that can be exchanged.
    pub policies: Arc<Policies>,
    /// From what ids are drawn.
    pub seed: Seed,
}

impl Facts {
    /// A fresh `UUIDv7` for a purpose; the same when decided again.
    pub fn fresh(&self, purpose: &str) -> Uuid {
        self.seed.uuid(purpose)
    }
}
