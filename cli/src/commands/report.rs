//! `roster report`: which customers are how.

use clap::{Args, Subcommand};
use roster_core::model::customer::ReportKind;
use roster_core::report::{Asked, Field, Filter, columns_of, order_of, parse_where, report, usual_columns};
use serde_json::{Map, Value, json};

use super::open;
use crate::args::{Format, Global, Limit};
use crate::cursor::Cursor;
use crate::failure::Failure;
use crate::output::{line, note_more, shown, text};

/// The nouns.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// A row an account.
    Accounts(Report),
    /// A row an organization.
    Organizations(Report),
}

/// Flags.
#[derive(Debug, Args)]
pub struct Report {
    /// Which rows: COLUMN OPERATOR VALUE, with `and`, `or`, `not` and parentheses, such as
    /// `owner.last_seen_at before -7d and traits.plan eq "pro"`. A trait's name with a blank, a comma or the like stands in
    /// quotation marks: `traits."paid plan" exists`.
    #[arg(long = "where", value_name = "FILTER")]
    filter: Option<String>,
    /// The columns, with commas [default: the usual ones].
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    columns: Vec<String>,
    /// By which columns, with commas; `-` in front turns the order round.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',', allow_hyphen_values = true)]
    sort: Vec<String>,
    #[command(flatten)]
    limit: Limit,
}

/// Does it.
pub async fn run(command: Command, global: &Global) -> Result<(), Failure> {
    let (kind, asked) = match command {
        Command::Accounts(asked) => (ReportKind::Accounts, asked),
        Command::Organizations(asked) => (ReportKind::Organizations, asked),
    };
    let (columns, sort) = (columns(kind, &asked.columns)?, sort(kind, &asked.sort)?);
    let filter = filter(kind, asked.filter.as_deref())?;
    show(kind, columns, filter, sort, &asked.limit, global).await
}

/// Columns by their names.
pub(super) fn columns(kind: ReportKind, names: &[String]) -> Result<Vec<Field>, Failure> {
    columns_of(kind, names).map_err(|wrong| Failure::Usage(format!("--columns: {}", wrong.detail)))
}

/// An order by its names.
pub(super) fn sort(kind: ReportKind, names: &[String]) -> Result<Vec<(Field, bool)>, Failure> {
    order_of(kind, names).map_err(|wrong| Failure::Usage(format!("--sort: {}", wrong.detail)))
}

/// A filter from its text form; bad usage where it goes wrong, with the place.
pub(super) fn filter(kind: ReportKind, text: Option<&str>) -> Result<Option<Filter>, Failure> {
    text.map(|text| parse_where(kind, text))
        .transpose()
        .map_err(|wrong| Failure::Usage(format!("--where: {wrong}")))
}

/// Prints a report, page by page to the end or the limit.
pub(super) async fn show(
    kind: ReportKind,
    columns: Vec<Field>,
    filter: Option<Filter>,
    sort: Vec<(Field, bool)>,
    limit: &Limit,
    global: &Global,
) -> Result<(), Failure> {
    let columns = if columns.is_empty() { usual_columns(kind) } else { columns };
    let names: Vec<String> = columns.iter().map(ToString::to_string).collect();
    let session = open(global).await?;
    let most = limit.rows().unwrap_or(usize::MAX);
    let mut asked = Asked { kind, columns, filter, sort, limit: 200, after: limit.after()? };
    let mut rows: Vec<Value> = Vec::new();
    let next = loop {
        asked.limit = u16::try_from(most - rows.len()).unwrap_or(10_000).min(10_000);
        let page = report(&session.roster, &session.request(), &asked).await?;
        rows.extend(page.rows.iter().map(|row| {
            let fields = names.iter().cloned().zip(row.iter().map(roster_core::report::Cell::shown));
            Value::Object(fields.collect::<Map<_, _>>())
        }));
        asked.after = page.next;
        if asked.after.is_none() || rows.len() >= most {
            break asked.after.as_ref().map(Cursor::to);
        }
    };
    match global.output {
        Format::Json => session.out.value(&json!({"data": rows, "next_cursor": next}))?,
        Format::Csv => text(&roster_api::csv::table(&names, &rows))?,
        Format::Table if rows.is_empty() => line("Nothing fits.")?,
        Format::Table => line(&table(&names, &rows))?,
    }
    if let Some(cursor) = &next {
        note_more(cursor);
    }
    Ok(())
}

fn table(names: &[String], rows: &[Value]) -> String {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(names.iter().map(|name| shown(&name.to_uppercase().replace('_', " ")).into_owned()));
    for row in rows {
        table.add_row(names.iter().map(|name| match row.get(name) {
            None | Some(Value::Null) => "-".to_owned(),
            Some(Value::String(text)) => shown(text).into_owned(),
            Some(other) => shown(&other.to_string()).into_owned(),
        }));
    }
    table.trim_fmt()
}
