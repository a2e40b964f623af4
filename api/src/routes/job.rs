//! Jobs: what takes long, and how far it is.

use std::time::Duration;

use axum::http::{HeaderName, HeaderValue};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream;
use roster_core::flows::import::{ImportOptions, parse_accounts, parse_members};
use roster_core::flows::{self, BulkAct, begin_bulk};
use roster_core::home::Home;
use roster_core::id::JobId;
use roster_core::model::Job;
use roster_core::reads;
use roster_core::reference::OrganizationRef;
use roster_core::refusal::Refusal;
use serde::Deserialize;
use serde_json::json;

use super::PAGE;
use crate::access::RolesBody;
use crate::answer::Answer;
use crate::call::{Call, Empty, Upload};
use crate::error::Problem;
use crate::json::{name_of, row};
use crate::once::once;
use crate::route::Route;
use crate::shapes;

/// Between two looks at a job that somebody follows.
const PAUSE: Duration = Duration::from_millis(500);

/// The routes.
pub fn routes() -> Vec<Route> {
    let of_job = "Operators, whoever asked for it, and those who hold `imports:run` on its organization.";
    vec![
        Route::get("/jobs", "list_jobs", list)
            .says(
                "List jobs",
                "Operators see all; with `organization` those who hold `imports:run` on the whole of it see its own.",
            )
            .asks(const { &[("organization", "Only jobs of this organization."), PAGE[0], PAGE[1]] })
            .answers(200, "[Job]"),
        Route::get("/jobs/{job}", "get_job", show).says("Get a job", of_job).answers(200, "Job"),
        Route::get("/jobs/{job}/results", "list_job_results", results)
            .says("List what came of a job's items", of_job)
            .asks(PAGE)
            .answers(200, "[JobResult]"),
        Route::get("/jobs/{job}/stream", "follow_job", follow)
            .says(
                "Follow a job",
                "Server-sent events: `job` with the job whenever it has got on, the last one when it has ended.",
            )
            .answers(200, "Job")
            .in_events(),
        Route::post("/jobs/{job}/cancel", "cancel_job", cancel)
            .says(
                "Cancel a job",
                "It stops at the end of the item that it is at; an import of members at the end of the 100 rows that it is \
                 at, and what maps owners after 50 accounts. What is done stays done. What has happened already is seen through: an erasure, a removal from \
                 everything, a hand-over of records and a refresh of what lists show of a person answer 409.",
            )
            .answers(200, "Job")
            .refuses(&["job_finished"]),
        Route::post("/organizations/{organization}/members/bulk", "act_on_members", bulk)
            .says(
                "Do one thing to many members",
                "A job: one outcome a user, in the order given. `remove` needs `members:remove`, `deactivate` and \
                 `reactivate` need `members:deactivate`, `delete` (with `confirm: true`) `members:delete`, \
                 `password_reset` `members:reset_password`, `set_access` (with `roles`, as PUT of an access takes them) \
                 `members:update`, each on the whole organization.",
            )
            .takes(json!({"action": "remove", "users": ["ext:ada", "ext:bob"]}))
            .answers(202, "JobAccepted")
            .refuses(&["confirmation_required", "mail_not_configured"]),
        Route::post("/organizations/{organization}/imports", "import_members", import)
            .says(
                "Import members or accounts from CSV",
                "Needs `imports:run` on the whole organization, and for each row what the same act by itself needs: \
                 operators give people external ids, others name people of their own organization by them, and \
                 anybody by address. The body is the file, at most 64 MiB, with the columns `user_external_id`, \
                 `email`, `name`, `account_external_id`, `role`; of accounts `account_external_id`, `name`. A job: one \
                 outcome a row. Seats are admitted for the whole file; where they are too few the job fails with \
                 nothing done, and its results are the rows that found none. A dry run fails too, with the outcomes of all \
                 rows.",
            )
            .asks(const { &[
                ("kind", "`members`, which is meant if it is left out, or `accounts`."),
                ("create_accounts", "`true` makes accounts that do not exist."),
                ("dry_run", "`true` reports what would be done."),
            ] })
            .uploads()
            .answers(202, "JobAccepted"),
    ]
}

/// 202 with the job and where it is.
pub fn accepted(job: &Job) -> Answer {
    Answer::accepted(json!({"job": shapes::job(job)}), format!("/v1/jobs/{}", job.id))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    organization: Option<OrganizationRef>,
    limit: Option<u16>,
    cursor: Option<String>,
}

async fn list(call: Call<Empty, ListQuery>) -> Result<Answer, Problem> {
    let page = call.page(call.query.limit, call.query.cursor.as_deref())?;
    let within = match &call.query.organization {
        Some(named) => Some(flows::resolve_organization(call.roster(), named).await?),
        None => None,
    };
    let found = reads::jobs(call.roster(), &call.request, within, &page).await?;
    let rows: Vec<_> = found.rows.iter().map(shapes::job).collect();
    Ok(Answer::list(&call, &rows, found.next.as_ref()))
}

async fn show(call: Call) -> Result<Answer, Problem> {
    let (job, version) = flows::shown_job(call.roster(), &call.request, call.param("job")?).await?;
    Ok(Answer::ok(shapes::job(&job)).tagged(Some(version)).unless_known(&call))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PageQuery {
    limit: Option<u16>,
    cursor: Option<String>,
}

async fn results(call: Call<Empty, PageQuery>) -> Result<Answer, Problem> {
    let limit = crate::query::limit(call.query.limit)?;
    let from: Option<u64> = call.cursor(call.query.cursor.as_deref())?;
    let id = call.param("job")?;
    let (found, next) =
        reads::job_results(call.roster(), &call.request, id, from.unwrap_or(0), limit).await?;
    let rows: Vec<_> = found.iter().map(shapes::outcome).collect();
    Ok(Answer::list(&call, &rows, next.as_ref()))
}

async fn cancel(call: Call) -> Result<Answer, Problem> {
    let id = call.param("job")?;
    let home = flows::find_job(call.roster(), &call.request, id).await?.work.home();
    once(&call, home, async |request| {
        flows::cancel_job(call.roster(), &request, id).await?;
        let (job, version) = flows::shown_job(call.roster(), &request, id).await?;
        Ok(Answer::ok(shapes::job(&job)).tagged(Some(version)))
    })
    .await
}

/// The first look is before the answer begins, so that a refusal is one.
async fn follow(call: Call) -> Result<Response, Problem> {
    let id: JobId = call.param("job")?;
    let first = flows::find_job(call.roster(), &call.request, id).await?;
    let place = call.api.followers.place(call.request.actor)?;
    let events = stream::unfold(Some((call, place, None, Some(first))), async |at| {
        let (call, place, seen, first) = at?;
        let job = match first {
            Some(job) => job,
            None => next(&call, seen.as_ref()?).await?,
        };
        let event = Event::default().event("job").data(shapes::job(&job).to_string());
        let ended = job.status.is_finished();
        let rest = (!ended).then_some((call, place, Some(job), None));
        Some((Ok::<_, std::convert::Infallible>(event), rest))
    });
    // As for events: a proxy that gathers them would show everything at the end.
    let whole = (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    Ok(([whole], Sse::new(events).keep_alive(KeepAlive::default())).into_response())
}

/// The job once it has got on; nothing when the process stops or whoever follows may not see it any more.
async fn next(call: &Call, seen: &Job) -> Option<Job> {
    loop {
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            () = call.api.stop.heard() => return None,
        }
        let afresh = call.afresh().await.ok()?;
        let job = flows::find_job(call.roster(), &afresh, seen.id).await.ok()?;
        let state = |job: &Job| (job.done, job.total, job.status, job.failure.clone());
        if state(&job) != state(seen) {
            return Some(job);
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct BulkBody {
    action: Action,
    users: Vec<serde_json::Value>,
    roles: Option<serde_json::Value>,
    confirm: Option<bool>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Action {
    Remove,
    Deactivate,
    Reactivate,
    Delete,
    PasswordReset,
    SetAccess,
}

impl BulkBody {
    fn act(&self) -> Result<BulkAct, Problem> {
        match (self.action, &self.roles) {
            (Action::Remove, None) => Ok(BulkAct::Remove),
            (Action::Deactivate, None) => Ok(BulkAct::Deactivate),
            (Action::Reactivate, None) => Ok(BulkAct::Reactivate),
            (Action::PasswordReset, None) => Ok(BulkAct::PasswordReset),
            (Action::Delete, None) if self.confirm == Some(true) => Ok(BulkAct::Delete),
            (Action::Delete, None) => Err(Refusal::ConfirmationRequired.into()),
            (Action::SetAccess, Some(roles)) => {
                let body: RolesBody = row(json!({"roles": roles}))
                    .map_err(|bad| Problem::invalid("/roles", bad.to_string()))?;
                Ok(BulkAct::set_access(&body.ask()?))
            }
            (Action::SetAccess, None) => Err(Problem::invalid("/roles", "say which access to give")),
            (_, Some(_)) => Err(Problem::invalid("/roles", "only set_access takes roles")),
        }
    }
}

async fn bulk(call: Call<BulkBody>) -> Result<Answer, Problem> {
    let organization = call.organization()?;
    let (act, home) = (call.body.act()?, Home::Organization(organization));
    let users: Vec<String> = call.body.users.iter().map(name_of).collect();
    once(&call, home, async |request| {
        let done = begin_bulk(call.roster(), &request, organization, &act, users.clone()).await?;
        call.api.jobs.notify_one();
        Ok(accepted(&done.output))
    })
    .await
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ImportQuery {
    #[serde(default)]
    kind: Kind,
    #[serde(default)]
    create_accounts: bool,
    #[serde(default)]
    dry_run: bool,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    #[default]
    Members,
    Accounts,
}

async fn import(Upload { call, file }: Upload<ImportQuery>) -> Result<Answer, Problem> {
    let organization = call.organization()?;
    let home = Home::Organization(organization);
    let ImportQuery { kind, create_accounts, dry_run } = call.query;
    if matches!(kind, Kind::Accounts) && create_accounts {
        return Err(Problem::invalid(
            "#create_accounts",
            "only an import of members makes accounts by the way",
        ));
    }
    let roster = call.roster();
    // One that cannot be used is refused before anything else is asked.
    match kind {
        Kind::Members => drop(parse_members(&file)?),
        Kind::Accounts => drop(parse_accounts(&file)?),
    }
    once(&call, home, async |request| {
        let done = match kind {
            Kind::Members => {
                let (lines, options) = (parse_members(&file)?, ImportOptions { create_accounts, dry_run });
                flows::begin_import(roster, &request, organization, lines, options).await?
            }
            Kind::Accounts => {
                let lines = parse_accounts(&file)?;
                flows::begin_account_import(roster, &request, organization, lines, dry_run).await?
            }
        };
        call.api.jobs.notify_one();
        Ok(accepted(&done.output))
    })
    .await
}
