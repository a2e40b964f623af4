//! The audit trail: in pages, and whole.

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures::{Stream, TryStreamExt as _, stream};
use roster_core::facts::Request;
use roster_core::id::OrganizationId;
use roster_core::log::LogFilter;
use roster_core::op::Roster;
use roster_core::reads::{self, Action, ActorRef, AuditAsk, AuditPage, AuditPosition, AuditRow};
use roster_core::reference::UserRef;
use roster_core::refusal::OpError;
use roster_core::time::Timestamp;
use serde::Deserialize;

use super::PAGE;
use crate::answer::Answer;
use crate::call::{Call, Empty};
use crate::csv;
use crate::error::Problem;
use crate::route::Route;
use crate::shapes;

const ACTOR: (&str, &str) = (
    "actor",
    "Only what is done by this actor: a user by id or `ext:EXTERNAL_ID`, the id of a key, `operator` for the command \
     line, or `system`.",
);
const USER: (&str, &str) = ("user", "Only what is about or by this person, by id or `ext:EXTERNAL_ID`.");
const ACTION: (&str, &str) = ("action", "Only this action, such as `member.removed`.");
const FROM: (&str, &str) = ("from", "Only from this instant on.");
const TO: (&str, &str) = ("to", "Only before this instant.");
const FORMAT: (&str, &str) = ("format", "`jsonl` or `csv`; left out, the header `Accept` decides.");

/// Rows that an export reads at a time.
const CHUNK: u16 = 200;

/// The routes.
pub fn routes() -> Vec<Route> {
    const FILTERS: &[(&str, &str)] = &[ACTOR, USER, ACTION, FROM, TO, PAGE[0], PAGE[1]];
    const WHOLE: &[(&str, &str)] = &[ACTOR, USER, ACTION, FROM, TO, FORMAT];
    vec![
        Route::get("/organizations/{organization}/audit", "list_audit", organization)
            .says(
                "Read the audit trail of an organization",
                "Needs `audit:read` on the whole organization. Oldest first, one row a change, chained by hash.",
            )
            .asks(FILTERS)
            .answers(200, "[AuditEvent]"),
        Route::get("/organizations/{organization}/audit/export", "export_audit", export)
            .says(
                "Export the audit trail of an organization",
                "As JSON, one change a line, or as CSV: all that fits the filters, in one answer. Needs `audit:read` \
                 on the whole organization. An export that breaks off ends without the last chunk of the encoding.",
            )
            .asks(WHOLE)
            .answers(200, "AuditEvent")
            .in_lines(),
        Route::get("/audit", "list_deployment_audit", deployment)
            .says(
                "Read the audit trail of the deployment",
                "Operators only: the deployment's log, then those of users, one after the other. A page may be short, \
                 even empty, and others follow all the same.",
            )
            .asks(FILTERS)
            .answers(200, "[AuditEvent]"),
        Route::get("/audit/export", "export_deployment_audit", export_deployment)
            .says(
                "Export the audit trail of the deployment",
                "As JSON, one change a line, or as CSV. Operators only: the deployment's log, then those of users.",
            )
            .asks(WHOLE)
            .answers(200, "AuditEvent")
            .in_lines(),
    ]
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AuditQuery {
    actor: Option<ActorRef>,
    user: Option<UserRef>,
    action: Option<Action>,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    limit: Option<u16>,
    cursor: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExportQuery {
    actor: Option<ActorRef>,
    user: Option<UserRef>,
    action: Option<Action>,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    format: Option<Format>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Format {
    Jsonl,
    Csv,
}

async fn organization(call: Call<Empty, AuditQuery>) -> Result<Answer, Problem> {
    let id = call.organization()?;
    page(call, Some(id)).await
}

async fn deployment(call: Call<Empty, AuditQuery>) -> Result<Answer, Problem> {
    page(call, None).await
}

async fn page(call: Call<Empty, AuditQuery>, within: Option<OrganizationId>) -> Result<Answer, Problem> {
    let limit = crate::query::limit(call.query.limit)?;
    let after = call.cursor(call.query.cursor.as_deref())?;
    let AuditQuery { actor, user, action, from, to, .. } = &call.query;
    let ask =
        AuditAsk { actor: actor.clone(), user: user.clone(), action: action.clone(), from: *from, to: *to };
    let filter = reads::audit_filter(call.roster(), &call.request, within, &ask).await?;
    let page = read(call.roster(), &call.request, within, &filter, after, limit).await?;
    let rows: Vec<_> = page.rows.iter().map(shapes::audit).collect();
    Ok(Answer::list(&call, &rows, page.next.as_ref()))
}

async fn export(call: Call<Empty, ExportQuery>) -> Result<Response, Problem> {
    let id = call.organization()?;
    whole(call, Some(id)).await
}

async fn export_deployment(call: Call<Empty, ExportQuery>) -> Result<Response, Problem> {
    whole(call, None).await
}

/// The first chunk is read before the answer begins, so that a refusal is one.
async fn whole(call: Call<Empty, ExportQuery>, within: Option<OrganizationId>) -> Result<Response, Problem> {
    let wants_csv = call.wants_csv();
    let ExportQuery { actor, user, action, from, to, format } = &call.query;
    let as_csv = format.as_ref().map_or(wants_csv, |format| matches!(format, Format::Csv));
    let ask =
        AuditAsk { actor: actor.clone(), user: user.clone(), action: action.clone(), from: *from, to: *to };
    let filter = reads::audit_filter(call.roster(), &call.request, within, &ask).await?;
    let first = read(call.roster(), &call.request, within, &filter, None, CHUNK).await?;
    let rest = Rest { call, within, filter };
    let columns = csv::columns("AuditEvent");
    let head = if as_csv { csv::header(columns) } else { String::new() };
    let text = chunks(rest, first).map_ok(move |rows| {
        let line = |row: &AuditRow| {
            if as_csv { csv::row(columns, &shapes::audit(row)) } else { format!("{}\n", shapes::audit(row)) }
        };
        Bytes::from(rows.iter().map(line).collect::<String>())
    });
    let begun = stream::once(async move { Ok(Bytes::from(head)) });
    let body = Body::from_stream(futures::StreamExt::chain(begun, text));
    let kind = if as_csv { csv::CONTENT_TYPE } else { "application/x-ndjson" };
    let name =
        if as_csv { "attachment; filename=\"audit.csv\"" } else { "attachment; filename=\"audit.jsonl\"" };
    let fields = [(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, name)];
    Ok((fields.map(|(field, text)| (field, HeaderValue::from_static(text))), body).into_response())
}

/// What the chunks of an export are read with.
struct Rest {
    call: Call<Empty, ExportQuery>,
    within: Option<OrganizationId>,
    filter: LogFilter,
}

/// Chunk by chunk, as the client takes them; whose the secret is and the right to read is asked for each. A failure cuts the
/// answer off.
fn chunks(rest: Rest, first: AuditPage) -> impl Stream<Item = Result<Vec<AuditRow>, OpError>> {
    enum At {
        Have(AuditPage),
        Behind(AuditPosition),
    }
    stream::try_unfold((rest, Some(At::Have(first))), async |(rest, at)| {
        let page = match at {
            None => return Ok(None),
            Some(At::Have(page)) => page,
            Some(At::Behind(place)) => {
                let Rest { call, within, filter } = &rest;
                let afresh = call.still().await?;
                read(call.roster(), &afresh, *within, filter, Some(place), CHUNK).await.inspect_err(
                    |error| {
                        tracing::error!(request_id = afresh.request_id, ?error, "an export was cut off");
                    },
                )?
            }
        };
        Ok(Some((page.rows, (rest, page.next.map(At::Behind)))))
    })
}

async fn read(
    roster: &Roster,
    request: &Request,
    within: Option<OrganizationId>,
    filter: &LogFilter,
    after: Option<AuditPosition>,
    limit: u16,
) -> Result<AuditPage, OpError> {
    match within {
        Some(id) => reads::organization_audit(roster, request, id, filter, after, limit).await,
        None => reads::deployment_audit(roster, request, filter, after, limit).await,
    }
}
