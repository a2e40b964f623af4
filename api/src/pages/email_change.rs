//! Proving a new address.

use axum::Extension;
use axum::extract::{Path, State};
use roster_core::flows::{confirm_email_change, look_at_email_change};

use super::{FormShown, Page, when};
use crate::call::visit;
use crate::error::Problem;
use crate::middleware::RequestId;
use crate::state::ApiState;

/// Shows what is to be confirmed, if the link holds.
pub async fn show(State(api): State<ApiState>, Path(token): Path<String>) -> Page {
    match look_at_email_change(&api.roster, &token).await {
        Ok(change) => Page::new("Confirm your new address")
            .line(format!("From now on {} is your address.", change.to))
            .line(format!("This link works once, until {}.", when(change.expires_at)))
            .form(FormShown {
                act: "confirm",
                button: "Use this address",
                first: true,
                ..FormShown::default()
            }),
        Err(error) => Page::refused(&error.into()),
    }
}

/// Confirms it.
pub async fn act(
    State(api): State<ApiState>,
    Extension(id): Extension<RequestId>,
    Path(token): Path<String>,
) -> Page {
    match confirm_email_change(&api.roster, &visit(&api, id), &token, None).await {
        Ok(done) => {
            let email = done.output.1.email.map(|email| email.to_string()).unwrap_or_default();
            Page::new("Your address is changed").line(format!("From now on it is {email}."))
        }
        Err(error) => Page::refused(&Problem::from(error)),
    }
}
