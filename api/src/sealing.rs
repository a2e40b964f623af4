//! Sealed answers: what receipts keep can be read with the key only.

use std::fmt;

use chacha20poly1305::aead::{Aead, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};
use roster_core::facts::hmac_sha256;
use sha2::{Digest, Sha256};

const NONCE: usize = 12;

/// Seals and opens.
pub struct Sealer {
    sealing: [u8; 32],
    naming: [u8; 32],
    digesting: [u8; 32],
}

impl Sealer {
    /// Replicas must be given the same key.
    pub fn new(key: [u8; 32]) -> Self {
        Self {
            sealing: hmac_sha256(&key, b"roster sealing: cipher"),
            naming: hmac_sha256(&key, b"roster sealing: nonce"),
            digesting: hmac_sha256(&key, b"roster sealing: digest"),
        }
    }

    /// Nonce and ciphertext. The nonce comes from the receipt's id and the text, so that equal nonces mean equal texts.
    pub fn seal(&self, nonce_from: &[u8; 32], plain: &[u8]) -> Vec<u8> {
        let message = [nonce_from.as_slice(), Sha256::digest(plain).as_slice()].concat();
        let mut nonce = [0; NONCE];
        nonce.copy_from_slice(&hmac_sha256(&self.naming, &message)[..NONCE]);
        let sealed = self.cipher().encrypt(&Nonce::from(nonce), plain).unwrap_or_default();
        [nonce.as_slice(), &sealed].concat()
    }

    /// A digest under the key: nobody without it finds out by trying what a text was.
    pub fn digest(&self, digest: &[u8; 32]) -> [u8; 32] {
        hmac_sha256(&self.digesting, digest)
    }

    /// The text, if this key sealed it and nobody changed it.
    pub fn open(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE>()?;
        self.cipher().decrypt(&Nonce::from(*nonce), sealed).ok()
    }

    fn cipher(&self) -> ChaCha20Poly1305 {
        ChaCha20Poly1305::new(&self.sealing.into())
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_what_it_kept() {
        let sealer = Sealer::new([1; 32]);
        let kept = sealer.seal(&[2; 32], b"answer");
        assert_eq!(sealer.open(&kept).unwrap(), b"answer");
        assert!(!kept.windows(6).any(|part| part == b"answer"));
        assert_eq!(kept, sealer.seal(&[2; 32], b"answer"));
        assert_ne!(kept[..NONCE], sealer.seal(&[2; 32], b"other")[..NONCE]);
        assert_ne!(kept[..NONCE], sealer.seal(&[3; 32], b"answer")[..NONCE]);
        assert_eq!(sealer.open(&sealer.seal(&[2; 32], b"")).unwrap(), b"");
    }

    #[test]
    fn opens_nothing_else() {
        let sealer = Sealer::new([1; 32]);
        let kept = sealer.seal(&[2; 32], b"answer");
        assert_eq!(Sealer::new([2; 32]).open(&kept), None);
        assert_eq!(sealer.open(&[]), None);
        assert_eq!(sealer.open(&kept[..NONCE]), None);
        for at in 0..kept.len() {
            let mut changed = kept.clone();
            changed[at] ^= 1;
            assert_eq!(sealer.open(&changed), None);
        }
    }

    #[test]
    fn shows_no_key() {
        assert_eq!(format!("{:?}", Sealer::new([1; 32])), "Sealer { .. }");
    }
}
