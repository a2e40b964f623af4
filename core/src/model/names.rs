//! By what a person is named where records speak of them without their id (rule L5).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ClaimName;
use crate::text::{Email, ExternalId};

/// The names by which an erased person is found.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Names {
    /// The vendor's id.
    pub external_id: Option<ExternalId>,
    /// The keys of all addresses that they ever had.
    pub addresses: BTreeSet<String>,
}

impl Names {
    /// Whether an address is one of theirs.
    pub fn has(&self, email: &Email) -> bool {
        self.addresses.contains(email.key())
    }

    /// Whether an external id is theirs.
    pub fn is(&self, external: &ExternalId) -> bool {
        self.external_id.as_ref() == Some(external)
    }

    /// Whether a whole text is one of their names: the external id, with or without `ext:`, or an address in any
    /// spelling. One in which a name merely stands is somebody else's.
    pub fn are(&self, text: &str) -> bool {
        let external = self.external_id.as_ref().map(ExternalId::as_str);
        external.is_some_and(|own| text == own || text.strip_prefix("ext:") == Some(own))
            || text.parse().is_ok_and(|email| self.has(&email))
    }

    /// Whether one of their names stands anywhere in a text. For texts that cannot be read in any other way.
    pub fn stand_in(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        let external = self.external_id.as_ref().map(|own| own.as_str().to_lowercase());
        external.is_some_and(|own| text.contains(&own))
            || self.addresses.iter().any(|address| text.contains(address.as_str()))
    }

    /// Whether a message of a source is about the person, by id or by address; one that cannot be read, whether it could
    /// be.
    pub fn are_spoken_of_in(&self, message: &str) -> bool {
        match serde_json::from_str(message) {
            Ok(message) => self.are_of(&message),
            Err(_) => self.stand_in(message),
        }
    }

    /// The same where only what certainly is about the person counts: one that cannot be read may be about anybody.
    pub fn are_named_in(&self, message: &str) -> bool {
        serde_json::from_str(message).is_ok_and(|message| self.are_of(&message))
    }

    fn are_of(&self, message: &Value) -> bool {
        let is = |value: Option<&Value>| match value {
            Some(Value::String(text)) => self.are(text),
            Some(number @ Value::Number(_)) => self.are(&number.to_string()),
            _ => false,
        };
        let traits = [message.get("traits"), message.pointer("/context/traits")];
        ["userId", "previousId", "anonymousId"].iter().any(|name| is(message.get(*name)))
            || traits.iter().any(|traits| is(traits.and_then(|traits| traits.get("email"))))
    }

    /// The claims on their addresses.
    pub fn address_claims(&self) -> impl Iterator<Item = ClaimName> {
        self.addresses.iter().cloned().map(ClaimName::Email)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn l5_only_whole_names_are_theirs() {
        let names = Names {
            external_id: Some("u-1".parse().unwrap()),
            addresses: BTreeSet::from(["al@example.com".to_owned()]),
        };
        for text in ["u-1", "ext:u-1", "al@example.com", "AL@Example.com", " al@example.com "] {
            assert!(names.are(text), "{text}");
        }
        for text in ["u-10", "ext:u-11", "val@example.com", "U-1", "al", "", "usr_u-1"] {
            assert!(!names.are(text), "{text}");
        }
        assert!(!Names::default().are(""));
    }

    #[test]
    fn l5_a_message_is_theirs_by_id_or_address() {
        let names = Names {
            external_id: Some("7".parse().unwrap()),
            addresses: ["al@example.com".to_owned()].into(),
        };
        for theirs in [
            r#"{"userId": "7"}"#,
            r#"{"userId": 7}"#,
            r#"{"type": "alias", "userId": "8", "previousId": "7"}"#,
            r#"{"userId": "8", "traits": {"email": "AL@example.com"}}"#,
            r#"{"userId": "8", "context": {"traits": {"email": "al@example.com"}}}"#,
            r#"{"userId": "x", "traits": {"email": "al@example.com""#,
        ] {
            assert!(names.are_spoken_of_in(theirs), "{theirs}");
            assert_eq!(names.are_named_in(theirs), theirs.ends_with('}'), "{theirs}: readable or not");
        }
        for other in [
            r#"{"userId": "77", "traits": {"email": "val@example.com", "seven": 7}}"#,
            "{}",
            "null",
            r#""7""#,
        ] {
            assert!(!names.are_spoken_of_in(other) && !names.are_named_in(other), "{other}");
        }
    }
}
