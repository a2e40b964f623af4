//! Links to something in a person's home: a password reset, a change of address.
//!
//! Form: `rkr_` for a reset, `rkc_` for a change of address + its id (26) + user id (26) + HMAC-SHA-256 of all before
//! it (52).

use uuid::Uuid;

use super::Links;
use crate::id::{EmailChangeId, PasswordResetId, UserId, decode, encode};

/// What the link of a password reset leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ResetLink {
    /// Whose.
    pub user: UserId,
    /// Which.
    pub reset: PasswordResetId,
}

/// What the link that proves a new address leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EmailChangeLink {
    /// Whose.
    pub user: UserId,
    /// Which.
    pub change: EmailChangeId,
}

impl Links {
    /// The token of a password reset.
    pub fn reset_token(&self, to: &ResetLink) -> String {
        self.person_token("rkr_", to.reset.uuid(), to.user)
    }

    /// The address of a password reset's page.
    pub fn reset_url(&self, to: &ResetLink) -> String {
        self.page(self.pages.password_reset.as_deref(), "password-resets", &self.reset_token(to))
    }

    /// What a token leads to; nothing for one that this service has not made.
    pub fn read_reset(&self, token: &str) -> Option<ResetLink> {
        let (id, user) = self.read_person("rkr_", token)?;
        Some(ResetLink { user, reset: PasswordResetId::from_uuid(id) })
    }

    /// The token of a change of address.
    pub fn email_change_token(&self, to: &EmailChangeLink) -> String {
        self.person_token("rkc_", to.change.uuid(), to.user)
    }

    /// The address of the page that proves a new address.
    pub fn email_change_url(&self, to: &EmailChangeLink) -> String {
        self.page(self.pages.email_change.as_deref(), "email-changes", &self.email_change_token(to))
    }

    /// What a token leads to; nothing for one that this service has not made.
    pub fn read_email_change(&self, token: &str) -> Option<EmailChangeLink> {
        let (id, user) = self.read_person("rkc_", token)?;
        Some(EmailChangeLink { user, change: EmailChangeId::from_uuid(id) })
    }

    fn person_token(&self, prefix: &str, id: Uuid, user: UserId) -> String {
        let body = format!("{prefix}{}{}", encode(id), encode(user.uuid()));
        let seal = self.seal(&body);
        body + &seal
    }

    fn read_person(&self, prefix: &str, token: &str) -> Option<(Uuid, UserId)> {
        let rest = self.unsealed(token, 56)?.strip_prefix(prefix)?;
        Some((decode(rest.get(..26)?)?, UserId::from_uuid(decode(rest.get(26..)?)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Pages;

    #[test]
    fn a_token_leads_to_one_thing_of_one_kind() {
        let (user, id) = (UserId::from_uuid(Uuid::from_u128(3)), Uuid::from_u128(4));
        let (reset, change) = (
            ResetLink { user, reset: PasswordResetId::from_uuid(id) },
            EmailChangeLink { user, change: EmailChangeId::from_uuid(id) },
        );
        let links = Links::default();
        let (one, other) = (links.reset_token(&reset), links.email_change_token(&change));
        assert_eq!((links.read_reset(&one), links.read_email_change(&other)), (Some(reset), Some(change)));
        assert_eq!((links.read_reset(&other), links.read_email_change(&one)), (None, None));
        let renamed = one.replacen("rkr_", "rkc_", 1);
        assert_eq!(links.read_email_change(&renamed), None);
        for at in 0..one.len() {
            let mut bytes = one.clone().into_bytes();
            bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
            assert_eq!(links.read_reset(std::str::from_utf8(&bytes).unwrap()), None, "{at}");
        }
        let foreign = Links::new([1; 32], String::new(), Pages::default());
        assert_eq!(foreign.read_reset(&one), None);
        assert_eq!(links.reset_url(&reset), format!("http://127.0.0.1:8080/password-resets/{one}"));
        let password_reset = Some("https://app.example.com/reset#{token}".to_owned());
        let pages = Pages { password_reset, ..Pages::default() };
        let own = Links::new([0; 32], String::new(), pages);
        assert_eq!(own.reset_url(&reset), format!("https://app.example.com/reset#{one}"));
    }
}
