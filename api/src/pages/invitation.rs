//! Accepting or declining an invitation.

use axum::Extension;
use axum::extract::{Path, State};
use roster_core::flows::{SignUp, accept_by_password, decline_invitation};
use roster_core::model::InvitationStatus;
use roster_core::reads::{InvitationPreview, invitation_preview};
use roster_core::secret::Password;
use roster_core::text::Name;

use super::{Form, FormShown, Input, Page, sent, when};
use crate::call::visit;
use crate::error::Problem;
use crate::middleware::RequestId;
use crate::state::ApiState;

/// Shows the invitation: to what, and how to answer.
pub async fn show(
    State(api): State<ApiState>,
    Extension(id): Extension<RequestId>,
    Path(token): Path<String>,
) -> Page {
    match invitation_preview(&api.roster, &visit(&api, id), &token).await {
        Ok(shown) => page(&shown, ""),
        Err(error) => Page::refused(&error.into()),
    }
}

fn page(shown: &InvitationPreview, name: &str) -> Page {
    let organization = &shown.organization;
    let over = |heading: &str| Page::new(format!("{heading} {organization}"));
    match shown.status {
        InvitationStatus::Pending => {}
        InvitationStatus::Accepted => {
            return over("You are a member of").line("This invitation was accepted.");
        }
        InvitationStatus::Declined => {
            return over("You declined to join").line("Ask for a new invitation if you change your mind.");
        }
        InvitationStatus::Revoked => {
            return over("No invitation any more to").line("This invitation was taken back.");
        }
        InvitationStatus::Expired => {
            return over("No invitation any more to").line("This invitation has expired; ask for a new one.");
        }
    }
    let called = Input {
        name: "name",
        label: "Your name",
        kind: "text",
        autocomplete: "name",
        value: name.to_owned(),
        longest: 200,
        ..Input::default()
    };
    let password = Input {
        hint: Some("The one that you have here already, or a new one of 8 to 256 characters"),
        ..Input::new_password()
    };
    over("Join")
        .line(format!("You are invited to {organization}. This invitation ends {}.", when(shown.expires_at)))
        .form(FormShown { act: "accept", inputs: vec![called, password], button: "Accept", first: true })
        .form(FormShown { act: "decline", button: "Decline", ..FormShown::default() })
}

/// Accepts or declines.
pub async fn act(
    State(api): State<ApiState>,
    Extension(id): Extension<RequestId>,
    Path(token): Path<String>,
    body: Form,
) -> Page {
    match answered(&api, id.clone(), &token, &body).await {
        Ok(page) => page,
        Err(problem) if matches!(problem.status.as_u16(), 401 | 422) => {
            match invitation_preview(&api.roster, &visit(&api, id), &token).await {
                Ok(shown) => page(&shown, sent(&body, "name")).alerting(&explained(problem)),
                Err(error) => Page::refused(&error.into()),
            }
        }
        Err(problem) => Page::refused(&problem),
    }
}

/// What somebody who cannot sign in does next. It is the same for one who has no password yet, whom a link that was copied
/// lets set none (rule I3).
fn explained(problem: Problem) -> Problem {
    if problem.status.as_u16() != 401 {
        return problem;
    }
    let detail = "This password does not open it: if you have one here already, use that one. If you have none or do not \
                  know it, ask those who run this service for a link to set one, then come back to this page.";
    Problem { detail: detail.to_owned(), ..problem }
}

async fn answered(api: &ApiState, id: RequestId, token: &str, body: &Form) -> Result<Page, Problem> {
    let request = visit(api, id);
    if sent(body, "act") == "decline" {
        let (organization, _) = decline_invitation(&api.roster, &request, token, None).await?.output;
        return Ok(Page::new(format!("You declined to join {}", organization.name)));
    }
    let name: Name = sent(body, "name").parse().map_err(|bad| Problem::invalid("/name", format!("{bad}")))?;
    let password = Password::new(sent(body, "password"))
        .map_err(|bad| Problem::invalid("/password", bad.to_string()))?;
    let new = SignUp { name, password };
    let accepted = Box::pin(accept_by_password(&api.roster, &request, token, &new)).await?;
    let organization = accepted.organization.name;
    Ok(Page::new(format!("Welcome to {organization}")).line("Sign in with your address and this password."))
}
