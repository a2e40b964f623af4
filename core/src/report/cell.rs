//! The values of a report, and their one order.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};
use serde_json::{Number, Value, json};

use crate::text::fold;
use crate::time::Timestamp;

/// One value. Nothing comes before everything; then numbers, instants, text by its folded form, truth, and the rest by
/// its JSON text.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Cell {
    /// No value: no owner, never seen, no such trait.
    Nothing,
    /// A number.
    Number(Figure),
    /// An instant. Kept to the microsecond, where answers show milliseconds.
    Time(#[serde(with = "micros")] Timestamp),
    /// Text.
    Text(String),
    /// True or false.
    Truth(bool),
    /// An array or an object, as JSON text.
    Other(String),
}

/// A number as it was given, so that whole ones are shown to the last digit. Stores compare numbers in double precision,
/// and so does their order here: two beyond 2^53 may count as equal.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Figure(Number);

impl Figure {
    fn value(&self) -> f64 {
        self.0.as_f64().unwrap_or(0.0)
    }
}

impl PartialEq for Figure {
    fn eq(&self, other: &Self) -> bool {
        self.value() == other.value()
    }
}

mod micros {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::time::Timestamp;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde calls")]
    pub(super) fn serialize<S: Serializer>(time: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_i64(time.micros())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
        i64::deserialize(from).map(Timestamp::from_micros)
    }
}

impl Cell {
    /// A whole number.
    pub fn count(number: i64) -> Self {
        Self::Number(Figure(number.into()))
    }

    /// Text, if there is any.
    pub fn text(text: Option<impl ToString>) -> Self {
        text.map_or(Self::Nothing, |text| Self::Text(text.to_string()))
    }

    /// An instant, if there is one.
    pub fn time(time: Option<Timestamp>) -> Self {
        time.map_or(Self::Nothing, Self::Time)
    }

    /// A JSON value, such as a trait's.
    pub fn json(value: Option<&Value>) -> Self {
        match value {
            None | Some(Value::Null) => Self::Nothing,
            Some(Value::Bool(truth)) => Self::Truth(*truth),
            Some(Value::Number(number)) => Self::Number(Figure(number.clone())),
            Some(Value::String(text)) => Self::Text(text.clone()),
            Some(other) => Self::Other(other.to_string()),
        }
    }

    /// As answers show it.
    pub fn shown(&self) -> Value {
        match self {
            Self::Nothing => Value::Null,
            #[expect(clippy::cast_possible_truncation, reason = "only whole numbers that fit are turned")]
            Self::Number(Figure(number)) => match number.as_f64() {
                Some(value) if number.is_f64() && value.fract() == 0.0 && value.abs() < 9e15 => {
                    json!(value as i64)
                }
                _ => json!(number),
            },
            Self::Time(time) => json!(time),
            Self::Text(text) => json!(text),
            Self::Truth(truth) => json!(truth),
            Self::Other(text) => serde_json::from_str(text).unwrap_or(Value::Null),
        }
    }

    /// The order of reports.
    pub fn order(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Number(one), Self::Number(other)) => one.value().total_cmp(&other.value()),
            (Self::Time(one), Self::Time(other)) => one.cmp(other),
            (Self::Text(one), Self::Text(other)) => fold(one).cmp(&fold(other)).then_with(|| one.cmp(other)),
            (Self::Truth(one), Self::Truth(other)) => one.cmp(other),
            (Self::Other(one), Self::Other(other)) => one.cmp(other),
            (one, other) => one.rank().cmp(&other.rank()),
        }
    }

    /// The instant that it is or says.
    pub fn instant(&self) -> Option<Timestamp> {
        match self {
            Self::Time(time) => Some(*time),
            Self::Text(text) => text.parse().ok(),
            _ => None,
        }
    }

    const fn rank(&self) -> u8 {
        match self {
            Self::Nothing => 0,
            Self::Number(_) => 1,
            Self::Time(_) => 2,
            Self::Text(_) => 3,
            Self::Truth(_) => 4,
            Self::Other(_) => 5,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is beyond 2^53 is an id more often than a measure.
    #[test]
    fn t5_whole_numbers_are_shown_to_the_last_digit() {
        let shown = |value: Value| Cell::json(Some(&value)).shown().to_string();
        for (value, expected) in [
            (json!(9_007_199_254_740_993_i64), "9007199254740993"),
            (json!(i64::MIN), "-9223372036854775808"),
            (json!(u64::MAX), "18446744073709551615"),
            (json!(2.0), "2"),
            (json!(2.5), "2.5"),
            (json!(1e300), "1e+300"),
        ] {
            assert_eq!(shown(value), expected);
        }
        let (one, other) = (Cell::json(Some(&json!(1))), Cell::json(Some(&json!(1.0))));
        assert!(one == other && one.order(&other) == Ordering::Equal);
        let kept: Cell =
            serde_json::from_str(&serde_json::to_string(&Cell::count(i64::MAX)).unwrap()).unwrap();
        assert_eq!(kept.shown(), json!(i64::MAX));
    }

    #[test]
    fn t5_an_instant_in_a_position_is_the_one_that_rows_are_ordered_by() {
        let cell = Cell::Time(Timestamp::from_micros(1_767_225_600_000_123));
        let kept: Cell = serde_json::from_str(&serde_json::to_string(&cell).unwrap()).unwrap();
        assert_eq!(kept.order(&cell), Ordering::Equal);
        assert_eq!(cell.shown(), json!("2026-01-01T00:00:00.000Z"));
    }
}
