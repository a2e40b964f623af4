//! Section `indicators`.

use super::keys;
use super::people::{duration, shown};
use super::problem::Fault;
use super::read::Reader;

/// The longest that an indicator may wait for its next evaluation, in seconds (rule T6).
const LONGEST: u32 = 15 * 60;

/// Section `indicators`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndicatorSettings {
    /// How many seconds after its last evaluation an indicator is evaluated again.
    pub evaluate_every: u32,
}

/// Reads the section; nothing where a problem was noted.
pub(super) fn read(reader: &mut Reader<'_>) -> Option<IndicatorSettings> {
    let within = |text: &str| match duration(text)? {
        seconds if seconds <= LONGEST => Ok(seconds),
        _ => Err(Fault::new(format!("\"{text}\" is too long"), "give at most 15m")),
    };
    let every = reader.parse(&keys::INDICATORS_EVERY, within, |seconds| shown(*seconds))?;
    Some(IndicatorSettings { evaluate_every: every.value })
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, Flags};

    #[test]
    fn t6_indicators_wait_no_longer_than_fifteen_minutes() {
        let every = |value: &str| {
            let name = "ROSTER_INDICATORS__EVALUATE_EVERY".to_owned();
            let env = [(name, value.to_owned())].into_iter();
            let config = Config::load(&Flags::default(), env, std::path::Path::new("/nowhere"));
            config.map(|config| config.indicators.evaluate_every).map_err(|bad| bad.to_string())
        };
        assert_eq!((every("1s"), every("15m")), (Ok(1), Ok(900)));
        assert!(every("16m").unwrap_err().contains("at most 15m"));
        let none = Config::load(&Flags::default(), std::iter::empty(), std::path::Path::new("/nowhere"));
        assert_eq!(none.unwrap().indicators.evaluate_every, 300);
    }
}
