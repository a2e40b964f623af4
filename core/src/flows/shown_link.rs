//! Links of invitations that were shown in their organization. Such a link proves no mailbox: whoever signs up by it sets
//! the password that opens the person's other organizations too.

use crate::facts::Request;
use crate::home::{Home, Key, Record};
use crate::id::{InvitationId, OrganizationId, UserId};
use crate::model::{Note, NoteKey};
use crate::op::{Roster, run};
use crate::ops::invitation::NoteShownLink;
use crate::reads::pointers;
use crate::refusal::OpError;
use crate::secret::InvitationLink;

/// Notes that a link is about to be shown.
pub(crate) async fn note_shown_link(
    roster: &Roster,
    request: &Request,
    to: InvitationLink,
) -> Result<(), OpError> {
    let InvitationLink { organization, invitation, number: link } = to;
    let note = NoteShownLink { organization, invitation, link };
    run(roster, &request.as_system("shown link"), &note).await.map(drop)
}

/// Whether a link opens too much for somebody who has no password yet: it was shown, and they may be in another
/// organization.
pub(super) async fn proves_too_little(
    roster: &Roster,
    link: InvitationLink,
    user: UserId,
) -> Result<bool, OpError> {
    if !is_shown(roster, link.organization, link.invitation, link.number).await? {
        return Ok(false);
    }
    Ok(pointers(roster, user).await?.into_iter().any(|organization| organization != link.organization))
}

async fn is_shown(
    roster: &Roster,
    organization: OrganizationId,
    invitation: InvitationId,
    number: u32,
) -> Result<bool, OpError> {
    let key = Key::Note(NoteKey::ShownLink(invitation));
    let home = Home::Organization(organization);
    let read = roster.store.read(&home, std::slice::from_ref(&key), &[]).await?;
    Ok(match read.records.get(&key).map(|stored| &stored.record) {
        Some(Record::Note(Note::ShownLink { link, .. })) => *link == number,
        _ => false,
    })
}
