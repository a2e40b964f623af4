//! Instants: microseconds since the Unix epoch in UTC, shown as RFC 3339 with milliseconds. Formats that are not for
//! people keep the microseconds.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// An instant in UTC, in microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The epoch.
    pub const EPOCH: Self = Self(0);

    /// From microseconds since the epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the epoch.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// This instant moved by seconds; stops at the ends of the range.
    #[must_use]
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1_000_000)))
    }
}

/// The day's beginning in UTC.
pub const fn day_start(at: Timestamp) -> Timestamp {
    const DAY: i64 = 86_400_000_000;
    Timestamp(at.0.div_euclid(DAY) * DAY)
}

/// Year times 12 and month, counted from 0, in UTC.
pub fn month_of(at: Timestamp) -> u32 {
    let (year, month, _) = date_of(at);
    u32::try_from(i32::from(year) * 12 + i32::from(month) - 1).unwrap_or(0)
}

/// The day of the month, counted from 1, in UTC.
pub fn day_of(at: Timestamp) -> u8 {
    u8::try_from(date_of(at).2).unwrap_or(1)
}

/// A day as `2027-01-31`, from [`month_of`] and [`day_of`].
pub fn date_text(month: u32, day: u8) -> String {
    format!("{:04}-{:02}-{day:02}", month / 12, month % 12 + 1)
}

fn date_of(at: Timestamp) -> (i16, i8, i8) {
    let time = jiff::Timestamp::from_microsecond(at.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let date = time.to_zoned(jiff::tz::TimeZone::UTC).date();
    (date.year(), date.month(), date.day())
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = jiff::Timestamp::from_microsecond(self.0).map_err(|_| fmt::Error)?;
        write!(f, "{time:.3}")
    }
}

/// The text was not an RFC 3339 instant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a time: expected RFC 3339, such as 2027-01-31T12:00:00Z")]
pub struct MalformedTime;

impl FromStr for Timestamp {
    type Err = MalformedTime;

    fn from_str(text: &str) -> Result<Self, MalformedTime> {
        let time: jiff::Timestamp = text.parse().map_err(|_| MalformedTime)?;
        let year = time.to_zoned(jiff::tz::TimeZone::UTC).year();
        if !(1970..=9999).contains(&year) {
            return Err(MalformedTime);
        }
        Ok(Self(time.as_microsecond()))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
        } else {
            i64::deserialize(deserializer).map(Self)
        }
    }
}

/// An instant where serde buffers what it reads, as in an enum with its tag inside: it does not know there any more in which
/// of the two forms it was written.
pub(crate) fn either_form<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    struct Either;

    impl de::Visitor<'_> for Either {
        type Value = Timestamp;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an instant")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Timestamp, E> {
            text.parse().map_err(E::custom)
        }

        fn visit_i64<E: de::Error>(self, micros: i64) -> Result<Timestamp, E> {
            Ok(Timestamp(micros))
        }

        fn visit_u64<E: de::Error>(self, micros: u64) -> Result<Timestamp, E> {
            i64::try_from(micros).map(Timestamp).map_err(E::custom)
        }
    }

    deserializer.deserialize_any(Either)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_with_milliseconds_in_utc() {
        let time: Timestamp = "2027-01-31T13:00:00.5+01:00".parse().unwrap();
        assert_eq!(time.to_string(), "2027-01-31T12:00:00.500Z");
        assert!("yesterday".parse::<Timestamp>().is_err());
    }
}
