//! Password resets: asked for by anybody, mailed to the person, used once.

use roster_core::flows::{ask_password_reset, reset_member_password, reset_password, resolve_user};
use roster_core::home::Home;
use roster_core::op::Done;
use roster_core::secret::Password;
use serde::Deserialize;
use serde_json::json;

use crate::answer::Answer;
use crate::call::{Call, Visit};
use crate::error::Problem;
use crate::once::once;
use crate::route::Route;

/// The routes.
pub fn routes() -> Vec<Route> {
    vec![
        Route::post("/password-resets", "ask_password_reset", ask)
            .says(
                "Ask for a new password",
                "A link is mailed to the address if it is somebody's. The answer is the same, and as fast, if it is \
                 nobody's, or if no mail can be sent here.",
            )
            .for_anybody()
            .takes(json!({"email": "ada@example.com"}))
            .answers(202, ""),
        Route::post("/password-resets/{token}", "reset_password", reset)
            .says("Set a new password", "By the link of a reset, once. All sessions of the person end.")
            .for_anybody()
            .takes(json!({"password": "battery staple correct"}))
            .answers(204, "")
            .refuses(&["reset_used", "reset_expired"]),
        Route::post(
            "/organizations/{organization}/members/{user}/password-reset",
            "reset_member_password",
            of_member,
        )
        .says(
            "Mail a member a link to a new password",
            "Needs `members:reset_password` on the whole organization, and every permission that the member holds. \
             The link goes to the member and is shown to nobody.",
        )
        .answers(202, "")
        .refuses(&["target_not_active", "mail_not_configured", "cannot_grant_unheld"]),
    ]
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ask {
    email: String,
}

async fn ask(Visit(call): Visit<Ask>) -> Result<Answer, Problem> {
    ask_password_reset(call.roster(), &call.request, &call.body.email).await?;
    Ok(Answer::noted())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reset {
    password: String,
}

async fn reset(Visit(call): Visit<Reset>) -> Result<Answer, Problem> {
    let token: String = call.param("token")?;
    let password =
        Password::new(&call.body.password).map_err(|bad| Problem::invalid("/password", bad.to_string()))?;
    let make = |_: &Done<_>| Answer::nothing();
    let seal = |done: &Done<_>| make(done).sealed(&call);
    let outcome = reset_password(call.roster(), &call.request, &token, &password, Some(&seal)).await;
    Answer::of(&call, outcome, make)
}

async fn of_member(call: Call) -> Result<Answer, Problem> {
    let organization = call.organization()?;
    let user = resolve_user(call.roster(), &call.user()?).await?;
    let home = Home::Organization(organization);
    once(&call, home, async |request| {
        reset_member_password(call.roster(), &request, organization, user).await?;
        Ok(Answer::noted())
    })
    .await
}
