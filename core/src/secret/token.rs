//! Bearer secrets: a prefix that scanners find, the id of the key, the id of its home, 256 random bits, a checksum.
//!
//! Form: `rka_` + key id (26) + organization id (26) + secret (52) + CRC-32 in hexadecimal (8), `rkp_` likewise for a
//! personal key; an operator key `rko_` and the write key of a source `rkw_` have no organization, a session `rks_` has the
//! id of its user in that place. Only the SHA-256 of the whole text is kept.

use std::fmt;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::id::{ApiKeyId, OperatorKeyId, OrganizationId, SessionId, SourceId, UserId, decode, encode};

/// What a secret opens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TokenKind {
    /// The deployment.
    Operator(OperatorKeyId),
    /// One organization.
    Organization(OrganizationId, ApiKeyId),
    /// One organization, as one of its members.
    Personal(OrganizationId, ApiKeyId),
    /// What a user may do.
    Session(UserId, SessionId),
    /// What a source sends.
    Write(SourceId),
}

/// A secret. Printed only by [`Token::reveal`].
#[derive(Clone)]
pub struct Token {
    kind: TokenKind,
    text: String,
}

/// Not a secret of Roster's, or mistyped.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a secret of this service")]
pub struct MalformedToken;

impl Token {
    /// A new secret from 256 random bits.
    pub fn new(kind: TokenKind, random: [u8; 32]) -> Self {
        let (high, low) = random.split_at(16);
        let half = |bytes: &[u8]| encode(Uuid::from_slice(bytes).unwrap_or_default());
        let secret = half(high) + &half(low);
        let body = match kind {
            TokenKind::Operator(key) => format!("rko_{}{secret}", encode(key.uuid())),
            TokenKind::Write(source) => format!("rkw_{}{secret}", encode(source.uuid())),
            TokenKind::Organization(home, key) => {
                format!("rka_{}{}{secret}", encode(key.uuid()), encode(home.uuid()))
            }
            TokenKind::Personal(home, key) => {
                format!("rkp_{}{}{secret}", encode(key.uuid()), encode(home.uuid()))
            }
            TokenKind::Session(user, session) => {
                format!("rks_{}{}{secret}", encode(session.uuid()), encode(user.uuid()))
            }
        };
        Self { kind, text: format!("{body}{:08x}", crc32fast::hash(body.as_bytes())) }
    }

    /// Reads a secret; the checksum tells a mistyped one without a look into the store.
    pub fn parse(text: &str) -> Result<Self, MalformedToken> {
        if !text.is_ascii() || text.len() < 12 {
            return Err(MalformedToken);
        }
        let (body, sum) = text.split_at(text.len() - 8);
        if sum != format!("{:08x}", crc32fast::hash(body.as_bytes())) {
            return Err(MalformedToken);
        }
        let (prefix, rest) = body.split_at(4);
        let id = |n: usize| rest.get(n * 26..(n + 1) * 26).and_then(decode).ok_or(MalformedToken);
        let kind = match (prefix, rest.len()) {
            ("rko_", 78) => TokenKind::Operator(OperatorKeyId::from_uuid(id(0)?)),
            ("rkw_", 78) => TokenKind::Write(SourceId::from_uuid(id(0)?)),
            ("rka_", 104) => {
                TokenKind::Organization(OrganizationId::from_uuid(id(1)?), ApiKeyId::from_uuid(id(0)?))
            }
            ("rkp_", 104) => {
                TokenKind::Personal(OrganizationId::from_uuid(id(1)?), ApiKeyId::from_uuid(id(0)?))
            }
            ("rks_", 104) => TokenKind::Session(UserId::from_uuid(id(1)?), SessionId::from_uuid(id(0)?)),
            _ => return Err(MalformedToken),
        };
        Ok(Self { kind, text: text.to_owned() })
    }

    /// What it opens.
    pub const fn kind(&self) -> TokenKind {
        self.kind
    }

    /// The text, to be shown once.
    pub fn reveal(&self) -> &str {
        &self.text
    }

    /// What is kept: SHA-256 of the text.
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.text.as_bytes()).into()
    }

    /// What lists show: the first 16 characters.
    pub fn prefix(&self) -> String {
        self.text.chars().take(16).collect()
    }

    /// Whether this is the secret that was hashed, in constant time.
    pub fn fits(&self, hash: &[u8; 32]) -> bool {
        self.hash().ct_eq(hash).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({})", self.prefix())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_read_back_and_one_changed_character_is_malformed() {
        let id = |n| Uuid::from_u128(n);
        for kind in [
            TokenKind::Operator(OperatorKeyId::from_uuid(id(1))),
            TokenKind::Organization(OrganizationId::from_uuid(id(2)), ApiKeyId::from_uuid(id(3))),
            TokenKind::Personal(OrganizationId::from_uuid(id(2)), ApiKeyId::from_uuid(id(3))),
            TokenKind::Session(UserId::from_uuid(id(4)), SessionId::from_uuid(id(5))),
            TokenKind::Write(SourceId::from_uuid(id(6))),
        ] {
            let token = Token::new(kind, [7; 32]);
            let again = Token::parse(token.reveal()).unwrap();
            assert_eq!(again.kind(), kind);
            assert!(again.fits(&token.hash()));
            assert!(!format!("{token:?}").contains(token.reveal()));
            for at in 0..token.reveal().len() {
                let mut bytes = token.reveal().as_bytes().to_vec();
                bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
                assert!(Token::parse(std::str::from_utf8(&bytes).unwrap()).is_err(), "{at}");
            }
        }
        assert!(Token::parse("").is_err() && Token::parse("rka_é").is_err());
    }
}
