//! Links that are sent to people: derived from the master key and what they lead to, so that a copy of the store
//! reveals none, and the current one can be shown again.
//!
//! Form of an invitation's: `rkl_` + invitation id (26) + organization id (26) + number of the link (8 hexadecimal
//! digits) + HMAC-SHA-256 of all before it (52).

use std::fmt;

use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::facts::hmac_sha256;
use crate::id::{InvitationId, OrganizationId, decode, encode};

/// What the link of an invitation leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InvitationLink {
    /// The home.
    pub organization: OrganizationId,
    /// Which.
    pub invitation: InvitationId,
    /// The number of the link.
    pub number: u32,
}

/// Makes links and reads them.
#[derive(Clone)]
pub struct Links {
    key: [u8; 32],
    pub(super) public_url: String,
    pub(super) pages: Pages,
}

/// The vendor's own pages, each with `{token}` in it; where there is none, Roster's own stands in.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Pages {
    /// For invitations.
    pub invitation: Option<String>,
    /// For password resets.
    pub password_reset: Option<String>,
    /// For changes of address.
    pub email_change: Option<String>,
}

impl Default for Links {
    /// For a store that nobody else reads.
    fn default() -> Self {
        Self::new([0; 32], "http://127.0.0.1:8080".to_owned(), Pages::default())
    }
}

impl Links {
    /// Under a key that replicas share, and the address at which people reach the service.
    pub const fn new(key: [u8; 32], public_url: String, pages: Pages) -> Self {
        Self { key, public_url, pages }
    }

    /// The same at another public address.
    #[must_use]
    pub fn at(&self, public_url: String) -> Self {
        Self { public_url, ..self.clone() }
    }

    /// What stands for a text that is to be known again and not read: its HMAC-SHA-256.
    pub fn pseudonym(&self, text: &str) -> String {
        crate::log::hex(&hmac_sha256(&self.key, format!("pseudonym {text}").as_bytes()))
    }

    /// What nobody can make of something that is kept without the key.
    pub(crate) fn seed(&self, kept: &[u8; 32]) -> [u8; 32] {
        self.derive(&format!("seed {}", crate::log::hex(kept)))
    }

    /// The token of an invitation.
    pub fn invitation_token(&self, to: &InvitationLink) -> String {
        let (invitation, organization) = (encode(to.invitation.uuid()), encode(to.organization.uuid()));
        let body = format!("rkl_{invitation}{organization}{:08x}", to.number);
        let seal = self.seal(&body);
        body + &seal
    }

    /// The address of an invitation's page.
    pub fn invitation_url(&self, to: &InvitationLink) -> String {
        let token = self.invitation_token(to);
        self.page(self.pages.invitation.as_deref(), "invitations", &token)
    }

    /// The vendor's own page with a token in its place, or Roster's.
    pub(super) fn page(&self, own: Option<&str>, folder: &str, token: &str) -> String {
        match own {
            Some(page) => page.replace("{token}", token),
            None => format!("{}/{folder}/{token}", self.public_url),
        }
    }

    /// What a token leads to; nothing for one that this service has not made.
    pub fn read_invitation(&self, token: &str) -> Option<InvitationLink> {
        let rest = self.unsealed(token, 64)?.strip_prefix("rkl_")?;
        Some(InvitationLink {
            invitation: InvitationId::from_uuid(decode(rest.get(..26)?)?),
            organization: OrganizationId::from_uuid(decode(rest.get(26..52)?)?),
            number: u32::from_str_radix(rest.get(52..)?, 16).ok()?,
        })
    }

    /// What stands before the seal of a token, if this service has sealed it.
    pub(super) fn unsealed<'a>(&self, token: &'a str, length: usize) -> Option<&'a str> {
        if !token.is_ascii() || token.len() != length + 52 {
            return None;
        }
        let (body, seal) = token.split_at(length);
        bool::from(self.seal(body).as_bytes().ct_eq(seal.as_bytes())).then_some(body)
    }

    /// 32 bytes for a purpose, which nobody else can make.
    pub(super) fn derive(&self, purpose: &str) -> [u8; 32] {
        hmac_sha256(&self.key, purpose.as_bytes())
    }

    pub(super) fn seal(&self, body: &str) -> String {
        let mac = self.derive(body);
        let (high, low) = mac.split_at(16);
        let half = |bytes: &[u8]| encode(Uuid::from_slice(bytes).unwrap_or_default());
        half(high) + &half(low)
    }
}

impl fmt::Debug for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Links").field("public_url", &self.public_url).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TO: InvitationLink = InvitationLink {
        organization: OrganizationId::from_uuid(Uuid::from_u128(8)),
        invitation: InvitationId::from_uuid(Uuid::from_u128(9)),
        number: 2,
    };

    #[test]
    fn a_token_leads_where_it_was_made_for_and_no_other_token_leads_anywhere() {
        let links = Links::default();
        let token = links.invitation_token(&TO);
        assert_eq!(links.read_invitation(&token), Some(TO));
        for at in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
            assert_eq!(links.read_invitation(std::str::from_utf8(&bytes).unwrap()), None, "{at}");
        }
        let other = Links::new([1; 32], String::new(), Pages::default());
        assert_eq!(other.read_invitation(&token), None);
        assert_eq!(links.read_invitation(""), None);
    }

    #[test]
    fn the_vendors_own_page_stands_in_for_ours() {
        let invitation = Some("https://app.example.com/join?token={token}".to_owned());
        let pages = Pages { invitation, ..Pages::default() };
        let links = Links::new([0; 32], "https://roster.example.com".to_owned(), pages);
        let token = links.invitation_token(&TO);
        assert_eq!(links.invitation_url(&TO), format!("https://app.example.com/join?token={token}"));
        assert_eq!(
            Links::default().invitation_url(&TO),
            format!("http://127.0.0.1:8080/invitations/{token}")
        );
    }
}
