//! Setting a new password.

use axum::Extension;
use axum::extract::{Path, State};
use roster_core::flows::{look_at_password_reset, reset_password};
use roster_core::secret::Password;

use super::{Form, FormShown, Input, Page, sent, when};
use crate::call::visit;
use crate::error::Problem;
use crate::middleware::RequestId;
use crate::state::ApiState;

/// Shows the form, if the link holds.
pub async fn show(State(api): State<ApiState>, Path(token): Path<String>) -> Page {
    shown(&api, &token).await.unwrap_or_else(|problem| Page::refused(&problem))
}

async fn shown(api: &ApiState, token: &str) -> Result<Page, Problem> {
    let until = look_at_password_reset(&api.roster, token).await?;
    Ok(form().line(format!("This link works once, until {}.", when(until))))
}

fn form() -> Page {
    Page::new("Set a new password").line("You are signed out everywhere when it is set.").form(FormShown {
        act: "reset",
        inputs: vec![Input::new_password()],
        button: "Set the password",
        first: true,
    })
}

/// Sets the password.
pub async fn act(
    State(api): State<ApiState>,
    Extension(id): Extension<RequestId>,
    Path(token): Path<String>,
    body: Form,
) -> Page {
    match done(&api, id, &token, &body).await {
        Ok(()) => Page::new("Your password is set").line("Sign in with it where you usually do."),
        Err(problem) if problem.status == 422 => form().alerting(&problem),
        Err(problem) => Page::refused(&problem),
    }
}

async fn done(api: &ApiState, id: RequestId, token: &str, body: &Form) -> Result<(), Problem> {
    let password = Password::new(sent(body, "password"))
        .map_err(|bad| Problem::invalid("/password", bad.to_string()))?;
    reset_password(&api.roster, &visit(api, id), token, &password, None).await?;
    Ok(())
}
