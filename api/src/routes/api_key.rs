//! Keys of an organization.

use roster_core::flows::{revoke_api_key, rotate_api_key, update_api_key};
use roster_core::model::ApiKey;
use roster_core::op::{Done, run_sealed};
use roster_core::ops::api_key::{ApiKeyPatch, CreateApiKey, CreatePersonalKey, RotateApiKey, UpdateApiKey};
use roster_core::reads::{self, SeenKey};
use roster_core::secret::Token;
use roster_core::text::Name;
use roster_core::time::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::PAGE;
use crate::access::AccessBody;
use crate::answer::Answer;
use crate::call::{Call, Empty};
use crate::error::Problem;
use crate::json::Patch;
use crate::route::Route;
use crate::shapes;

/// The routes.
pub fn routes() -> Vec<Route> {
    const ALL: &str = "/organizations/{organization}/api-keys";
    const ONE: &str = "/organizations/{organization}/api-keys/{key}";
    vec![
        Route::post(ALL, "create_api_key", create)
            .says(
                "Create an API key",
                "Needs `api_keys:manage` on the whole organization, and every permission that the key will hold. The \
                 `secret` is in this answer and nowhere else. With `kind: \"personal\"`, by a member for themself and \
                 without `access`: it has the rights that the member has when it is used, and dies with their removal \
                 or deactivation.",
            )
            .takes(json!({"name": "Backend", "access": {"type": "organization", "role": "admin"}}))
            .answers(201, "NewApiKey")
            .refuses(&["cannot_grant_unheld", "owner_by_transfer_only", "account_gone"]),
        Route::get(ALL, "list_api_keys", list)
            .says("List API keys", "Needs `api_keys:read` on the whole organization. Without secrets.")
            .asks(PAGE)
            .answers(200, "[ApiKey]"),
        Route::get(ONE, "get_api_key", show)
            .says("Get an API key", "Needs `api_keys:read` on the whole organization, unless it is one's own. Without the secret.")
            .answers(200, "ApiKey"),
        Route::patch(ONE, "update_api_key", update)
            .says("Change an API key", "Needs `api_keys:manage`, and every permission that the key holds before and after; one's own personal key takes \
                 neither. One that has ended with its member, by a removal or the like, has that end whatever it is given.")
            .takes(json!({"name": "Backend, north"}))
            .answers(200, "ApiKey")
            .refuses(&["cannot_grant_unheld", "owner_by_transfer_only", "account_gone"]),
        Route::post("/organizations/{organization}/api-keys/{key}/rotate", "rotate_api_key", rotate)
            .says(
                "Give an API key a new secret",
                "Needs `api_keys:manage`, and every permission that the key holds; a personal key is turned by its own \
                 member. One that has ended is given none. For `overlap_seconds`, at most 2592000, the old secret opens too. The new `secret` is in this \
                 answer and nowhere else.",
            )
            .takes(json!({"overlap_seconds": 3600}))
            .answers(200, "NewApiKey")
            .refuses(&["cannot_grant_unheld"]),
        Route::delete(ONE, "revoke_api_key", revoke)
            .says("Revoke an API key", "Needs `api_keys:manage`, unless it is one's own. It answers 401 from the next request on.")
            .answers(204, ""),
    ]
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Create {
    name: Name,
    #[serde(default)]
    kind: Kind,
    access: Option<AccessBody>,
    expires_at: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    #[default]
    Organization,
    Personal,
}

async fn create(call: Call<Create>) -> Result<Answer, Problem> {
    let organization = call.organization()?;
    let make = |done: &Done<(ApiKey, Token)>| {
        let place = format!("/v1/organizations/{organization}/api-keys/{}", done.output.0.id);
        Answer::created(with_secret(&done.output, None), place).tagged(done.version)
    };
    let seal = |done: &Done<_>| make(done).sealed(&call);
    let Create { name, kind, access, expires_at } = &call.body;
    let (name, expires_at) = (name.clone(), *expires_at);
    let outcome = match (kind, access) {
        (Kind::Organization, Some(access)) => {
            let operation = CreateApiKey { organization, name, access: access.ask(), expires_at };
            run_sealed(call.roster(), &call.request, &operation, Some(&seal)).await
        }
        (Kind::Personal, None) => {
            let operation = CreatePersonalKey { organization, name, expires_at };
            run_sealed(call.roster(), &call.request, &operation, Some(&seal)).await
        }
        (Kind::Organization, None) => return Err(Problem::invalid("/access", "say what the key reaches")),
        (Kind::Personal, Some(_)) => {
            return Err(Problem::invalid("/access", "a personal key has the rights of its member"));
        }
    };
    Answer::of(&call, outcome, make)
}

fn with_secret((key, token): &(ApiKey, Token), last_used_at: Option<Timestamp>) -> serde_json::Value {
    let mut shape = shapes::api_key(key, last_used_at);
    shape["secret"] = token.reveal().into();
    shape
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rotate {
    #[serde(default)]
    overlap_seconds: u32,
}

async fn rotate(call: Call<Rotate>) -> Result<Answer, Problem> {
    let (organization, key) = (call.organization()?, call.param("key")?);
    let operation = RotateApiKey { organization, key, overlap_seconds: call.body.overlap_seconds };
    let used = reads::last_used_at(call.roster(), organization, key).await?;
    let make =
        |done: &Done<(ApiKey, Token)>| Answer::ok(with_secret(&done.output, used)).tagged(done.version);
    let seal = |done: &Done<_>| make(done).sealed(&call);
    let outcome = rotate_api_key(call.roster(), &call.request, &operation, Some(&seal)).await;
    Answer::of(&call, outcome, make)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PageQuery {
    limit: Option<u16>,
    cursor: Option<String>,
}

async fn list(call: Call<Empty, PageQuery>) -> Result<Answer, Problem> {
    let page = call.page(call.query.limit, call.query.cursor.as_deref())?;
    let found = reads::api_keys(call.roster(), &call.request, call.organization()?, &page).await?;
    let rows: Vec<_> = found.rows.iter().map(seen).collect();
    Ok(Answer::list(&call, &rows, found.next.as_ref()))
}

async fn show(call: Call) -> Result<Answer, Problem> {
    let (shown, has_ended) =
        reads::api_key(call.roster(), &call.request, call.organization()?, call.param("key")?).await?;
    let answer = Answer::ok(seen(&shown.value)).tagged(Some(shown.version));
    Ok(if has_ended { answer } else { answer.unless_known(&call) })
}

fn seen(it: &SeenKey) -> serde_json::Value {
    shapes::api_key(&it.key, it.last_used_at)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Update {
    #[serde(default)]
    name: Patch<Name>,
    #[serde(default)]
    access: Patch<AccessBody>,
    #[serde(default)]
    expires_at: Patch<Timestamp>,
}

async fn update(call: Call<Update>) -> Result<Answer, Problem> {
    let (organization, key) = (call.organization()?, call.param("key")?);
    let patch = ApiKeyPatch {
        name: call.body.name.clone().set_only("/name")?,
        access: call.body.access.clone().set_only("/access")?.map(|access| access.ask()),
        expires_at: call.body.expires_at.into_option_option(),
    };
    // Before: what is done must not fail any more.
    let used = reads::last_used_at(call.roster(), organization, key).await?;
    let operation = UpdateApiKey { organization, key, patch };
    let done = update_api_key(call.roster(), &call.request, &operation).await?;
    Ok(Answer::ok(shapes::api_key(&done.output, used)).tagged(done.version))
}

async fn revoke(call: Call) -> Result<Answer, Problem> {
    let (organization, key) = (call.organization()?, call.param("key")?);
    revoke_api_key(call.roster(), &call.request, organization, key).await?;
    Ok(Answer::nothing())
}
