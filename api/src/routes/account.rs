//! Accounts.

use roster_core::flows::{NewAccount, create_account, update_account};
use roster_core::home::Home;
use roster_core::id::AccountId;
use roster_core::model::{Account, AccountStatus, TraitPatch};
use roster_core::op::{Done, run};
use roster_core::ops::account::{AccountPatch, ArchiveAccount, UpdateAccount};
use roster_core::reads;
use roster_core::refusal::Refusal;
use roster_core::text::{ExternalId, Name};
use serde::Deserialize;
use serde_json::json;

use super::PAGE;
use crate::answer::Answer;
use crate::call::{Call, Empty};
use crate::error::Problem;
use crate::json::Patch;
use crate::once::once;
use crate::route::Route;
use crate::shapes;

/// The routes.
pub fn routes() -> Vec<Route> {
    const ALL: &str = "/organizations/{organization}/accounts";
    const ONE: &str = "/organizations/{organization}/accounts/{account}";
    vec![
        Route::post(ALL, "create_account", create)
            .says(
                "Create an account",
                "Needs `accounts:create` on the whole organization. Its owner follows its traits, where they are mapped.",
            )
            .takes(json!({"name": "South", "external_id": "south", "traits": {"region": "eu"}}))
            .answers(201, "Account")
            .refuses(&["external_id_exists"]),
        Route::get(ALL, "list_accounts", list)
            .says("List accounts", "The accounts on which the caller holds `accounts:read`.")
            .asks(const { &[("status", "`active` (default), `archived` or `all`."), PAGE[0], PAGE[1]] })
            .answers(200, "[Account]"),
        Route::get(ONE, "get_account", show)
            .says("Get an account", "Needs `accounts:read` on it.")
            .answers(200, "Account"),
        Route::patch(ONE, "update_account", update)
            .says(
                "Change an account",
                "Needs `accounts:update` on it; `accounts:archive` to archive it or bring it back by `status`. A \
                 merge-patch: traits merge, `null` removes one. An external id can be set once.",
            )
            .takes(json!({"name": "South-West", "traits": {"region": "eu"}}))
            .answers(200, "Account")
            .refuses(&["external_id_exists", "external_id_immutable", "last_account"]),
        Route::delete(ONE, "archive_account", archive)
            .says(
                "Archive an account",
                "Needs `accounts:archive` on it. Access through it ends at once, in Roster too: who holds roles on it alone manages it no more; PATCH `{\"status\": \"active\"}` \
                 brings it back.",
            )
            .answers(200, "Account")
            .refuses(&["last_account"]),
    ]
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Create {
    name: Name,
    external_id: Option<ExternalId>,
    #[serde(default)]
    traits: TraitPatch,
}

async fn create(call: Call<Create>) -> Result<Answer, Problem> {
    let organization = call.organization()?;
    let Create { name, external_id, traits } = &call.body;
    let new = NewAccount { name: name.clone(), external_id: external_id.clone(), traits: traits.clone() };
    let make = |done: &Done<Account>| {
        let place = format!("/v1/organizations/{organization}/accounts/{}", done.output.id);
        Answer::created(shapes::account(organization, &done.output), place).tagged(done.version)
    };
    if new.traits.0.is_empty() {
        let seal = |done: &Done<_>| make(done).sealed(&call);
        let outcome = create_account(call.roster(), &call.request, organization, &new, Some(&seal)).await;
        return Answer::of(&call, outcome, make);
    }
    // The answer shows what comes after the commit.
    once(&call, Home::Organization(organization), async |request| {
        Ok(make(&create_account(call.roster(), &request, organization, &new, None).await?))
    })
    .await
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    status: Option<StatusFilter>,
    limit: Option<u16>,
    cursor: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StatusFilter {
    Active,
    Archived,
    All,
}

async fn list(call: Call<Empty, ListQuery>) -> Result<Answer, Problem> {
    let organization = call.organization()?;
    let status = match call.query.status.unwrap_or(StatusFilter::Active) {
        StatusFilter::Active => Some(AccountStatus::Active),
        StatusFilter::Archived => Some(AccountStatus::Archived),
        StatusFilter::All => None,
    };
    let page = call.page(call.query.limit, call.query.cursor.as_deref())?;
    let found = reads::accounts(call.roster(), &call.request, organization, status, &page).await?;
    let rows: Vec<_> = found.rows.iter().map(|row| shapes::account(organization, &row.value)).collect();
    Ok(Answer::list(&call, &rows, found.next.as_ref()))
}

async fn show(call: Call) -> Result<Answer, Problem> {
    let organization = call.organization()?;
    let shown = reads::account(call.roster(), &call.request, organization, &call.account()?).await?;
    Ok(Answer::ok(shapes::account(organization, &shown.value))
        .tagged(Some(shown.version))
        .unless_known(&call))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Update {
    #[serde(default)]
    name: Patch<Name>,
    #[serde(default)]
    external_id: Patch<ExternalId>,
    #[serde(default)]
    status: Patch<AccountStatus>,
    #[serde(default)]
    traits: TraitPatch,
}

async fn update(call: Call<Update>) -> Result<Answer, Problem> {
    let organization = call.organization()?;
    let patch = AccountPatch {
        name: call.body.name.clone().set_only("/name")?,
        external_id: call.body.external_id.clone().set_only("/external_id")?,
        status: call.body.status.set_only("/status")?,
        traits: call.body.traits.clone(),
    };
    patch.traits.check().map_err(Refusal::from)?;
    let account = known(&call).await?;
    let operation = UpdateAccount { organization, account, patch };
    let done = update_account(call.roster(), &call.request, &operation).await?;
    answer(&call, &done)
}

async fn archive(call: Call) -> Result<Answer, Problem> {
    let organization = call.organization()?;
    let account = known(&call).await?;
    let done = run(call.roster(), &call.request, &ArchiveAccount { organization, account }).await?;
    answer(&call, &done)
}

/// The account in the path; whether the caller may act on it is for the operation to say.
async fn known<B, Q>(call: &Call<B, Q>) -> Result<AccountId, Problem> {
    Ok(reads::account_id(call.roster(), &call.request, call.organization()?, &call.account()?).await?)
}

/// The account after a change, with the version it bears.
fn answer<B, Q>(call: &Call<B, Q>, done: &Done<Account>) -> Result<Answer, Problem> {
    Ok(Answer::ok(shapes::account(call.organization()?, &done.output)).tagged(done.version))
}
