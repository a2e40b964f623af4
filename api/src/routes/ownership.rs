//! Answers to offers of ownership.

use roster_core::flows;
use roster_core::model::Transfer;
use roster_core::op::Done;
use roster_core::ops::ownership::OfferAnswer;

use crate::answer::Answer;
use crate::call::Call;
use crate::error::Problem;
use crate::route::Route;
use crate::shapes;

/// The routes.
pub fn of_offers() -> Vec<Route> {
    const ONE: &str = "/organizations/{organization}/ownership-transfers/{transfer}";
    vec![
        Route::post(
            "/organizations/{organization}/ownership-transfers/{transfer}/accept",
            "accept_ownership",
            accept,
        )
        .says(
            "Accept an offer of ownership",
            "By the member to whom it is offered, or an operator. At once; everything that a transfer needs is checked again. Done \
             twice it answers the same.",
        )
        .answers(200, "Transfer")
        .refuses(&["offer_expired", "owner_changed", "target_not_active", "no_seat", "role_gone"]),
        Route::post(
            "/organizations/{organization}/ownership-transfers/{transfer}/decline",
            "decline_ownership",
            decline,
        )
        .says("Decline an offer of ownership", "By the member to whom it is offered, or an operator.")
        .answers(200, "Transfer")
        .refuses(&["offer_expired"]),
        Route::delete(ONE, "cancel_ownership_offer", cancel)
            .says("Take back an offer of ownership", "The current owner or an operator.")
            .answers(204, "")
            .refuses(&["offer_expired"]),
    ]
}

async fn accept(call: Call) -> Result<Answer, Problem> {
    answer(&call, OfferAnswer::Accept).await
}

async fn decline(call: Call) -> Result<Answer, Problem> {
    answer(&call, OfferAnswer::Decline).await
}

async fn answer(call: &Call, answer: OfferAnswer) -> Result<Answer, Problem> {
    let (organization, transfer) = (call.organization()?, call.param("transfer")?);
    let make = |done: &Done<Transfer>| Answer::ok(shapes::transfer(&done.output)).tagged(done.version);
    let seal = |done: &Done<_>| make(done).sealed(call);
    let outcome =
        flows::answer_offer(call.roster(), &call.request, organization, transfer, answer, Some(&seal)).await;
    Answer::of(call, outcome, make)
}

async fn cancel(call: Call) -> Result<Answer, Problem> {
    let (organization, transfer) = (call.organization()?, call.param("transfer")?);
    let cancel = OfferAnswer::Cancel;
    flows::answer_offer(call.roster(), &call.request, organization, transfer, cancel, None).await?;
    Ok(Answer::nothing())
}
