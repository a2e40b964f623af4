//! Webhooks: who is told of what, how far each has come, and what became of what was sent.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use url::{Host, Url};
use uuid::Uuid;

use super::{EventType, Lease};
use crate::home::{Home, Key, Record, TypedKey};
use crate::id::{DeliveryId, EventId, OrganizationId, UserId, WebhookId};
use crate::text::BadText;
use crate::time::Timestamp;

/// How many webhooks an organization has at the most, and the deployment beside them.
pub const MAX_WEBHOOKS: usize = 20;
/// How many homes hold how far webhooks have come, and what was sent.
pub const WEBHOOK_PARTS: u8 = 16;
/// Deliveries that are kept of a webhook, beside those that are still to be tried.
pub const MAX_DELIVERIES: u32 = 1_000;
/// So many deliveries of a webhook wait to be tried again; while they do, no new event is begun, which the log keeps.
pub const MAX_PENDING: usize = 500;

/// Where events are sent: `http` or `https`, with a host, without credentials and fragment, at most 2,048 bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WebhookUrl(String);

impl WebhookUrl {
    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Scheme, host and port: without path and query, which may be a secret.
    pub fn origin(&self) -> String {
        Url::parse(&self.0).map(|url| url.origin().ascii_serialization()).unwrap_or_default()
    }

    /// The address, where the host is one and not a name.
    pub fn address(&self) -> Option<std::net::IpAddr> {
        match Url::parse(&self.0).ok()?.host()? {
            Host::Ipv4(address) => Some(address.into()),
            Host::Ipv6(address) => Some(address.into()),
            Host::Domain(_) => None,
        }
    }
}

impl FromStr for WebhookUrl {
    type Err = BadText;

    fn from_str(text: &str) -> Result<Self, BadText> {
        const SHAPE: BadText = BadText("not a URL: write it like https://example.com/hooks");
        if text.len() > 2_048 {
            return Err(BadText("a URL has at most 2048 bytes"));
        }
        if text.chars().any(|it| it.is_whitespace() || it.is_control()) {
            return Err(BadText("a URL has no spaces"));
        }
        let url = Url::parse(text).map_err(|_| SHAPE)?;
        // What parsers make a host of although it is none.
        let authority = text.get(url.scheme().len()..).and_then(|rest| rest.strip_prefix("://"));
        if authority.is_none_or(|rest| rest.starts_with('/')) || text.contains('\\') {
            return Err(SHAPE);
        }
        match url.host() {
            _ if !matches!(url.scheme(), "http" | "https") => {
                Err(BadText("a URL begins with https:// or http://"))
            }
            None | Some(Host::Domain("")) => Err(BadText("the URL names no host")),
            _ if !url.username().is_empty() || url.password().is_some() => {
                Err(BadText("a URL holds no user name and no password: check the signature instead"))
            }
            _ if url.fragment().is_some() => Err(BadText("a URL for webhooks has no fragment")),
            Some(_) => Ok(Self(text.to_owned())),
        }
    }
}

impl Serialize for WebhookUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for WebhookUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// A place among events: of an organization the number of an entry and of a change in it; of the deployment the number of
/// an entry of the feed and of a log in it before.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Reached {
    /// The number of the entry of the feed; 0 in the log of an organization.
    pub entry: u64,
    /// Which of the logs in it.
    pub span: u64,
    /// The number of the entry in its log.
    pub seq: u64,
    /// Which of its changes.
    pub n: u64,
}

/// Who is told of what.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Webhook {
    /// Its id.
    pub id: WebhookId,
    /// Whose events; of all organizations and the deployment where it is none's.
    pub organization: Option<OrganizationId>,
    /// Where they are sent.
    pub url: WebhookUrl,
    /// Which; all if there are none.
    pub types: Vec<EventType>,
    /// The number of its secret, which is derived from it.
    pub secret: u32,
    /// Until when the secret before is good too.
    pub old_secret_until: Option<Timestamp>,
    /// Who made it, if it was a user.
    pub created_by: Option<UserId>,
    /// Nothing before this place is sent.
    pub begins: Reached,
    /// When it was made.
    pub created_at: Timestamp,
    /// Nothing is sent to it; what comes meanwhile waits in the log.
    #[serde(default)]
    pub disabled: Option<Disabled>,
}

/// That nothing is sent to a webhook.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Disabled {
    /// Since when.
    pub at: Timestamp,
    /// Why.
    pub reason: DisabledReason,
}

/// Why nothing is sent to a webhook.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DisabledReason {
    /// The receiver answered 410: it is gone for good.
    ReceiverGone,
    /// Somebody wanted it.
    ByHand,
}

impl DisabledReason {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::ReceiverGone, Self::ByHand];

    /// Its name in answers and in the log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ReceiverGone => "receiver_gone",
            Self::ByHand => "by_hand",
        }
    }
}

impl Webhook {
    /// `enabled` or `disabled`.
    pub const fn status(&self) -> &'static str {
        if self.disabled.is_some() { "disabled" } else { "enabled" }
    }

    /// Whether it wants an event.
    pub fn wants(&self, kind: &str) -> bool {
        self.types.is_empty() || self.types.iter().any(|wanted| wanted.as_str() == kind)
    }

    /// The numbers of the secrets that are good at an instant, the newest first.
    pub fn secrets(&self, now: Timestamp) -> Vec<u32> {
        let old = self.old_secret_until.filter(|until| now < *until).map(|_| self.secret - 1);
        [self.secret].into_iter().chain(old).collect()
    }
}

/// The webhooks of an organization or of the deployment, in the order of their ids.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct WebhookList(pub Vec<WebhookId>);

/// How far a webhook has come. Committed before it, and not believed without it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct WebhookLine {
    /// Which.
    pub id: WebhookId,
    /// Whose.
    pub organization: Option<OrganizationId>,
    /// Everything before this was tried at least once; none where nobody has begun.
    pub reached: Option<Reached>,
    /// What is to be tried again.
    pub pending: Vec<Pending>,
    /// How many deliveries were begun.
    pub begun: u64,
    /// How many are kept.
    pub kept: u32,
    /// How many attempts in a row have failed.
    pub failures: u32,
    /// Nothing is tried before this instant, since everything has failed lately.
    pub rest: Option<Timestamp>,
    /// Who sends.
    pub lease: Option<Lease>,
}

/// A delivery that is to be tried again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Pending {
    /// When.
    pub at: Timestamp,
    /// Which.
    pub delivery: DeliveryId,
}

impl WebhookLine {
    /// Of a webhook that is about to be made.
    pub const fn new(id: WebhookId, organization: Option<OrganizationId>) -> Self {
        Self {
            id,
            organization,
            reached: None,
            pending: Vec::new(),
            begun: 0,
            kept: 0,
            failures: 0,
            rest: None,
            lease: None,
        }
    }

    /// When something is to be tried again, if anything is: at the end of a rest, since news may have waited for it.
    pub fn due(&self) -> Option<Timestamp> {
        self.rest.or_else(|| self.pending.iter().map(|pending| pending.at).min())
    }

    /// Whether so much waits to be tried again that nothing new is begun.
    pub const fn is_full(&self) -> bool {
        self.pending.len() >= MAX_PENDING
    }

    /// How many deliveries are kept beside those that wait.
    pub fn settled(&self) -> u32 {
        self.kept.saturating_sub(u32::try_from(self.pending.len()).unwrap_or(u32::MAX))
    }

    /// The delivery to be tried first at an instant.
    pub fn due_delivery(&self, now: Timestamp) -> Option<DeliveryId> {
        self.pending.iter().filter(|pending| pending.at <= now).min().map(|pending| pending.delivery)
    }
}

/// The event of a delivery, by where it is: its body is read when it is sent.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DeliveredEvent {
    /// Its id, which is the same for the same event wherever it is read.
    pub id: EventId,
    /// Its type.
    pub kind: String,
    /// Where it happened, if it was in one.
    pub organization: Option<OrganizationId>,
    /// Whose log it stands in.
    pub home: Home,
    /// In which entry.
    pub seq: u64,
    /// Which of its changes.
    pub n: u64,
}

/// How a delivery stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryStatus {
    /// It is to be tried again.
    Pending,
    /// The receiver has it.
    Delivered,
    /// It is given up.
    Failed,
}

impl DeliveryStatus {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Pending, Self::Delivered, Self::Failed];

    /// As the API says it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }
}

/// Why an attempt failed, without anything that the receiver said.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryError {
    /// The receiver answered with a status that is no success.
    Status,
    /// No answer came in time.
    Timeout,
    /// Nobody answers there.
    Connection,
    /// The receiver's certificate is not to be trusted.
    Tls,
    /// The host has no address that may be sent to: none at all, or none of the public Internet. Which of the two is told
    /// to nobody, for it would tell the names of private networks.
    #[serde(alias = "unknown_host")]
    RefusedAddress,
    /// The event is not there any more.
    Gone,
}

impl DeliveryError {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Status, Self::Timeout, Self::Connection, Self::Tls, Self::RefusedAddress, Self::Gone];

    /// As the API says it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Timeout => "timeout",
            Self::Connection => "connection",
            Self::Tls => "tls",
            Self::RefusedAddress => "refused_address",
            Self::Gone => "gone",
        }
    }
}

/// What became of an event that was sent.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Delivery {
    /// Its id.
    pub id: DeliveryId,
    /// By which webhook.
    pub webhook: WebhookId,
    /// Which event.
    pub event: DeliveredEvent,
    /// How it stands.
    pub status: DeliveryStatus,
    /// How often it was tried.
    pub attempts: u32,
    /// How often since it was asked for, or asked for again.
    pub tries: u32,
    /// What the receiver answered last.
    pub response_status: Option<u16>,
    /// Why it failed last.
    pub error: Option<DeliveryError>,
    /// When it was first tried.
    pub created_at: Timestamp,
    /// When it is tried again.
    pub next_attempt_at: Option<Timestamp>,
    /// When the receiver took it.
    pub delivered_at: Option<Timestamp>,
}

impl WebhookId {
    /// The home that holds how far it has come: by the last, random byte.
    pub const fn part(self) -> Home {
        Home::Webhooks(self.uuid().as_bytes()[15] % WEBHOOK_PARTS)
    }
}

/// The name of a record about webhooks within its home.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum WebhookKey {
    /// Deployment or organization home: a webhook.
    Webhook(WebhookId),
    /// Deployment or organization home: which there are.
    List,
    /// Webhooks home: how far one has come.
    Line(WebhookId),
    /// Webhooks home: what became of an event.
    Delivery(WebhookId, DeliveryId),
}

impl WebhookKey {
    /// What all their names begin with.
    pub const PREFIX: &'static str = "webhook";

    /// A key by its name without the prefix.
    pub fn read(name: &str) -> Option<Self> {
        let (kind, rest) = name.split_once(':').unwrap_or((name, ""));
        let id = |text: &str| Uuid::try_parse(text).ok();
        Some(match kind {
            "at" => Self::Webhook(WebhookId::from_uuid(id(rest)?)),
            "list" => Self::List,
            "line" => Self::Line(WebhookId::from_uuid(id(rest)?)),
            "sent" => {
                let (webhook, delivery) = rest.split_once(':')?;
                Self::Delivery(WebhookId::from_uuid(id(webhook)?), DeliveryId::from_uuid(id(delivery)?))
            }
            _ => return None,
        })
    }

    /// Whether it names something of a home.
    pub fn belongs_in(self, home: &Home) -> bool {
        match self {
            Self::Webhook(_) | Self::List => matches!(home, Home::Deployment | Home::Organization(_)),
            Self::Line(id) | Self::Delivery(id, _) => *home == id.part(),
        }
    }
}

/// `webhook:KIND`, then ids.
impl fmt::Display for WebhookKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", Self::PREFIX)?;
        match self {
            Self::Webhook(id) => write!(f, "at:{}", id.uuid().simple()),
            Self::List => f.write_str("list"),
            Self::Line(id) => write!(f, "line:{}", id.uuid().simple()),
            Self::Delivery(webhook, id) => {
                write!(f, "sent:{}:{}", webhook.uuid().simple(), id.uuid().simple())
            }
        }
    }
}

/// The order of their names, which is the order in which stores keep documents.
impl Ord for WebhookKey {
    fn cmp(&self, other: &Self) -> Ordering {
        self.to_string().cmp(&other.to_string())
    }
}

impl PartialOrd for WebhookKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A record about webhooks.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WebhookRecord {
    /// See [`Webhook`].
    Webhook(Webhook),
    /// See [`WebhookList`].
    List(WebhookList),
    /// See [`WebhookLine`].
    Line(WebhookLine),
    /// See [`Delivery`].
    Delivery(Delivery),
}

impl WebhookRecord {
    /// The key that it is kept under.
    pub const fn key(&self) -> WebhookKey {
        match self {
            Self::Webhook(it) => WebhookKey::Webhook(it.id),
            Self::List(_) => WebhookKey::List,
            Self::Line(it) => WebhookKey::Line(it.id),
            Self::Delivery(it) => WebhookKey::Delivery(it.webhook, it.id),
        }
    }
}

/// The key of a webhook.
#[derive(Clone, Copy, Debug)]
pub struct TheWebhook(pub WebhookId);
/// The key of the webhooks of a home.
#[derive(Clone, Copy, Debug)]
pub struct TheWebhookList;
/// The key of how far a webhook has come.
#[derive(Clone, Copy, Debug)]
pub struct TheLine(pub WebhookId);
/// The key of what became of an event.
#[derive(Clone, Copy, Debug)]
pub struct TheDelivery(pub WebhookId, pub DeliveryId);

macro_rules! webhook_keys {
    ($($the:ty => $variant:ident($record:ty), |$it:ident| $key:expr;)*) => {$(
        impl TypedKey for $the {
            type Record = $record;

            fn key(&self) -> Key {
                let $it = self;
                Key::Webhook($key)
            }

            fn pick(record: Record) -> Option<$record> {
                let Record::Webhook(it) = record else { return None };
                if let WebhookRecord::$variant(it) = *it { Some(it) } else { None }
            }
        }

        impl From<$record> for Record {
            fn from(it: $record) -> Self {
                Self::Webhook(Box::new(WebhookRecord::$variant(it)))
            }
        }
    )*};
}

webhook_keys! {
    TheWebhook => Webhook(Webhook), |it| WebhookKey::Webhook(it.0);
    TheWebhookList => List(WebhookList), |_it| WebhookKey::List;
    TheLine => Line(WebhookLine), |it| WebhookKey::Line(it.0);
    TheDelivery => Delivery(Delivery), |it| WebhookKey::Delivery(it.0, it.1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_read_back_what_they_are_called() {
        let webhook = WebhookId::from_uuid(Uuid::from_u128(3));
        let delivery = DeliveryId::from_uuid(Uuid::from_u128(4));
        for key in [
            WebhookKey::Webhook(webhook),
            WebhookKey::List,
            WebhookKey::Line(webhook),
            WebhookKey::Delivery(webhook, delivery),
        ] {
            let name = Key::Webhook(key).document().unwrap_or_default();
            assert_eq!(Key::of_document(&name), Some(Key::Webhook(key)), "{name}");
        }
        assert!(WebhookKey::Line(webhook).belongs_in(&webhook.part()));
    }

    #[test]
    fn a_url_names_a_host_and_holds_no_secret_of_its_own() {
        for good in ["https://example.com/hooks?to=1", "http://127.0.0.1:8080", "https://[2001:db8::1]/x"] {
            assert_eq!(good.parse::<WebhookUrl>().map(|url| url.0), Ok(good.to_owned()));
        }
        let long = format!("https://example.com/{}", "x".repeat(2_048));
        for bad in [
            "",
            "example.com",
            "ftp://example.com",
            "https://",
            "https:///x",
            "https:x",
            "https:\\\\example.com",
            "https://ada@example.com",
            "https://ada:secret@example.com",
            "https://example.com/#top",
            "https://example.com/a b",
            "https://example.com/\u{7f}",
            "file:///etc/passwd",
            &long,
        ] {
            assert!(bad.parse::<WebhookUrl>().is_err(), "{bad}");
        }
        let address = |text: &str| text.parse::<WebhookUrl>().unwrap().address().map(|it| it.to_string());
        assert_eq!(address("http://0x7f.1/"), Some("127.0.0.1".to_owned()), "as it is connected to");
        assert_eq!(address("http://localhost/"), None);
        let url = |text: &str| text.parse::<WebhookUrl>().unwrap().origin();
        assert_eq!(url("https://example.com:8443/secret?also=this"), "https://example.com:8443");
    }

    #[test]
    fn the_secret_before_is_good_until_its_end() {
        let webhook = Webhook {
            id: WebhookId::from_uuid(Uuid::from_u128(3)),
            organization: None,
            url: "https://example.com/".parse().unwrap(),
            types: vec!["member.added".parse().unwrap()],
            secret: 2,
            old_secret_until: Some(Timestamp::from_micros(5)),
            created_by: None,
            begins: Reached { entry: 0, span: 0, seq: 1, n: 0 },
            created_at: Timestamp::EPOCH,
            disabled: None,
        };
        assert_eq!(webhook.secrets(Timestamp::from_micros(4)), [2, 1]);
        assert_eq!(webhook.secrets(Timestamp::from_micros(5)), [2]);
        assert!(webhook.wants("member.added") && !webhook.wants("member.removed"));
        assert!(Webhook { types: Vec::new(), ..webhook }.wants("member.removed"));
    }
}
