//! A request of a source on its way to be applied.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Mutex;

use serde_json::Value;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::message::{self, MAX_MESSAGE, Message};
use crate::actor::Actor;
use crate::facts::{Request, Seed};
use crate::id::UserId;
use crate::model::customer::{AT_ONCE, Inbox, SEEN_PARTS, Source};
use crate::model::is_too_deep;
use crate::op::{Roster, run};
use crate::ops::stream::TakeMessages;
use crate::refusal::OpError;

/// Some messages of a request.
pub(super) struct Slice {
    pub number: u32,
    pub messages: Range<usize>,
}

/// A request of a source, with its messages as far as they can be read.
pub(super) struct Batch<'a> {
    pub source: &'a Source,
    pub inbox: &'a Inbox,
    pub whole: Request,
    ids: Vec<Option<Uuid>>,
    pub read: Vec<Result<Message, &'static str>>,
    /// Of whom something waits that it said.
    pub early: Mutex<BTreeSet<UserId>>,
}

impl<'a> Batch<'a> {
    pub fn new(roster: &Roster, source: &'a Source, inbox: &'a Inbox) -> Self {
        let whole = Request {
            seed: Seed { bytes: inbox.seed, millis: inbox.seed_millis },
            ..Request::new(Actor::Source { source: source.id }, roster.entropy.as_ref())
        };
        let (mut ids, mut read) = (Vec::new(), Vec::new());
        for (n, (kind, text)) in inbox.messages.iter().enumerate() {
            let value: Option<Value> = serde_json::from_str(text).ok();
            ids.push(value.as_ref().and_then(message::id_of).map(|id| hash(&id)));
            read.push(match value {
                _ if text.len() > MAX_MESSAGE => Err("too_large"),
                None => Err("malformed"),
                Some(value) if is_too_deep(&value) => Err("malformed"),
                Some(value) => message::read(inbox, n, kind.as_deref(), &value),
            });
        }
        Self { source, inbox, whole, ids, read, early: Mutex::default() }
    }

    /// The request of a message, with ids of its own.
    pub fn request(&self, n: usize) -> Request {
        self.whole.step(&format!("message {n}"))
    }

    /// Slices that are applied each at once, always the same ones, with their number.
    pub fn slices(&self) -> impl Iterator<Item = Slice> {
        let many = self.read.len();
        (0u32..)
            .zip((0..many).step_by(AT_ONCE))
            .map(move |(number, from)| Slice { number, messages: from..many.min(from + AT_ONCE) })
    }

    /// Those of a slice that can be read.
    pub fn messages(&self, slice: &Slice) -> impl Iterator<Item = (Request, &Message)> {
        slice.messages.clone().filter_map(|n| Some((self.request(n), self.read[n].as_ref().ok()?)))
    }
}

/// Which messages of a slice are this request's: those whose id came with no other one.
pub(super) async fn take(roster: &Roster, batch: &Batch<'_>, slice: &Slice) -> Result<Vec<usize>, OpError> {
    let mut taken: BTreeSet<usize> = slice.messages.clone().collect();
    if batch.inbox.again {
        return Ok(taken.into_iter().collect());
    }
    for part in 0..SEEN_PARTS {
        let ids = slice.messages.clone().filter_map(|n| Some((n, batch.ids[n]?)));
        let ids: Vec<(usize, Uuid)> =
            ids.filter(|(_, hash)| hash.as_bytes()[0] % SEEN_PARTS == part).collect();
        for some in ids.chunks(200) {
            let by = |n: usize| (batch.inbox.id, u32::try_from(n).unwrap_or(u32::MAX));
            let messages = some.iter().map(|(n, hash)| (*hash, by(*n))).collect();
            let system = Request::new(Actor::System, roster.entropy.as_ref());
            let operation = TakeMessages { source: batch.source.id, part: part + 2, messages };
            let ours = run(roster, &system, &operation).await?.output;
            for ((n, _), ours) in some.iter().zip(ours) {
                if !ours {
                    taken.remove(n);
                }
            }
        }
    }
    Ok(taken.into_iter().collect())
}

/// 16 bytes of a message's id.
fn hash(id: &str) -> Uuid {
    Uuid::from_slice(&Sha256::digest(id.as_bytes())[..16]).unwrap_or_default()
}
