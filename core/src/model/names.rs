//! By what a person is named where records speak of them without their id (rule L5).

use std::collections::BTreeSet;
use std::iter::Peekable;
use std::str::Chars;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ClaimName;
use crate::text::{Email, ExternalId};

/// What ids of people stand under in messages of sources.
const IDS: [&str; 3] = ["userId", "previousId", "anonymousId"];

/// The names by which an erased person is found.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Names {
    /// The vendor's id.
    pub external_id: Option<ExternalId>,
    /// The keys of all addresses that they ever had.
    pub addresses: BTreeSet<String>,
}

impl Names {
    /// Whether an address is one of theirs.
    pub fn has(&self, email: &Email) -> bool {
        self.addresses.contains(email.key())
    }

    /// Whether an external id is theirs.
    pub fn is(&self, external: &ExternalId) -> bool {
        self.external_id.as_ref() == Some(external)
    }

    /// Whether a whole text is one of their names: the external id, with or without `ext:`, or an address in any
    /// spelling. One in which a name merely stands is somebody else's.
    pub fn are(&self, text: &str) -> bool {
        let external = self.external_id.as_ref().map(ExternalId::as_str);
        external.is_some_and(|own| text == own || text.strip_prefix("ext:") == Some(own))
            || self.are_address(text)
    }

    /// Whether a whole text is an address of theirs, in any spelling.
    pub fn are_address(&self, text: &str) -> bool {
        text.parse().is_ok_and(|email| self.has(&email))
    }

    /// Whether a message of a source is about the person, by id or by address; one that cannot be read, whether it could
    /// be: by a value that an id stands under, or by any that is an address of theirs.
    pub fn are_spoken_of_in(&self, message: &str) -> bool {
        match serde_json::from_str(message) {
            Ok(message) => self.are_of(&message),
            Err(_) => values(message).iter().any(|(name, value)| {
                self.are_address(value) || IDS.contains(&name.as_str()) && self.are(value)
            }),
        }
    }

    /// The same, or an address of theirs is a value anywhere in it.
    pub fn stand_in(&self, message: &str) -> bool {
        self.are_spoken_of_in(message) || values(message).iter().any(|(_, value)| self.are_address(value))
    }

    /// What somebody else's message is without their addresses, each of which is null then, with all that stands beside it in an
    /// object of its own; nothing where it may be about them, or names them still.
    pub fn taken_out_of(&self, message: &str) -> Option<String> {
        if self.are_spoken_of_in(message) {
            return None;
        }
        let mut value = serde_json::from_str(message).ok()?;
        self.take_out(&mut value, true);
        Some(value.to_string()).filter(|left| !self.stand_in(left))
    }

    /// `is_whole` where an object is the message, or holds what is said of many things.
    fn take_out(&self, value: &mut Value, is_whole: bool) {
        const WHOLE: [&str; 3] = ["context", "properties", "traits"];
        let is_theirs = |value: &Value| value.as_str().is_some_and(|text| self.are_address(text));
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| self.take_out(item, false)),
            Value::Object(fields) if is_whole || !fields.values().any(is_theirs) => {
                for (name, field) in fields {
                    self.take_out(field, is_whole && WHOLE.contains(&name.as_str()));
                }
            }
            Value::Object(_) => *value = Value::Null,
            text if is_theirs(text) => *text = Value::Null,
            _ => {}
        }
    }

    /// Whether a message is about the person where only what certainly is counts: one that cannot be read may be about anybody.
    pub fn are_named_in(&self, message: &str) -> bool {
        serde_json::from_str(message).is_ok_and(|message| self.are_of(&message))
    }

    fn are_of(&self, message: &Value) -> bool {
        let is = |value: Option<&Value>| match value {
            Some(Value::String(text)) => self.are(text),
            Some(number @ Value::Number(_)) => self.are(&number.to_string()),
            _ => false,
        };
        let traits = [message.get("traits"), message.pointer("/context/traits")];
        IDS.iter().any(|name| is(message.get(*name)))
            || traits.iter().any(|traits| is(traits.and_then(|traits| traits.get("email"))))
    }

    /// The claims on their addresses.
    pub fn address_claims(&self) -> impl Iterator<Item = ClaimName> {
        self.addresses.iter().cloned().map(ClaimName::Email)
    }
}

/// The values of a text that may be no proper JSON, each with the name that it stands under, or none: what its escapes mean,
/// a character of no meaning where they mean none.
fn values(text: &str) -> Vec<(String, String)> {
    let (mut found, mut name) = (Vec::new(), None);
    let mut rest = text.chars().peekable();
    while let Some(first) = rest.next() {
        if first == ':' || first.is_whitespace() {
            continue;
        }
        if ",{}[]".contains(first) {
            name = None;
            continue;
        }
        let mut token = String::new();
        if first == '"' {
            while let Some(char) = rest.next().filter(|char| *char != '"') {
                token.push(if char == '\\' { unescaped(&mut rest) } else { char });
            }
        } else {
            token.push(first);
            while let Some(char) = rest.next_if(|char| !char.is_whitespace() && !",:{}[]\"".contains(*char)) {
                token.push(char);
            }
        }
        while rest.next_if(|char| char.is_whitespace()).is_some() {}
        if rest.peek() == Some(&':') {
            name = Some(token);
        } else {
            found.push((name.take().unwrap_or_default(), token));
        }
    }
    found
}

/// What stands behind a backslash.
fn unescaped(rest: &mut Peekable<Chars<'_>>) -> char {
    let unit = |rest: &mut Peekable<Chars<'_>>| {
        let digits: String = (0..4).map_while(|_| rest.next_if(char::is_ascii_hexdigit)).collect();
        u16::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 4)
    };
    match rest.next() {
        Some('n') => '\n',
        Some('t') => '\t',
        Some('r') => '\r',
        Some('b') => '\u{8}',
        Some('f') => '\u{c}',
        Some('u') => {
            let mut units = vec![unit(rest).unwrap_or(0xd800)];
            let mut behind = rest.clone();
            // The other half of a pair, if it follows.
            if (0xd800..0xdc00).contains(&units[0])
                && (behind.next(), behind.next()) == (Some('\\'), Some('u'))
                && let Some(low) = unit(&mut behind).filter(|low| (0xdc00..0xe000).contains(low))
            {
                units.push(low);
                *rest = behind;
            }
            char::decode_utf16(units).next().and_then(Result::ok).unwrap_or(char::REPLACEMENT_CHARACTER)
        }
        Some(itself) => itself,
        None => char::REPLACEMENT_CHARACTER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn l5_only_whole_names_are_theirs() {
        let names = Names {
            external_id: Some("u-1".parse().unwrap()),
            addresses: BTreeSet::from(["al@example.com".to_owned()]),
        };
        for text in ["u-1", "ext:u-1", "al@example.com", "AL@Example.com", " al@example.com "] {
            assert!(names.are(text), "{text}");
        }
        for text in ["u-10", "ext:u-11", "val@example.com", "U-1", "al", "", "usr_u-1"] {
            assert!(!names.are(text), "{text}");
        }
        assert!(!Names::default().are(""));
    }

    #[test]
    fn l5_a_message_is_theirs_by_id_or_address() {
        let names = Names {
            external_id: Some("7".parse().unwrap()),
            addresses: ["al@example.com".to_owned()].into(),
        };
        for theirs in [
            r#"{"userId": "7"}"#,
            r#"{"userId": 7}"#,
            r#"{"type": "alias", "userId": "8", "previousId": "7"}"#,
            r#"{"userId": "8", "traits": {"email": "AL@example.com"}}"#,
            r#"{"userId": "8", "context": {"traits": {"email": "al@example.com"}}}"#,
            r#"{"userId": "x", "traits": {"email": "al@example.com""#,
            r#"{"userId": "x", "n": 1e400, "traits": {"email": "\u0041l\u0040example.com"}, "#,
            r#"{"traits": {"a": "\ud800"}, "user\u0049d" : "\u0037", "#,
            r#"{"traits": {"a": "\ud83d\ude00 \udc00\"\\"}, "userId": 7, "#,
        ] {
            assert!(names.are_spoken_of_in(theirs), "{theirs}");
            assert_eq!(names.are_named_in(theirs), theirs.ends_with('}'), "{theirs}: readable or not");
        }
        for other in [
            r#"{"userId": "77", "traits": {"email": "val@example.com", "seven": 7}}"#,
            r#"{"userId": "77", "n": 1e400, "a": 7, "b": ["7", "7 "], "c": "val@example.com", "d": "to al@example.com"}"#,
            r#"{"userId": "7\ud800", "previousId": [{"7": "77"}], "7"#,
            "{}",
            "null",
            r#""7""#,
        ] {
            assert!(!names.are_spoken_of_in(other) && !names.are_named_in(other), "{other}");
            assert!(!names.stand_in(other), "{other}");
        }
        let told = r#"{"userId": "8", "properties": {"to": ["al\u0040example.com"], "n": 7}}"#;
        assert!(names.stand_in(told) && !names.are_spoken_of_in(told), "of somebody else, and names them");
        let left = names.taken_out_of(told).unwrap();
        assert_eq!(left, r#"{"properties":{"n":7,"to":[null]},"userId":"8"}"#);
        let card = r#"{"context": {"by": {"n": {"mail": "al@example.com", "name": "Al"}, "m": 1}}, "traits": {"a": "al@example.com", "b": 2}}"#;
        let left = names.taken_out_of(card).unwrap();
        assert_eq!(left, r#"{"context":{"by":{"m":1,"n":null}},"traits":{"a":null,"b":2}}"#);
        assert_eq!(names.taken_out_of(r#"{"userId": "7"}"#), None, "theirs");
        assert_eq!(names.taken_out_of(r#"{"a": "al@example.com", "#), None, "of nobody knows whom");
    }
}
