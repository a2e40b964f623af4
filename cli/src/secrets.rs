//! What is derived from the master key: one HMAC-SHA-256 (RFC 2104) a purpose, so that none tells anything about the
//! key or about another. The fingerprint is derived alike: a plain SHA-256 of a key longer than one block would be
//! the very key that HMAC works with.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::config::master_key::MasterKey;

/// Keys of 32 bytes, one a purpose.
#[derive(Clone, Copy)]
pub struct Secrets {
    /// What a store remembers of the master key.
    pub fingerprint: [u8; 32],
    /// Seals the answers that receipts keep.
    pub receipts: [u8; 32],
    /// Signs the cursors of lists.
    pub cursors: [u8; 32],
    /// Seals the links that are sent to people.
    pub links: [u8; 32],
}

impl Secrets {
    /// Derives every key.
    pub fn derive(master: &MasterKey) -> Self {
        let key = |label: &str| derive(master.bytes(), label);
        Self {
            fingerprint: key("fingerprint"),
            receipts: key("receipts"),
            cursors: key("cursors"),
            links: key("links"),
        }
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets(hidden)")
    }
}

fn derive(master: &[u8], label: &str) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(master).expect("HMAC takes keys of any length");
    mac.update(label.as_bytes());
    mac.finalize().into_bytes().into()
}
