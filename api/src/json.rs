//! Bodies: strict JSON (400 `malformed`), then typed fields with the place of what is wrong (422 `invalid`).

use std::fmt;

use axum::http::StatusCode;
use roster_core::model::MAX_DEPTH;
use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{DeserializeOwned, DeserializeSeed, Error as _, MapAccess, SeqAccess, Unexpected, Visitor};
use serde::de::{Deserializer, IntoDeserializer};
use serde::{Deserialize, forward_to_deserialize_any};
use serde_json::{Map, Number, Value};
use serde_path_to_error::{Path, Segment};

use crate::error::Problem;

/// A body. An empty one counts as `{}`.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let bytes = if bytes.is_empty() { b"{}" } else { bytes };
    let value = strict(bytes).map_err(|error| malformed(&error))?;
    if !value.is_object() {
        return Err(Problem::invalid("", "the body must be a JSON object"));
    }
    serde_path_to_error::deserialize(Node(value)).map_err(|error| {
        let detail = in_words(&error.inner().to_string());
        Problem::invalid(pointer(error.path(), &detail), detail)
    })
}

/// A row of a body as its own type, as strictly as the body itself is read.
pub fn row<T: DeserializeOwned>(value: Value) -> Result<T, serde_json::Error> {
    T::deserialize(Node(value)).map_err(|error| serde_json::Error::custom(in_words(&error.to_string())))
}

/// What a row names: its text, or for what is no text its JSON, which is no reference to anything.
pub fn name_of(row: &Value) -> String {
    row.as_str().map_or_else(|| row.to_string(), str::to_owned)
}

fn strict(bytes: &[u8]) -> Result<Value, serde_json::Error> {
    let mut input = serde_json::Deserializer::from_slice(bytes);
    let value = Strict { depth: 0 }.deserialize(&mut input)?;
    input.end()?;
    Ok(value)
}

fn malformed(error: &serde_json::Error) -> Problem {
    let text = error.to_string();
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
    Problem::new(StatusCode::BAD_REQUEST, "malformed", format!("The body is not proper JSON: {text}."))
}

/// What an error says, by the names that JSON has for what was expected.
fn in_words(detail: &str) -> String {
    let Some((found, expected)) = detail.rsplit_once(", expected ") else {
        return detail.to_owned();
    };
    let words = match expected {
        "a sequence" => "an array",
        "a boolean" => "true or false",
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" => "a whole number from 0 on",
        "i8" | "i16" | "i32" | "i64" => "a whole number",
        "f32" | "f64" => "a number",
        "a map" => "an object",
        name if name.starts_with("struct ") || name.starts_with("internally tagged enum ") => "an object",
        _ => return detail.to_owned(),
    };
    format!("{found}, expected {words}")
}

/// The pointer to what an error is about (RFC 6901).
fn pointer(path: &Path, detail: &str) -> String {
    let mut parts: Vec<String> = path.iter().filter_map(part).collect();
    let named = parts.last().is_some_and(|last| detail.starts_with(&format!("unknown field `{last}`")));
    if !named {
        parts.extend(field(detail).map(str::to_owned));
    }
    parts.iter().fold(String::new(), |text, part| text + "/" + &part.replace('~', "~0").replace('/', "~1"))
}

fn part(segment: &Segment) -> Option<String> {
    match segment {
        Segment::Seq { index } => Some(index.to_string()),
        Segment::Map { key } => Some(key.clone()),
        Segment::Enum { .. } | Segment::Unknown => None,
    }
}

/// The field that an error says is missing or unknown.
fn field(detail: &str) -> Option<&str> {
    if let Some(rest) = detail.strip_prefix("missing field `") {
        return rest.strip_suffix('`');
    }
    let rest = detail.strip_prefix("unknown field `")?;
    ["`, expected ", "`, there are no fields"]
        .iter()
        .find_map(|end| rest.split_once(end))
        .map(|(name, _)| name)
}

/// A field of a merge patch; with `#[serde(default)]` one that is left out is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Patch<T> {
    /// Left out.
    #[default]
    Keep,
    /// `null`.
    Clear,
    /// A new value.
    Set(T),
}

impl<T> Patch<T> {
    /// None to keep, `Some(None)` to clear.
    #[expect(clippy::option_option, reason = "the patches of the core tell keep, clear and set apart so")]
    pub fn into_option_option(self) -> Option<Option<T>> {
        match self {
            Self::Keep => None,
            Self::Clear => Some(None),
            Self::Set(value) => Some(Some(value)),
        }
    }

    /// For what cannot be cleared.
    pub fn set_only(self, pointer: &str) -> Result<Option<T>, Problem> {
        match self {
            Self::Keep => Ok(None),
            Self::Clear => Err(Problem::invalid(pointer, "cannot be null")),
            Self::Set(value) => Ok(Some(value)),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Patch<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::<T>::deserialize(deserializer)?.map_or(Self::Clear, Self::Set))
    }
}

/// Reads any JSON but with equal keys in one object, or too deep.
#[derive(Clone, Copy)]
struct Strict {
    depth: usize,
}

impl Strict {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth == MAX_DEPTH {
            return Err(E::custom(format_args!("nested deeper than {MAX_DEPTH}")));
        }
        Ok(Self { depth: self.depth + 1 })
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let seed = self.deeper()?;
        let mut values = Vec::new();
        while let Some(value) = seq.next_element_seed(seed)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let seed = self.deeper()?;
        let mut values = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            if values.contains_key(&key) {
                return Err(A::Error::custom(format_args!("the key {key:?} stands twice in one object")));
            }
            values.insert(key, map.next_value_seed(seed)?);
        }
        Ok(Value::Object(values))
    }
}

/// A value whose structs come from objects only, never from arrays by position.
struct Node(Value);

impl IntoDeserializer<'_, serde_json::Error> for Node {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Node {
    type Error = serde_json::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        match self.0 {
            Value::Array(values) => {
                let mut seq = SeqDeserializer::new(values.into_iter().map(Node));
                let output = visitor.visit_seq(&mut seq)?;
                seq.end().map(|()| output)
            }
            Value::Object(values) => {
                let mut map = MapDeserializer::new(values.into_iter().map(|(key, value)| (key, Node(value))));
                let output = visitor.visit_map(&mut map)?;
                map.end().map(|()| output)
            }
            plain => plain.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        if self.0.is_array() {
            return Err(Self::Error::invalid_type(Unexpected::Seq, &"an object"));
        }
        self.deserialize_any(visitor)
    }

    /// Names only; no body has an enum with fields but tagged ones, which do not come here.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        match self.0 {
            Value::String(text) => visitor.visit_enum(text.into_deserializer()),
            _ => Err(Self::Error::custom("invalid type, expected a string")),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq
        tuple tuple_struct map identifier ignored_any
    }
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
