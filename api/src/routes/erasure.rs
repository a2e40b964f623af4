//! Erasing a person, and everything about them before that.

use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures::stream;
use roster_core::flows::erase_user;
use roster_core::home::Home;
use roster_core::reads;
use roster_core::refusal::Refusal;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::mpsc;

use super::job::accepted;
use crate::answer::Answer;
use crate::call::Call;
use crate::error::Problem;
use crate::exports::LONGEST;
use crate::once::once;
use crate::route::Route;
use crate::shapes::ExportWriter;

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
            .says(
                "Export a user",
                "Everything that is kept about a person: for operators and the user. Of organizations that they have left \
                 as well, of those that name them though they never were in one, and of what sources have sent about \
                 them. Others stand in it by their ids only. The answer flows out as it is read, and one that ends before \
                 its last brace was cut off, as is one that is not read to its end within 10 minutes. One at a time about \
                 the same person, and a few in all: 503 `busy` otherwise.",
            )
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

/// An export that takes long asks so often whose the secret is.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// Flows out as it is read, so that much of it takes no more memory than little. A failure cuts it off in the middle of the
/// object.
async fn export(call: Call) -> Result<Response, Problem> {
    let id = reads::user(call.roster(), &call.request, &call.user()?).await?.value.id;
    let user = reads::exported_user(call.roster(), &call.request, &id.into()).await?;
    let (roster, request) = (call.roster().clone(), call.request.clone());
    let turn = call.api.exports.turn(request.actor.is_operator(), id).await?;
    let (out, pieces) = mpsc::channel(2);
    tokio::spawn(async move {
        // What is not read by then is cut off.
        tokio::time::timeout(LONGEST, reads::export(roster, request, user, out)).await.ok();
        drop(turn);
    });
    let state = (pieces, ExportWriter::default(), call, Instant::now());
    let text = stream::unfold(state, async |(mut pieces, mut writer, call, mut asked)| {
        let mut piece = pieces.recv().await?;
        if asked.elapsed() >= ASK_AGAIN {
            if let Err(cut) = call.still().await {
                piece = Err(cut);
            }
            asked = Instant::now();
        }
        let text = piece.map(|piece| Bytes::from(writer.text(&piece)));
        Some((text, (pieces, writer, call, asked)))
    });
    let fields = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((fields, Body::from_stream(text)).into_response())
}
