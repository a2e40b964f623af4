//! Links of invitations that were shown in their organization, or go to an address that only a source gave. Such a link
//! does not prove who somebody is: whoever signs up by it sets the password that opens the person's other organizations too.

use crate::facts::Request;
use crate::home::{Home, Key, Record, TypedKey};
use crate::id::{InvitationId, OrganizationId, UserId};
use crate::model::customer::TheUserClock;
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

/// Whether a link opens too much for somebody who has no password yet: it was shown, or only a source said that the address
/// is theirs, and they may be in another organization.
pub(super) async fn proves_too_little(
    roster: &Roster,
    link: InvitationLink,
    user: UserId,
) -> Result<bool, OpError> {
    let proves = !is_shown(roster, link.organization, link.invitation, link.number).await?
        && !only_a_source_gave_address(roster, user).await?;
    if proves {
        return Ok(false);
    }
    Ok(pointers(roster, user).await?.into_iter().any(|organization| organization != link.organization))
}

async fn only_a_source_gave_address(roster: &Roster, user: UserId) -> Result<bool, OpError> {
    let key = TheUserClock.key();
    let mut read = roster.store.read(&Home::User(user), std::slice::from_ref(&key), &[]).await?;
    let clock = read.records.remove(&key).and_then(|stored| TheUserClock::pick(stored.record));
    Ok(clock.is_some_and(|clock| clock.gave_email))
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
