//! Acts that one commit cannot hold, once for each idempotency key.

use roster_core::facts::Request;
use roster_core::flows::{begin_receipt, drop_receipt, finish_receipt};
use roster_core::home::Home;

use crate::answer::Answer;
use crate::call::{Call, replayed};
use crate::error::Problem;

/// Does what the call asks for, under a receipt that a home keeps. A call that was answered before is answered the same;
/// a refusal is not kept. The act is given the request whose ids are drawn from the receipt.
pub async fn once<B, Q, F>(
    call: &Call<B, Q>,
    home: Home,
    act: impl FnOnce(Request) -> F,
) -> Result<Answer, Problem>
where
    F: Future<Output = Result<Answer, Problem>>,
{
    let request = match replayed(begin_receipt(call.roster(), &call.request, &home).await)? {
        Ok(request) => request,
        Err(sealed) => return Answer::replay(call, &sealed),
    };
    let outcome = act(Request { receipt: None, ..request.clone() }).await;
    match &outcome {
        Ok(answer) => finish_receipt(call.roster(), &request, &home, answer.sealed(call)).await?,
        Err(problem) if problem.status.is_client_error() => {
            drop_receipt(call.roster(), &request, &home).await;
        }
        Err(_) => {}
    }
    outcome
}
