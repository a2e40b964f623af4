//! Columns and orders by their names, as reports and views are asked for.

use super::Field;
use crate::model::customer::ReportKind;
use crate::refusal::FieldError;

/// The most columns.
const MOST_COLUMNS: usize = 100;
/// The most columns to sort by.
const MOST_ORDERS: usize = 10;

/// Columns by their names.
///
/// # Errors
/// The first that is not there, or too many of them.
pub fn columns_of(kind: ReportKind, names: &[String]) -> Result<Vec<Field>, FieldError> {
    if names.len() > MOST_COLUMNS {
        return Err(wrong("/columns".to_owned(), format!("at most {MOST_COLUMNS} columns can be asked for")));
    }
    let field = |(n, name): (usize, &String)| field_of(kind, name, || format!("/columns/{n}"));
    names.iter().enumerate().map(field).collect()
}

/// Columns to sort by, with `-` for downwards.
///
/// # Errors
/// The first that is not there, or too many of them.
pub fn order_of(kind: ReportKind, names: &[String]) -> Result<Vec<(Field, bool)>, FieldError> {
    if names.len() > MOST_ORDERS {
        return Err(wrong("/sort".to_owned(), format!("at most {MOST_ORDERS} columns can be sorted by")));
    }
    let field = |(n, name): (usize, &String)| {
        let (down, name) = name.strip_prefix('-').map_or((false, name.as_str()), |name| (true, name));
        Ok((field_of(kind, name, || format!("/sort/{n}"))?, down))
    };
    names.iter().enumerate().map(field).collect()
}

fn field_of(kind: ReportKind, name: &str, pointer: impl FnOnce() -> String) -> Result<Field, FieldError> {
    Field::of(kind, name).map_err(|detail| wrong(pointer(), format!("{name}: {detail}")))
}

fn wrong(pointer: String, detail: String) -> FieldError {
    FieldError { pointer, detail }
}
