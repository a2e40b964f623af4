//! The log of a home: the entry is the commit. Audit trail, event feed and outbox are views of it.
//!
//! An entry's body is canonical bytes: JSON with sorted keys and no spaces. The store chains entries inside the
//! commit: `hash = SHA-256(previous hash ‖ seq ‖ time ‖ SHA-256(body))`, numbers as 8 bytes big-endian.
//! Personal values never stand in a body, only their salted digests; value and salt lie beside the entry and can be
//! dropped while the chain still verifies.

use std::collections::BTreeSet;

use serde::ser::Error as _;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::actor::Actor;
use crate::home::Home;
use crate::id::{CommitId, UserId};
use crate::time::Timestamp;

/// One thing that changed. Its fields are in the order of their names, as canonical JSON has them.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Change {
    /// From the vocabulary of the API contract, such as `member.removed`.
    pub action: String,
    /// Fields after; personal ones as digests.
    pub after: Value,
    /// Fields before; personal ones as digests.
    pub before: Value,
    /// Its id.
    pub target_id: String,
    /// The kind of thing, such as `member`.
    pub target_type: String,
    /// The person it is about, if any.
    pub user: Option<UserId>,
}

/// What core gives for the log: who did what, when asked. Its fields are in the order of their names, as canonical JSON has
/// them.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Body {
    /// Who acted.
    #[serde(serialize_with = "sorted")]
    pub actor: Actor,
    /// What changed; nothing for housekeeping.
    pub changes: Vec<Change>,
    /// The commit.
    pub commit: CommitId,
    /// Why, in the actor's words: a digest, since it is free text.
    pub reason: Value,
    /// Under which request.
    pub request_id: Option<String>,
    /// When core decided; the store's time of the entry is never before it.
    pub time: Timestamp,
}

/// The fields of what is not in their order.
fn sorted<S: Serializer>(thing: &impl Serialize, serializer: S) -> Result<S::Ok, S::Error> {
    serde_json::to_value(thing).map_err(S::Error::custom)?.serialize(serializer)
}

impl Body {
    /// By what entries of this actor are found: the id of the user or key; `operator` for the command line and
    /// `system` for Roster itself.
    pub fn actor_term(&self) -> String {
        self.actor.id().unwrap_or_else(|| self.actor.kind().to_owned())
    }

    /// JSON with sorted keys and no spaces: what is hashed.
    pub fn canonical(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// The actions, each once.
    pub fn actions(&self) -> BTreeSet<&str> {
        self.changes.iter().map(|change| change.action.as_str()).collect()
    }
}

/// Which entries of a log are wanted: those that fit everything that is given.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct LogFilter {
    /// About or by this person.
    pub user: Option<UserId>,
    /// By this actor, as [`Body::actor_term`] names them.
    pub actor: Option<String>,
    /// With a change of exactly this action.
    pub action: Option<String>,
    /// From this instant on.
    pub from: Option<Timestamp>,
    /// Before this instant.
    pub to: Option<Timestamp>,
}

impl LogFilter {
    /// Everything.
    pub const ALL: Self = Self { user: None, actor: None, action: None, from: None, to: None };

    /// What is about or by a person.
    pub const fn of_user(user: UserId) -> Self {
        Self { user: Some(user), ..Self::ALL }
    }

    /// Whether an entry is wanted: what every store answers by. A body that cannot be read fits no name.
    pub fn wants(&self, logged: &Logged) -> bool {
        let in_time =
            self.from.is_none_or(|from| logged.time >= from) && self.to.is_none_or(|to| logged.time < to);
        in_time
            && (self.names_nobody()
                || serde_json::from_slice(&logged.body).is_ok_and(|body| self.fits(&body)))
    }

    fn names_nobody(&self) -> bool {
        self.user.is_none() && self.actor.is_none() && self.action.is_none()
    }

    fn fits(&self, body: &Body) -> bool {
        self.user.is_none_or(|user| body.people().contains(&user))
            && self.actor.as_ref().is_none_or(|actor| body.actor_term() == *actor)
            && self.action.as_ref().is_none_or(|action| body.actions().contains(action.as_str()))
    }
}

/// A value about a person, kept beside the entry.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Personal {
    /// Which digest of the entry it belongs to.
    pub n: u16,
    /// Whose it is.
    pub subject: UserId,
    /// 16 random bytes.
    pub salt: [u8; 16],
    /// The value as JSON.
    pub value: String,
}

/// A log entry before the store has given it its place.
#[derive(Clone, PartialEq, Debug)]
pub struct LogEntry {
    /// Canonical bytes of a [`Body`].
    pub body: Vec<u8>,
    /// SHA-256 of the body.
    pub digest: [u8; 32],
    /// The time of the body: the entry's time is this, or the last entry's if that is later.
    pub time: Timestamp,
    /// Values beside the body.
    pub personal: Vec<Personal>,
    /// [`Body::actor_term`], for filters.
    pub actor: String,
    /// [`Body::people`], for filters.
    pub users: Vec<UserId>,
    /// [`Body::actions`], for filters.
    pub actions: Vec<String>,
}

/// A log entry as the store keeps it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Logged {
    /// 1, 2, 3 … without gaps.
    pub seq: u64,
    /// Never before the entry before.
    pub time: Timestamp,
    /// The chain.
    pub hash: [u8; 32],
    /// The commit.
    pub commit: CommitId,
    /// Canonical bytes of a [`Body`].
    pub body: Vec<u8>,
    /// Values beside the body that have not been erased.
    pub personal: Vec<Personal>,
}

impl Body {
    /// The people it is about or by, each once.
    pub fn people(&self) -> Vec<UserId> {
        let mut people: Vec<UserId> =
            self.changes.iter().filter_map(|change| change.user).chain(self.actor.user()).collect();
        people.sort_unstable();
        people.dedup();
        people
    }
}

impl LogEntry {
    /// The entry of a body: what filters need is taken from it.
    pub fn new(body: &Body, bytes: Vec<u8>, personal: Vec<Personal>) -> Self {
        Self {
            digest: digest(&bytes),
            body: bytes,
            time: body.time,
            personal,
            actor: body.actor_term(),
            users: body.people(),
            actions: body.actions().into_iter().map(str::to_owned).collect(),
        }
    }
}

impl Logged {
    /// The entry as it was before a store gave it its place.
    pub fn entry(&self) -> Result<LogEntry, serde_json::Error> {
        let body: Body = serde_json::from_slice(&self.body)?;
        // The body shows milliseconds, and its time may be before that of the entry before.
        let entry = LogEntry::new(&body, self.body.clone(), self.personal.clone());
        Ok(LogEntry { time: self.time, ..entry })
    }

    /// The end of the log with this as its last entry.
    pub const fn head(&self) -> Head {
        Head { seq: self.seq, time: self.time, hash: self.hash }
    }
}

/// The end of a home's log.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Head {
    /// The last sequence number; 0 before the first entry.
    pub seq: u64,
    /// The last time.
    pub time: Timestamp,
    /// The last hash; before the first entry [`genesis`].
    pub hash: [u8; 32],
}

impl Head {
    /// The head of a log without entries.
    pub fn start(home: &Home) -> Self {
        Self { seq: 0, time: Timestamp::EPOCH, hash: genesis(home) }
    }

    /// The head after an entry.
    #[must_use]
    pub fn after(&self, entry: &LogEntry) -> Self {
        let (seq, time) = (self.seq + 1, self.time.max(entry.time));
        Self { seq, time, hash: chain(&self.hash, seq, time, &entry.digest) }
    }
}

/// What stands before the first entry: SHA-256 of `roster log ` and the home, so that logs cannot change places.
pub fn genesis(home: &Home) -> [u8; 32] {
    Sha256::digest(format!("roster log {home}")).into()
}

/// The hash of an entry.
pub fn chain(previous: &[u8; 32], seq: u64, time: Timestamp, digest: &[u8; 32]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(previous);
    hasher.update(seq.to_be_bytes());
    hasher.update(time.micros().to_be_bytes());
    hasher.update(digest);
    hasher.finalize().into()
}

/// SHA-256 over bytes.
pub fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// The member of a JSON object that marks a digest standing for a personal value.
const MARK: &str = "$personal";

/// Collects personal values of one entry and leaves digests in their place.
pub struct Detached<'a> {
    salts: &'a dyn Fn(u16) -> [u8; 16],
    kept: Vec<Personal>,
}

impl<'a> Detached<'a> {
    /// With a source of salts, one a value.
    pub fn new(salts: &'a dyn Fn(u16) -> [u8; 16]) -> Self {
        Self { salts, kept: Vec::new() }
    }

    /// The digest that stands for a value about a person; null stays null.
    pub fn hide(&mut self, subject: UserId, value: &Value) -> Value {
        if value.is_null() {
            return Value::Null;
        }
        let n = u16::try_from(self.kept.len()).unwrap_or(u16::MAX);
        let (salt, value) = ((self.salts)(n), value.to_string());
        let sum = personal_digest(&salt, &value);
        self.kept.push(Personal { n, subject, salt, value });
        let mut mark = Map::new();
        mark.insert("n".into(), n.into());
        mark.insert("subject".into(), subject.to_string().into());
        mark.insert("sha256".into(), hex(&sum).into());
        Value::Object(Map::from_iter([(MARK.to_owned(), Value::Object(mark))]))
    }

    /// The values, to lie beside the entry.
    pub fn into_personal(self) -> Vec<Personal> {
        self.kept
    }
}

fn personal_digest(salt: &[u8; 16], value: &str) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(salt);
    hasher.update(value.as_bytes());
    hasher.finalize().into()
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        text.push(DIGITS[usize::from(byte >> 4)]);
        text.push(DIGITS[usize::from(byte & 15)]);
    }
    text
}

/// A body with the values that are still there put back for their digests; erased ones are null.
pub fn reveal(value: &Value, personal: &[Personal]) -> Value {
    match value {
        Value::Object(map) => match map.get(MARK) {
            Some(mark) if map.len() == 1 => {
                let found =
                    personal.iter().find(|kept| mark.get("n").and_then(Value::as_u64) == Some(kept.n.into()));
                found.and_then(|kept| serde_json::from_str(&kept.value).ok()).unwrap_or(Value::Null)
            }
            _ => map.iter().map(|(name, value)| (name.clone(), reveal(value, personal))).collect(),
        },
        Value::Array(values) => values.iter().map(|value| reveal(value, personal)).collect(),
        other => other.clone(),
    }
}

/// Renumbers the digests of a value whose entry is put behind another that has so many.
pub fn shift_marks(value: &mut Value, by: u16) {
    match value {
        Value::Object(map) => {
            let alone = map.len() == 1;
            for (name, within) in map.iter_mut() {
                match within.get("n").and_then(Value::as_u64) {
                    Some(n) if alone && name == MARK => within["n"] = (n + u64::from(by)).into(),
                    _ => shift_marks(within, by),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| shift_marks(value, by)),
        _ => {}
    }
}

/// Whether every value beside an entry fits a digest in its body.
pub fn personal_fits(body: &Value, personal: &[Personal]) -> bool {
    let mut digests = std::collections::BTreeMap::new();
    collect_digests(body, &mut digests);
    personal
        .iter()
        .all(|kept| digests.get(&u64::from(kept.n)) == Some(&hex(&personal_digest(&kept.salt, &kept.value))))
}

fn collect_digests(value: &Value, found: &mut std::collections::BTreeMap<u64, String>) {
    match value {
        Value::Object(map) => {
            if let Some(mark) = map.get(MARK) {
                let (n, sum) =
                    (mark.get("n").and_then(Value::as_u64), mark.get("sha256").and_then(Value::as_str));
                if let (Some(n), Some(sum)) = (n, sum) {
                    found.insert(n, sum.to_owned());
                }
            }
            map.values().for_each(|value| collect_digests(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| collect_digests(value, found)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use uuid::Uuid;

    #[test]
    fn x1_what_is_hashed_has_its_keys_sorted_at_every_depth() {
        let (organization, key) = (Uuid::from_u128(2), Uuid::from_u128(3));
        let via = crate::actor::Via::ApiKey {
            organization: crate::id::OrganizationId::from_uuid(organization),
            key: crate::id::ApiKeyId::from_uuid(key),
        };
        let user = UserId::from_uuid(Uuid::from_u128(4));
        let change = Change {
            action: "member.added".into(),
            after: json!({"z": {"b": 1, "a": [{"d": 2, "c": "\u{e9}\n"}]}, "a": null}),
            before: Value::Null,
            target_id: user.to_string(),
            target_type: "member".into(),
            user: Some(user),
        };
        let body = Body {
            actor: Actor::User { user, via },
            changes: vec![change],
            commit: CommitId::from_uuid(Uuid::from_u128(5)),
            reason: json!({"digest": "x"}),
            request_id: Some("r".into()),
            time: Timestamp::from_micros(7),
        };
        let sorted = serde_json::to_value(&body).unwrap().to_string();
        assert_eq!(String::from_utf8(body.canonical()).unwrap(), sorted);
    }

    #[test]
    fn l5_personal_values_are_beside_the_entry_and_can_go() {
        let subject = UserId::from_uuid(Uuid::from_u128(1));
        let salts = |n: u16| [u8::try_from(n).unwrap(); 16];
        let mut detached = Detached::new(&salts);
        let body = json!({"email": detached.hide(subject, &json!("ada@example.com")), "role": "admin"});
        let personal = detached.into_personal();
        assert!(!body.to_string().contains("ada@"));
        assert!(personal_fits(&body, &personal));
        assert_eq!(reveal(&body, &personal), json!({"email": "ada@example.com", "role": "admin"}));
        assert_eq!(reveal(&body, &[]), json!({"email": null, "role": "admin"}));
        let forged = [Personal { value: "\"eve@example.com\"".into(), ..personal[0].clone() }];
        assert!(!personal_fits(&body, &forged));
    }
}
