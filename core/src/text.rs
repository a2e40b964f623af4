//! Text that people type: e-mail addresses, names, external ids, slugs. Each type cannot hold a bad value.
//!
//! Text is normalised once, to NFC; lengths are in code points unless a rule says bytes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use unicode_normalization::UnicodeNormalization;

/// Why a text was not accepted, in words for the person who sent it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadText(pub &'static str);

macro_rules! text_type {
    ($name:ident) => {
        impl $name {
            /// The text as it was given, normalised.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    };
}

/// Characters that do not show, or that change the direction of the text around them.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{e0000}'..='\u{e007f}')
}

/// The name of a user, organization, account or key: 1 to 200 code points, trimmed, NFC, nothing hidden.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Name(String);
text_type!(Name);

impl FromStr for Name {
    type Err = BadText;

    fn from_str(text: &str) -> Result<Self, BadText> {
        if text.len() > 4096 {
            return Err(BadText("too long: a name has at most 200 characters"));
        }
        let name = nfc(text.trim());
        if name.is_empty() {
            return Err(BadText("empty: a name has at least one character"));
        }
        if name.chars().count() > 200 {
            return Err(BadText("too long: a name has at most 200 characters"));
        }
        if name.chars().any(is_hidden) {
            return Err(BadText("a name holds no control, zero-width or direction-changing characters"));
        }
        Ok(Self(name))
    }
}

/// The vendor's own id: opaque, compared byte for byte, 1 to 255 bytes, no control characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ExternalId(String);
text_type!(ExternalId);

impl FromStr for ExternalId {
    type Err = BadText;

    fn from_str(text: &str) -> Result<Self, BadText> {
        if text.is_empty() || text.len() > 255 {
            return Err(BadText("an external id has 1 to 255 bytes"));
        }
        if text.chars().any(char::is_control) {
            return Err(BadText("an external id holds no control characters"));
        }
        Ok(Self(text.to_owned()))
    }
}

/// What a responsibility of the vendor's staff is called, such as `csm`: 1 to 64 code points, case-exact.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct KeyRole(String);
text_type!(KeyRole);

impl FromStr for KeyRole {
    type Err = BadText;

    fn from_str(text: &str) -> Result<Self, BadText> {
        let name: Name = text.parse()?;
        if name.0.chars().count() > 64 {
            return Err(BadText("too long: the name of a key role has at most 64 characters"));
        }
        Ok(Self(name.0))
    }
}

/// A kind of record in the vendor's product, such as `deal`: 1 to 64 of a-z, A-Z, 0-9, `_`, `-` and `.`, case-exact.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RecordType(String);
text_type!(RecordType);

impl FromStr for RecordType {
    type Err = BadText;

    fn from_str(text: &str) -> Result<Self, BadText> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        if text.is_empty() || text.len() > 64 || !text.bytes().all(allowed) {
            return Err(BadText("a type of records has 1 to 64 characters of a-z, A-Z, 0-9, _, - and ."));
        }
        Ok(Self(text.to_owned()))
    }
}

/// The most characters of a slug: what fits a label of a domain name.
const LONGEST_SLUG: usize = 63;

/// A short name for addresses: `[a-z0-9-]{1,63}`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Slug(String);
text_type!(Slug);

impl FromStr for Slug {
    type Err = BadText;

    fn from_str(text: &str) -> Result<Self, BadText> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if text.is_empty() || text.len() > LONGEST_SLUG || !text.bytes().all(allowed) {
            return Err(BadText("a slug has 1 to 63 characters of a-z, 0-9 and -"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl Slug {
    /// A slug made from a name: lower case, every run of other characters one `-`.
    pub fn from_name(name: &Name) -> Self {
        let mut slug = String::new();
        for c in name.0.nfkd().flat_map(char::to_lowercase) {
            if c.is_ascii_alphanumeric() {
                slug.push(c);
            } else if !unicode_normalization::char::is_combining_mark(c)
                && !slug.is_empty()
                && !slug.ends_with('-')
            {
                slug.push('-');
            }
        }
        slug.truncate(58);
        let slug = slug.trim_end_matches('-');
        Self(if slug.is_empty() { "organization".to_owned() } else { slug.to_owned() })
    }

    /// The n-th attempt at a free slug: `x`, `x-2`, `x-3` …
    #[must_use]
    pub fn numbered(&self, n: u32) -> Self {
        if n < 2 {
            return self.clone();
        }
        let tail = format!("-{n}");
        let room = self.0.len().min(LONGEST_SLUG - tail.len());
        Self(format!("{}{tail}", self.0[..room].trim_end_matches('-')))
    }
}

/// An e-mail address: shown as typed, compared by its [key](Email::key).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Email {
    shown: String,
    key: String,
}

impl Email {
    /// The address as typed, trimmed and in NFC.
    pub fn as_str(&self) -> &str {
        &self.shown
    }

    /// What two spellings of one mailbox share: lower case, IDNA domain (product rule I7).
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl Serialize for Email {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.shown)
    }
}

impl<'de> Deserialize<'de> for Email {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl FromStr for Email {
    type Err = BadText;

    fn from_str(text: &str) -> Result<Self, BadText> {
        const SHAPE: BadText = BadText("not an e-mail address: expected something like ada@example.com");
        if text.len() > 1024 {
            return Err(BadText("too long: an e-mail address has at most 254 bytes"));
        }
        if text.chars().any(looks_like_ascii) {
            return Err(SHAPE);
        }
        let shown = nfc(text.trim());
        let (local, domain) = shown.rsplit_once('@').ok_or(SHAPE)?;
        if !local_part_is_plain(local) {
            return Err(SHAPE);
        }
        let domain = idna::domain_to_ascii_strict(domain).map_err(|_| SHAPE)?;
        let labels = domain.split('.').count();
        if labels < 2 || domain.split('.').any(str::is_empty) {
            return Err(SHAPE);
        }
        let key = format!("{}@{domain}", fold(local));
        if key.len() > 254 || local.len() > 64 {
            return Err(BadText(
                "too long: an e-mail address has at most 254 bytes, 64 of them before the @",
            ));
        }
        Ok(Self { shown, key })
    }
}

/// A character beyond ASCII that normalisation turns into ASCII: a full-width letter, the Kelvin sign.
fn looks_like_ascii(c: char) -> bool {
    !c.is_ascii() && std::iter::once(c).nfkc().all(|c| c.is_ascii())
}

/// Letters, digits and RFC 5322 atom characters in dot-separated runs. A character that compatibility
/// normalisation would change (full-width letters, the Kelvin sign) is refused: it looks like another.
fn local_part_is_plain(local: &str) -> bool {
    let atom = |c: char| {
        c.is_ascii_alphanumeric()
            || "!#$%&'*+-/=?^_`{|}~".contains(c)
            || (!c.is_ascii() && c.is_alphanumeric())
    };
    !local.is_empty()
        && local.split('.').all(|run| !run.is_empty() && run.chars().all(atom))
        && (local.is_ascii() || local.nfkc().eq(local.chars()))
        && !local.chars().any(|c| matches!(c, '\u{131}' | '\u{130}' | '\u{17f}'))
}

/// The composed form; of ASCII that is the text itself.
fn nfc(text: &str) -> String {
    if text.is_ascii() { text.to_owned() } else { text.nfc().collect() }
}

/// The form in which text is searched and sorted: NFC of the lower case.
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    text.nfc().flat_map(char::to_lowercase).nfc().collect()
}

/// What a search by prefix looks through: the rest of the name from each word on, and the e-mail.
/// The whole external id stands last, behind a NUL that no prefix search starts with.
pub fn search_keys(
    name: Option<&Name>,
    email: Option<&Email>,
    external_id: Option<&ExternalId>,
) -> Vec<String> {
    let mut keys = Vec::new();
    if let Some(name) = name {
        let folded = fold(name.as_str());
        let starts = folded.char_indices().filter(|(at, c)| {
            !c.is_whitespace() && folded[..*at].chars().next_back().is_none_or(char::is_whitespace)
        });
        keys.extend(starts.take(16).map(|(at, _)| folded[at..].to_owned()));
    }
    keys.extend(email.map(|email| fold(email.as_str())));
    keys.extend(external_id.map(|id| format!("\0{}", fold(id.as_str()))));
    keys
}

/// Whether a search text finds a row with these [`search_keys`].
pub fn search_matches(keys: &[String], query: &str) -> bool {
    let query = fold(query.trim());
    let whole = format!("\0{query}");
    keys.iter().any(|key| if key.starts_with('\0') { *key == whole } else { key.starts_with(&query) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i7_emails_compare_by_a_normalised_key() {
        let key = |text: &str| text.parse::<Email>().map(|email| email.key().to_owned());
        assert_eq!(key(" Bob@EX.com "), Ok("bob@ex.com".to_owned()));
        assert_eq!(key("bob@bücher.test"), key("bob@xn--bcher-kva.test"));
        assert_eq!(key("e\u{301}va@example.com"), key("\u{e9}va@example.com"));
        for twin in [
            "bob＠ex.com",
            "m\u{131}\u{212a}e@ex.com",
            "\u{212a}im@ex.com",
            "a b@ex.com",
            "@ex.com",
            "a@",
            "a@localhost",
            "a..b@ex.com",
            "a@ex..com",
            "a\u{200b}@ex.com",
            "a@b@ex.com\n",
            "a\r\nBcc: x@ex.com",
        ] {
            assert!(key(twin).is_err(), "{twin:?}");
        }
    }

    #[test]
    fn names_are_trimmed_and_hold_nothing_hidden() {
        assert_eq!(" Ada ".parse::<Name>().unwrap().as_str(), "Ada");
        for bad in ["", "  ", "a\u{202e}b", "a\nb", "a\u{0}", &"x".repeat(201)] {
            assert!(bad.parse::<Name>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn slugs_come_from_names() {
        for (name, slug) in [("Cloud", "cloud"), ("Été & Fils", "ete-fils"), ("日本", "organization")] {
            assert_eq!(Slug::from_name(&name.parse().unwrap()).as_str(), slug);
        }
        assert_eq!("a".parse::<Slug>().unwrap().numbered(3).as_str(), "a-3");
        let long: Name = format!("{} b", "a".repeat(60)).parse().unwrap();
        for n in [1, 2, 19, 1_999_999_999] {
            let slug = Slug::from_name(&long).numbered(n);
            assert_eq!(slug.as_str().parse(), Ok(slug.clone()));
        }
        let dashed = Slug("a-".repeat(29)).numbered(1_234_567);
        assert_eq!(dashed.as_str(), format!("{}a-1234567", "a-".repeat(27)));
    }

    #[test]
    fn search_finds_words_of_names_addresses_and_whole_external_ids() {
        let keys = search_keys(
            "Ada King Lovelace".parse().ok().as_ref(),
            "countess@example.com".parse().ok().as_ref(),
            "Ext-7".parse().ok().as_ref(),
        );
        for (query, found) in [
            ("ada", true),
            ("LOVE", true),
            ("king lo", true),
            ("count", true),
            ("ext-7", true),
            ("ext", false),
            ("ing", false),
        ] {
            assert_eq!(search_matches(&keys, query), found, "{query}");
        }
    }
}
