//! Roles and the catalogue of permissions.

use std::collections::BTreeSet;

use roster_core::flows::delete_role;
use roster_core::model::Role;
use roster_core::op::{Done, run, run_sealed};
use roster_core::ops::role::{CreateRole, RolePatch, UpdateRole};
use roster_core::permission::{Permission, RoleRef, SystemRole};
use roster_core::reads;
use roster_core::text::Name;
use serde::Deserialize;
use serde_json::{Value, json};

use super::PAGE;
use crate::answer::Answer;
use crate::call::{Call, Empty};
use crate::error::Problem;
use crate::json::Patch;
use crate::route::Route;
use crate::shapes;

/// The version of system roles, which never change.
const UNCHANGING: &str = "00000000000000000000000000";

/// The routes.
pub fn routes() -> Vec<Route> {
    const ALL: &str = "/organizations/{organization}/roles";
    const ONE: &str = "/organizations/{organization}/roles/{role}";
    vec![
        Route::get("/permissions", "list_permissions", permissions)
            .says("List permissions", "Roster's own catalogue. Any other `resource:action` is the vendor's.")
            .asks(PAGE)
            .answers(200, "[Permission]"),
        Route::post(ALL, "create_role", create)
            .says(
                "Create a role",
                "Needs `roles:manage` on the whole organization, and every permission that the role will hold. \
                 Permissions are those of the catalogue, and the vendor's of any other resource.",
            )
            .takes(json!({"name": "Support", "permissions": ["members:read", "deals:export"]}))
            .answers(201, "Role")
            .refuses(&["cannot_grant_unheld"]),
        Route::get(ALL, "list_roles", list)
            .says(
                "List roles",
                "Needs `roles:read` on the whole organization. The four system roles, then the organization's own.",
            )
            .asks(PAGE)
            .answers(200, "[Role]"),
        Route::get(ONE, "get_role", show)
            .says("Get a role", "Needs `roles:read` on the whole organization.")
            .answers(200, "Role"),
        Route::patch(ONE, "update_role", update)
            .says(
                "Change a role",
                "Needs `roles:manage` on the whole organization, and every permission that is added; `permissions` \
                 are all that it holds from then on. Acts at the next check on all who hold it. System roles cannot be \
                 changed.",
            )
            .takes(json!({"permissions": ["members:read"]}))
            .answers(200, "Role")
            .refuses(&["cannot_grant_unheld"]),
        Route::delete(ONE, "delete_role", delete)
            .says(
                "Delete a role",
                "Needs `roles:manage` on the whole organization. One that is in use goes only with `replace_with`, \
                 which is granted to everybody who holds it, at once; every permission of that one must be held. The \
                 refusal counts in `uses` what the role is used by.",
            )
            .asks(&[("replace_with", "The role that takes its place, by system name or `rol_` id.")])
            .answers(204, "")
            .refuses(&["role_in_use", "cannot_grant_unheld", "owner_by_transfer_only"]),
    ]
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PageQuery {
    limit: Option<u16>,
    cursor: Option<String>,
}

/// A page of rows that are all in memory; the place is how many came before.
fn slice(call: &Call<Empty, PageQuery>, rows: &[Value]) -> Result<Answer, Problem> {
    let from: usize = call.cursor(call.query.cursor.as_deref())?.unwrap_or(0);
    let to = (from + usize::from(crate::query::limit(call.query.limit)?)).min(rows.len());
    let page = rows.get(from..to).unwrap_or_default();
    Ok(Answer::list(call, page, Some(&to).filter(|to| **to < rows.len())))
}

async fn permissions(call: Call<Empty, PageQuery>) -> Result<Answer, Problem> {
    slice(&call, &shapes::permissions())
}

/// In the order of [`RoleRef`]; the place is the last role shown, which need not be there any more.
async fn list(call: Call<Empty, PageQuery>) -> Result<Answer, Problem> {
    let after: Option<String> = call.cursor(call.query.cursor.as_deref())?;
    let limit = usize::from(crate::query::limit(call.query.limit)?);
    let own = reads::roles(call.roster(), &call.request, call.organization()?).await?;
    let system = SystemRole::ALL.into_iter().map(|role| (RoleRef::System(role), shapes::role(role)));
    let own = own.iter().map(|role| (RoleRef::Custom(role.id), shapes::custom_role(role)));
    let mut rows: Vec<(RoleRef, Value)> = system.chain(own).collect();
    if let Some(after) = after.and_then(|after| after.parse::<RoleRef>().ok()) {
        rows.retain(|(role, _)| *role > after);
    }
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().map(|(role, _)| role.to_string()).filter(|_| more);
    let rows: Vec<Value> = rows.into_iter().map(|(_, row)| row).collect();
    Ok(Answer::list(&call, &rows, next.as_ref()))
}

async fn show(call: Call) -> Result<Answer, Problem> {
    let organization = call.organization()?;
    match call.param("role")? {
        RoleRef::System(role) => {
            reads::require_roles(call.roster(), &call.request, organization).await?;
            Ok(Answer::ok(shapes::role(role)).tagged(UNCHANGING.parse().ok()).unless_known(&call))
        }
        RoleRef::Custom(id) => {
            let shown = reads::role(call.roster(), &call.request, organization, id).await?;
            let answer = Answer::ok(shapes::custom_role(&shown.value)).tagged(Some(shown.version));
            Ok(answer.unless_known(&call))
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Create {
    name: Name,
    permissions: BTreeSet<Permission>,
}

async fn create(call: Call<Create>) -> Result<Answer, Problem> {
    let organization = call.organization()?;
    let Create { name, permissions } = &call.body;
    let operation = CreateRole { organization, name: name.clone(), permissions: permissions.clone() };
    let make = |done: &Done<Role>| {
        let place = format!("/v1/organizations/{organization}/roles/{}", done.output.id);
        Answer::created(shapes::custom_role(&done.output), place).tagged(done.version)
    };
    let seal = |done: &Done<_>| make(done).sealed(&call);
    let outcome = run_sealed(call.roster(), &call.request, &operation, Some(&seal)).await;
    Answer::of(&call, outcome, make)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Update {
    #[serde(default)]
    name: Patch<Name>,
    #[serde(default)]
    permissions: Patch<BTreeSet<Permission>>,
}

async fn update(call: Call<Update>) -> Result<Answer, Problem> {
    let (organization, role) = (call.organization()?, call.param("role")?);
    let patch = RolePatch {
        name: call.body.name.clone().set_only("/name")?,
        permissions: call.body.permissions.clone().set_only("/permissions")?,
    };
    let done = run(call.roster(), &call.request, &UpdateRole { organization, role, patch }).await?;
    Ok(Answer::ok(shapes::custom_role(&done.output)).tagged(done.version))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Replacement {
    replace_with: Option<RoleRef>,
}

async fn delete(call: Call<Empty, Replacement>) -> Result<Answer, Problem> {
    let (organization, role) = (call.organization()?, call.param("role")?);
    delete_role(call.roster(), &call.request, organization, role, call.query.replace_with).await?;
    Ok(Answer::nothing())
}
