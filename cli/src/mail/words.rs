//! What letters say: the texts that come with Roster, each of which an operator's own may stand in for.

use std::path::Path;

use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use roster_core::mail::Written;
use serde_json::{Value, json};

macro_rules! texts {
    ($($kind:literal),*) => {
        [$(
            (concat!($kind, ".subject"), include_str!(concat!("templates/", $kind, ".subject"))),
            (concat!($kind, ".txt"), include_str!(concat!("templates/", $kind, ".txt"))),
            (concat!($kind, ".html"), include_str!(concat!("templates/", $kind, ".html"))),
        )*]
    };
}

const KINDS: [&str; 6] =
    ["invitation", "password_reset", "email_change", "email_changed", "ownership_transferred", "alert"];
const TEXTS: [(&str, &str); 18] =
    texts!("invitation", "password_reset", "email_change", "email_changed", "ownership_transferred", "alert");

/// The texts in force.
#[derive(Debug)]
pub(super) struct Words {
    texts: Environment<'static>,
}

/// One letter in words.
#[derive(Debug)]
pub(super) struct Worded {
    /// One line.
    pub subject: String,
    /// Plain text.
    pub plain: String,
    /// The same as HTML.
    pub html: String,
}

impl Words {
    /// The texts that come with Roster, with those of a folder in their place. Each is tried, so that a mistake in one shows
    /// now and not when it is sent.
    pub fn load(folder: Option<&Path>) -> Result<Self, String> {
        let mut texts = Environment::new();
        texts.set_undefined_behavior(UndefinedBehavior::Strict);
        texts.set_auto_escape_callback(|name| match name.rsplit_once('.') {
            Some((_, "html")) => AutoEscape::Html,
            _ => AutoEscape::None,
        });
        texts.add_filter("when", when);
        texts.add_filter("link", link);
        for (name, own) in TEXTS {
            let text = match folder {
                Some(folder) => read(&folder.join(name))?.unwrap_or_else(|| own.to_owned()),
                None => own.to_owned(),
            };
            texts.add_template_owned(name, text).map_err(|bad| format!("{name}: {bad}"))?;
        }
        let words = Self { texts };
        for kind in KINDS {
            for chosen in [json!(null), json!("Ada")] {
                let worded = words.render(kind, &sample(&chosen)).map_err(|bad| format!("{kind}: {bad}"))?;
                if worded.subject.is_empty() {
                    return Err(format!("{kind}.subject: is empty"));
                }
            }
        }
        Ok(words)
    }

    /// A letter in words.
    pub fn of(&self, letter: &Written) -> Result<Worded, minijinja::Error> {
        self.render(letter.kind, &letter.fields)
    }

    fn render(&self, kind: &str, fields: &Value) -> Result<Worded, minijinja::Error> {
        let text = |end: &str| {
            self.texts.get_template(&format!("{kind}.{end}"))?.render(minijinja::value::Serde(fields))
        };
        let subject = text("subject")?.split_whitespace().collect::<Vec<_>>().join(" ");
        Ok(Worded { subject, plain: text("txt")?, html: text("html")? })
    }
}

fn read(path: &Path) -> Result<Option<String>, String> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{} cannot be read: {error}", path.display())),
    }
}

fn sample(chosen: &Value) -> Value {
    json!({
        "organization": "Cloud", "inviter": chosen, "owner": chosen, "name": chosen, "url": "https://roster.example.com/invitations/x",
        "expires_at": "2026-01-01T00:00:00.000Z", "indicator": "Silent", "view": chosen, "state": "entered",
        "kind": "account", "subject": "North", "id": "acc_x", "at": "2026-01-01T00:00:00.000Z",
    })
}

/// `2026-01-01T10:30:00.000Z` as `2026-01-01 10:30 UTC`.
fn when(instant: &str) -> String {
    let minutes = instant.get(..16).unwrap_or(instant);
    format!("{} UTC", minutes.replace('T', " "))
}

/// A link within a quoted attribute, with its slashes as they are.
fn link(url: &str) -> minijinja::Value {
    let escaped = url.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;").replace('>', "&gt;");
    minijinja::Value::from_safe_string(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_chose_is_text_and_never_markup() {
        let words = Words::load(None).unwrap();
        let evil = "<script>alert(1)</script>";
        let fields = json!({
            "organization": evil, "inviter": evil, "name": evil, "url": "https://x.example.com/?a=1&b=\"2",
            "expires_at": "2026-01-01T10:30:00.000Z",
        });
        let worded = words.render("invitation", &fields).unwrap();
        assert!(!worded.html.contains("<script"), "{}", worded.html);
        assert!(worded.html.contains("href=\"https://x.example.com/?a=1&amp;b=&quot;2\""), "{}", worded.html);
        assert!(worded.plain.contains("\nhttps://x.example.com/?a=1&b=\"2\n"), "{}", worded.plain);
        assert!(worded.plain.contains("2026-01-01 10:30 UTC"));
        let broken = json!({"organization": "a\r\nBcc: b", "inviter": null});
        let subject = words.texts.get_template("invitation.subject").unwrap();
        let subject = subject.render(minijinja::value::Serde(&broken)).unwrap();
        assert!(subject.contains('\n'));
        let fields = json!({
            "organization": "a\r\nBcc: b", "inviter": null, "name": null, "url": "", "expires_at": "",
        });
        assert_eq!(words.render("invitation", &fields).unwrap().subject, "You are invited to a Bcc: b");
    }

    #[test]
    fn an_operators_own_text_stands_in_and_a_mistake_shows_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("password_reset.subject");
        std::fs::write(&own, "Neues Kennwort").unwrap();
        let words = Words::load(Some(folder.path())).unwrap();
        assert_eq!(words.render("password_reset", &sample(&json!(null))).unwrap().subject, "Neues Kennwort");
        for wrong in ["{% if %}", "{{ nothing_of_the_sort }}", " "] {
            std::fs::write(&own, wrong).unwrap();
            let told = Words::load(Some(folder.path())).unwrap_err();
            assert!(told.starts_with("password_reset"), "{told}");
        }
    }
}
