//! Before somebody acts on a membership that a removal from everything has ended, and no job has come by: it is written
//! down first, so that what acts is what is shown (rule M5).

use super::{Operation, Roster, View};
use crate::facts::{Expected, Request};
use crate::flows::sweep::{Cut, cuts_of, sweep_seen};
use crate::home::{Home, Key};
use crate::refusal::OpError;
use crate::store::StoreError;
use crate::time::Timestamp;

/// How often the member that an operation acts on has been removed from everything, where that may matter to it.
pub(super) async fn cuts_of_subject<O: Operation>(
    roster: &Roster,
    request: &Request,
    operation: &O,
) -> Result<Cut, StoreError> {
    match operation.subject() {
        Some(Key::Member(user)) if request.if_match.is_some() || !operation.knows_cuts() => {
            Box::pin(cuts_of(roster, request, user)).await
        }
        Some(_) | None => Ok((0, Timestamp::EPOCH)),
    }
}

/// Writes it down where that is to be done; what `If-Match` asks for from then on.
pub(super) async fn sweep_subject<O: Operation>(
    roster: &Roster,
    request: &Request,
    operation: &O,
    view: &View<'_>,
    cut: Cut,
) -> Result<Option<Option<Expected>>, OpError> {
    let (Some(Key::Member(user)), Home::Organization(organization)) = (operation.subject(), &view.home)
    else {
        return Ok(None);
    };
    let sweep = sweep_seen(roster, request, *organization, view.member(user).cloned(), cut);
    let Some(version) = sweep.await? else { return Ok(None) };
    let shown = view.shown_member(user, cut).map(|(_, version)| version);
    Ok(Some(match request.if_match.clone() {
        // Who asked for what was shown is not outdated by its being written down.
        Some(expected) if expected.fits(shown) => Some(expected.or(version)),
        expected => expected,
    }))
}
