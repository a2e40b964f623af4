//! Ending all of one's own sessions.

use super::sign_in::sessions;
use crate::facts::Request;
use crate::op::{Roster, run};
use crate::ops::session::EndSessions;
use crate::refusal::{OpError, Refusal};

/// Ends every session of the acting user, this one too.
pub async fn end_sessions(roster: &Roster, request: &Request) -> Result<(), OpError> {
    let user = request.actor.user().ok_or(Refusal::lacks("user"))?;
    let sessions = sessions(roster, user).await?;
    run(roster, request, &EndSessions { user, sessions }).await.map(drop)
}
