//! Queries: each parameter once, known, in proper percent-encoding, of its type; else 422 `invalid`.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use serde::de::value::{Error, MapDeserializer};
use serde::de::{DeserializeOwned, Deserializer, Error as _, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

use crate::error::Problem;

const DEFAULT_LIMIT: u16 = 50;
const MAX_LIMIT: u16 = 200;

/// The parameters of a query.
pub fn parse<T: DeserializeOwned>(raw: Option<&str>) -> Result<T, Problem> {
    let mut values = BTreeMap::new();
    for pair in raw.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let bad = || Problem::invalid(format!("#{name}"), "is not percent-encoded UTF-8");
        let (name, value) = (decode(name).ok_or_else(bad)?, decode(value).ok_or_else(bad)?);
        if values.contains_key(&name) {
            return Err(Problem::invalid(format!("#{name}"), "can be given once only"));
        }
        values.insert(name, Text(value));
    }
    serde_path_to_error::deserialize(MapDeserializer::new(values.into_iter()))
        .map_err(|error| refused(&error))
}

/// The size of a page that was asked for.
pub fn limit(limit: Option<u16>) -> Result<u16, Problem> {
    let limit = limit.unwrap_or(DEFAULT_LIMIT);
    if (1..=MAX_LIMIT).contains(&limit) {
        Ok(limit)
    } else {
        Err(Problem::invalid("#limit", format!("must be 1 to {MAX_LIMIT}")))
    }
}

fn refused(error: &serde_path_to_error::Error<Error>) -> Problem {
    let detail = error.inner().to_string();
    if let Some(name) = detail.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`')) {
        return Problem::invalid(format!("#{name}"), "is missing");
    }
    let name = error.path().iter().next().map(ToString::to_string).unwrap_or_default();
    let detail = match detail.strip_prefix("unknown field") {
        Some(rest) => {
            format!("unknown parameter{}", rest.replace("there are no fields", "there are none here"))
        }
        None => detail,
    };
    Problem::invalid(format!("#{name}"), detail)
}

/// `a+b%20c` → `a b c`.
fn decode(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut plain = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        plain.push(match byte {
            b'+' => b' ',
            b'%' => digit(bytes.next()?)? * 16 + digit(bytes.next()?)?,
            byte => byte,
        });
    }
    String::from_utf8(plain).ok()
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// One value; its type is asked of it.
struct Text(String);

impl Text {
    fn number<T: FromStr<Err: Display>>(&self) -> Result<T, Error> {
        let text = self.0.as_str();
        let number = if text.starts_with('+') { None } else { text.parse().ok() };
        number.ok_or_else(|| Error::custom(format_args!("{text:?} is not a number that fits here")))
    }
}

impl IntoDeserializer<'_> for Text {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// Methods that read a number.
macro_rules! numbers {
    ($($deserialize:ident $visit:ident)*) => {
        $(fn $deserialize<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            visitor.$visit(self.number()?)
        })*
    };
}

impl<'de> Deserializer<'de> for Text {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_string(self.0)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0.as_str() {
            "true" => visitor.visit_bool(true),
            "false" => visitor.visit_bool(false),
            other => Err(Error::custom(format_args!("{other:?} is neither `true` nor `false`"))),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_enum(self.0.into_deserializer())
    }

    numbers! {
        deserialize_u8 visit_u8 deserialize_u16 visit_u16 deserialize_u32 visit_u32 deserialize_u64 visit_u64
        deserialize_i8 visit_i8 deserialize_i16 visit_i16 deserialize_i32 visit_i32 deserialize_i64 visit_i64
    }

    forward_to_deserialize_any! {
        i128 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct
        identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Deserialize, PartialEq, Debug, Default)]
    #[serde(deny_unknown_fields)]
    struct Query {
        limit: Option<u16>,
        cursor: Option<String>,
        active: Option<bool>,
        kind: Option<Kind>,
        since: Option<roster_core::time::Timestamp>,
    }

    #[derive(Deserialize, PartialEq, Debug)]
    #[serde(rename_all = "snake_case")]
    enum Kind {
        One,
    }

    #[derive(Deserialize, Debug)]
    #[serde(deny_unknown_fields)]
    struct Needs {
        #[serde(rename = "must")]
        _must: String,
    }

    #[derive(Deserialize, Debug)]
    #[serde(deny_unknown_fields)]
    struct Nothing {}

    fn pointer<T: DeserializeOwned + std::fmt::Debug>(raw: &str) -> String {
        let problem = parse::<T>(Some(raw)).unwrap_err();
        assert_eq!((problem.status.as_u16(), problem.code), (422, "invalid"));
        problem.errors[0].pointer.clone()
    }

    #[test]
    fn reads_typed_values() {
        let raw = "limit=20&cursor=a+b%2b%C3%A9&active=true&&kind=one&since=2026-01-02T03:04:05.000Z";
        let query: Query = parse(Some(raw)).unwrap();
        assert_eq!((query.limit, query.active, query.kind), (Some(20), Some(true), Some(Kind::One)));
        assert_eq!(query.cursor.as_deref(), Some("a b+é"));
        assert!(query.since.is_some());
        assert_eq!(parse::<Query>(None).unwrap(), Query::default());
        parse::<Nothing>(Some("")).unwrap();
    }

    #[test]
    fn points_at_what_is_wrong() {
        for (raw, expected) in [
            ("limit=1&limit=1", "#limit"),
            ("limit=1&l%69mit=1", "#limit"),
            ("other=1", "#other"),
            ("limit=x", "#limit"),
            ("limit=", "#limit"),
            ("limit=%2B1", "#limit"),
            ("limit=70000", "#limit"),
            ("limit=-1", "#limit"),
            ("active=yes", "#active"),
            ("kind=two", "#kind"),
            ("since=today", "#since"),
            ("cursor=%", "#cursor"),
            ("cursor=%zz", "#cursor"),
            ("cursor=%ff", "#cursor"),
        ] {
            assert_eq!(pointer::<Query>(raw), expected, "{raw}");
        }
        assert_eq!(pointer::<Nothing>("a=1"), "#a");
        assert_eq!(pointer::<Needs>(""), "#must");
    }

    #[test]
    fn limits_pages() {
        assert_eq!(limit(None).unwrap(), 50);
        assert_eq!((limit(Some(1)).unwrap(), limit(Some(200)).unwrap()), (1, 200));
        assert!(limit(Some(0)).is_err() && limit(Some(201)).is_err());
    }
}
