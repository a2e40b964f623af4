//! Typed ids in `TypeID` form: a prefix, an underscore and a `UUIDv7` in 26 characters of Crockford base32.
//!
//! Source: the `TypeID` specification, version 0.3.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};
use uuid::Uuid;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// What [`DIGITS`] says of a byte that is no digit.
const NO_DIGIT: u8 = u8::MAX;

/// The value of each byte as a digit.
const DIGITS: [u8; 256] = {
    let mut digits = [NO_DIGIT; 256];
    let mut value = 0_u8;
    while (value as usize) < ALPHABET.len() {
        digits[ALPHABET[value as usize] as usize] = value;
        value += 1;
    }
    digits
};

/// The text was not an id of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an id of this kind: expected `{prefix}_` and 26 characters")]
pub struct MalformedId {
    /// The prefix that was expected.
    pub prefix: &'static str,
}

pub(crate) fn encode(id: Uuid) -> String {
    let mut value = id.as_u128();
    let mut out = [0_u8; 26];
    for slot in out.iter_mut().rev() {
        let digit = usize::try_from(value & 31).unwrap_or(0);
        *slot = ALPHABET[digit];
        value >>= 5;
    }
    out.iter().map(|byte| char::from(*byte)).collect()
}

pub(crate) fn decode(text: &str) -> Option<Uuid> {
    let bytes = text.as_bytes();
    if bytes.len() != 26 || bytes[0] > b'7' {
        return None;
    }
    let mut value = 0_u128;
    for byte in bytes {
        let digit = DIGITS[usize::from(*byte)];
        if digit == NO_DIGIT {
            return None;
        }
        value = (value << 5) | u128::from(digit);
    }
    Some(Uuid::from_u128(value))
}

macro_rules! typed_ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// What stands before the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// Wraps a UUID, as stores hold it.
            pub const fn from_uuid(id: Uuid) -> Self { Self(id) }

            /// The UUID without its kind.
            pub const fn uuid(self) -> Uuid { self.0 }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}_{}", $prefix, encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { fmt::Display::fmt(self, f) }
        }

        impl FromStr for $name {
            type Err = MalformedId;

            fn from_str(text: &str) -> Result<Self, MalformedId> {
                text.strip_prefix(concat!($prefix, "_"))
                    .and_then(decode)
                    .map(Self)
                    .ok_or(MalformedId { prefix: $prefix })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    )*};
}

typed_ids! {
    /// An organization.
    OrganizationId = "org";
    /// An account of an organization.
    AccountId = "acc";
    /// A user of the deployment.
    UserId = "usr";
    /// A custom role of an organization.
    RoleId = "rol";
    /// An API key of an organization.
    ApiKeyId = "key";
    /// An operator key of the deployment.
    OperatorKeyId = "opk";
    /// A transfer of ownership.
    TransferId = "trf";
    /// An invitation of an organization.
    InvitationId = "inv";
    /// A session of a user.
    SessionId = "ses";
    /// A password reset of a user.
    PasswordResetId = "rst";
    /// A change of a user's address.
    EmailChangeId = "emc";
    /// Letters of the outbox.
    MailId = "mai";
    /// One audit event: one change of one log entry.
    AuditId = "aud";
    /// The same change as an event.
    EventId = "evt";
    /// A job.
    JobId = "job";
    /// Something in the vendor's product that a user owns there.
    RecordId = "rec";
    /// A source of events about customers.
    SourceId = "src";
    /// A message of a source that could not be applied.
    DeadLetterId = "dlq";
    /// A saved view.
    ViewId = "vew";
    /// An indicator on a view.
    IndicatorId = "ind";
    /// An alert of an indicator.
    AlertId = "alr";
    /// A webhook.
    WebhookId = "whk";
    /// What became of an event that a webhook sent.
    DeliveryId = "dlv";
}

/// Names one commit; the version of every record that the commit wrote.
///
/// The low 16 bits are zero, so that each change of the commit has an id of its own beside it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CommitId(Uuid);

/// A record's version: the commit that last wrote it. No decision but for equality is made by it.
pub type Version = CommitId;

impl CommitId {
    /// A commit id from a UUID, its low 16 bits cleared.
    pub const fn from_uuid(id: Uuid) -> Self {
        Self(Uuid::from_u128(id.as_u128() & !0xffff))
    }

    /// The UUID, as stores hold it.
    pub const fn uuid(self) -> Uuid {
        self.0
    }

    /// When it was drawn, in milliseconds since the epoch, by the clock of whoever drew it.
    pub const fn unix_millis(self) -> u64 {
        (self.0.as_u128() >> 80) as u64
    }

    /// The version that is shown where more than the record of this version decides what is shown.
    #[must_use]
    pub fn showing(self, shown: &[u8]) -> Self {
        let digest: [u8; 32] =
            Sha256::new().chain_update(self.0.as_bytes()).chain_update(shown).finalize().into();
        let mut id = [0_u8; 16];
        id.copy_from_slice(&digest[..16]);
        Self::from_uuid(Uuid::from_bytes(id))
    }

    /// The id of the n-th change of this commit.
    pub fn change(self, n: u16) -> AuditId {
        AuditId(Uuid::from_u128(self.0.as_u128() | u128::from(n)))
    }
}

impl fmt::Display for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&encode(self.0))
    }
}

impl fmt::Debug for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&encode(self.0))
    }
}

impl FromStr for CommitId {
    type Err = MalformedId;

    fn from_str(text: &str) -> Result<Self, MalformedId> {
        decode(text).map(Self).ok_or(MalformedId { prefix: "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_back_what_they_print() {
        let id = OrganizationId::from_uuid(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001));
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.to_string().len(), 30);
    }

    #[test]
    fn other_prefixes_cases_and_overflow_are_malformed() {
        for text in [
            "",
            "org_",
            "usr_00000000000000000000000000",
            "org_80000000000000000000000000",
            "org_0000000000000000000000000U",
            "org_0000000000000000000000000",
            "ORG_00000000000000000000000000",
        ] {
            assert!(text.parse::<OrganizationId>().is_err(), "{text}");
        }
    }
}
