//! Lists as CSV (RFC 4180), with cells that no spreadsheet takes for formulas.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::Value;

use crate::openapi;

/// What a list as CSV is sent as.
pub const CONTENT_TYPE: &str = "text/csv; charset=utf-8";

/// Names of columns by the schema of a row: its fields, in the order of the document.
static COLUMNS: LazyLock<BTreeMap<String, Vec<String>>> = LazyLock::new(openapi::fields_of_answers);

/// The columns of rows with a schema of the `OpenAPI` document; none for a name that is not there.
pub fn columns(schema: &str) -> &'static [String] {
    COLUMNS.get(schema).map(Vec::as_slice).unwrap_or_default()
}

/// The same with what rows of this list have beside, whether or not there are any: members that are sorted by when they were
/// seen last say when that was.
pub fn columns_of<'a>(columns: &'a [impl AsRef<str>], beside: &[&'a str], rows: &'a [Value]) -> Vec<&'a str> {
    let mut all: Vec<&str> = columns.iter().map(AsRef::as_ref).collect();
    let own = rows.first().and_then(Value::as_object).into_iter().flat_map(|row| row.keys());
    for name in beside.iter().copied().chain(own.map(String::as_str)) {
        if !all.contains(&name) {
            all.push(name);
        }
    }
    all
}

/// Rows under the names of their columns, which are there without any row, too.
pub fn table(columns: &[impl AsRef<str>], rows: &[Value]) -> String {
    rows.iter().fold(header(columns), |text, one| text + &row(columns, one))
}

/// The line with the names of columns.
pub fn header(columns: &[impl AsRef<str>]) -> String {
    line(columns.iter().map(|name| cell(name.as_ref())))
}

/// The line of one row.
pub fn row(columns: &[impl AsRef<str>], row: &Value) -> String {
    line(columns.iter().map(|name| field(row.get(name.as_ref()))))
}

fn line(cells: impl Iterator<Item = String>) -> String {
    cells.collect::<Vec<_>>().join(",") + "\r\n"
}

fn field(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => cell(text),
        Some(Value::Number(number)) => number.to_string(),
        Some(nested) => cell(&nested.to_string()),
    }
}

fn cell(text: &str) -> String {
    let mark = if is_formula(text) { "'" } else { "" };
    if mark.is_empty() && !text.contains(['"', ',', '\r', '\n']) {
        return text.to_owned();
    }
    format!("\"{mark}{}\"", text.replace('"', "\"\""))
}

/// Whether a spreadsheet may take it for a formula.
fn is_formula(text: &str) -> bool {
    let unseen =
        |letter: char| letter.is_whitespace() || matches!(letter, '\u{feff}' | '\u{200b}'..='\u{200f}');
    let text = text.trim_start_matches(|letter| unseen(letter) && !matches!(letter, '\t' | '\r'));
    text.starts_with(['=', '+', '-', '@', '\t', '\r', '\0', '＝', '＋', '－', '＠'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn puts_fields_under_names() {
        let rows = [
            json!({"name": "Ann, \"A\"", "id": "usr_1", "size": -3, "roles": ["a", "b"], "none": null, "on": true}),
            json!({"id": "usr_2", "name": "two\nlines"}),
        ];
        let columns = ["id", "name", "size", "roles", "none", "on"];
        let lines = [
            "id,name,size,roles,none,on",
            r#"usr_1,"Ann, ""A""",-3,"[""a"",""b""]",,true"#,
            "usr_2,\"two\nlines\",,,,",
        ];
        assert_eq!(table(&columns, &rows), lines.map(|line| format!("{line}\r\n")).concat());
        assert_eq!(table(&columns, &[]), "id,name,size,roles,none,on\r\n");
    }

    #[test]
    fn columns_stand_in_the_order_of_the_document() {
        assert_eq!(columns("User"), ["id", "external_id", "email", "name", "status", "traits", "created_at"]);
        assert_eq!(columns("Nothing"), [""; 0]);
    }

    #[test]
    fn makes_formulas_harmless() {
        for text in [
            "=1",
            "+1",
            "-1",
            "@a",
            "\ta",
            "\ra",
            "\0a",
            " =1",
            "\u{a0}=1",
            "\n=1",
            "\u{feff}=1",
            "\u{200b}@a",
            "＝1",
            "＋1",
            "－1",
            "＠a",
        ] {
            assert_eq!(cell(text), format!("\"'{text}\""));
        }
        for text in ["a=1", "", "a@b.c", "0", " a"] {
            assert_eq!(cell(text), text);
        }
        assert_eq!(cell("=\"a\""), "\"'=\"\"a\"\"\"");
    }
}
