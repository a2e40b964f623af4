//! Roles and the catalogue of permissions.

use roster_core::permission::{RoleRef, SystemRole};
use roster_core::reads;
use roster_core::refusal::Refusal;

use super::PAGE;
use crate::answer::Answer;
use crate::call::{Call, Empty};
use crate::error::Problem;
use crate::route::Route;
use crate::shapes;

/// The routes.
pub fn routes() -> Vec<Route> {
    vec![
        Route::get("/permissions", "list_permissions", permissions)
            .says("List permissions", "Roster's own catalogue. Any other `resource:action` is the vendor's.")
            .asks(PAGE)
            .answers(200, "[Permission]"),
        Route::get("/organizations/{organization}/roles", "list_roles", list)
            .says("List roles", "Needs `roles:read` on the whole organization. The four system roles.")
            .asks(PAGE)
            .answers(200, "[Role]"),
        Route::get("/organizations/{organization}/roles/{role}", "get_role", show)
            .says("Get a role", "Needs `roles:read` on the whole organization.")
            .answers(200, "Role"),
    ]
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct PageQuery {
    limit: Option<u16>,
    cursor: Option<String>,
}

/// A page of rows that are all in memory; the place is how many came before.
fn slice(call: &Call<Empty, PageQuery>, rows: &[serde_json::Value]) -> Result<Answer, Problem> {
    let from: usize = call.cursor(call.query.cursor.as_deref())?.unwrap_or(0);
    let to = (from + usize::from(crate::query::limit(call.query.limit)?)).min(rows.len());
    let page = rows.get(from..to).unwrap_or_default();
    Ok(Answer::list(call, page, Some(&to).filter(|to| **to < rows.len())))
}

async fn permissions(call: Call<Empty, PageQuery>) -> Result<Answer, Problem> {
    slice(&call, &shapes::permissions())
}

async fn list(call: Call<Empty, PageQuery>) -> Result<Answer, Problem> {
    reads::require_roles(call.roster(), &call.request, call.organization()?).await?;
    slice(&call, &SystemRole::ALL.map(shapes::role))
}

async fn show(call: Call) -> Result<Answer, Problem> {
    let role: RoleRef = call.param("role")?;
    let RoleRef::System(role) = role else { return Err(Refusal::NotFound.into()) };
    reads::require_roles(call.roster(), &call.request, call.organization()?).await?;
    Ok(Answer::ok(shapes::role(role)))
}
