//! Filters: a tree of tests, each of a type that fits its column.

use std::cmp::Ordering;

use serde_json::{Value, json};

use super::cell::Cell;
use super::field::Field;
use crate::model::customer::ReportKind;
use crate::refusal::Refusal;
use crate::text::fold;
use crate::time::Timestamp;

/// How deep `and`, `or` and `not` may lie in each other.
pub(super) const MAX_DEPTH: usize = 32;
/// How many tests one filter may have.
pub(super) const MAX_TESTS: usize = 200;

/// Which rows.
#[derive(Clone, PartialEq, Debug)]
pub enum Filter {
    /// All of them hold.
    And(Vec<Self>),
    /// One of them holds.
    Or(Vec<Self>),
    /// It does not hold.
    Not(Box<Self>),
    /// One test.
    Test(Test),
}

/// One test.
#[derive(Clone, PartialEq, Debug)]
pub struct Test {
    /// Of which column.
    pub field: Field,
    /// How.
    pub op: Op,
    /// Against what: one for most, several for `in`, none for `exists` and `missing`.
    pub values: Vec<Operand>,
}

/// What a column is compared with.
#[derive(Clone, PartialEq, Debug)]
pub enum Operand {
    /// A value.
    Cell(Cell),
    /// An instant before or after now.
    Relative(Moment),
}

impl Operand {
    fn shown(&self) -> Value {
        match self {
            Self::Cell(cell) => cell.shown(),
            Self::Relative(Moment(seconds)) => {
                let unit = [(86_400, 'd'), (3_600, 'h'), (60, 'm')]
                    .into_iter()
                    .find(|(unit, _)| seconds % unit == 0);
                let (unit, letter) = unit.unwrap_or((1, 's'));
                format!("{:+}{letter}", seconds / unit).into()
            }
        }
    }
}

/// So many seconds from now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Moment(pub i64);

impl Moment {
    /// `-7d`: a sign, a number, and one of s, m, h, d, w; or `now`.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "now" {
            return Some(Self(0));
        }
        let (sign, rest) = match text.split_at_checked(1)? {
            ("-", rest) => (-1, rest),
            ("+", rest) => (1, rest),
            _ => return None,
        };
        let unit = match rest.chars().last()? {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            'w' => 7 * 86_400,
            _ => return None,
        };
        let digits = &rest[..rest.len() - 1];
        let fits = (1..=6).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit());
        let number: i64 = fits.then(|| digits.parse().ok())??;
        Some(Self(sign * number * unit))
    }
}

/// How a column is tested.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Op {
    /// The same.
    Eq,
    /// Not the same; nothing is not the same as anything.
    Ne,
    /// Less.
    Lt,
    /// Less or the same.
    Lte,
    /// More.
    Gt,
    /// More or the same.
    Gte,
    /// One of several.
    In,
    /// Text that holds text, or an array that holds a value.
    Contains,
    /// Text that begins with text.
    StartsWith,
    /// There is a value.
    Exists,
    /// There is none.
    Missing,
    /// An earlier instant.
    Before,
    /// A later instant.
    After,
}

impl Op {
    /// All of them, by name.
    pub const ALL: [(&'static str, Self); 13] = [
        ("eq", Self::Eq),
        ("ne", Self::Ne),
        ("lt", Self::Lt),
        ("lte", Self::Lte),
        ("gt", Self::Gt),
        ("gte", Self::Gte),
        ("in", Self::In),
        ("contains", Self::Contains),
        ("starts_with", Self::StartsWith),
        ("exists", Self::Exists),
        ("missing", Self::Missing),
        ("before", Self::Before),
        ("after", Self::After),
    ];

    /// By its name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(known, _)| *known == name).map(|(_, op)| op)
    }

    /// Whether it takes no value.
    pub const fn is_bare(self) -> bool {
        matches!(self, Self::Exists | Self::Missing)
    }
}

impl Test {
    /// A test whose values fit its column; else what is wrong.
    pub fn new(field: Field, op: Op, values: &[Value]) -> Result<Self, String> {
        let values = values.iter().map(|value| operand(&field, op, value)).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { field, op, values })
    }

    fn holds(&self, cell: &Cell, now: Timestamp) -> bool {
        let against = |operand: &Operand| match operand {
            Operand::Cell(cell) => cell.clone(),
            Operand::Relative(Moment(seconds)) => Cell::Time(now.plus_seconds(*seconds)),
        };
        let first = self.values.first().map_or(Cell::Nothing, against);
        match self.op {
            Op::Exists => *cell != Cell::Nothing,
            Op::Missing => *cell == Cell::Nothing,
            Op::Eq => same(cell, &first),
            Op::Ne => !same(cell, &first),
            Op::In => self.values.iter().any(|value| same(cell, &against(value))),
            Op::Lt => ordered(cell, &first).is_some_and(Ordering::is_lt),
            Op::Lte => ordered(cell, &first).is_some_and(Ordering::is_le),
            Op::Gt => ordered(cell, &first).is_some_and(Ordering::is_gt),
            Op::Gte => ordered(cell, &first).is_some_and(Ordering::is_ge),
            Op::Before => cell.instant().zip(first.instant()).is_some_and(|(cell, first)| cell < first),
            Op::After => cell.instant().zip(first.instant()).is_some_and(|(cell, first)| cell > first),
            Op::Contains => contains(cell, &first),
            Op::StartsWith => match (cell, &first) {
                (Cell::Text(text), Cell::Text(start)) => fold(text).starts_with(&fold(start)),
                _ => false,
            },
        }
    }
}

/// Instants may be written as text, as traits hold them.
fn same(cell: &Cell, other: &Cell) -> bool {
    match (cell, other) {
        (Cell::Time(_), _) | (_, Cell::Time(_)) => {
            cell.instant().is_some() && cell.instant() == other.instant()
        }
        (one, other) => one == other,
    }
}

/// Only values of one kind come before and after each other.
fn ordered(cell: &Cell, other: &Cell) -> Option<Ordering> {
    match (cell, other) {
        (Cell::Time(_), _) | (_, Cell::Time(_)) => Some(cell.instant()?.cmp(&other.instant()?)),
        (Cell::Number(_), Cell::Number(_))
        | (Cell::Text(_), Cell::Text(_))
        | (Cell::Truth(_), Cell::Truth(_)) => Some(cell.order(other)),
        _ => None,
    }
}

fn contains(cell: &Cell, part: &Cell) -> bool {
    match (cell, part) {
        (Cell::Text(text), Cell::Text(part)) => fold(text).contains(&fold(part)),
        (Cell::Other(text), part) => match serde_json::from_str(text) {
            Ok(Value::Array(items)) => items.iter().any(|item| Cell::json(Some(item)) == *part),
            _ => false,
        },
        _ => false,
    }
}

fn operand(field: &Field, op: Op, value: &Value) -> Result<Operand, String> {
    let relative = value.as_str().and_then(Moment::parse);
    let timed = matches!(op, Op::Before | Op::After);
    if timed && !field.is_time() && !field.is_any() {
        return Err(format!("`{field}` holds no instants; before and after do not fit it"));
    }
    if field.is_time() || timed {
        return match (relative, value) {
            (Some(moment), _) => Ok(Operand::Relative(moment)),
            (None, Value::String(text)) => match text.parse() {
                Ok(time) => Ok(Operand::Cell(Cell::Time(time))),
                Err(_) => Err(format!("{value} is no instant: write 2027-01-31T12:00:00Z, or -7d from now")),
            },
            (None, Value::Null) if matches!(op, Op::Eq | Op::Ne) => Ok(Operand::Cell(Cell::Nothing)),
            _ => Err(format!("{value} is no instant: write 2027-01-31T12:00:00Z, or -7d from now")),
        };
    }
    if matches!(op, Op::Contains | Op::StartsWith) && field.is_number() {
        return Err(format!("`{field}` holds numbers; contains and starts_with do not fit it"));
    }
    let fits = match value {
        Value::Null => matches!(op, Op::Eq | Op::Ne | Op::In),
        Value::Number(_) => field.is_number() || field.is_any(),
        Value::String(_) => !field.is_number(),
        Value::Bool(_) => field.is_any(),
        Value::Array(_) | Value::Object(_) => false,
    };
    if fits {
        Ok(Operand::Cell(Cell::json(Some(value))))
    } else {
        Err(format!("{value} does not fit `{field}`"))
    }
}

/// Whether one of them decides, as true does among alternatives; if none can, the other; nothing if one that is not known
/// could.
fn decided(
    all: &[Filter],
    by: bool,
    cell: &mut impl FnMut(&Field) -> Option<Cell>,
    now: Timestamp,
) -> Option<bool> {
    let mut known = Some(!by);
    for one in all {
        match one.verdict(cell, now) {
            Some(holds) if holds == by => return Some(by),
            Some(_) => {}
            None => known = None,
        }
    }
    known
}

impl Filter {
    /// Whether a row belongs.
    pub fn holds(&self, cell: &mut impl FnMut(&Field) -> Cell, now: Timestamp) -> bool {
        self.verdict(&mut |field| Some(cell(field)), now) == Some(true)
    }

    /// Whether a row belongs whose values are not all known yet; nothing where that rests on those that are not.
    pub fn verdict(&self, cell: &mut impl FnMut(&Field) -> Option<Cell>, now: Timestamp) -> Option<bool> {
        match self {
            Self::And(all) => decided(all, false, cell, now),
            Self::Or(any) => decided(any, true, cell, now),
            Self::Not(one) => one.verdict(cell, now).map(|holds| !holds),
            Self::Test(test) => Some(test.holds(&cell(&test.field)?, now)),
        }
    }

    /// Tests that hold of every row that belongs.
    pub(super) fn demands<'a>(&'a self, found: &mut Vec<&'a Test>) {
        match self {
            Self::And(all) => all.iter().for_each(|one| one.demands(found)),
            Self::Test(test) => found.push(test),
            Self::Or(_) | Self::Not(_) => {}
        }
    }

    /// As JSON, which reads back as the same.
    pub fn shown(&self) -> Value {
        let many = |all: &[Self]| all.iter().map(Self::shown).collect::<Vec<_>>();
        match self {
            Self::And(all) => json!({ "and": many(all) }),
            Self::Or(any) => json!({ "or": many(any) }),
            Self::Not(one) => json!({ "not": one.shown() }),
            Self::Test(test) => {
                let name = Op::ALL.into_iter().find(|(_, op)| *op == test.op).map_or("", |(name, _)| name);
                let mut shown = json!({"field": test.field, "op": name});
                let values: Vec<Value> = test.values.iter().map(Operand::shown).collect();
                match test.op {
                    Op::In => shown["value"] = values.into(),
                    _ => values.into_iter().for_each(|value| shown["value"] = value),
                }
                shown
            }
        }
    }

    /// Every column that it looks at.
    pub fn fields<'a>(&'a self, found: &mut Vec<&'a Field>) {
        match self {
            Self::And(many) | Self::Or(many) => many.iter().for_each(|one| one.fields(found)),
            Self::Not(one) => one.fields(found),
            Self::Test(test) => found.push(&test.field),
        }
    }

    /// A filter from JSON; refusals point at the place.
    pub fn read(kind: ReportKind, value: &Value, pointer: &str) -> Result<Self, Refusal> {
        Self::read_at(kind, value, pointer, 0, &mut 0)
    }

    fn read_at(
        kind: ReportKind,
        value: &Value,
        pointer: &str,
        depth: usize,
        tests: &mut usize,
    ) -> Result<Self, Refusal> {
        let wrong = |detail: &str| Err(Refusal::invalid(pointer, detail.to_owned()));
        if depth > MAX_DEPTH {
            return wrong("nested too deep: at most 32 levels");
        }
        let Value::Object(fields) = value else { return wrong("must be an object") };
        let many = |name: &str, all: &Value, tests: &mut usize| -> Result<Vec<Self>, Refusal> {
            let here = format!("{pointer}/{name}");
            let Value::Array(all) = all else {
                return Err(Refusal::invalid(here, "must be a list of filters"));
            };
            let each = all.iter().enumerate();
            each.map(|(n, one)| Self::read_at(kind, one, &format!("{here}/{n}"), depth + 1, tests)).collect()
        };
        match (fields.len(), fields.get("and"), fields.get("or"), fields.get("not")) {
            (1, Some(all), None, None) => Ok(Self::And(many("and", all, tests)?)),
            (1, None, Some(any), None) => Ok(Self::Or(many("or", any, tests)?)),
            (1, None, None, Some(one)) => {
                let one = Self::read_at(kind, one, &format!("{pointer}/not"), depth + 1, tests)?;
                Ok(Self::Not(Box::new(one)))
            }
            (_, None, None, None) => {
                *tests += 1;
                if *tests > MAX_TESTS {
                    return wrong("too many tests: at most 200");
                }
                Self::read_test(kind, fields, pointer).map(Self::Test)
            }
            _ => wrong("`and`, `or` and `not` stand alone"),
        }
    }

    fn read_test(
        kind: ReportKind,
        fields: &serde_json::Map<String, Value>,
        pointer: &str,
    ) -> Result<Test, Refusal> {
        let at = |name: &str| format!("{pointer}/{name}");
        let unknown = fields.keys().find(|name| !["field", "op", "value"].contains(&name.as_str()));
        if let Some(name) = unknown {
            return Err(Refusal::invalid(at(name), "no such part: a test has `field`, `op` and `value`"));
        }
        let text = |name: &str| {
            let text = fields.get(name).and_then(Value::as_str);
            text.ok_or_else(|| Refusal::invalid(at(name), "is missing: a test has `field`, `op` and `value`"))
        };
        let field =
            Field::of(kind, text("field")?).map_err(|detail| Refusal::invalid(at("field"), detail))?;
        let op = Op::of(text("op")?).ok_or_else(|| {
            let known: Vec<&str> = Op::ALL.iter().map(|(name, _)| *name).collect();
            Refusal::invalid(at("op"), format!("no such operator; there are {}", known.join(", ")))
        })?;
        let values: Vec<Value> = match (op, fields.get("value")) {
            (op, None | Some(Value::Null)) if op.is_bare() => Vec::new(),
            (op, Some(_)) if op.is_bare() => {
                return Err(Refusal::invalid(at("value"), "exists and missing take no value"));
            }
            (Op::In, Some(Value::Array(values))) if (1..=1_000).contains(&values.len()) => values.clone(),
            (Op::In, _) => return Err(Refusal::invalid(at("value"), "must be a list of 1 to 1,000 values")),
            (_, None) => return Err(Refusal::invalid(at("value"), "is missing")),
            (_, Some(value)) => vec![value.clone()],
        };
        Test::new(field, op, &values).map_err(|detail| Refusal::invalid(at("value"), detail))
    }
}

#[cfg(test)]
#[path = "filter_tests.rs"]
mod tests;
