//! Before somebody acts on a membership that a removal from everything has ended, and no job has come by: it is written
//! down first, so that what acts is what is shown (rule M5).

use super::{Operation, Roster, View};
use crate::facts::{Expected, Request};
use crate::flows::sweep::{Cut, cuts_of, is_over, sweep_seen};
use crate::home::{Home, Key};
use crate::id::UserId;
use crate::refusal::OpError;
use crate::store::StoreError;

/// The member that an operation acts on, with how often they have been removed from everything, where that may matter to
/// it.
pub(super) async fn subject_of<O: Operation>(
    roster: &Roster,
    request: &Request,
    operation: &O,
) -> Result<Option<(UserId, Cut)>, StoreError> {
    match operation.subject() {
        Some(Key::Member(user)) if request.if_match.is_some() || !operation.knows_cuts() => {
            Ok(Some((user, Box::pin(cuts_of(roster, request, user)).await?)))
        }
        Some(_) | None => Ok(None),
    }
}

/// Whether it is still to be written down.
pub(super) fn is_unswept(view: &View<'_>) -> bool {
    view.subject.is_some_and(|(user, (cuts, _))| view.member(user).is_some_and(|it| is_over(it, cuts)))
}

/// Writes it down; what `If-Match` asks for from then on.
pub(super) async fn sweep_subject(
    roster: &Roster,
    request: &Request,
    view: &View<'_>,
) -> Result<Option<Expected>, OpError> {
    let expected = request.if_match.clone();
    let (Some((user, cut)), Home::Organization(organization)) = (view.subject, &view.home) else {
        return Ok(expected);
    };
    let swept = sweep_seen(roster, request, *organization, view.member(user).cloned(), cut).await?;
    let shown = view.shown_member(user, cut).map(|(_, version)| version);
    Ok(match (expected, swept) {
        // Who asked for what was shown is not outdated by its being written down.
        (Some(expected), Some(version)) if expected.fits(shown) => Some(expected.or(version)),
        (expected, _) => expected,
    })
}
