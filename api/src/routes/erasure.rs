//! Erasing a person, and everything about them before that.

use roster_core::flows::erase_user;
use roster_core::home::Home;
use roster_core::reads;
use roster_core::refusal::Refusal;
use serde::Deserialize;
use serde_json::json;

use super::job::accepted;
use crate::answer::Answer;
use crate::call::Call;
use crate::error::Problem;
use crate::once::once;
use crate::route::Route;
use crate::shapes;

/// The routes.
pub fn routes() -> Vec<Route> {
    vec![
        Route::post("/users/{user}/erase", "erase_user", erase)
            .says(
                "Erase a user",
                "Operators only, with `confirm: true`. Their access ends at once; a job takes away their name, e-mail \
                 address, traits and external id everywhere, the audit trail included, and frees the address last. \
                 What they did stays under their id. Owners hand over first.",
            )
            .takes(json!({"confirm": true}))
            .answers(202, "JobAccepted")
            .refuses(&["confirmation_required", "owner_must_transfer"]),
        Route::get("/users/{user}/export", "export_user", export)
            .says("Export a user", "Everything that is kept about a person: for operators and the user.")
            .answers(200, "UserExport"),
    ]
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Confirmation {
    #[serde(default)]
    confirm: bool,
}

async fn erase(call: Call<Confirmation>) -> Result<Answer, Problem> {
    if !call.body.confirm {
        return Err(Refusal::ConfirmationRequired.into());
    }
    let id = reads::user(call.roster(), &call.request, &call.user()?).await?.value.id;
    if !call.request.actor.is_operator() {
        return Err(Refusal::Forbidden("operator").into());
    }
    once(&call, Home::User(id), async |request| {
        let done = erase_user(call.roster(), &request, id).await?;
        call.api.jobs.notify_one();
        Ok(accepted(&done.output))
    })
    .await
}

async fn export(call: Call) -> Result<Answer, Problem> {
    let id = reads::user(call.roster(), &call.request, &call.user()?).await?.value.id;
    let export = reads::export(call.roster(), &call.request, &id.into()).await?;
    Ok(Answer::ok(shapes::export(&export)))
}
