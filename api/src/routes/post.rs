//! Posts: account owners and key roles, set by hand.

use roster_core::flows::set_post;
use roster_core::model::PostName;
use roster_core::op::run;
use roster_core::ops::post::{ClearPost, Place};
use roster_core::reads;
use roster_core::reference::UserRef;
use serde::Deserialize;
use serde_json::json;

use crate::answer::Answer;
use crate::call::Call;
use crate::error::Problem;
use crate::route::Route;
use crate::shapes;

/// The routes.
pub fn routes() -> Vec<Route> {
    of_organizations().into_iter().chain(of_accounts()).collect()
}

fn of_organizations() -> Vec<Route> {
    const OWNER: &str = "/organizations/{organization}/account-owner";
    const ROLE: &str = "/organizations/{organization}/key-roles/{name}";
    vec![
        Route::put(OWNER, "set_organization_account_owner", set_owner)
            .says(
                "Set the account owner of an organization",
                "Needs `customers:manage` on the whole organization. The customer's side: who owns the buying \
                 decision. Confers no permission. An active member.",
            )
            .takes(json!({"user": "ext:ada"}))
            .answers(200, "Organization")
            .refuses(&["not_in_account", "target_not_active"]),
        Route::delete(OWNER, "clear_organization_account_owner", clear_owner)
            .says(
                "Clear the account owner of an organization",
                "Needs `customers:manage` on the whole organization.",
            )
            .answers(204, ""),
        Route::put(ROLE, "set_organization_key_role", set_role)
            .says(
                "Set a key role of an organization",
                "Needs `organization:update`. The vendor's side: who is responsible, such as `csm`. Confers no \
                 permission. Operators name anybody, others people of the organization.",
            )
            .takes(json!({"user": "ext:ada"}))
            .answers(200, "Organization")
            .refuses(&["target_not_active"]),
        Route::delete(ROLE, "clear_organization_key_role", clear_role)
            .says("Clear a key role of an organization", "Needs `organization:update`.")
            .answers(204, ""),
    ]
}

fn of_accounts() -> Vec<Route> {
    const OWNER: &str = "/organizations/{organization}/accounts/{account}/account-owner";
    const ROLE: &str = "/organizations/{organization}/accounts/{account}/key-roles/{name}";
    vec![
        Route::put(OWNER, "set_account_owner", set_owner)
            .says(
                "Set the account owner",
                "Needs `customers:manage` on the account. The customer's side: who owns the buying decision. Confers \
                 no permission. An active member with access to the account.",
            )
            .takes(json!({"user": "ext:ada"}))
            .answers(200, "Account")
            .refuses(&["not_in_account", "target_not_active"]),
        Route::delete(OWNER, "clear_account_owner", clear_owner)
            .says("Clear the account owner", "Needs `customers:manage` on the account.")
            .answers(204, ""),
        Route::put(ROLE, "set_key_role", set_role)
            .says(
                "Set a key role of an account",
                "Needs `accounts:update` on it. The vendor's side: who is responsible, such as `csm`. Confers no \
                 permission. Operators name anybody, others people of the organization.",
            )
            .takes(json!({"user": "ext:ada"}))
            .answers(200, "Account")
            .refuses(&["target_not_active"]),
        Route::delete(ROLE, "clear_key_role", clear_role)
            .says("Clear a key role of an account", "Needs `accounts:update` on it.")
            .answers(204, ""),
    ]
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Holder {
    user: UserRef,
}

async fn set_owner(call: Call<Holder>) -> Result<Answer, Problem> {
    let name = PostName { account: account(&call).await?, key_role: None };
    set(&call, name).await
}

async fn set_role(call: Call<Holder>) -> Result<Answer, Problem> {
    let key_role = Some(call.param("name")?);
    let name = PostName { account: account(&call).await?, key_role };
    set(&call, name).await
}

async fn clear_owner(call: Call) -> Result<Answer, Problem> {
    let name = PostName { account: account(&call).await?, key_role: None };
    clear(&call, name).await
}

async fn clear_role(call: Call) -> Result<Answer, Problem> {
    let key_role = Some(call.param("name")?);
    let name = PostName { account: account(&call).await?, key_role };
    clear(&call, name).await
}

/// The account in the path, if there is one; whether the caller may act on it is for the operation to say.
async fn account<B>(call: &Call<B>) -> Result<Option<roster_core::id::AccountId>, Problem> {
    let organization = call.organization()?;
    if !call.has("account") {
        return Ok(None);
    }
    let named = call.account()?;
    Ok(Some(reads::account_id(call.roster(), &call.request, organization, &named).await?))
}

async fn set(call: &Call<Holder>, name: PostName) -> Result<Answer, Problem> {
    let organization = call.organization()?;
    let done = set_post(call.roster(), &call.request, organization, name, &call.body.user).await?;
    match done.output {
        Place::Account(account) => {
            Ok(Answer::ok(shapes::account(organization, &account)).tagged(done.version))
        }
        Place::Organization(_) => {
            let shown = reads::organization_acted_on(call.roster(), &call.request, organization).await?;
            Ok(Answer::ok(shapes::organization(&shown)).tagged(Some(shown.organization.version)))
        }
    }
}

async fn clear(call: &Call, name: PostName) -> Result<Answer, Problem> {
    let operation = ClearPost { organization: call.organization()?, name };
    run(call.roster(), &call.request, &operation).await?;
    Ok(Answer::nothing())
}
