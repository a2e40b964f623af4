//! Lists as CSV (RFC 4180), with cells that no spreadsheet takes for formulas.

use serde_json::{Map, Value};

/// Rows under the names of the first row's fields, `id` in front. Nothing at all where there is no row.
pub fn table(rows: &[Value]) -> String {
    let Some(first) = rows.first().and_then(Value::as_object) else {
        return String::new();
    };
    let names = columns(first);
    let mut text = line(names.iter().map(|name| cell(name)));
    for row in rows {
        text.push_str(&line(names.iter().map(|name| field(row.get(name)))));
    }
    text
}

fn columns(row: &Map<String, Value>) -> Vec<&str> {
    let id = row.keys().filter(|name| *name == "id");
    let others = row.keys().filter(|name| *name != "id");
    id.chain(others).map(String::as_str).collect()
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
    let text =
        text.trim_start_matches(|letter: char| letter.is_whitespace() && !matches!(letter, '\t' | '\r'));
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
        let mut lines = table(&rows);
        assert!(lines.ends_with("\r\n"));
        lines.truncate(lines.len() - 2);
        let lines: Vec<_> = lines.split("\r\n").collect();
        let names: Vec<_> = lines[0].split(',').collect();
        assert_eq!((names.len(), names[0]), (6, "id"));
        assert!(lines[1].starts_with("usr_1,"));
        for part in ["\"Ann, \"\"A\"\"\"", ",-3", "\"[\"\"a\"\",\"\"b\"\"]\"", ",true"] {
            assert!(lines[1].contains(part), "{part} in {}", lines[1]);
        }
        assert!(lines[2].starts_with("usr_2,") && lines[2].contains("\"two\nlines\""));
        assert_eq!(table(&[]), "");
    }

    #[test]
    fn makes_formulas_harmless() {
        for text in [
            "=1", "+1", "-1", "@a", "\ta", "\ra", "\0a", " =1", "\u{a0}=1", "\n=1", "＝1", "＋1", "－1",
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
