//! Acts that one commit cannot hold, once for each idempotency key.

use roster_core::facts::Request;
use roster_core::flows::{begin_receipt, drop_receipt, finish_receipt};
use roster_core::home::Home;
use roster_core::refusal::OpError;

use crate::answer::Answer;
use crate::call::{Call, replayed};
use crate::error::Problem;

/// How often an act is begun anew while the same request does it elsewhere.
const TRIES: u32 = 5;

/// Does what the call asks for, under a receipt that a home keeps. A call that was answered before is answered the same;
/// a refusal is not kept, and one that comes before anything was changed leaves nothing. The act is given the request whose
/// ids are drawn from the receipt.
pub async fn once<B, Q, F>(
    call: &Call<B, Q>,
    home: Home,
    act: impl Fn(Request) -> F,
) -> Result<Answer, Problem>
where
    F: Future<Output = Result<Answer, Problem>>,
{
    for _ in 0..TRIES {
        let request = match replayed(begin_receipt(call.roster(), &call.request, &home).await)? {
            Ok(request) => request,
            Err(sealed) => return Answer::replay(call, &sealed),
        };
        let outcome = act(Request { receipt: None, ..request.clone() }).await;
        if overtaken(call, &home, &request, &outcome).await? {
            continue;
        }
        match &outcome {
            Ok(answer) => finish_receipt(call.roster(), &request, &home, answer.sealed(call)).await?,
            Err(problem) if problem.status.is_client_error() => {
                drop_receipt(call.roster(), &request, &home).await;
            }
            Err(_) => {}
        }
        return outcome;
    }
    Err(OpError::Busy.into())
}

/// Whether the same request has come twice and the other one was quicker: it may be why this one was refused.
async fn overtaken<B, Q>(
    call: &Call<B, Q>,
    home: &Home,
    request: &Request,
    outcome: &Result<Answer, Problem>,
) -> Result<bool, Problem> {
    let Some(opening) = &request.opening else { return Ok(false) };
    if outcome.is_ok()
        && let Err(error) = opening.write(call.roster()).await
    {
        // Where nothing was changed, the other one may have changed it.
        return if opening.is_overtaken().await { Ok(true) } else { Err(error.into()) };
    }
    if opening.is_overtaken().await {
        return Ok(true);
    }
    let refused = outcome.as_ref().is_err_and(|problem| problem.status.is_client_error());
    if !refused || opening.is_written().await {
        return Ok(false);
    }
    Ok(match begin_receipt(call.roster(), &call.request, home).await {
        Ok(again) => again.opening.is_none(),
        Err(OpError::Replay(_)) => true,
        Err(OpError::Refused(_)) => false,
        Err(error) => return Err(error.into()),
    })
}
