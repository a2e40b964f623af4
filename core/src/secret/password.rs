//! Passwords: kept as Argon2id hashes (RFC 9106), tried by a bounded number of threads, so that other work stays fast.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::Semaphore;
use unicode_normalization::UnicodeNormalization;

use crate::refusal::OpError;

/// How long a password waits for a thread to be tried by.
const PATIENCE: Duration = Duration::from_secs(10);

/// A password as somebody typed it, in NFC.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

/// The text cannot become a password.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a password has 8 to 256 characters")]
pub struct BadPassword;

impl Password {
    /// One that is to be set: 8 to 256 characters.
    pub fn new(text: &str) -> Result<Self, BadPassword> {
        let it = Self::given(text);
        if (8..=256).contains(&it.0.chars().count()) { Ok(it) } else { Err(BadPassword) }
    }

    /// One that is to be tried, whatever it is: a text that is too long is cut, and so fits nothing that was set.
    pub fn given(text: &str) -> Self {
        Self(text.nfc().take(257).collect())
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(hidden)")
    }
}

/// What one try costs (RFC 9106, section 3.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PasswordCost {
    /// Memory in KiB.
    pub memory: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

/// The costs are outside what Argon2 knows.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a cost that Argon2id knows: {0}")]
pub struct BadCost(String);

/// Hashes and tries passwords.
pub struct Passwords {
    argon2: Argon2<'static>,
    room: Arc<Semaphore>,
    /// Tried in place of a hash that is not there, so that nobody sees the difference.
    decoy: String,
}

impl Default for Passwords {
    /// 19 MiB, two passes, one lane; one at a time for every two processors.
    fn default() -> Self {
        let at_once = std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2));
        Self::with(Argon2::default(), at_once)
    }
}

impl Passwords {
    /// With a cost a try, and so many tries at once.
    pub fn new(cost: PasswordCost, at_once: usize) -> Result<Self, BadCost> {
        // So that no product of it overflows: it is refused with the lanes that there may be.
        let lanes = cost.lanes.min(Params::MAX_P_COST + 1);
        let cost = PasswordCost { lanes, ..cost };
        let params = Params::new(cost.memory, cost.passes, cost.lanes, None)
            .map_err(|error| BadCost(error.to_string()))?;
        Ok(Self::with(Argon2::new(Algorithm::Argon2id, Version::V0x13, params), at_once))
    }

    fn with(argon2: Argon2<'static>, at_once: usize) -> Self {
        let decoy = decoy(argon2.params());
        Self { argon2, room: Arc::new(Semaphore::new(at_once.max(1))), decoy }
    }

    /// The hash of a password with its salt and cost, as a PHC string. `Busy` when too many wait.
    pub async fn hash(&self, password: &Password, salt: [u8; 16]) -> Result<String, OpError> {
        let (argon2, text) = (self.argon2.clone(), password.0.clone());
        self.work(move || hashed(&argon2, &text, salt)).await
    }

    /// Whether a password is the one that was hashed. It takes as long where there is no hash, and where the hash was made
    /// at a lower cost than the one that is set now. `Busy` when too many wait.
    pub async fn fits(&self, password: &Password, hash: Option<&str>) -> Result<bool, OpError> {
        let (argon2, text) = (self.argon2.clone(), password.0.clone());
        let (known, hash) = (hash.is_some(), hash.unwrap_or(&self.decoy).to_owned());
        let wanting = self.wanting(&hash);
        let fits = self
            .work(move || {
                if let Some(wanting) = wanting {
                    hashed(&wanting, &text, [0; 16]);
                }
                PasswordHash::new(&hash)
                    .is_ok_and(|hash| argon2.verify_password(text.as_bytes(), &hash).is_ok())
            })
            .await?;
        Ok(known && fits)
    }

    /// What is done beside a hash that costs less than one costs now, so that time does not tell an address that has not been
    /// signed in with since the cost was raised from one that is nobody's. Time goes with memory and passes.
    fn wanting(&self, hash: &str) -> Option<Argon2<'static>> {
        let hash = PasswordHash::new(hash).ok()?;
        let (old, new) = (Params::try_from(&hash).ok()?, self.argon2.params());
        let work = |cost: &Params| u64::from(cost.m_cost()) * u64::from(cost.t_cost());
        let memory = work(new).checked_sub(work(&old))? / u64::from(new.t_cost());
        let memory = u32::try_from(memory).ok()?;
        let params = Params::new(memory, new.t_cost(), new.p_cost(), None).ok()?;
        Some(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
    }

    /// Whether a hash was made at the cost that is set now.
    pub fn is_current(&self, hash: &str) -> bool {
        let cost = |text: &str| {
            let hash = PasswordHash::new(text).ok()?;
            let params = Params::try_from(&hash).ok()?;
            Some((
                hash.algorithm.to_string(),
                hash.version,
                params.m_cost(),
                params.t_cost(),
                params.p_cost(),
            ))
        };
        cost(hash).is_some_and(|found| Some(found) == cost(&self.decoy))
    }

    async fn work<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, OpError> {
        let room = Arc::clone(&self.room).acquire_owned();
        let Ok(Ok(room)) = tokio::time::timeout(PATIENCE, room).await else {
            return Err(OpError::Busy);
        };
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(room);
            done
        });
        done.await.map_err(|_| OpError::Busy)
    }
}

fn hashed(argon2: &Argon2<'_>, text: &str, salt: [u8; 16]) -> String {
    let hash = SaltString::encode_b64(&salt)
        .and_then(|salt| argon2.hash_password(text.as_bytes(), &salt).map(|hash| hash.to_string()));
    hash.unwrap_or_default()
}

/// A hash that no password has, at a cost: what is tried against it is hashed all the same, and nothing was for it.
fn decoy(cost: &Params) -> String {
    let (memory, passes, lanes) = (cost.m_cost(), cost.t_cost(), cost.p_cost());
    let (salt, hash) = ("A".repeat(22), "A".repeat(43));
    format!("$argon2id$v=19$m={memory},t={passes},p={lanes}${salt}${hash}")
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passwords").field("cost", self.argon2.params()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHEAP: PasswordCost = PasswordCost { memory: 8, passes: 1, lanes: 1 };

    #[tokio::test]
    async fn a_password_fits_its_own_hash_only() {
        let passwords = Passwords::new(CHEAP, 1).unwrap();
        let password = Password::new("correct horse").unwrap();
        let hash = passwords.hash(&password, [1; 16]).await.unwrap();
        assert!(passwords.fits(&password, Some(&hash)).await.unwrap());
        assert!(!passwords.fits(&Password::given("correct hors"), Some(&hash)).await.unwrap());
        assert!(!passwords.fits(&password, None).await.unwrap());
        let nobodys = PasswordHash::new(&passwords.decoy).unwrap();
        let (of_nobodys, of_hash) = (nobodys.hash.unwrap(), PasswordHash::new(&hash).unwrap().hash.unwrap());
        assert_eq!(
            (of_nobodys.len(), nobodys.salt.map(|salt| salt.as_str().len())),
            (of_hash.len(), Some(22))
        );
        assert!(!passwords.fits(&password, Some("no hash")).await.unwrap());
        let composed = Password::new("caf\u{e9} society").unwrap();
        assert_eq!(composed, Password::new("cafe\u{301} society").unwrap());
        assert!(!format!("{password:?}{passwords:?}").contains("horse"));
    }

    #[tokio::test]
    async fn a_hash_at_another_cost_is_not_current_and_still_fits() {
        let (old, new) = (
            Passwords::new(CHEAP, 1).unwrap(),
            Passwords::new(PasswordCost { memory: 16, ..CHEAP }, 1).unwrap(),
        );
        let password = Password::new("correct horse").unwrap();
        let hash = old.hash(&password, [1; 16]).await.unwrap();
        assert!(old.is_current(&hash) && !new.is_current(&hash));
        assert!(new.fits(&password, Some(&hash)).await.unwrap());
        let wanting = |of: &Passwords| of.wanting(&hash).map(|more| more.params().m_cost());
        assert_eq!((wanting(&old), wanting(&new)), (None, Some(8)));
        assert!(Passwords::new(PasswordCost { memory: 1, passes: 0, lanes: 1 }, 1).is_err());
    }

    /// Where as many are hashed as may be, whoever comes is told so after a while: one whose address is nobody's too, for
    /// whom as much is done.
    #[tokio::test(start_paused = true)]
    async fn who_finds_no_room_is_told_that_it_is_busy() {
        let passwords = Passwords::new(CHEAP, 1).unwrap();
        let password = Password::new("correct horse").unwrap();
        let hash = passwords.hash(&password, [1; 16]).await.unwrap();
        let taken = Arc::clone(&passwords.room).acquire_owned().await.unwrap();
        for known in [Some(hash.as_str()), None] {
            assert!(matches!(passwords.fits(&password, known).await, Err(OpError::Busy)));
        }
        assert!(matches!(passwords.hash(&password, [2; 16]).await, Err(OpError::Busy)));
        drop(taken);
        assert!(passwords.fits(&password, Some(&hash)).await.unwrap());
    }

    #[test]
    fn passwords_that_are_set_have_8_to_256_characters() {
        let of = |n: usize| Password::new(&"\u{e9}".repeat(n)).is_ok();
        assert_eq!((of(7), of(8), of(256), of(257)), (false, true, true, false));
        assert_ne!(Password::given(&"x".repeat(300)), Password::new(&"x".repeat(256)).unwrap());
    }
}
