//! Randomness and the instant in ids, from the operating system.

use std::time::{SystemTime, UNIX_EPOCH};

use rand::TryRng;
use rand::rngs::SysRng;
use roster_core::facts::Entropy;

/// The operating system's own.
#[derive(Clone, Copy, Debug)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn bytes(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        // Going on with secrets that can be guessed would be worse than ending here.
        SysRng.try_fill_bytes(&mut bytes).expect("the operating system gives random bytes");
        bytes
    }

    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock for ids")]
    fn millis(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}
