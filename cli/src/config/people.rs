//! The sections about people: `links`, `sessions`, `passwords`, `policy`.

use roster_core::limits::{Rate, Rates};
use roster_core::policy::{BuiltInInvitations, BuiltInOwnership, Policies};
use roster_core::secret::{Links, Pages, PasswordCost, Passwords};
use roster_core::sign_in::SignIn;

use super::keys::{self, Key};
use super::problem::{Fault, Source};
use super::read::{Reader, Shown};

/// How people come in and sign in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct People {
    /// The vendor's own pages for what is mailed.
    pub pages: Pages,
    /// A session ends when it is not used for so many seconds.
    pub session_idle: u32,
    /// A session ends after so many seconds.
    pub session_life: u32,
    /// A link to a new password, or to prove an address, lives so many seconds.
    pub reset_life: u32,
    /// What a password costs to try.
    pub password_cost: PasswordCost,
    /// So many passwords are tried at once; by the number of processors if nobody says.
    pub passwords_at_once: Option<u32>,
    /// The shortest life of an invitation, in seconds.
    pub invitation_shortest: u32,
    /// The life of an offer of ownership, in seconds.
    pub offer_life: u32,
    /// How often something may be tried.
    pub rates: Rates,
}

impl People {
    /// The rules of signing in.
    pub fn sign_in(&self) -> SignIn {
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2));
        let at_once = self.passwords_at_once.and_then(|n| usize::try_from(n).ok()).unwrap_or(cores);
        // The costs were checked when they were read.
        let passwords = Passwords::new(self.password_cost, at_once).unwrap_or_default();
        SignIn {
            passwords,
            idle: self.session_idle.into(),
            life: self.session_life.into(),
            reset_life: self.reset_life.into(),
        }
    }

    /// The links under a key.
    pub fn links(&self, key: [u8; 32], public_url: String) -> Links {
        Links::new(key, public_url, self.pages.clone())
    }

    /// The rules in force.
    pub fn policies(&self) -> Policies {
        let invitations = Box::new(BuiltInInvitations { shortest: self.invitation_shortest });
        let ownership = Box::new(BuiltInOwnership { offer_life: self.offer_life });
        Policies { invitations, ownership, ..Policies::default() }
    }
}

/// Reads the sections; `None` when a problem was noted.
pub(super) fn read(reader: &mut Reader<'_>) -> Option<People> {
    let invitation = optional(reader, &keys::LINKS_INVITATION, page);
    let password_reset = optional(reader, &keys::LINKS_PASSWORD_RESET, page);
    let email_change = optional(reader, &keys::LINKS_EMAIL_CHANGE, page);
    let reset_life = reader.parse(&keys::PASSWORDS_RESET_LIFE, duration, |seconds| shown(*seconds));
    let idle = reader.parse(&keys::SESSIONS_IDLE, duration, |seconds| shown(*seconds));
    let life = reader.parse(&keys::SESSIONS_LIFE, duration, |seconds| shown(*seconds));
    let memory = reader.parse(&keys::PASSWORDS_MEMORY, number, ToString::to_string);
    let passes = reader.parse(&keys::PASSWORDS_PASSES, number, ToString::to_string);
    let lanes = reader.parse(&keys::PASSWORDS_LANES, number, ToString::to_string);
    let at_once = optional(reader, &keys::PASSWORDS_AT_ONCE, number);
    let shortest = reader.parse(&keys::INVITATION_SHORTEST, shortest_life, |seconds| shown(*seconds));
    let offer = reader.parse(&keys::OFFER_LIFE, duration, |seconds| shown(*seconds));
    let rates = read_rates(reader);
    let (memory, passes, lanes) = (memory?, passes?, lanes?);
    let cost = PasswordCost { memory: memory.value, passes: passes.value, lanes: lanes.value };
    if let Err(bad) = Passwords::new(cost, 1) {
        let fault = Fault::new(bad.to_string(), "RFC 9106 names 19456 KiB, 2 passes, 1 lane as a beginning");
        reader.fail(memory.source, &keys::PASSWORDS_MEMORY, fault);
        return None;
    }
    Some(People {
        pages: Pages {
            invitation: invitation?,
            password_reset: password_reset?,
            email_change: email_change?,
        },
        session_idle: idle?.value,
        session_life: life?.value,
        reset_life: reset_life?.value,
        password_cost: cost,
        passwords_at_once: at_once?,
        invitation_shortest: shortest?.value,
        offer_life: offer?.value,
        rates: rates?,
    })
}

fn read_rates(reader: &mut Reader<'_>) -> Option<Rates> {
    let mut read =
        |key: &'static Key| reader.parse(key, rate, |rate| shown_rate(*rate)).map(|found| found.value);
    let sign_in = read(&keys::LIMITS_SIGN_IN);
    let reset = read(&keys::LIMITS_RESET);
    let accept = read(&keys::LIMITS_ACCEPT);
    let email_change = read(&keys::LIMITS_EMAIL_CHANGE);
    let invite = read(&keys::LIMITS_INVITE);
    let invite_from = read(&keys::LIMITS_INVITE_FROM);
    let peer = read(&keys::LIMITS_PEER);
    Some(Rates {
        sign_in: sign_in?,
        reset: reset?,
        accept: accept?,
        email_change: email_change?,
        invite: invite?,
        invite_from: invite_from?,
        peer: peer?,
    })
}

/// No longer than an invitation may live at all.
fn shortest_life(text: &str) -> Result<u32, Fault> {
    let seconds = duration(text)?;
    if seconds > BuiltInInvitations::LONGEST {
        return Err(Fault::new(
            format!("\"{text}\" is longer than an invitation may live"),
            "give at most 90d",
        ));
    }
    Ok(seconds)
}

/// `50/15m`: so many in so long.
fn rate(text: &str) -> Result<Rate, Fault> {
    let parsed = text.split_once('/').and_then(|(tries, time)| {
        let tries = tries.parse().ok().filter(|tries| *tries > 0)?;
        Some(Rate { tries, seconds: duration(time).ok()? })
    });
    parsed.ok_or_else(|| {
        Fault::new(format!("\"{text}\" is not a rate"), "write it like 50/15m: so many in so long")
    })
}

fn shown_rate(rate: Rate) -> String {
    format!("{}/{}", rate.tries, shown(rate.seconds))
}

/// A setting that may be left out; nothing where it is given and cannot be used.
#[expect(clippy::option_option, reason = "the reader tells what cannot be used so, for all settings")]
fn optional<T: ToString>(
    reader: &mut Reader<'_>,
    key: &'static Key,
    parse: impl FnOnce(&str) -> Result<T, Fault>,
) -> Option<Option<T>> {
    if !reader.given(key) {
        reader.record(key, Shown::Unset, Source::Default);
        return Some(None);
    }
    reader.parse(key, parse, ToString::to_string).map(|found| Some(found.value))
}

fn page(text: &str) -> Result<String, Fault> {
    let address = text.starts_with("https://") || text.starts_with("http://");
    if address && text.matches("{token}").count() == 1 {
        return Ok(text.to_owned());
    }
    Err(Fault::new(
        format!("\"{text}\" is no address with {{token}} in it"),
        "write it like https://app.example.com/join?token={token}",
    ))
}

fn number(text: &str) -> Result<u32, Fault> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| {
        Fault::new(format!("\"{text}\" is not a number above 0"), "write it in digits, such as 2")
    })
}

/// Seconds of `1s`, `15m`, `12h`, `15d`.
pub(super) fn duration(text: &str) -> Result<u32, Fault> {
    let units = [("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400)];
    let parsed = units.iter().find_map(|(unit, seconds)| {
        let number: u32 = text.strip_suffix(unit)?.parse().ok()?;
        number.checked_mul(*seconds)
    });
    parsed.filter(|seconds| *seconds > 0).ok_or_else(|| {
        Fault::new(format!("\"{text}\" is not a duration"), "write it like 1s, 15m, 12h or 15d")
    })
}

pub(super) fn shown(seconds: u32) -> String {
    let units = [("d", 86_400), ("h", 3_600), ("m", 60)];
    let unit = units.iter().find(|(_, size)| seconds.is_multiple_of(*size));
    unit.map_or_else(|| format!("{seconds}s"), |(unit, size)| format!("{}{unit}", seconds / size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_number_and_a_unit() {
        for (text, seconds) in [("1s", 1), ("15m", 900), ("12h", 43_200), ("15d", 1_296_000)] {
            assert_eq!(duration(text).ok(), Some(seconds));
            assert_eq!(shown(seconds), text);
        }
        assert_eq!(rate("50/15m").map(shown_rate).ok().as_deref(), Some("50/15m"));
        for bad in ["50", "0/1m", "5/0s", "x/1m", "/1m", "5/"] {
            assert!(rate(bad).is_err(), "{bad}");
        }
        for bad in ["", "1", "0s", "d", "1 d", "-1s", "1w", "99999999d", "1.5h"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_vendors_page_has_a_place_for_the_token() {
        assert!(page("https://app.example.com/join?token={token}").is_ok());
        assert!(page("https://app.example.com/join").is_err());
        assert!(page("app.example.com/{token}").is_err());
    }
}
