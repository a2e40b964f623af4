//! Changing one's own address, by a link that proves the new mailbox.

use roster_core::flows::{ask_email_change, confirm_email_change};
use roster_core::home::Home;
use roster_core::model::User;
use roster_core::op::Done;
use roster_core::refusal::Refusal;
use roster_core::text::Email;
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
        Route::post("/me/email", "ask_email_change", ask)
            .says(
                "Change one's own address",
                "A link is mailed to the new address and takes effect when it is opened. Needs a sign-in within the \
                 last 10 minutes. Whether the address is somebody's already is not told here.",
            )
            .takes(json!({"email": "ada.king@example.com"}))
            .answers(202, "")
            .refuses(&["mail_not_configured", "rate_limited"]),
        Route::post("/email-changes/{token}", "confirm_email_change", confirm)
            .says(
                "Prove a new address",
                "By the link that was mailed there, once. The address before is told.",
            )
            .for_anybody()
            .answers(200, "EmailChanged")
            .refuses(&["reset_used", "reset_expired", "email_exists"]),
    ]
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ask {
    email: Email,
}

async fn ask(call: Call<Ask>) -> Result<Answer, Problem> {
    let user = call.request.actor.user().ok_or(Refusal::Forbidden("user"))?;
    once(&call, Home::User(user), async |request| {
        ask_email_change(call.roster(), &request, &call.body.email).await?;
        Ok(Answer::noted())
    })
    .await
}

async fn confirm(Visit(call): Visit) -> Result<Answer, Problem> {
    let token: String = call.param("token")?;
    let make = |done: &Done<(User, User)>| {
        let user = &done.output.1;
        Answer::ok(json!({"user_id": user.id, "email": user.email}))
    };
    let seal = |done: &Done<_>| make(done).sealed(&call);
    let outcome = confirm_email_change(call.roster(), &call.request, &token, Some(&seal)).await;
    call.api.jobs.notify_one();
    Answer::of(&call, outcome, make)
}
