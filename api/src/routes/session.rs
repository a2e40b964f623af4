//! Signing in and out.

use roster_core::flows::{change_password, end_sessions, sign_in};
use roster_core::home::Home;
use roster_core::id::SessionId;
use roster_core::op::run;
use roster_core::ops::session::EndSession;
use roster_core::reads;
use roster_core::refusal::Refusal;
use roster_core::secret::Password;
use serde::Deserialize;
use serde_json::json;

use super::PAGE;
use crate::answer::Answer;
use crate::call::{Call, Empty, Visit};
use crate::error::Problem;
use crate::once::once;
use crate::route::Route;
use crate::shapes;

/// The routes.
pub fn routes() -> Vec<Route> {
    vec![
        Route::post("/sessions", "sign_in", begin)
            .says(
                "Sign in",
                "By address and password. A wrong password, an unknown address and a suspended person answer alike. \
                 The `token` is in this answer and nowhere else.",
            )
            .for_anybody()
            .takes(json!({"email": "ada@example.com", "password": "correct horse battery"}))
            .answers(201, "NewSession")
            .refuses(&["invalid_credentials"]),
        Route::get("/sessions", "list_sessions", list)
            .says("List one's own sessions", "Those that are live. For users only.")
            .asks(PAGE)
            .answers(200, "[Session]"),
        Route::delete("/sessions", "end_sessions", end_all)
            .says("Sign out everywhere", "Ends all of one's own sessions, this one too. For users only.")
            .answers(204, ""),
        Route::delete("/sessions/{session}", "end_session", end)
            .says("Sign out", "Ends one of one's own sessions: the one that asks as `current`.")
            .answers(204, ""),
        Route::post("/me/password", "change_password", change)
            .says("Change one's own password", "Needs the one before. All sessions end, this one too.")
            .takes(json!({"current": "correct horse battery", "password": "battery staple correct"}))
            .answers(204, "")
            .refuses(&["invalid_credentials", "rate_limited"]),
    ]
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Credentials {
    email: String,
    password: String,
}

async fn begin(Visit(call): Visit<Credentials>) -> Result<Answer, Problem> {
    let Credentials { email, password } = &call.body;
    let begun = sign_in(call.roster(), &call.request, email, &Password::given(password)).await?;
    Ok(Answer::created(shapes::new_session(&begun), format!("/v1/sessions/{}", begun.session.id)))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PageQuery {
    limit: Option<u16>,
    cursor: Option<String>,
}

async fn list(call: Call<Empty, PageQuery>) -> Result<Answer, Problem> {
    let page = call.page(call.query.limit, call.query.cursor.as_deref())?;
    let found = reads::sessions(call.roster(), &call.request, &page).await?;
    let current = call.request.actor.session();
    let rows: Vec<_> = found.rows.iter().map(|session| shapes::session(session, current)).collect();
    Ok(Answer::list(&call, &rows, found.next.as_ref()))
}

async fn end(call: Call) -> Result<Answer, Problem> {
    let named: String = call.param("session")?;
    let current = named == "current";
    let asked = if current { None } else { Some(call.param::<SessionId>("session")?) };
    let user = call.request.actor.user().ok_or(Refusal::Forbidden("user"))?;
    let session = asked.or(call.request.actor.session()).ok_or(Refusal::NotFound)?;
    run(call.roster(), &call.request, &EndSession { user, session }).await?;
    Ok(Answer::nothing())
}

async fn end_all(call: Call) -> Result<Answer, Problem> {
    end_sessions(call.roster(), &call.request).await?;
    Ok(Answer::nothing())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    current: String,
    password: String,
}

async fn change(call: Call<Change>) -> Result<Answer, Problem> {
    let Change { current, password } = &call.body;
    let password = Password::new(password).map_err(|bad| Problem::invalid("/password", bad.to_string()))?;
    let user = call.request.actor.user().ok_or(Refusal::Forbidden("user"))?;
    once(&call, Home::User(user), async |request| {
        change_password(call.roster(), &request, &Password::given(current), &password).await?;
        Ok(Answer::nothing())
    })
    .await
}
