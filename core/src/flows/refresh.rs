//! What lists show of users and organizations: directory entries and cards, brought up to what the records say.
//!
//! Whoever writes one reads the record again afterwards: of two who write at a time, the last has seen the newest.

use crate::facts::Request;
use crate::home::{Home, Key, Record};
use crate::id::{OrganizationId, UserId, Version};
use crate::listing::{Listing, PageRequest};
use crate::model::{Card, DirectoryEntry, DirectoryId, Organization, OrganizationStatus, User, UserStatus};
use crate::op::{Roster, run};
use crate::ops::member::RefreshCard;
use crate::ops::pointer::PutDirectoryEntry;
use crate::refusal::{OpError, Refusal};
use crate::store::{StoreError, Stored};
use crate::text::search_keys;

/// What comes after the deciding commit: if it fails, the act is done all the same, and must not be said to have failed.
/// Lists, and owners that traits name, are late until the next change, or until [`crate::verify::repair_all`]; owners until
/// the next round of [`crate::rounds`] at the latest.
pub(crate) fn tidied(outcome: Result<(), OpError>) {
    if let Err(error) = outcome {
        tracing::warn!(%error, "done, but not tidied up: `roster verify --repair` does that");
    }
}

/// What the directory says of a user.
pub(crate) fn user_entry(user: &User) -> DirectoryEntry {
    let search = search_keys(user.name.as_ref(), user.email.as_ref(), user.external_id.as_ref());
    DirectoryEntry { id: DirectoryId::User(user.id), search, active: user.status != UserStatus::Erased }
}

/// What lists show of a user. Of somebody who is being erased nothing comes back, though their record has the names until the
/// end (rule L5).
fn shown_of(user: &User) -> Card {
    if user.status == UserStatus::Erased { Card::default() } else { user.card() }
}

/// What the directory says of an organization.
pub(crate) fn organization_entry(organization: &Organization) -> DirectoryEntry {
    let search = search_keys(Some(&organization.name), None, organization.external_id.as_ref());
    let active = organization.status == OrganizationStatus::Active;
    DirectoryEntry { id: DirectoryId::Organization(organization.id), search, active }
}

/// The directory entry of a user and their card in every organization.
pub(crate) async fn refresh_user(roster: &Roster, request: &Request, user: UserId) -> Result<(), OpError> {
    let mut shown = None;
    loop {
        let (record, version) = refresh_user_entry(roster, request, user).await?;
        if shown == Some(version) {
            return Ok(());
        }
        put_cards(roster, request, &record).await?;
        shown = Some(version);
    }
}

/// The directory entry of a user: their record as it shows it, and that one's version.
pub(crate) async fn refresh_user_entry(
    roster: &Roster,
    request: &Request,
    user: UserId,
) -> Result<(User, Version), OpError> {
    let (mut record, mut version) = read_user(roster, user).await?;
    loop {
        let entry = PutDirectoryEntry { entry: user_entry(&record), anew: false };
        run(roster, &request.as_system("directory"), &entry).await?;
        let (after, now) = read_user(roster, user).await?;
        if now == version {
            return Ok((record, version));
        }
        (record, version) = (after, now);
    }
}

/// The cards of a user in some organizations: which of them were out of date.
pub(crate) async fn refresh_cards_in(
    roster: &Roster,
    request: &Request,
    user: UserId,
    organizations: &[OrganizationId],
) -> Result<Vec<bool>, OpError> {
    let mut changed = vec![false; organizations.len()];
    let mut card = shown_of(&read_user(roster, user).await?.0);
    loop {
        for (organization, changed) in organizations.iter().zip(&mut changed) {
            let refresh = RefreshCard { organization: *organization, user, card: card.clone() };
            *changed |= run(roster, &request.as_system("card"), &refresh).await?.output;
        }
        let after = shown_of(&read_user(roster, user).await?.0);
        if after == card {
            return Ok(changed);
        }
        card = after;
    }
}

async fn put_cards(roster: &Roster, request: &Request, user: &User) -> Result<(), OpError> {
    let listing = Listing::Memberships { user: user.id };
    let mut page = PageRequest { after: None, limit: 200 };
    loop {
        let found = roster.store.list(&listing, &page).await?;
        for row in &found.rows {
            if let Record::Membership(at) = &row.stored.record {
                let card = RefreshCard { organization: at.organization, user: user.id, card: shown_of(user) };
                run(roster, &request.as_system("card"), &card).await?;
            }
        }
        page.after = found.rows.last().map(|row| row.position.clone());
        if !found.more {
            return Ok(());
        }
    }
}

/// The card of one membership, which shows what its user's record said earlier.
pub(crate) async fn refresh_card(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    user: UserId,
    shown: Card,
) -> Result<(), OpError> {
    let mut shown = shown;
    loop {
        let card = shown_of(&read_user(roster, user).await?.0);
        if card == shown {
            return Ok(());
        }
        let refresh = RefreshCard { organization, user, card: card.clone() };
        run(roster, &request.as_system("card"), &refresh).await?;
        shown = card;
    }
}

/// The cards of memberships that came of a flush: their users may have changed since they were read.
pub(crate) async fn refresh_cards(
    roster: &Roster,
    request: &Request,
    cards: Vec<(OrganizationId, UserId, Card)>,
) {
    for (organization, user, shown) in cards {
        tidied(refresh_card(roster, request, organization, user, shown).await);
    }
}

/// The directory entry of an organization.
pub(crate) async fn refresh_organization(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
) -> Result<(), OpError> {
    let mut shown = None;
    loop {
        let Some(Stored { record: Record::Organization(record), version }) =
            read(roster, &Home::Organization(organization), Key::Organization).await?
        else {
            return Err(Refusal::NotFound.into());
        };
        if shown == Some(version) {
            return Ok(());
        }
        let entry = PutDirectoryEntry { entry: organization_entry(&record), anew: false };
        run(roster, &request.as_system("directory"), &entry).await?;
        shown = Some(version);
    }
}

async fn read_user(roster: &Roster, user: UserId) -> Result<(User, Version), OpError> {
    match read(roster, &Home::User(user), Key::User).await? {
        Some(Stored { record: Record::User(record), version }) => Ok((record, version)),
        _ => Err(Refusal::NotFound.into()),
    }
}

async fn read(roster: &Roster, home: &Home, key: Key) -> Result<Option<Stored>, StoreError> {
    Ok(roster.store.read(home, std::slice::from_ref(&key), &[]).await?.records.remove(&key))
}
