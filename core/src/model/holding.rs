//! Records in the vendor's product (rules L6, L7): who owns each, and how many are handed over at once.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::home::Tally;
use crate::id::{AccountId, JobId, RecordId, UserId};
use crate::text::{BadText, ExternalId, Name, RecordType};
use crate::time::Timestamp;

/// The most types of records in one organization: so many numbers a plan reads.
pub const MAX_TYPES: usize = 50;
/// The most hand-overs of records that wait for their rewriting in one organization.
pub const MAX_SUCCESSIONS: usize = 100;

/// What names a record within its organization: `TYPE:EXTERNAL_ID`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct HoldingName(String);

impl HoldingName {
    /// Of a type and the vendor's id.
    pub fn new(kind: &RecordType, external_id: &ExternalId) -> Self {
        Self(format!("{kind}:{external_id}"))
    }

    /// `TYPE:EXTERNAL_ID`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HoldingName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for HoldingName {
    type Err = BadText;

    fn from_str(text: &str) -> Result<Self, BadText> {
        let (kind, external_id) =
            text.split_once(':').ok_or(BadText("a record is named by its type and its external id"))?;
        Ok(Self::new(&kind.parse()?, &external_id.parse()?))
    }
}

impl Serialize for HoldingName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for HoldingName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// Something in the vendor's product that a user owns there. The API calls it a record; here that is anything kept.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Holding {
    /// Its id.
    pub id: RecordId,
    /// What kind of thing.
    pub kind: RecordType,
    /// The number of its type in [`HoldingTypes`].
    pub kind_number: u16,
    /// The vendor's id, unique in the organization and type.
    pub external_id: ExternalId,
    /// Who owns it, as stored; [`Successions::resolve`] says whom it has been handed to since.
    pub owner: UserId,
    /// The number of the first hand-over that came after it was given to them.
    pub after: u64,
    /// On which account it lies, if on one.
    pub account: Option<AccountId>,
    /// What people call it.
    pub title: Option<Name>,
    /// When it was registered.
    pub created_at: Timestamp,
}

impl Holding {
    /// What names it.
    pub fn name(&self) -> HoldingName {
        HoldingName::new(&self.kind, &self.external_id)
    }
}

/// The types of records that an organization has had, each with its place as its number.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct HoldingTypes(pub Vec<RecordType>);

impl HoldingTypes {
    /// The number of a type.
    pub fn number(&self, kind: &RecordType) -> Option<u16> {
        self.0.iter().position(|known| known == kind).and_then(|n| u16::try_from(n).ok())
    }

    /// All of them, by number.
    pub fn numbered(&self) -> impl Iterator<Item = (u16, &RecordType)> {
        self.0.iter().enumerate().filter_map(|(n, kind)| Some((u16::try_from(n).ok()?, kind)))
    }
}

/// Records of one person that are another's since a hand-over.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Succession {
    /// Its number: they are counted through in the organization.
    pub number: u64,
    /// Whose they were.
    pub from: UserId,
    /// Whose they are.
    pub to: UserId,
    /// Only of this type.
    pub kind: Option<RecordType>,
    /// Only on this account.
    pub account: Option<AccountId>,
    /// The job that rewrites them.
    pub job: JobId,
    /// How many of each type, by number, are still to be rewritten; nothing where an account is named, since nobody
    /// counts by account.
    pub left: BTreeMap<u16, i64>,
    /// Whether all of them are rewritten.
    pub done: bool,
}

/// Hand-overs of records that are not all rewritten yet, oldest first. Reads apply them at once.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Successions {
    /// The number of the next one.
    pub next: u64,
    /// Those that are still to be applied.
    pub open: Vec<Succession>,
}

impl Succession {
    fn takes(&self, holding: &Holding, owner: UserId) -> bool {
        self.from == owner
            && holding.after <= self.number
            && self.kind.as_ref().is_none_or(|kind| *kind == holding.kind)
            && self.account.is_none_or(|account| holding.account == Some(account))
    }
}

impl Successions {
    /// Who owns a record, and through which hand-overs.
    pub fn resolve(&self, holding: &Holding) -> (UserId, Vec<usize>) {
        let (mut owner, mut through) = (holding.owner, Vec::new());
        for (n, one) in self.open.iter().enumerate() {
            if one.takes(holding, owner) {
                owner = one.to;
                through.push(n);
            }
        }
        (owner, through)
    }

    /// The same record with its owner as it is.
    #[must_use]
    pub fn apply(&self, holding: &Holding) -> Holding {
        Holding { owner: self.resolve(holding).0, after: self.next, ..holding.clone() }
    }

    /// Notes that a record is written anew, or goes: fewer are left.
    pub fn settle(&mut self, holding: &Holding) {
        for n in self.resolve(holding).1 {
            if let Some(left) = self.open[n].left.get_mut(&holding.kind_number) {
                *left -= 1;
            }
        }
    }

    /// Everybody whose stored records may be this person's.
    pub fn sources(&self, owner: UserId) -> Vec<UserId> {
        let mut found = vec![owner];
        for one in self.open.iter().rev() {
            if found.contains(&one.to) && !found.contains(&one.from) {
                found.push(one.from);
            }
        }
        found
    }

    /// What they add to the tallies of records: what is handed over counts with whom it was handed to.
    pub fn weighs(&self) -> Vec<(Tally, i64)> {
        let moved = |one: &Succession| {
            let (from, to) = (one.from, one.to);
            let left: Vec<(u16, i64)> = one.left.iter().map(|(kind, left)| (*kind, *left)).collect();
            left.into_iter().flat_map(move |(kind, left)| {
                [(Tally::Holdings(from, kind), -left), (Tally::Holdings(to, kind), left)]
            })
        };
        self.open.iter().flat_map(moved).collect()
    }
}
