//! Answers on stdout: tables for people, JSON for machines. Tables are read off the same JSON.

use std::borrow::Cow;
use std::io::{ErrorKind, Write};

use comfy_table::Table;
use comfy_table::presets::NOTHING;
use roster_api::csv;
use serde_json::{Value, json};

use crate::args::Format;
use crate::failure::Failure;
use crate::session::Listed;

/// A column or field: its name, and where its value stands in the JSON (RFC 6901).
pub type Column = (&'static str, &'static str);

/// Prints answers in the format asked for.
#[derive(Debug, Clone, Copy)]
pub struct Printer {
    format: Format,
}

impl Printer {
    /// A printer for a format.
    pub const fn new(format: Format) -> Self {
        Self { format }
    }

    /// Whether a spreadsheet reads.
    pub fn is_csv(self) -> bool {
        self.format == Format::Csv
    }

    /// Whether no person reads.
    pub fn is_for_machines(self) -> bool {
        self.format != Format::Table
    }

    /// One thing for machines: JSON, or a row below the names of its fields.
    pub fn value(self, thing: &Value) -> Result<(), Failure> {
        if !self.is_csv() {
            return line(&format!("{thing:#}"));
        }
        let names = thing.as_object().map(|fields| fields.keys().collect::<Vec<_>>()).unwrap_or_default();
        text(&csv::table(&names, std::slice::from_ref(thing)))
    }

    /// What tables show as rows, for machines: JSON of the whole, or those rows below the names of their columns.
    pub fn rows(self, whole: &Value, columns: &[&str], rows: &[Value]) -> Result<(), Failure> {
        if self.is_csv() { text(&csv::table(columns, rows)) } else { self.value(whole) }
    }

    /// One thing: its fields one below the other.
    pub fn one(self, thing: &Value, fields: &[Column]) -> Result<(), Failure> {
        if self.is_for_machines() {
            return self.value(thing);
        }
        let mut table = Table::new();
        table.load_style(NOTHING);
        for (name, pointer) in fields {
            table.add_row([(*name).to_owned(), cell(thing.pointer(pointer).unwrap_or(&Value::Null))]);
        }
        line(&table.trim_fmt())
    }

    /// Many things of a schema of the HTTP API, one a line; `none` says that there are none.
    pub fn list(
        self,
        schema: &str,
        listed: &Listed<Value>,
        columns: &[Column],
        none: &str,
    ) -> Result<(), Failure> {
        self.list_with((schema, &[]), listed, columns, none)
    }

    /// The same of things that say more than their schema has.
    pub fn list_with(
        self,
        (schema, beside): (&str, &[&str]),
        listed: &Listed<Value>,
        columns: &[Column],
        none: &str,
    ) -> Result<(), Failure> {
        match self.format {
            Format::Json => self.value(&json!({"data": listed.rows, "next_cursor": listed.next}))?,
            Format::Csv => {
                text(&csv::table(&csv::columns_of(&fields(schema), beside, &listed.rows), &listed.rows))?;
            }
            Format::Table if listed.rows.is_empty() => line(none)?,
            Format::Table => line(&table(&listed.rows, columns))?,
        }
        if let Some(cursor) = &listed.next {
            note_more(cursor);
        }
        Ok(())
    }

    /// A sentence for people, or the JSON that says the same.
    pub fn say(self, text: &str, json: &Value) -> Result<(), Failure> {
        if self.is_for_machines() { self.value(json) } else { line(text) }
    }

    /// A secret alone on a line of stdout, with what belongs to it on stderr; or the whole as JSON.
    pub fn secret(self, secret: &str, whole: &Value, note: &str) -> Result<(), Failure> {
        if self.is_for_machines() {
            return self.value(whole);
        }
        line(secret)?;
        self::note(note);
        Ok(())
    }
}

/// Rows below a header.
pub fn table(rows: &[Value], columns: &[Column]) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(columns.iter().map(|(name, _)| *name));
    for row in rows {
        table.add_row(columns.iter().map(|(_, pointer)| cell(row.pointer(pointer).unwrap_or(&Value::Null))));
    }
    table.trim_fmt()
}

/// Says how to go on with a list that was cut.
pub fn note_more(cursor: &str) {
    note(&format!("More follow. Go on with --cursor {cursor}"));
}

/// A line on stderr. Nobody may be there to read it, and that is no failure.
pub fn note(text: &str) {
    writeln!(std::io::stderr(), "{text}").ok();
}

/// One line on stdout.
pub fn line(text: &str) -> Result<(), Failure> {
    self::text(&format!("{text}\n"))
}

/// Text on stdout as it is. A reader who has gone away, such as `head`, is no failure, and a verdict that comes after it
/// still says how the program ends.
pub fn text(text: &str) -> Result<(), Failure> {
    match part(text) {
        Err(Failure::Unread) => Ok(()),
        done => done,
    }
}

/// Text that more may follow, however much: where nobody reads it, no more is to be looked for.
pub fn part(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(Failure::Unread),
        Err(error) => Err(Failure::Failed(format!("the answer cannot be written: {error}"))),
    }
}

/// The columns of a schema as CSV. Operator keys are no part of the HTTP API.
fn fields(schema: &str) -> Vec<&str> {
    match schema {
        "OperatorKey" => vec!["id", "name", "prefix", "created_at"],
        other => csv::columns(other).iter().map(String::as_str).collect(),
    }
}

/// A value in words.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => shown(text).into_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::Array(items) if items.is_empty() => "-".to_owned(),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(", "),
        Value::Object(fields) if fields.is_empty() => "-".to_owned(),
        Value::Object(fields) => match (fields.get("type"), fields.get("role"), fields.get("accounts")) {
            (Some(_), Some(role), None) => format!("{} everywhere", cell(role)),
            (Some(_), None, Some(accounts)) => grants(accounts),
            _ => in_words(value).unwrap_or_else(|| shown(&value.to_string()).into_owned()),
        },
    }
}

/// Text as a terminal may have it: what would move its cursor, colour it, or turn the order of its letters about is written
/// out. Others have said it.
pub fn shown(text: &str) -> Cow<'_, str> {
    let steers = |letter: char| {
        letter.is_control() || matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for letter in text.chars() {
        if steers(letter) {
            safe.extend(letter.escape_default());
        } else {
            safe.push(letter);
        }
    }
    Cow::Owned(safe)
}

/// What a leaving plan, a job or a list names beside the thing itself; nothing for what has no words.
fn in_words(value: &Value) -> Option<String> {
    let fields = value.as_object()?;
    let text = |name: &str| fields.get(name).and_then(Value::as_str).map(|text| shown(text).into_owned());
    if fields.values().all(Value::is_number) {
        let counts: Vec<_> = fields.iter().map(|(what, count)| format!("{count} {}", shown(what))).collect();
        return Some(counts.join(", "));
    }
    if let (Some(account), Some(role), 2) = (text("account"), text("role"), fields.len()) {
        return Some(if account == "all" {
            format!("{role} everywhere")
        } else {
            format!("{role} on {account}")
        });
    }
    if let (Some(kind @ ("account_owner" | "key_role")), 3) =
        (fields.get("type").and_then(Value::as_str), fields.len())
    {
        let post = if kind == "key_role" { text("name")? } else { "account owner".to_owned() };
        return Some(format!("{post} of {}", text("account").as_deref().unwrap_or("the organization")));
    }
    let (id, called) = (text("id")?, text("name").or_else(|| text("url"))?);
    Some(match fields.get("last_used_at") {
        None => format!("{called} ({id})"),
        Some(Value::Null) => format!("{called} ({id}, never used)"),
        Some(used) => format!("{called} ({id}, last used {})", cell(used)),
    })
}

/// Access to named accounts: role by account, or how many when they are many.
fn grants(accounts: &Value) -> String {
    let rows = accounts.as_array().map(Vec::as_slice).unwrap_or_default();
    let text = |row: &Value, name: &str| row.get(name).map(cell).unwrap_or_default();
    match rows {
        [] => "no account".to_owned(),
        [one] => format!("{} on {}", text(one, "role"), text(one, "account")),
        many => {
            let mut roles: Vec<_> = many.iter().map(|row| text(row, "role")).collect();
            roles.sort_unstable();
            let counted = roles.chunk_by(|a, b| a == b).map(|same| format!("{} on {}", same[0], same.len()));
            format!("{} accounts", counted.collect::<Vec<_>>().join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_said_does_not_steer_the_terminal() {
        let said = "\u{1b}[2J\u{9b}1mred\r\n\u{202e}txt";
        let safe = r"\u{1b}[2J\u{9b}1mred\r\n\u{202e}txt";
        assert_eq!(cell(&json!(said)), safe);
        assert_eq!(cell(&json!([said, "é"])), format!("{safe}, é"));
        assert!(!cell(&json!({"a": said})).contains(char::is_control));
        let rows = [json!({"name": said})];
        assert!(table(&rows, &[("NAME", "/name")]).contains(safe));
    }

    #[test]
    fn what_stands_beside_a_thing_is_said_in_words() {
        for (beside, words) in [
            (json!({"deal": 2, "task": 1}), "2 deal, 1 task"),
            (json!([{"account": "all", "role": "owner"}]), "owner everywhere"),
            (json!([{"account": "acc_1", "role": "viewer"}]), "viewer on acc_1"),
            (json!([{"type": "organization", "id": "org_1", "name": "Acme"}]), "Acme (org_1)"),
            (json!([{"id": "key_1", "name": "Desk", "last_used_at": null}]), "Desk (key_1, never used)"),
            (json!([{"id": "key_1", "name": "Desk", "last_used_at": "T"}]), "Desk (key_1, last used T)"),
            (json!([{"id": "whk_1", "url": "https://a.example"}]), "https://a.example (whk_1)"),
            (json!([{"type": "key_role", "name": "csm", "account": null}]), "csm of the organization"),
            (json!([{"type": "account_owner", "name": null, "account": "acc_1"}]), "account owner of acc_1"),
            (json!({"status": "pending"}), r#"{"status":"pending"}"#),
        ] {
            assert_eq!(cell(&beside), words);
        }
    }

    #[test]
    fn access_is_said_in_words() {
        let on = |account: &str, role: &str| json!({"account": account, "role": role});
        let several = [on("acc_1", "viewer"), on("acc_2", "member"), on("acc_3", "viewer")];
        for (access, words) in [
            (json!({"type": "organization", "role": "admin"}), "admin everywhere"),
            (json!({"type": "accounts", "accounts": []}), "no account"),
            (json!({"type": "accounts", "accounts": [on("acc_1", "member")]}), "member on acc_1"),
            (json!({"type": "accounts", "accounts": several}), "member on 1, viewer on 2 accounts"),
        ] {
            assert_eq!(cell(&access), words);
        }
    }
}
