//! The audit trail.

use roster_core::flows::resolve_user;
use roster_core::id::UserId;
use roster_core::reads::{self, AuditPage};
use roster_core::reference::UserRef;
use serde::Deserialize;

use super::PAGE;
use crate::answer::Answer;
use crate::call::{Call, Empty};
use crate::error::Problem;
use crate::route::Route;
use crate::shapes;

/// The routes.
pub fn routes() -> Vec<Route> {
    const FILTERS: &[(&str, &str)] = &[("user", "Only what is about or by this person."), PAGE[0], PAGE[1]];
    vec![
        Route::get("/organizations/{organization}/audit", "list_audit", organization)
            .says(
                "Read the audit trail of an organization",
                "Needs `audit:read` on the whole organization. Oldest first, one row a change, chained by hash.",
            )
            .asks(FILTERS)
            .answers(200, "[AuditEvent]"),
        Route::get("/audit", "list_deployment_audit", deployment)
            .says("Read the audit trail of the deployment", "Operators only: the deployment's log and those of users.")
            .asks(FILTERS)
            .answers(200, "[AuditEvent]"),
    ]
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AuditQuery {
    user: Option<UserRef>,
    limit: Option<u16>,
    cursor: Option<String>,
}

async fn organization(call: Call<Empty, AuditQuery>) -> Result<Answer, Problem> {
    let limit = crate::query::limit(call.query.limit)?;
    let after = call.cursor(call.query.cursor.as_deref())?;
    let id = call.organization()?;
    let user = user(&call).await?;
    let page = reads::organization_audit(call.roster(), &call.request, id, user, after, limit).await?;
    Ok(answer(&call, &page))
}

async fn deployment(call: Call<Empty, AuditQuery>) -> Result<Answer, Problem> {
    let limit = crate::query::limit(call.query.limit)?;
    let after = call.cursor(call.query.cursor.as_deref())?;
    let user = user(&call).await?;
    let page = reads::deployment_audit(call.roster(), &call.request, user, after, limit).await?;
    Ok(answer(&call, &page))
}

async fn user(call: &Call<Empty, AuditQuery>) -> Result<Option<UserId>, Problem> {
    match &call.query.user {
        None => Ok(None),
        Some(named) => Ok(Some(resolve_user(call.roster(), named).await?)),
    }
}

fn answer(call: &Call<Empty, AuditQuery>, page: &AuditPage) -> Answer {
    let rows: Vec<_> = page.rows.iter().map(shapes::audit).collect();
    Answer::list(call, &rows, page.next.as_ref())
}
