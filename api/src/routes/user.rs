//! Users, what they reach, and who asks.

use roster_core::flows::{
    NewUser, create_user, remove_everywhere, remove_from_account, resolve_user, update_user,
};
use roster_core::home::Home;
use roster_core::model::TraitPatch;
use roster_core::ops::user::UserPatch;
use roster_core::reads;
use roster_core::reference::AccountRef;
use roster_core::refusal::Refusal;
use roster_core::text::{Email, ExternalId, Name};
use serde::Deserialize;
use serde_json::json;

use super::PAGE;
use super::job::accepted;
use crate::answer::Answer;
use crate::call::{Call, Empty};
use crate::error::Problem;
use crate::json::Patch;
use crate::once::once;
use crate::route::Route;
use crate::shapes;

/// The routes.
pub fn routes() -> Vec<Route> {
    vec![
        Route::post("/users", "create_user", create)
            .says("Create a user", "Operators only. An e-mail address, an external id, or both.")
            .takes(json!({"email": "ada@example.com", "external_id": "ada", "name": "Ada", "traits": {"team": "red"}}))
            .answers(201, "User")
            .refuses(&["email_exists", "external_id_exists"]),
        Route::get("/users", "list_users", list)
            .says("Find users", "Operators only.")
            .asks(const { &[
                ("q", "Prefix of a word of the name, of the e-mail, or the whole external id."),
                PAGE[0],
                PAGE[1],
            ] })
            .answers(200, "[User]"),
        Route::get("/users/{user}", "get_user", show)
            .says(
                "Get a user",
                "Operators and the person; others where the person is or was in an organization in which they hold \
                 `members:read`, else 404.",
            )
            .answers(200, "User"),
        Route::patch("/users/{user}", "update_user", update)
            .says(
                "Change a user",
                "Operators change name, e-mail, traits, and the external id once; the person the name, and so does an \
                 operator key on their behalf: what they are called everywhere is no organization's. Lists show the \
                 new values at once.",
            )
            .takes(json!({"name": "Ada King"}))
            .answers(200, "User")
            .refuses(&["email_exists", "external_id_exists", "external_id_immutable", "target_not_active"]),
        Route::get("/users/{user}/accounts", "list_user_accounts", accounts)
            .says("List what a user reaches", "Operators and the person see all; others what they may see.")
            .asks(PAGE)
            .answers(200, "[UserAccount]"),
        Route::delete("/users/{user}/accounts", "remove_user_from_everything", remove_from_everything)
            .says(
                "Remove a user from everything",
                "Operators only. Their access to all organizations ends when this is answered, except where they are \
                 the owner; the job sweeps and reports. Later invitations and adds count. From the answer on the \
                 person is shown as a former member; lists and seats say so at once in the first 20 organizations, and \
                 in others when the job has been there.",
            )
            .answers(202, "JobAccepted"),
        Route::delete("/users/{user}/accounts/{account}", "remove_user_from_account", remove)
            .says(
                "Remove a user from one account",
                "The same act as from the account's side, with the same answer.",
            )
            .answers(200, "Changed")
            .refuses(&["implicit_access", "owner_must_transfer", "ambiguous_external_id", "cannot_grant_unheld"]),
        Route::get("/me", "get_me", me)
            .says("Who asks", "The caller, and for a user the memberships in open organizations.")
            .answers(200, "Me"),
    ]
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Create {
    email: Option<Email>,
    external_id: Option<ExternalId>,
    name: Option<Name>,
    #[serde(default)]
    traits: TraitPatch,
}

async fn create(call: Call<Create>) -> Result<Answer, Problem> {
    let Create { email, external_id, name, traits } = &call.body;
    if email.is_none() && external_id.is_none() {
        return Err(Problem::invalid("/email", "give an e-mail address, an external id, or both"));
    }
    if !call.request.actor.is_operator() {
        return Err(Refusal::Forbidden("operator").into());
    }
    let new = NewUser {
        email: email.clone(),
        external_id: external_id.clone(),
        name: name.clone(),
        traits: traits.clone(),
    };
    once(&call, Home::Deployment, async |request| {
        let id = create_user(call.roster(), &request, &new).await?.id;
        let shown = reads::user(call.roster(), &request, &id.into()).await?;
        let answer = Answer::created(shapes::user(&shown.value), format!("/v1/users/{id}"));
        Ok(answer.tagged(Some(shown.version)))
    })
    .await
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    q: Option<String>,
    limit: Option<u16>,
    cursor: Option<String>,
}

async fn list(call: Call<Empty, ListQuery>) -> Result<Answer, Problem> {
    let page = call.page(call.query.limit, call.query.cursor.as_deref())?;
    let found = reads::users(call.roster(), &call.request, call.query.q.clone(), &page).await?;
    let rows: Vec<_> = found.rows.iter().map(|row| shapes::user(&row.value)).collect();
    Ok(Answer::list(&call, &rows, found.next.as_ref()))
}

async fn show(call: Call) -> Result<Answer, Problem> {
    let shown = reads::user(call.roster(), &call.request, &call.user()?).await?;
    Ok(Answer::ok(shapes::user(&shown.value)).tagged(Some(shown.version)).unless_known(&call))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Update {
    #[serde(default)]
    name: Patch<Name>,
    #[serde(default)]
    email: Patch<Email>,
    #[serde(default)]
    external_id: Patch<ExternalId>,
    #[serde(default)]
    traits: TraitPatch,
}

async fn update(call: Call<Update>) -> Result<Answer, Problem> {
    let patch = UserPatch {
        name: call.body.name.clone().into_option_option(),
        email: call.body.email.clone().into_option_option(),
        external_id: call.body.external_id.clone().set_only("/external_id")?,
        traits: call.body.traits.clone(),
    };
    let id = reads::user(call.roster(), &call.request, &call.user()?).await?.value.id;
    update_user(call.roster(), &call.request, id, &patch).await?;
    call.api.jobs.notify_one();
    let shown = reads::user(call.roster(), &call.request, &id.into()).await?;
    Ok(Answer::ok(shapes::user(&shown.value)).tagged(Some(shown.version)))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PageQuery {
    limit: Option<u16>,
    cursor: Option<String>,
}

async fn accounts(call: Call<Empty, PageQuery>) -> Result<Answer, Problem> {
    let page = call.page(call.query.limit, call.query.cursor.as_deref())?;
    let found = reads::user_accounts(call.roster(), &call.request, &call.user()?, &page).await?;
    let rows: Vec<_> = found.rows.iter().map(shapes::user_account).collect();
    Ok(Answer::list(&call, &rows, found.next.as_ref()))
}

async fn remove(call: Call) -> Result<Answer, Problem> {
    let (user, account) = (call.user()?, call.account()?);
    let user = resolve_user(call.roster(), &user).await?;
    let (organization, account) =
        reads::account_of_user(call.roster(), &call.request, user, &account).await?;
    let account = AccountRef::Id(account);
    let done =
        remove_from_account(call.roster(), &call.request, organization, &account, &user.into()).await?;
    Ok(Answer::ok(json!({"changed": done.output})))
}

async fn remove_from_everything(call: Call) -> Result<Answer, Problem> {
    let id = reads::user(call.roster(), &call.request, &call.user()?).await?.value.id;
    let done = remove_everywhere(call.roster(), &call.request, id).await?;
    call.api.jobs.notify_one();
    Ok(accepted(&done.output))
}

async fn me(call: Call) -> Result<Answer, Problem> {
    Ok(Answer::ok(shapes::me(&reads::me(call.roster(), &call.request).await?)))
}
