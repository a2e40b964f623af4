//! How people sign in: what a password costs to try, how long a session lives.

use crate::secret::Passwords;

/// The settings of signing in.
#[derive(Debug)]
pub struct SignIn {
    /// Hashes and tries passwords.
    pub passwords: Passwords,
    /// A session ends when it is not used for so many seconds.
    pub idle: i64,
    /// A session ends after so many seconds, however much it is used.
    pub life: i64,
    /// A link that was mailed to reset a password, or to prove an address, lives so many seconds.
    pub reset_life: i64,
}

impl Default for SignIn {
    /// 14 days unused, 90 days in all; one hour for links.
    fn default() -> Self {
        const DAY: i64 = 86_400;
        Self { passwords: Passwords::default(), idle: 14 * DAY, life: 90 * DAY, reset_life: 3_600 }
    }
}

impl SignIn {
    /// How old the last use that was noted may be before a use is noted again, in seconds: a twentieth of the idle
    /// life, five minutes at the most.
    pub fn unnoted(&self) -> i64 {
        (self.idle / 20).min(300)
    }
}
