//! Mail: what a letter says, who carries it, and how the outbox is emptied.
//!
//! A commit that causes mail writes down which ([`crate::model::Mail`]); a pointer, committed before, leads a
//! [`Postman`] to it. A letter may come twice where one dies between handing it over and writing that down: it bears
//! the same `Message-ID` then.

mod postman;
mod writing;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;
use tokio::sync::Notify;

pub use postman::Postman;

use crate::text::Email;

/// One letter, ready to be put into words. Its fields hold a link that works, and are never printed.
#[derive(Clone, PartialEq)]
pub struct Written {
    /// To whom.
    pub to: Email,
    /// What kind of letter: `invitation`, `password_reset`, `email_change`, `email_changed`,
    /// `ownership_transferred`, `alert`.
    pub kind: &'static str,
    /// The same whenever this letter is sent, and of no other.
    pub reference: String,
    /// What the words may speak of. Texts that people chose are [made harmless](harmless).
    pub fields: Value,
}

impl fmt::Debug for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Written").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// A letter was not taken.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{why}")]
pub struct Undelivered {
    /// Why, without an address or a secret.
    pub why: String,
    /// Whether another try would end alike.
    pub for_good: bool,
}

/// Carries letters: over SMTP, into a folder.
#[async_trait]
pub trait Carrier: fmt::Debug + Send + Sync + 'static {
    /// Hands one letter over. It must come to an end by itself.
    async fn carry(&self, letter: &Written) -> Result<(), Undelivered>;
}

/// Whether mail can be sent, and by whom.
#[derive(Clone, Debug, Default)]
pub struct Post {
    /// Who carries letters; nothing where mail is not set up.
    pub carrier: Option<Arc<dyn Carrier>>,
    /// Told that a letter waits.
    pub wake: Arc<Notify>,
    /// Who is written to when something enters or leaves a view that is watched (rule T6).
    pub alerts_to: Arc<[Email]>,
}

impl Post {
    /// With a carrier.
    pub fn by(carrier: Arc<dyn Carrier>) -> Self {
        Self { carrier: Some(carrier), wake: Arc::default(), alerts_to: Arc::default() }
    }

    /// The same, which writes to these of alerts.
    #[must_use]
    pub fn alerting(self, addresses: &[Email]) -> Self {
        Self { alerts_to: addresses.into(), ..self }
    }

    /// Whether mail is set up.
    pub const fn is_set_up(&self) -> bool {
        self.carrier.is_some()
    }
}

/// A text that somebody chose, as a letter may show it: on one line, without marks that turn or hide text, at most 80
/// characters, and with nothing that a mail program would make a link of.
pub fn harmless(text: &str) -> String {
    let kept: String = text.chars().map(|it| if is_odd(it) { ' ' } else { it }).collect();
    let words: Vec<String> = kept.split_whitespace().map(unlinked).collect();
    let joined = words.join(" ");
    if joined.chars().count() <= 80 { joined } else { joined.chars().take(79).chain(['…']).collect() }
}

/// Controls, line separators, and what is not seen but changes how text reads.
fn is_odd(it: char) -> bool {
    it.is_control()
        || matches!(it, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// `evil.example/x` becomes `evil. example/ x`.
fn unlinked(word: &str) -> String {
    let mut out = String::with_capacity(word.len());
    let mut letters = word.chars().peekable();
    while let Some(it) = letters.next() {
        out.push(it);
        let joint = matches!(it, '.' | '/' | ':' | '@' | '\u{3002}' | '\u{ff0e}' | '\u{ff61}');
        if joint && letters.peek().is_some() {
            out.push(' ');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_out_on_one_line_and_are_no_links() {
        for (chosen, shown) in [
            ("Cloud Ltd.", "Cloud Ltd."),
            ("a\r\nBcc: x@example.com", "a Bcc: x@ example. com"),
            ("https://evil.example/now", "https: / / evil. example/ now"),
            ("abc\u{202e}fed\u{200b}", "abc fed"),
            ("<b>bold</b>", "<b>bold</ b>"),
            ("日本。テスト", "日本。 テスト"),
        ] {
            assert_eq!(harmless(chosen), shown);
        }
        assert_eq!(harmless(&"x".repeat(200)).chars().count(), 80);
    }
}
