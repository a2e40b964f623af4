//! Reports on accounts and organizations (rule T5).

use axum::http::{HeaderName, header};
use axum::response::{IntoResponse, Response};
use roster_core::model::customer::ReportKind;
use roster_core::report::{Asked, Field, Filter, ReportPage, columns_of, order_of, report};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::answer::Answer;
use crate::call::Call;
use crate::csv;
use crate::error::Problem;
use crate::route::Route;

/// Where a page as CSV leads on, which has no other place for it; no header at the end.
const NEXT_CURSOR: HeaderName = HeaderName::from_static("roster-next-cursor");

/// The routes.
pub fn routes() -> Vec<Route> {
    let about = "Operators see all, others where they hold `customers:read`. `filter` is a tree of `and`, `or`, `not` and \
                 tests; `sort` a list of columns, `-` reverses. Instants may be relative: `-7d`. Each row has the columns \
                 asked for under their names. With `Accept: text/csv` the page comes as CSV, and `Roster-Next-Cursor` \
                 is the `cursor` of the next one, where there is one. It reads everything that it could show.";
    let example = json!({
        "columns": ["name", "owner.email", "owner.last_seen_at"],
        "filter": {"field": "owner.last_seen_at", "op": "before", "value": "-7d"},
        "sort": ["-owner.last_seen_at"], "limit": 50,
    });
    vec![
        Route::post("/reports/accounts", "report_accounts", |call| page(call, ReportKind::Accounts))
            .says("Report on accounts", about)
            .takes(example.clone())
            .answers(200, "ReportPage")
            .refuses(&["invalid_cursor"])
            .only_reads(),
        Route::post("/reports/organizations", "report_organizations", |call| {
            page(call, ReportKind::Organizations)
        })
        .says("Report on organizations", about)
        .takes(example)
        .answers(200, "ReportPage")
        .refuses(&["invalid_cursor"])
        .only_reads(),
    ]
}

/// What a report asks.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReportBody {
    columns: Vec<String>,
    filter: Option<Value>,
    sort: Vec<String>,
    limit: Option<u16>,
    cursor: Option<String>,
}

/// Columns by their names.
pub fn columns(kind: ReportKind, names: &[String]) -> Result<Vec<Field>, Problem> {
    columns_of(kind, names).map_err(|wrong| Problem::with_errors(vec![wrong]))
}

/// Columns to sort by, with `-` for downwards.
pub fn sort(kind: ReportKind, names: &[String]) -> Result<Vec<(Field, bool)>, Problem> {
    order_of(kind, names).map_err(|wrong| Problem::with_errors(vec![wrong]))
}

/// A filter; none for all.
pub fn filter(kind: ReportKind, value: Option<&Value>) -> Result<Option<Filter>, Problem> {
    let value = value.filter(|value| !value.is_null());
    Ok(value.map(|value| Filter::read(kind, value, "/filter")).transpose()?)
}

async fn page(call: Call<ReportBody>, kind: ReportKind) -> Result<Response, Problem> {
    let body = &call.body;
    let limit = body.limit.unwrap_or(50);
    if !(1..=200).contains(&limit) {
        return Err(Problem::invalid("/limit", "must be 1 to 200"));
    }
    // A cursor leads on in the same question only.
    let question = json!([body.columns, body.filter, body.sort]).to_string();
    let scope = format!("{kind:?}\n{question}");
    let after = body.cursor.as_deref().map(|text| call.api.cursors.decode(&scope, text)).transpose()?;
    let asked = Asked {
        kind,
        columns: columns(kind, &body.columns)?,
        filter: filter(kind, body.filter.as_ref())?,
        sort: sort(kind, &body.sort)?,
        limit,
        after,
    };
    let page = report(call.roster(), &call.request, &asked).await?;
    let next = page.next.as_ref().map(|place| call.api.cursors.encode(&scope, place));
    let rows = rows(&page);
    if call.wants_csv() {
        let names: Vec<String> = page.columns.iter().map(ToString::to_string).collect();
        let mut answer =
            ([(header::CONTENT_TYPE, csv::CONTENT_TYPE)], csv::table(&names, &rows)).into_response();
        if let Some(value) = next.and_then(|cursor| cursor.parse().ok()) {
            answer.headers_mut().insert(NEXT_CURSOR, value);
        }
        return Ok(answer);
    }
    Ok(Answer::ok(json!({"data": rows, "next_cursor": next})).into_response())
}

/// Rows with their values under the names of the columns.
pub fn rows(page: &ReportPage) -> Vec<Value> {
    let names: Vec<String> = page.columns.iter().map(ToString::to_string).collect();
    let row = |cells: &Vec<roster_core::report::Cell>| {
        let fields = names.iter().zip(cells).map(|(name, cell)| (name.clone(), cell.shown()));
        Value::Object(fields.collect::<Map<_, _>>())
    };
    page.rows.iter().map(row).collect()
}
