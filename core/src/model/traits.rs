//! Traits: JSON values under names (rule T1).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer as _, Serialize};
use serde_json::Value;

/// What is kept.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Traits(BTreeMap<String, Value>);

/// A merge: a value sets, `null` removes.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TraitPatch(pub BTreeMap<String, Value>);

impl TraitPatch {
    /// Whether there are traits that it can be merged into.
    pub fn check(&self) -> Result<(), BadTraits> {
        Traits::default().merged(self).map(|_| ())
    }
}

/// Over the limits of rule T1.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct BadTraits(pub &'static str);

/// How deep arrays and objects may lie in each other, in bodies, messages and traits: deeper ones could be stored in an entry that
/// nobody could read.
pub const MAX_DEPTH: usize = 64;

impl Traits {
    /// The names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.0.iter()
    }

    /// The value under a name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// Those under some names, from the JSON of all; the others are passed over.
    pub fn some(json: &str, names: &BTreeSet<String>) -> Result<Self, serde_json::Error> {
        serde_json::Deserializer::from_str(json).deserialize_map(Named(names))
    }

    /// How many bytes they take, more or less.
    pub fn size(&self) -> usize {
        self.0.iter().map(|(name, value)| name.len() + size(value)).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// These traits with a patch merged in: at most 200 names, 64 KiB in all.
    pub fn merged(&self, patch: &TraitPatch) -> Result<Self, BadTraits> {
        let mut merged = self.0.clone();
        for (name, value) in &patch.0 {
            if name.is_empty() || name.chars().count() > 200 || name.chars().any(char::is_control) {
                return Err(BadTraits("a trait's name has 1 to 200 characters and no control characters"));
            }
            if is_too_deep(value) {
                return Err(BadTraits("arrays and objects of a trait lie at most 64 deep in each other"));
            }
            if value.is_null() {
                merged.remove(name);
            } else {
                merged.insert(name.clone(), value.clone());
            }
        }
        if merged.len() > 200 {
            return Err(BadTraits("at most 200 traits can be kept"));
        }
        let size = serde_json::to_vec(&merged).map_or(usize::MAX, |bytes| bytes.len());
        if size > 64 * 1024 {
            return Err(BadTraits("traits take at most 64 KiB in all"));
        }
        Ok(Self(merged))
    }
}

fn size(value: &Value) -> usize {
    const PLAIN: usize = 8;
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => PLAIN,
        Value::String(text) => PLAIN + text.len(),
        Value::Array(values) => PLAIN + values.iter().map(size).sum::<usize>(),
        Value::Object(fields) => fields.iter().map(|(name, value)| PLAIN + name.len() + size(value)).sum(),
    }
}

/// Whether arrays and objects lie deeper in each other than is taken.
pub fn is_too_deep(value: &Value) -> bool {
    fn exceeds(value: &Value, room: usize) -> bool {
        match value {
            Value::Array(items) => room == 0 || items.iter().any(|item| exceeds(item, room - 1)),
            Value::Object(fields) => room == 0 || fields.values().any(|field| exceeds(field, room - 1)),
            _ => false,
        }
    }
    exceeds(value, MAX_DEPTH)
}

/// Keeps what has one of the names.
struct Named<'a>(&'a BTreeSet<String>);

impl<'de> Visitor<'de> for Named<'_> {
    type Value = Traits;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("traits")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut all: A) -> Result<Traits, A::Error> {
        let mut kept = BTreeMap::new();
        while let Some(name) = all.next_key::<String>()? {
            if self.0.contains(&name) {
                kept.insert(name, all.next_value()?);
            } else {
                all.next_value::<IgnoredAny>()?;
            }
        }
        Ok(Traits(kept))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn patch(value: Value) -> TraitPatch {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn t1_traits_merge_and_null_removes() {
        let traits = Traits::default().merged(&patch(json!({"plan": "pro", "n": 1}))).unwrap();
        let traits = traits.merged(&patch(json!({"n": null, "x": [1]}))).unwrap();
        assert_eq!(serde_json::to_value(&traits).unwrap(), json!({"plan": "pro", "x": [1]}));
    }

    #[test]
    fn some_traits_are_read_as_all_are() {
        let all = Traits::default()
            .merged(&patch(json!({"plan": "pr\"o\u{e9}", "n": 1.5, "x": [1, {"plan": null}], "on": true})))
            .unwrap();
        let json = serde_json::to_string(&all).unwrap();
        let some =
            Traits::some(&json, &["plan".to_owned(), "x".to_owned(), "none".to_owned()].into()).unwrap();
        assert_eq!(
            some.iter().collect::<Vec<_>>(),
            all.iter().filter(|(name, _)| *name == "plan" || *name == "x").collect::<Vec<_>>()
        );
        assert!(Traits::some(&json, &BTreeSet::new()).unwrap().is_empty());
        assert!(Traits::some("[1]", &BTreeSet::new()).is_err());
    }

    #[test]
    fn t1_traits_have_limits() {
        let many: BTreeMap<_, _> = (0..201).map(|n| (n.to_string(), json!(n))).collect();
        assert!(Traits::default().merged(&TraitPatch(many)).is_err());
        assert!(Traits::default().merged(&patch(json!({"big": "x".repeat(65_536)}))).is_err());
        assert!(Traits::default().merged(&patch(json!({"": 1}))).is_err());
    }
}
