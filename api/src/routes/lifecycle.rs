//! How people go for now or for good, and come back: of an organization, and of the whole deployment.

use roster_core::flows::{find_user, resolve_user};
use roster_core::id::UserId;
use roster_core::model::{Member, User};
use roster_core::op::{Done, Operation, run_sealed};
use roster_core::ops::member::{DeactivateMember, DeleteMember, ReactivateMember};
use roster_core::ops::user::{SuspendUser, UnsuspendUser};
use roster_core::reads;
use roster_core::refusal::Refusal;
use serde::Deserialize;
use serde_json::json;

use crate::answer::Answer;
use crate::call::Call;
use crate::error::Problem;
use crate::route::Route;
use crate::shapes;

/// The routes.
pub fn routes() -> Vec<Route> {
    of_members().into_iter().chain(of_users()).collect()
}

fn of_members() -> Vec<Route> {
    vec![
        Route::post(
            "/organizations/{organization}/members/{user}/deactivate",
            "deactivate_member",
            deactivate,
        )
        .says(
            "Deactivate a member",
            "Needs `members:deactivate` on the whole organization. Their access there ends at once, and their seat is \
             free; what they reach is kept for the way back.",
        )
        .answers(200, "Member")
        .refuses(&["owner_must_transfer", "target_not_active", "cannot_grant_unheld"]),
        Route::post(
            "/organizations/{organization}/members/{user}/reactivate",
            "reactivate_member",
            reactivate,
        )
        .says(
            "Reactivate a member",
            "Needs `members:deactivate` on the whole organization, and a free seat. What they reached is back, but \
             for roles that are gone meanwhile: the answer shows what they reach now. Accounts that were archived stay \
             theirs, to be reached once they are brought back. Sessions and personal keys from before \
             stay dead.",
        )
        .answers(200, "Member")
        .refuses(&["owner_must_transfer", "target_not_active", "no_seat", "cannot_grant_unheld"]),
        Route::post("/organizations/{organization}/members/{user}/delete", "delete_member", delete)
            .says(
                "Delete a member",
                "Needs `members:delete` on the whole organization, and `confirm: true`. Removal, and what they did \
                 leaves the organization's statistics for good. They can be invited or added again, as new.",
            )
            .takes(json!({"confirm": true}))
            .answers(200, "Changed")
            .refuses(&["confirmation_required", "owner_must_transfer", "cannot_grant_unheld"]),
    ]
}

fn of_users() -> Vec<Route> {
    vec![
        Route::post("/users/{user}/suspend", "suspend_user", suspend)
            .says(
                "Suspend a user",
                "Operators only. No access anywhere at the next request; seats and roles are kept. Owners too: their \
                 organizations show `owner_unavailable`.",
            )
            .answers(200, "User")
            .refuses(&["target_not_active"]),
        Route::post("/users/{user}/unsuspend", "unsuspend_user", unsuspend)
            .says(
                "End a suspension",
                "Operators only. Access is back; sessions and personal keys from before are not.",
            )
            .answers(200, "User")
            .refuses(&["target_not_active"]),
    ]
}

async fn deactivate(call: Call) -> Result<Answer, Problem> {
    let organization = call.organization()?;
    let user = resolve_user(call.roster(), &call.user()?).await?;
    member(&call, &DeactivateMember { organization, user }).await
}

async fn reactivate(call: Call) -> Result<Answer, Problem> {
    let organization = call.organization()?;
    let user = find_user(call.roster(), &call.user()?).await?;
    member(&call, &ReactivateMember { organization, user: user.id, cuts: user.cuts }).await
}

async fn member(call: &Call, operation: &impl Operation<Output = Member>) -> Result<Answer, Problem> {
    let organization = call.organization()?;
    let make =
        |done: &Done<Member>| Answer::ok(shapes::member(organization, &done.output)).tagged(done.version);
    let seal = |done: &Done<_>| make(done).sealed(call);
    let outcome = run_sealed(call.roster(), &call.request, operation, Some(&seal)).await;
    Answer::of(call, outcome, make)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Confirmation {
    #[serde(default)]
    confirm: bool,
}

async fn delete(call: Call<Confirmation>) -> Result<Answer, Problem> {
    let (organization, confirmed) = (call.organization()?, call.body.confirm);
    if !confirmed {
        reads::require_visible(call.roster(), &call.request, organization).await?;
        return Err(Refusal::ConfirmationRequired.into());
    }
    let user = resolve_user(call.roster(), &call.user()?).await?;
    let make = |done: &Done<bool>| Answer::ok(json!({"changed": done.output}));
    let seal = |done: &Done<_>| make(done).sealed(&call);
    let operation = DeleteMember { organization, user, confirmed };
    let outcome = run_sealed(call.roster(), &call.request, &operation, Some(&seal)).await;
    Answer::of(&call, outcome, make)
}

async fn suspend(call: Call) -> Result<Answer, Problem> {
    let user = seen(&call).await?;
    turned(&call, &SuspendUser { user }).await
}

async fn unsuspend(call: Call) -> Result<Answer, Problem> {
    let user = seen(&call).await?;
    turned(&call, &UnsuspendUser { user }).await
}

/// The user, if the caller may know of them.
async fn seen(call: &Call) -> Result<UserId, Problem> {
    Ok(reads::user(call.roster(), &call.request, &call.user()?).await?.value.id)
}

async fn turned(call: &Call, operation: &impl Operation<Output = User>) -> Result<Answer, Problem> {
    let make = |done: &Done<User>| Answer::ok(shapes::user(&done.output)).tagged(done.version);
    let seal = |done: &Done<_>| make(done).sealed(call);
    let outcome = run_sealed(call.roster(), &call.request, operation, Some(&seal)).await;
    Answer::of(call, outcome, make)
}
