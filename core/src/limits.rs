//! How often something may be tried: sign-ins of an account, resets of an address, invitations, links, peers. Counted in this process, in
//! bounded memory; a client that is told to wait is told for how long.
//!
//! Each rule lets through a burst and then an even flow (the generic cell rate algorithm, ITU-T I.371): what is kept of a
//! key is one instant.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};

use crate::refusal::Refusal;

/// So many keys are remembered at the most; of more, those that are full again are forgotten first, then all.
const MOST: usize = 100_000;

/// So many tries in so many seconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rate {
    /// Tries.
    pub tries: u32,
    /// Seconds.
    pub seconds: u32,
}

impl Rate {
    /// Milliseconds from one try to the next, once the burst is spent.
    fn pace(self) -> u64 {
        (u64::from(self.seconds) * 1_000 / u64::from(self.tries.max(1))).max(1)
    }
}

/// What is counted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Tried {
    /// Failed sign-ins of one account.
    SignIn,
    /// Mail about new passwords to one address.
    Reset,
    /// Failed sign-ups by one invitation.
    Accept,
    /// Changes of address that one person asks for.
    EmailChange,
    /// Invitations to one address.
    Invite,
    /// Invitations from one organization.
    InviteFrom,
    /// What one peer sends without having signed in.
    Peer,
}

/// The rules.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rates {
    /// See [`Tried::SignIn`].
    pub sign_in: Rate,
    /// See [`Tried::Reset`].
    pub reset: Rate,
    /// See [`Tried::Accept`].
    pub accept: Rate,
    /// See [`Tried::EmailChange`].
    pub email_change: Rate,
    /// See [`Tried::Invite`].
    pub invite: Rate,
    /// See [`Tried::InviteFrom`].
    pub invite_from: Rate,
    /// See [`Tried::Peer`].
    pub peer: Rate,
}

impl Default for Rates {
    fn default() -> Self {
        const fn rate(tries: u32, seconds: u32) -> Rate {
            Rate { tries, seconds }
        }
        Self {
            sign_in: rate(50, 900),
            reset: rate(5, 3_600),
            accept: rate(100, 600),
            email_change: rate(5, 3_600),
            invite: rate(20, 3_600),
            invite_from: rate(10_000, 3_600),
            peer: rate(300, 300),
        }
    }
}

impl Rates {
    const fn of(&self, what: Tried) -> Rate {
        match what {
            Tried::SignIn => self.sign_in,
            Tried::Reset => self.reset,
            Tried::Accept => self.accept,
            Tried::EmailChange => self.email_change,
            Tried::Invite => self.invite,
            Tried::InviteFrom => self.invite_from,
            Tried::Peer => self.peer,
        }
    }
}

/// Counts tries.
#[derive(Debug, Default)]
pub struct Limits {
    rates: Rates,
    /// When each key will be full again, in milliseconds; keys are hashed under a secret of this process.
    full_at: Mutex<HashMap<u64, u64>>,
    secret: RandomState,
}

impl Limits {
    /// By rules.
    pub fn new(rates: Rates) -> Self {
        Self { rates, ..Self::default() }
    }

    /// Counts a try at an instant in milliseconds; refused where there were too many.
    pub fn take(&self, what: Tried, key: &str, now: u64) -> Result<(), Refusal> {
        let rate = self.rates.of(what);
        let (pace, room) = (rate.pace(), u64::from(rate.seconds) * 1_000);
        let key = self.secret.hash_one((what, key));
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        // Further ahead than this only where the clock has gone back.
        let told = full_at.get(&key).copied().filter(|full_at| *full_at <= now + room);
        let next = told.unwrap_or(0).max(now) + pace;
        if next > now + room {
            let wait = (next - now - room).div_ceil(1_000);
            return Err(Refusal::RateLimited(u32::try_from(wait).unwrap_or(u32::MAX)));
        }
        if full_at.len() >= MOST {
            full_at.retain(|_, full_at| *full_at > now);
            if full_at.len() >= MOST {
                full_at.clear();
            }
        }
        full_at.insert(key, next);
        drop(full_at);
        Ok(())
    }

    /// Gives a try back: it was a good one.
    pub fn give_back(&self, what: Tried, key: &str) {
        let pace = self.rates.of(what).pace();
        let key = self.secret.hash_one((what, key));
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(full_at) = full_at.get_mut(&key) {
            *full_at = full_at.saturating_sub(pace);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits::new(Rates { sign_in: Rate { tries: 3, seconds: 30 }, ..Rates::default() })
    }

    #[test]
    fn a_burst_goes_through_and_then_an_even_flow() {
        let limits = limits();
        let take = |key: &str, now| limits.take(Tried::SignIn, key, now);
        for _ in 0..3 {
            assert_eq!(take("ada", 1_000_000), Ok(()));
        }
        assert_eq!(take("ada", 1_000_000), Err(Refusal::RateLimited(10)));
        assert_eq!(take("ada", 1_009_001), Err(Refusal::RateLimited(1)));
        assert_eq!(take("bob", 1_000_000), Ok(()));
        assert_eq!(limits.take(Tried::Accept, "ada", 1_000_000), Ok(()));
        assert_eq!(take("ada", 1_010_000), Ok(()));
        assert!(take("ada", 1_010_000).is_err());
        assert_eq!(take("ada", 1_100_000), Ok(()));
    }

    #[test]
    fn good_tries_do_not_count() {
        let limits = limits();
        for _ in 0..100 {
            limits.take(Tried::SignIn, "ada", 5_000).unwrap();
            limits.give_back(Tried::SignIn, "ada");
        }
    }

    #[test]
    fn a_clock_that_goes_back_shuts_nobody_out() {
        let limits = limits();
        limits.take(Tried::SignIn, "ada", 9_000_000).unwrap();
        assert_eq!(limits.take(Tried::SignIn, "ada", 1_000_000), Ok(()));
    }

    #[test]
    fn memory_is_bounded() {
        let limits = limits();
        for n in 0..MOST + 10 {
            limits.take(Tried::SignIn, &n.to_string(), 1_000).unwrap();
        }
        assert!(limits.full_at.lock().unwrap().len() <= MOST);
    }
}
