//! Leaving plans: what goes with a member, and the one act that lets them go.

use roster_core::flows::{Leave, leave_by_plan};
use roster_core::op::Done;
use roster_core::ops::leaving::{InvitationFate, LeavingMode, Left};
use roster_core::reads;
use roster_core::reference::UserRef;
use serde::Deserialize;
use serde_json::json;

use crate::answer::Answer;
use crate::call::{Call, Empty};
use crate::error::Problem;
use crate::route::Route;
use crate::shapes;

/// The routes.
pub fn routes() -> Vec<Route> {
    const PLAN: &str = "/organizations/{organization}/members/{user}/leaving-plan";
    vec![
        Route::get(PLAN, "get_leaving_plan", show)
            .says(
                "Get a leaving plan",
                "Needs `members:read` on the whole organization; keys are shown to those who hold `api_keys:read`. \
                 What the member would lose, what stands in the way, what would be left without an owner.",
            )
            .asks(const { &[("mode", "`deactivate`, which is recommended and meant if it is left out, `remove` or `delete`.")] })
            .answers(200, "LeavingPlan"),
        Route::post(PLAN, "execute_leaving_plan", execute)
            .says(
                "Execute a leaving plan",
                "In one step, whatever the number of records: the mode needs `members:deactivate`, `members:remove` or \
                 `members:delete` on the whole organization, `records_to` needs `records:manage`, `posts_to` what \
                 setting each post needs, `owner_to` the owner or an operator. `revision` is the plan's; where it has \
                 changed nothing is done: it covers the member, the owner, how many records and pending invitations \
                 there are, posts, and which keys and webhooks the plan names, but not when a key was last used.",
            )
            .takes(json!({"mode": "deactivate", "revision": "3f2a…", "records_to": "ext:bob", "invitations": "revoke"}))
            .answers(200, "LeftByPlan")
            .refuses(&[
                "plan_changed",
                "owner_must_transfer",
                "target_not_active",
                "not_in_account",
                "no_seat",
                "inviter_cannot_grant",
                "cannot_grant_unheld",
            ]),
    ]
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PlanQuery {
    mode: Option<LeavingMode>,
}

async fn show(call: Call<Empty, PlanQuery>) -> Result<Answer, Problem> {
    let mode = call.query.mode.unwrap_or(LeavingMode::RECOMMENDED);
    let organization = call.organization()?;
    let plan = reads::leaving_plan(call.roster(), &call.request, organization, &call.user()?, mode).await?;
    Ok(Answer::ok(shapes::leaving_plan(organization, &plan)))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Execute {
    mode: LeavingMode,
    revision: String,
    records_to: Option<UserRef>,
    posts_to: Option<UserRef>,
    owner_to: Option<UserRef>,
    #[serde(default)]
    invitations: InvitationFate,
    reason: Option<String>,
}

/// The longest reason, in characters.
const MAX_REASON: usize = 1_000;

async fn execute(mut call: Call<Execute>) -> Result<Answer, Problem> {
    let organization = call.organization()?;
    if call.body.reason.as_ref().is_some_and(|reason| reason.chars().count() > MAX_REASON) {
        return Err(Problem::invalid("/reason", format!("at most {MAX_REASON} characters")));
    }
    call.request.reason = call.body.reason.clone();
    let body = &call.body;
    let leave = Leave {
        user: call.user()?,
        mode: body.mode,
        revision: body.revision.clone(),
        records_to: body.records_to.clone(),
        posts_to: body.posts_to.clone(),
        owner_to: body.owner_to.clone(),
        fate: body.invitations,
    };
    let make = |done: &Done<Left>| Answer::ok(shapes::left(organization, &done.output)).tagged(done.version);
    let seal = |done: &Done<_>| make(done).sealed(&call);
    let outcome = leave_by_plan(call.roster(), &call.request, organization, &leave, Some(&seal)).await;
    let answer = Answer::of(&call, outcome, make)?;
    call.api.jobs.notify_one();
    Ok(answer)
}
