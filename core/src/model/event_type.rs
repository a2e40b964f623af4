//! What happens, in the one vocabulary of audit trail and events.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::text::BadText;

/// Everything that is told, by noun.
pub const EVENT_TYPES: [&str; 59] = [
    "organization.created",
    "organization.updated",
    "organization.closed",
    "ownership.transferred",
    "ownership.offered",
    "seats.changed",
    "account.created",
    "account.updated",
    "account.archived",
    "member.added",
    "member.access_changed",
    "member.removed",
    "member.deactivated",
    "member.reactivated",
    "member.deleted",
    "member.expired",
    "invitation.created",
    "invitation.updated",
    "invitation.resent",
    "invitation.accepted",
    "invitation.declined",
    "invitation.revoked",
    "invitation.expired",
    "role.created",
    "role.updated",
    "role.deleted",
    "api_key.created",
    "api_key.updated",
    "api_key.rotated",
    "api_key.revoked",
    "user.created",
    "user.updated",
    "user.suspended",
    "user.unsuspended",
    "user.erased",
    "account_owner.set",
    "account_owner.cleared",
    "account_owner.unresolved",
    "key_role.set",
    "key_role.cleared",
    "record.created",
    "record.reassigned",
    "record.deleted",
    "trait_mappings.changed",
    "source.created",
    "source.updated",
    "source.deleted",
    "view.created",
    "view.updated",
    "view.deleted",
    "indicator.created",
    "indicator.updated",
    "indicator.deleted",
    "indicator.entered",
    "indicator.left",
    "webhook.created",
    "webhook.updated",
    "webhook.rotated",
    "webhook.deleted",
];

/// One of [`EVENT_TYPES`]. What was taken once is kept, also by a release that does not know it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventType(String);

impl EventType {
    /// Its name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for EventType {
    type Err = BadText;

    fn from_str(text: &str) -> Result<Self, BadText> {
        if EVENT_TYPES.contains(&text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadText("not a type of event: expected one such as `member.removed`"))
        }
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
