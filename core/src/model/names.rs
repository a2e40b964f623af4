//! By what a person is named where records speak of them without their id (rule L5).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

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
}
