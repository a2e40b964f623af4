//! What is kept about customers: where their events come from, what was made of them, and what is asked about them.
//! All of it is read by name only, so that every store keeps it as documents.

mod activity;
mod clock;
mod source;
mod stream;
mod view;

pub use activity::{ActivityMonth, Day, Early, EarlyPart, MOST_A_DAY, Presence, SESSION_GAP, Sign, Span};
pub use clock::{
    AccountClock, EMAIL, Instants, LinkClock, LinkMark, NAME, Said, SaidName, UserClock, of_trait,
};
pub use source::{EventNames, Groups, NEW_ORGANIZATIONS_PER_DAY, Source};
pub use stream::{AT_ONCE, DRAINER_SECONDS, DeadLetter, Drainer, Inbox, NewOrganizations, Seen, Withheld};
pub use view::{Alert, AlertState, Evaluation, Indicator, Mapped, Mappings, ReportKind, View, Watched};

use std::cmp::Ordering;
use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::home::{Home, Key, Record, TypedKey};
use crate::id::{AccountId, AlertId, DeadLetterId, IndicatorId, OrganizationId, SourceId, UserId, ViewId};

/// How many homes remember the messages of a source.
pub const SEEN_PARTS: u8 = 16;

/// The name of one of them within its home.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum CustomerKey {
    /// Deployment home: a source.
    Source(SourceId),
    /// Deployment home: a saved view.
    View(ViewId),
    /// Deployment home: an indicator.
    Indicator(IndicatorId),
    /// Deployment home: how far an indicator's evaluation has come.
    Evaluation(IndicatorId),
    /// Deployment home: an alert of an indicator.
    Alert(IndicatorId, AlertId),
    /// Deployment home: what an indicator knows about an account or an organization.
    Watched(IndicatorId, Uuid),
    /// Deployment or organization home: which traits name owners.
    Mappings,
    /// Organization home: what a trait said of the owner of an account or the organization.
    Mapped(Uuid),
    /// Stream home, part 0: what one request of the source brought.
    Inbox(Uuid),
    /// Stream home, part 0: who applies what the source sends.
    Drainer,
    /// Stream home, part 0: how many organizations the source's groups have made today.
    NewOrganizations,
    /// Stream home, part 1: a message that could not be applied.
    DeadLetter(DeadLetterId),
    /// Stream home, part 1: what was said of a user before they were in any organization.
    Early(UserId),
    /// Stream home, part 1: an id of which it waits what the source says, by 16 bytes of a hash.
    Withheld(Uuid),
    /// Stream home, part 2 and up: a message that was taken in, by 16 bytes of a hash.
    Seen(Uuid),
    /// User home: when sources last set what of the user.
    UserClock,
    /// Organization home: when sources last set what of an account.
    AccountClock(AccountId),
    /// Organization home: when sources last linked and unlinked a user.
    LinkClock(UserId),
    /// Activity home: when a user was seen.
    Presence(UserId),
    /// Activity home: what a user did in a month, as year times 12 and month.
    Activity(UserId, u32),
}

impl CustomerKey {
    /// What all their names begin with.
    pub const PREFIX: &'static str = "vendor";

    /// A key by its name without the prefix.
    pub fn read(name: &str) -> Option<Self> {
        let (kind, rest) = name.split_once(':').unwrap_or((name, ""));
        let id = |text: &str| Uuid::try_parse(text).ok();
        let two = || {
            let (one, other) = rest.split_once(':')?;
            Some((id(one)?, id(other)?))
        };
        Some(match kind {
            "source" => Self::Source(SourceId::from_uuid(id(rest)?)),
            "view" => Self::View(ViewId::from_uuid(id(rest)?)),
            "indicator" => Self::Indicator(IndicatorId::from_uuid(id(rest)?)),
            "evaluation" => Self::Evaluation(IndicatorId::from_uuid(id(rest)?)),
            "alert" => {
                let (indicator, alert) = two()?;
                Self::Alert(IndicatorId::from_uuid(indicator), AlertId::from_uuid(alert))
            }
            "watched" => {
                let (indicator, subject) = two()?;
                Self::Watched(IndicatorId::from_uuid(indicator), subject)
            }
            "mappings" => Self::Mappings,
            "mapped" => Self::Mapped(id(rest)?),
            "inbox" => Self::Inbox(id(rest)?),
            "drainer" => Self::Drainer,
            "new_organizations" => Self::NewOrganizations,
            "letter" => Self::DeadLetter(DeadLetterId::from_uuid(id(rest)?)),
            "early" => Self::Early(UserId::from_uuid(id(rest)?)),
            "withheld" => Self::Withheld(id(rest)?),
            "seen" => Self::Seen(id(rest)?),
            "user_clock" => Self::UserClock,
            "account_clock" => Self::AccountClock(AccountId::from_uuid(id(rest)?)),
            "link" => Self::LinkClock(UserId::from_uuid(id(rest)?)),
            "presence" => Self::Presence(UserId::from_uuid(id(rest)?)),
            "activity" => {
                let (user, month) = rest.split_once(':')?;
                Self::Activity(UserId::from_uuid(id(user)?), month.parse().ok()?)
            }
            _ => return None,
        })
    }

    /// Whether it names something of a home.
    pub fn belongs_in(self, home: &Home) -> bool {
        match self {
            Self::Source(_)
            | Self::View(_)
            | Self::Indicator(_)
            | Self::Evaluation(_)
            | Self::Alert(..)
            | Self::Watched(..) => *home == Home::Deployment,
            Self::Mappings => matches!(home, Home::Deployment | Home::Organization(_)),
            Self::Inbox(_) | Self::Drainer | Self::NewOrganizations => matches!(home, Home::Stream(_, 0)),
            Self::DeadLetter(_) | Self::Early(_) | Self::Withheld(_) => matches!(home, Home::Stream(_, 1)),
            Self::Seen(_) => matches!(home, Home::Stream(_, 2..)),
            Self::UserClock => matches!(home, Home::User(_)),
            Self::AccountClock(_) | Self::LinkClock(_) | Self::Mapped(_) => {
                matches!(home, Home::Organization(_))
            }
            Self::Presence(_) | Self::Activity(..) => matches!(home, Home::Activity(_)),
        }
    }
}

/// `vendor:KIND`, then ids.
impl fmt::Display for CustomerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", Self::PREFIX)?;
        match self {
            Self::Source(id) => write!(f, "source:{}", id.uuid().simple()),
            Self::View(id) => write!(f, "view:{}", id.uuid().simple()),
            Self::Indicator(id) => write!(f, "indicator:{}", id.uuid().simple()),
            Self::Evaluation(id) => write!(f, "evaluation:{}", id.uuid().simple()),
            Self::Alert(indicator, id) => {
                write!(f, "alert:{}:{}", indicator.uuid().simple(), id.uuid().simple())
            }
            Self::Watched(indicator, subject) => {
                write!(f, "watched:{}:{}", indicator.uuid().simple(), subject.simple())
            }
            Self::Mappings => f.write_str("mappings"),
            Self::Mapped(subject) => write!(f, "mapped:{}", subject.simple()),
            Self::Inbox(id) => write!(f, "inbox:{}", id.simple()),
            Self::Drainer => f.write_str("drainer"),
            Self::NewOrganizations => f.write_str("new_organizations"),
            Self::DeadLetter(id) => write!(f, "letter:{}", id.uuid().simple()),
            Self::Early(id) => write!(f, "early:{}", id.uuid().simple()),
            Self::Withheld(hash) => write!(f, "withheld:{}", hash.simple()),
            Self::Seen(hash) => write!(f, "seen:{}", hash.simple()),
            Self::UserClock => f.write_str("user_clock"),
            Self::AccountClock(id) => write!(f, "account_clock:{}", id.uuid().simple()),
            Self::LinkClock(id) => write!(f, "link:{}", id.uuid().simple()),
            Self::Presence(id) => write!(f, "presence:{}", id.uuid().simple()),
            Self::Activity(id, month) => write!(f, "activity:{}:{month:06}", id.uuid().simple()),
        }
    }
}

/// The order of their names, which is the order in which stores keep documents.
impl Ord for CustomerKey {
    fn cmp(&self, other: &Self) -> Ordering {
        self.to_string().cmp(&other.to_string())
    }
}

impl PartialOrd for CustomerKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// One of them.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Customer {
    /// See [`Source`].
    Source(Source),
    /// See [`View`].
    View(View),
    /// See [`Indicator`].
    Indicator(Indicator),
    /// See [`Evaluation`].
    Evaluation(Evaluation),
    /// See [`Alert`].
    Alert(Alert),
    /// See [`Watched`].
    Watched(Watched),
    /// See [`Mappings`].
    Mappings(Mappings),
    /// See [`Mapped`].
    Mapped(Mapped),
    /// See [`Inbox`].
    Inbox(Inbox),
    /// See [`Drainer`].
    Drainer(Drainer),
    /// See [`NewOrganizations`].
    NewOrganizations(NewOrganizations),
    /// See [`DeadLetter`].
    DeadLetter(DeadLetter),
    /// See [`Early`].
    Early(Early),
    /// See [`Withheld`].
    Withheld(Withheld),
    /// See [`Seen`].
    Seen(Seen),
    /// See [`UserClock`].
    UserClock(UserClock),
    /// See [`AccountClock`].
    AccountClock(AccountClock),
    /// See [`LinkClock`].
    LinkClock(LinkClock),
    /// See [`Presence`].
    Presence(Presence),
    /// See [`ActivityMonth`].
    Activity(ActivityMonth),
}

impl Customer {
    /// The key that it is kept under.
    pub const fn key(&self) -> CustomerKey {
        match self {
            Self::Source(it) => CustomerKey::Source(it.id),
            Self::View(it) => CustomerKey::View(it.id),
            Self::Indicator(it) => CustomerKey::Indicator(it.id),
            Self::Evaluation(it) => CustomerKey::Evaluation(it.indicator),
            Self::Alert(it) => CustomerKey::Alert(it.indicator, it.id),
            Self::Watched(it) => CustomerKey::Watched(it.indicator, it.subject),
            Self::Mappings(_) => CustomerKey::Mappings,
            Self::Mapped(it) => CustomerKey::Mapped(it.subject),
            Self::Inbox(it) => CustomerKey::Inbox(it.id),
            Self::Drainer(_) => CustomerKey::Drainer,
            Self::NewOrganizations(_) => CustomerKey::NewOrganizations,
            Self::DeadLetter(it) => CustomerKey::DeadLetter(it.id),
            Self::Early(it) => CustomerKey::Early(it.user),
            Self::Withheld(it) => CustomerKey::Withheld(it.hash),
            Self::Seen(it) => CustomerKey::Seen(it.hash),
            Self::UserClock(_) => CustomerKey::UserClock,
            Self::AccountClock(it) => CustomerKey::AccountClock(it.account),
            Self::LinkClock(it) => CustomerKey::LinkClock(it.user),
            Self::Presence(it) => CustomerKey::Presence(it.user),
            Self::Activity(it) => CustomerKey::Activity(it.user, it.month),
        }
    }
}

impl From<Customer> for Record {
    fn from(it: Customer) -> Self {
        Self::Customer(Box::new(it))
    }
}

macro_rules! customers {
    ($($variant:ident($record:ty), $the:ident$(($($field:ident: $id:ty),+))?;)*) => {$(
        /// The key of the record of this name.
        #[derive(Clone, Copy, Debug)]
        pub struct $the$(($(pub $id),+))?;

        impl TypedKey for $the {
            type Record = $record;

            fn key(&self) -> Key {
                let Self$(($($field),+))? = *self;
                Key::Customer(CustomerKey::$variant$(($($field),+))?)
            }

            fn pick(record: Record) -> Option<$record> {
                let Record::Customer(it) = record else { return None };
                if let Customer::$variant(it) = *it { Some(it) } else { None }
            }
        }

        impl From<$record> for Record {
            fn from(it: $record) -> Self {
                Customer::$variant(it).into()
            }
        }
    )*};
}

customers! {
    Source(Source), TheSource(id: SourceId);
    View(View), TheView(id: ViewId);
    Indicator(Indicator), TheIndicator(id: IndicatorId);
    Evaluation(Evaluation), TheEvaluation(indicator: IndicatorId);
    Alert(Alert), TheAlert(indicator: IndicatorId, id: AlertId);
    Watched(Watched), TheWatched(indicator: IndicatorId, subject: Uuid);
    Mappings(Mappings), TheMappings;
    Mapped(Mapped), TheMapped(subject: Uuid);
    Inbox(Inbox), TheInbox(id: Uuid);
    Drainer(Drainer), TheDrainer;
    NewOrganizations(NewOrganizations), TheNewOrganizations;
    DeadLetter(DeadLetter), TheDeadLetter(id: DeadLetterId);
    Early(Early), TheEarly(user: UserId);
    Withheld(Withheld), TheWithheld(hash: Uuid);
    Seen(Seen), TheSeen(hash: Uuid);
    UserClock(UserClock), TheUserClock;
    AccountClock(AccountClock), TheAccountClock(account: AccountId);
    LinkClock(LinkClock), TheLinkClock(user: UserId);
    Presence(Presence), ThePresence(user: UserId);
    Activity(ActivityMonth), TheActivity(user: UserId, month: u32);
}

impl TheMapped {
    /// Of an account; of the organization for none.
    pub fn of(organization: OrganizationId, account: Option<AccountId>) -> Self {
        Self(account.map_or_else(|| organization.uuid(), AccountId::uuid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_read_back_what_they_are_called() {
        let id = Uuid::from_u128;
        let user = UserId::from_uuid(id(7));
        for key in [
            CustomerKey::Source(SourceId::from_uuid(id(1))),
            CustomerKey::Alert(IndicatorId::from_uuid(id(1)), AlertId::from_uuid(id(2))),
            CustomerKey::Watched(IndicatorId::from_uuid(id(1)), id(2)),
            CustomerKey::Evaluation(IndicatorId::from_uuid(id(1))),
            CustomerKey::Mappings,
            CustomerKey::Inbox(id(3)),
            CustomerKey::Drainer,
            CustomerKey::NewOrganizations,
            CustomerKey::Early(user),
            CustomerKey::Withheld(id(4)),
            CustomerKey::UserClock,
            CustomerKey::LinkClock(user),
            CustomerKey::Activity(user, 2026 * 12),
        ] {
            let name = Key::Customer(key).document().unwrap_or_default();
            assert_eq!(Key::of_document(&name), Some(Key::Customer(key)), "{name}");
        }
    }
}
