//! One message of the protocol, read leniently: unknown fields are allowed, ids may be numbers. What it cannot mean
//! anything without, and what is of the wrong type, makes it a dead letter with a reason.

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::model::TraitPatch;
use crate::model::customer::Inbox;
use crate::text::{Email, ExternalId, Name};
use crate::time::Timestamp;

/// The most bytes of one message.
pub const MAX_MESSAGE: usize = 32 * 1024;
/// The most bytes of a batch.
pub const MAX_BATCH: usize = 500 * 1024;
/// How far a client's clock may be ahead after it was corrected, in seconds, before its messages count as of now.
const AHEAD: i64 = 60;

/// What a message says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Who somebody is.
    Identify,
    /// What somebody belongs to.
    Group,
    /// What somebody did.
    Track,
    /// That somebody saw a page.
    Page,
    /// That somebody saw a screen.
    Screen,
    /// That two ids are one person.
    Alias,
    /// That somebody belongs to an account.
    Link,
    /// That somebody belongs to an account no more.
    Unlink,
}

impl Kind {
    /// Whether its traits are an account's.
    const fn is_of_account(self) -> bool {
        matches!(self, Self::Group | Self::Link | Self::Unlink)
    }

    /// By its name in the protocol.
    pub fn of(name: &str) -> Option<Self> {
        Some(match name {
            "identify" => Self::Identify,
            "group" => Self::Group,
            "track" => Self::Track,
            "page" => Self::Page,
            "screen" => Self::Screen,
            "alias" => Self::Alias,
            "link" => Self::Link,
            "unlink" => Self::Unlink,
            _ => return None,
        })
    }
}

/// A message that can be applied, as far as its form goes.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Message {
    pub kind: Kind,
    /// Who; nobody known by an anonymous message.
    pub user: Option<ExternalId>,
    /// Who they were before, for an alias.
    pub previous: Option<ExternalId>,
    /// The account.
    pub group: Option<ExternalId>,
    /// What is said about the user or the account.
    pub traits: Map<String, Value>,
    /// What somebody did.
    pub event: String,
    /// The client's own session that they did it in, by a hash of its id.
    pub session: Option<String>,
    /// The account that an `identify` speaks of.
    pub company: Option<Company>,
    /// The user is to leave the account.
    pub leaves: bool,
    /// When it happened, by the store's clock.
    pub at: Timestamp,
}

/// The account that an `identify` speaks of.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Company {
    pub group: ExternalId,
    pub remove: bool,
    pub traits: Map<String, Value>,
}

/// The id of a message by which it is told from others; none if it bears none.
pub(super) fn id_of(message: &Value) -> Option<String> {
    match message.get("messageId")? {
        Value::String(id) => Some(id.clone()).filter(|id| !id.is_empty()),
        // Apart from the same digits as text.
        number @ Value::Number(_) => Some(format!("#{number}")),
        _ => None,
    }
}

/// Reads the n-th of a request, or says why it cannot be applied.
pub(super) fn read(
    inbox: &Inbox,
    n: usize,
    kind: Option<&str>,
    message: &Value,
) -> Result<Message, &'static str> {
    let Value::Object(fields) = message else { return Err("not_an_object") };
    let named = match (kind, fields.get("type")) {
        (Some(kind), _) => kind,
        (None, Some(Value::String(kind))) => kind,
        (None, _) => return Err("missing_type"),
    };
    let kind = Kind::of(named).ok_or("unknown_type")?;
    let context = fields.get("context").and_then(Value::as_object);
    // Those of the context are the person's, whatever the message is about.
    let of_person = || context.filter(|_| !kind.is_of_account()).and_then(|context| context.get("traits"));
    let traits = match fields.get("traits").or_else(of_person) {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(traits)) => traits.clone(),
        Some(_) => return Err("invalid_traits"),
    };
    let group = match kind {
        Kind::Group => id(fields.get("groupId"), "invalid_group_id")?,
        Kind::Link | Kind::Unlink => id(fields.get("accountId"), "invalid_account_id")?,
        _ => id(context.and_then(|context| context.get("groupId")), "invalid_group_id")?,
    };
    let read = Message {
        kind,
        user: id(fields.get("userId"), "invalid_user_id")?,
        previous: id(fields.get("previousId"), "invalid_previous_id")?,
        group,
        company: if kind == Kind::Identify { company(&traits)? } else { None },
        traits,
        event: event(kind, fields.get("event"))?,
        session: session(fields, context),
        leaves: kind == Kind::Group && fields.get("assign") == Some(&Value::Bool(false)),
        at: instant(inbox, n, fields)?,
    };
    required(&read, fields)?;
    Ok(read)
}

/// What a kind means nothing without.
fn required(read: &Message, fields: &Map<String, Value>) -> Result<(), &'static str> {
    let anonymous = fields.get("anonymousId").is_some_and(|id| !id.is_null());
    match read.kind {
        Kind::Group if read.group.is_none() => Err("missing_group_id"),
        Kind::Link | Kind::Unlink if read.group.is_none() => Err("missing_account_id"),
        Kind::Alias if read.previous.is_none() => Err("missing_previous_id"),
        Kind::Link | Kind::Unlink | Kind::Alias if read.user.is_none() => Err("missing_user_id"),
        _ if read.user.is_none() && !anonymous => Err("missing_user_id"),
        _ => Ok(()),
    }
}

/// An id of the vendor's: text, or a whole number.
fn id(value: Option<&Value>, wrong: &'static str) -> Result<Option<ExternalId>, &'static str> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) => text.parse().map(Some).map_err(|_| wrong),
        Some(Value::Number(number)) if number.is_i64() || number.is_u64() => {
            number.to_string().parse().map(Some).map_err(|_| wrong)
        }
        Some(_) => Err(wrong),
    }
}

fn company(traits: &Map<String, Value>) -> Result<Option<Company>, &'static str> {
    let Some(Value::Object(company)) = traits.get("company") else { return Ok(None) };
    let Some(group) = id(company.get("id"), "invalid_company_id")? else { return Ok(None) };
    let remove = company.get("remove") == Some(&Value::Bool(true));
    let mut traits = company.clone();
    traits.remove("id");
    traits.remove("remove");
    Ok(Some(Company { group, remove, traits }))
}

/// What somebody did: at most 200 characters, and none that cannot be shown.
fn event(kind: Kind, value: Option<&Value>) -> Result<String, &'static str> {
    match (kind, value) {
        (Kind::Track, None | Some(Value::Null)) => Err("missing_event"),
        (Kind::Track, Some(Value::String(event))) if event.is_empty() => Err("missing_event"),
        (Kind::Track, Some(Value::String(event)))
            if event.chars().count() <= 200 && !event.chars().any(char::is_control) =>
        {
            Ok(event.clone())
        }
        (Kind::Track, Some(_)) => Err("invalid_event"),
        (Kind::Screen, _) => Ok("screen".to_owned()),
        _ => Ok("page".to_owned()),
    }
}

/// The client's session: the id in its context, or the one that Segment's libraries send along for Amplitude (Actions),
/// the instant at which the session began. Its hash, so that the longest takes no more room than any.
fn session(fields: &Map<String, Value>, context: Option<&Map<String, Value>>) -> Option<String> {
    let own = || context?.get("sessionId");
    let sent_along = || fields.get("integrations")?.get("Actions Amplitude")?.get("session_id");
    let text = match own().filter(|id| !id.is_null()).or_else(sent_along)? {
        Value::String(text) if !text.is_empty() => text.clone(),
        // Amplitude calls what lies in no session -1.
        Value::Number(number) if number.as_i64() != Some(-1) => number.to_string(),
        _ => return None,
    };
    let digest = Sha256::digest(text.as_bytes());
    digest.first_chunk().map(|first| format!("{:016x}", u64::from_be_bytes(*first)))
}

/// When it happened: its `timestamp`, moved by as much as the client's clock differs from the store's, which `sentAt`
/// tells; else when it came, each message of a request later than those before it. What lies ahead counts as of now.
fn instant(inbox: &Inbox, n: usize, fields: &Map<String, Value>) -> Result<Timestamp, &'static str> {
    let received = inbox.received_at;
    let Some(said) = time(fields.get("timestamp"))? else {
        let place = i64::try_from(n).unwrap_or_default();
        return Ok(Timestamp::from_micros(received.micros().saturating_add(place)));
    };
    let sent = match fields.get("sentAt") {
        None | Some(Value::Null) => {
            let whole = inbox.sent_at.clone().map(Value::String);
            time(whole.as_ref()).unwrap_or(None)
        }
        own => time(own).unwrap_or(None),
    };
    let skew = sent.map_or(0, |sent| received.micros().saturating_sub(sent.micros()));
    let at = said.micros().saturating_add(skew).max(0);
    let latest = received.plus_seconds(AHEAD);
    Ok(if at > latest.micros() { received } else { Timestamp::from_micros(at).min(received) })
}

fn time(value: Option<&Value>) -> Result<Option<Timestamp>, &'static str> {
    const WRONG: &str = "invalid_timestamp";
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => {
            let zoned = text.parse().or_else(|_| format!("{text}Z").parse());
            zoned.map(Some).map_err(|_| WRONG)
        }
        // Milliseconds since the epoch, as JavaScript has them.
        Some(Value::Number(number)) => {
            let millis = number.as_i64().filter(|millis| (0..253_402_300_800_000).contains(millis));
            millis.map(|millis| Some(Timestamp::from_micros(millis * 1_000))).ok_or(WRONG)
        }
        Some(_) => Err(WRONG),
    }
}

/// The address among a user's traits, if it is one.
pub(super) fn email(traits: &Map<String, Value>) -> Option<Email> {
    traits.get("email")?.as_str()?.parse().ok()
}

/// The name among traits, if it is one: the whole, or of a person's two parts.
pub(super) fn name(traits: &Map<String, Value>) -> Option<Name> {
    let text = |name: &str| traits.get(name).and_then(Value::as_str).map(str::trim);
    let first = || text("firstName").or_else(|| text("first_name"));
    let last = || text("lastName").or_else(|| text("last_name"));
    let whole = match text("name") {
        Some(name) => name.to_owned(),
        None => [first(), last()].into_iter().flatten().collect::<Vec<_>>().join(" "),
    };
    whole.parse().ok()
}

/// Traits to merge.
pub(super) fn patch(traits: &Map<String, Value>) -> TraitPatch {
    TraitPatch(traits.iter().map(|(name, value)| (name.clone(), value.clone())).collect())
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
