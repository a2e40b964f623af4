//! A tenant: the record whose `owner` field is the one place that says who owns it (rule O1).

use serde::{Deserialize, Deserializer, Serialize};

use super::{Posts, Traits};
use crate::id::{OrganizationId, UserId};
use crate::text::{ExternalId, Name, Slug};
use crate::time::Timestamp;

/// Whether anything in it answers (rule O7).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrganizationStatus {
    /// In use.
    Active,
    /// Closed for good.
    Closed,
}

/// Whether reports show people who have left (rule M8).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FormerMembers {
    /// They do.
    #[default]
    Show,
    /// They do not; lists and filters find them all the same.
    Hide,
}

/// What an organization decides for itself. A name joins with the rule that reads it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Whether a pending invitation holds a seat.
    pub invitations_hold_seats: bool,
    /// How long an invitation lives where nobody says otherwise, in seconds.
    pub invitation_expires_in: u32,
    /// Whether reports show people who have left.
    pub former_members: FormerMembers,
}

impl Default for Settings {
    /// Invitations hold seats, and live 15 days; reports show who has left.
    fn default() -> Self {
        Self {
            invitations_hold_seats: true,
            invitation_expires_in: 15 * 86_400,
            former_members: FormerMembers::Show,
        }
    }
}

/// Settings to change: what is left out stays, and `null` is what it was at first.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SettingsPatch {
    /// See [`Settings::invitations_hold_seats`].
    #[serde(deserialize_with = "invitations_hold_seats")]
    pub invitations_hold_seats: Option<bool>,
    /// See [`Settings::invitation_expires_in`].
    #[serde(deserialize_with = "invitation_expires_in")]
    pub invitation_expires_in: Option<u32>,
    /// See [`Settings::former_members`].
    #[serde(deserialize_with = "former_members")]
    pub former_members: Option<FormerMembers>,
}

fn invitations_hold_seats<'de, D: Deserializer<'de>>(value: D) -> Result<Option<bool>, D::Error> {
    or(value, |first| first.invitations_hold_seats)
}

fn invitation_expires_in<'de, D: Deserializer<'de>>(value: D) -> Result<Option<u32>, D::Error> {
    or(value, |first| first.invitation_expires_in)
}

fn former_members<'de, D: Deserializer<'de>>(value: D) -> Result<Option<FormerMembers>, D::Error> {
    or(value, |first| first.former_members)
}

/// A value, or for `null` what stands at first.
fn or<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    value: D,
    first: impl FnOnce(Settings) -> T,
) -> Result<Option<T>, D::Error> {
    let given = Option::deserialize(value)?;
    Ok(Some(given.unwrap_or_else(|| first(Settings::default()))))
}

impl Settings {
    /// With a patch applied.
    #[must_use]
    pub fn merged(self, patch: SettingsPatch) -> Self {
        Self {
            invitations_hold_seats: patch.invitations_hold_seats.unwrap_or(self.invitations_hold_seats),
            invitation_expires_in: patch.invitation_expires_in.unwrap_or(self.invitation_expires_in),
            former_members: patch.former_members.unwrap_or(self.former_members),
        }
    }
}

/// One organization.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Organization {
    /// Its id.
    pub id: OrganizationId,
    /// The vendor's id, unique in the deployment, immutable once set.
    pub external_id: Option<ExternalId>,
    /// Its name.
    pub name: Name,
    /// Its short name, unique in the deployment.
    pub slug: Slug,
    /// Active or closed.
    pub status: OrganizationStatus,
    /// The one owner.
    pub owner: UserId,
    /// Seats paid for; none means unlimited.
    pub purchased: Option<u32>,
    /// Its own settings.
    pub settings: Settings,
    /// Traits.
    pub traits: Traits,
    /// Who holds posts on it.
    #[serde(default)]
    pub posts: Posts,
    /// When it was made.
    pub created_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_that_is_cleared_is_what_it_was_at_first() {
        let patch = serde_json::json!({"invitation_expires_in": null, "former_members": "hide"});
        let before =
            Settings { invitations_hold_seats: false, invitation_expires_in: 60, ..Settings::default() };
        let after = before.merged(serde_json::from_value(patch).unwrap());
        let former_members = FormerMembers::Hide;
        assert_eq!(after, Settings { invitations_hold_seats: false, former_members, ..Settings::default() });
    }
}
