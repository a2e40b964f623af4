//! Filters as text: `owner.last_seen_at before -7d and traits.plan eq "pro"`. `and` binds closer than `or`; parentheses
//! group. The name of a trait stands in quotation marks where it holds what would end it: `traits."plan, paid" exists`. What
//! is wrong is pointed at.

use serde_json::Value;

use super::field::Field;
use super::filter::{Filter, MAX_DEPTH, MAX_TESTS, Op, Test};
use crate::model::customer::ReportKind;

/// A filter from text; else where it goes wrong, shown under the text, and how.
pub fn parse_where(kind: ReportKind, text: &str) -> Result<Filter, String> {
    let parsed = tokens(text).and_then(|tokens| {
        let mut reader = Reader { kind, tokens, at: 0, tests: 0, end: text.chars().count() };
        let filter = reader.either(0)?;
        match reader.peek() {
            // What could not be written as JSON could be saved, and never be read again.
            None => Filter::read(kind, &filter.shown(), "").map_err(|wrong| (0, wrong.to_string())),
            Some(Token { at, .. }) => Err((*at, "expected `and`, `or` or the end".to_owned())),
        }
    });
    // On one line, so that the place is under it.
    let line: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    parsed.map_err(|(at, wrong)| format!("{wrong}\n  {line}\n  {}^", " ".repeat(at)))
}

/// Where, and what is wrong.
type Wrong = (usize, String);

#[derive(Clone, PartialEq, Debug)]
struct Token {
    at: usize,
    kind: Piece,
}

#[derive(Clone, PartialEq, Debug)]
enum Piece {
    Word(String),
    Quoted(String),
    Mark(char),
}

fn tokens(text: &str) -> Result<Vec<Token>, Wrong> {
    let letters: Vec<char> = text.chars().collect();
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some(letter) = letters.get(at).copied() {
        let from = at;
        let kind = match letter {
            letter if letter.is_whitespace() => {
                at += 1;
                continue;
            }
            '(' | ')' | '[' | ']' | ',' => {
                at += 1;
                Piece::Mark(letter)
            }
            '"' => {
                at += 1;
                let mut quoted = String::new();
                loop {
                    match letters.get(at) {
                        None => return Err((from, "this quotation mark has no end".to_owned())),
                        Some('"') => break,
                        Some('\\') => {
                            at += 1;
                            quoted.extend(letters.get(at));
                        }
                        Some(letter) => quoted.push(*letter),
                    }
                    at += 1;
                }
                at += 1;
                Piece::Quoted(quoted)
            }
            _ => {
                let ends = |letter: &char| letter.is_whitespace() || "()[],\"".contains(*letter);
                while letters.get(at).is_some_and(|letter| !ends(letter)) {
                    at += 1;
                }
                Piece::Word(letters[from..at].iter().collect())
            }
        };
        found.push(Token { at: from, kind });
    }
    Ok(found)
}

struct Reader {
    kind: ReportKind,
    tokens: Vec<Token>,
    at: usize,
    tests: usize,
    end: usize,
}

impl Reader {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn next(&mut self, wanted: &str) -> Result<Token, Wrong> {
        let token = self.peek().cloned().ok_or_else(|| (self.end, format!("expected {wanted}")))?;
        self.at += 1;
        Ok(token)
    }

    fn takes_word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Some(Token { kind: Piece::Word(found), .. }) if found == word);
        self.at += usize::from(found);
        found
    }

    fn takes_mark(&mut self, mark: char) -> bool {
        let found = matches!(self.peek(), Some(Token { kind: Piece::Mark(found), .. }) if *found == mark);
        self.at += usize::from(found);
        found
    }

    fn either(&mut self, depth: usize) -> Result<Filter, Wrong> {
        let mut any = vec![self.both(depth)?];
        while self.takes_word("or") {
            any.push(self.both(depth)?);
        }
        Ok(if any.len() == 1 { any.remove(0) } else { Filter::Or(any) })
    }

    fn both(&mut self, depth: usize) -> Result<Filter, Wrong> {
        let mut all = vec![self.one(depth)?];
        while self.takes_word("and") {
            all.push(self.one(depth)?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Filter::And(all) })
    }

    fn one(&mut self, depth: usize) -> Result<Filter, Wrong> {
        let here = self.peek().map_or(self.end, |token| token.at);
        if depth > MAX_DEPTH {
            return Err((here, "nested too deep: at most 32 levels".to_owned()));
        }
        if self.takes_word("not") {
            return Ok(Filter::Not(Box::new(self.one(depth + 1)?)));
        }
        if self.takes_mark('(') {
            let filter = self.either(depth + 1)?;
            if self.takes_mark(')') {
                return Ok(filter);
            }
            return Err((self.peek().map_or(self.end, |token| token.at), "expected `)`".to_owned()));
        }
        self.tests += 1;
        if self.tests > MAX_TESTS {
            return Err((here, "too many tests: at most 200".to_owned()));
        }
        self.test().map(Filter::Test)
    }

    fn test(&mut self) -> Result<Test, Wrong> {
        let (at, name) = self.column()?;
        let field = Field::of(self.kind, &name).map_err(|wrong| (at, wrong))?;
        let Token { at, kind } = self.next("an operator")?;
        let op = match kind {
            Piece::Word(name) => Op::of(&name),
            Piece::Quoted(_) | Piece::Mark(_) => None,
        };
        let op = op.ok_or_else(|| {
            let known: Vec<&str> = Op::ALL.iter().map(|(name, _)| *name).collect();
            (at, format!("expected an operator: {}", known.join(", ")))
        })?;
        let here = self.peek().map_or(self.end, |token| token.at);
        let values = match op {
            op if op.is_bare() => Vec::new(),
            Op::In => self.list()?,
            _ => vec![self.value()?],
        };
        Test::new(field, op, &values).map_err(|wrong| (here, wrong))
    }

    /// A word, or one that ends in a dot with the rest in quotation marks right behind it.
    fn column(&mut self) -> Result<(usize, String), Wrong> {
        let Token { at, kind: Piece::Word(mut name) } = self.next("a column")? else {
            return Err((self.tokens[self.at - 1].at, "expected a column".to_owned()));
        };
        let end = at + name.chars().count();
        if name.ends_with('.')
            && let Some(Token { at: behind, kind: Piece::Quoted(rest) }) = self.peek()
            && *behind == end
        {
            name.push_str(rest);
            self.at += 1;
        }
        Ok((at, name))
    }

    fn list(&mut self) -> Result<Vec<Value>, Wrong> {
        let here = self.peek().map_or(self.end, |token| token.at);
        let end = match (self.takes_mark('('), self.takes_mark('[')) {
            (true, _) => ')',
            (false, true) => ']',
            (false, false) => return Err((here, "expected a list: (\"a\", \"b\")".to_owned())),
        };
        let mut values = vec![self.value()?];
        while self.takes_mark(',') {
            values.push(self.value()?);
        }
        let here = self.peek().map_or(self.end, |token| token.at);
        if self.takes_mark(end) { Ok(values) } else { Err((here, format!("expected `,` or `{end}`"))) }
    }

    /// A quoted text, a number, true, false, null, or an instant without quotation marks.
    fn value(&mut self) -> Result<Value, Wrong> {
        let Token { at, kind } = self.next("a value")?;
        match kind {
            Piece::Quoted(text) => Ok(text.into()),
            Piece::Mark(_) => Err((at, "expected a value".to_owned())),
            Piece::Word(word) => match serde_json::from_str::<Value>(&word) {
                Ok(value) => Ok(value),
                Err(_) if ["and", "or", "not"].contains(&word.as_str()) => {
                    Err((at, "expected a value".to_owned()))
                }
                Err(_) => Ok(word.into()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn text_and_json_say_the_same() {
        let kind = ReportKind::Accounts;
        let text = r#"owner.last_seen_at before -7d and (traits.plan eq "pro" or not members gt 3) and name in ("a", "b\"c")"#;
        let json = json!({"and": [
            {"field": "owner.last_seen_at", "op": "before", "value": "-7d"},
            {"or": [
                {"field": "traits.plan", "op": "eq", "value": "pro"},
                {"not": {"field": "members", "op": "gt", "value": 3}},
            ]},
            {"field": "name", "op": "in", "value": ["a", "b\"c"]},
        ]});
        assert_eq!(parse_where(kind, text), Ok(Filter::read(kind, &json, "").unwrap()));
        assert!(
            Filter::read(ReportKind::Organizations, &json!({"field": "slug", "op": "exists"}), "").is_ok()
        );
        let quoted =
            parse_where(kind, r#"traits."plan, \"paid\" (a.b)" eq 1 and organization.traits."a b" exists"#);
        let json = json!({"and": [
            {"field": "traits.plan, \"paid\" (a.b)", "op": "eq", "value": 1},
            {"field": "organization.traits.a b", "op": "exists"},
        ]});
        assert_eq!(quoted, Ok(Filter::read(kind, &json, "").unwrap()));
        let loose = parse_where(kind, "owner missing or traits.a eq 1 and traits.b eq true").unwrap();
        assert!(matches!(loose, Filter::Or(ref any) if any.len() == 2), "{loose:?}");
    }

    #[test]
    fn what_is_wrong_is_pointed_at() {
        for (text, at) in [
            ("", 0),
            ("name", 4),
            ("nope eq 1", 0),
            ("name like 1", 5),
            ("name eq", 7),
            ("name\n\tlike 1", 6),
            ("name eq \"\u{1f600}\"\r\n or", 16),
            ("name eq \"x", 8),
            ("name eq \"x\" name", 12),
            ("(name exists", 12),
            ("owner.sessions gt \"x\"", 18),
            ("name in \"x\"", 8),
            ("name eq \"x\" and", 15),
            ("traits.a b eq 1", 9),
            ("traits.\"a b eq 1", 7),
            ("traits. \"a b\" eq 1", 0),
            ("traits.\"\" eq 1", 0),
            ("name.\"a\" eq 1", 0),
            ("traits.\"a b\" like 1", 13),
        ] {
            let wrong = parse_where(ReportKind::Accounts, text).unwrap_err();
            let pointed = wrong.lines().last().unwrap().find('^').unwrap();
            assert_eq!(pointed, at + 2, "{text}\n{wrong}");
        }
        let deep = "not ".repeat(10_000) + "name exists";
        assert!(parse_where(ReportKind::Accounts, &deep).is_err());
        assert!(parse_where(ReportKind::Accounts, &("(".repeat(10_000) + "name exists")).is_err());
        // What is saved must be read again.
        let many = format!("name in ({})", ["\"a\""; 1_001].join(","));
        assert!(parse_where(ReportKind::Accounts, &many).is_err());
        let nested = (0..17)
            .fold("name exists".to_owned(), |text, _| format!("owner missing or name exists and ({text})"));
        assert!(parse_where(ReportKind::Accounts, &nested).is_err());
    }
}
