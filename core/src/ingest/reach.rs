//! Whom a source reaches whose groups all lie in one organization (rule G6, tenant isolation): whoever is there, and whom
//! nobody has. Of those who are in other organizations only it changes nothing; what it says of them waits.

use std::collections::BTreeSet;

use serde_json::Value;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::Unapplied;
use super::apply::Applying;
use super::message::{self, Kind, Message};
use super::people::{ERASED, known};
use super::places::{Memberships, as_external_id};
use crate::flows::claims;
use crate::flows::update_user;
use crate::home::{Home, Key, Record, TypedKey};
use crate::id::{OrganizationId, SourceId, UserId};
use crate::model::customer::{Customer, Groups, TheWithheld, Withheld};
use crate::model::{ClaimName, ClaimTarget, MemberStatus, OrganizationStatus, User, UserStatus};
use crate::op::{Roster, run};
use crate::ops::stream::Withhold;
use crate::ops::user::UserPatch;
use crate::store::StoreError;
use crate::text::ExternalId;

/// Why nothing is applied about somebody who is in other organizations only.
pub(super) const ELSEWHERE: &str = "user_elsewhere";

/// Refuses a message about somebody whom its source does not reach: the bearer of the id, or whom the source means by an id
/// that nobody bears, by the address that it gives or gave. That one bears the id from when they are within reach, so that
/// nobody else is made for it meanwhile.
pub(super) async fn require(applying: &Applying<'_>, message: &Message) -> Result<(), Unapplied> {
    let (Groups::One(own), Some(external)) = (&applying.source.groups, &message.user) else {
        return Ok(());
    };
    let Applying { roster, source, request, .. } = *applying;
    let noted = withheld(roster, source.id, external).await?;
    let withhold = async |user: Option<UserId>| {
        let operation = Withhold { source: source.id, hash: hash(roster, external), user };
        run(roster, &request.as_system("withhold"), &operation).await.map(drop)
    };
    if let Some(user) = known(roster, external).await? {
        if noted.is_some() {
            withhold(None).await?;
        }
        return if is_elsewhere(roster, *own, &user).await? {
            Err(Unapplied::Dead(ELSEWHERE))
        } else {
            Ok(())
        };
    }
    let said = message::email(&message.traits).filter(|_| message.kind == Kind::Identify);
    let meant = match &said {
        Some(email) => match claims::target(roster, &ClaimName::email(email)).await? {
            Some(ClaimTarget::User(user)) => Some(user),
            Some(ClaimTarget::Organization(_)) | None => None,
        },
        None => noted,
    };
    if let Some(before) = noted.filter(|_| meant != noted) {
        // The address that it had with them is nobody's any more, or the source means another by now.
        let before = the_user(roster, before).await?;
        if meant.is_none() && before.is_some_and(|user| user.status == UserStatus::Erased) {
            return Err(Unapplied::Dead(ERASED));
        }
        withhold(None).await?;
    }
    let Some(meant) = meant else { return Ok(()) };
    let Some(user) = the_user(roster, meant).await? else { return Ok(()) };
    if user.status == UserStatus::Erased {
        return Err(Unapplied::Dead(ERASED));
    }
    let elsewhere = is_elsewhere(roster, *own, &user).await?;
    match (elsewhere, said) {
        (true, Some(_)) => {
            withhold(Some(user.id)).await?;
            Err(Unapplied::Dead(ELSEWHERE))
        }
        (true, None) => Err(Unapplied::Dead(ELSEWHERE)),
        // Whoever identifies them gives them the id by that.
        (false, Some(_)) => Ok(()),
        (false, None) if user.external_id.is_some() => Err(Unapplied::Dead("email_exists")),
        (false, None) => {
            let patch = UserPatch { external_id: Some(external.clone()), ..UserPatch::default() };
            update_user(roster, &request.step("external id"), user.id, &patch).await?;
            Ok(())
        }
    }
}

/// Whether somebody is in other organizations only. One who was in the source's own is elsewhere once they are in another,
/// one who is nowhere any more is where they were.
async fn is_elsewhere(roster: &Roster, own: OrganizationId, user: &User) -> Result<bool, StoreError> {
    let here = status_in(roster, own, user).await?;
    if here.is_some_and(|status| status != MemberStatus::Former) {
        return Ok(false);
    }
    let mut was_elsewhere = false;
    let mut memberships = Memberships::of(user.id);
    while let Some(some) = memberships.next(roster).await? {
        for organization in some.into_iter().filter(|it| *it != own) {
            match status_in(roster, organization, user).await? {
                Some(MemberStatus::Former) => was_elsewhere = true,
                Some(_) => return Ok(true),
                None => {}
            }
        }
    }
    Ok(was_elsewhere && here.is_none())
}

/// What somebody is in an organization now, if they ever were in it; of a closed one nobody is a member any more.
async fn status_in(
    roster: &Roster,
    organization: OrganizationId,
    user: &User,
) -> Result<Option<MemberStatus>, StoreError> {
    let key = Key::Member(user.id);
    let keys = [key.clone(), Key::Organization];
    let read = roster.store.read(&Home::Organization(organization), &keys, &[]).await?;
    let is_closed = match read.records.get(&Key::Organization).map(|stored| &stored.record) {
        Some(Record::Organization(organization)) => organization.status == OrganizationStatus::Closed,
        _ => false,
    };
    Ok(match read.records.get(&key).map(|stored| &stored.record) {
        Some(Record::Member(_)) if is_closed => Some(MemberStatus::Former),
        Some(Record::Member(member)) => Some(member.after_cuts(user.cuts, read.now()).at(read.now()).status),
        _ => None,
    })
}

async fn the_user(roster: &Roster, id: UserId) -> Result<Option<User>, StoreError> {
    let mut read = roster.store.read(&Home::User(id), &[Key::User], &[]).await?;
    Ok(match read.records.remove(&Key::User).map(|stored| stored.record) {
        Some(Record::User(user)) => Some(user),
        _ => None,
    })
}

/// Whom a source means by an id of which it waits what it says.
async fn withheld(
    roster: &Roster,
    source: SourceId,
    external: &ExternalId,
) -> Result<Option<UserId>, StoreError> {
    let key = withheld_key(roster, external);
    let read = roster.store.read(&Home::Stream(source, 1), std::slice::from_ref(&key), &[]).await?;
    Ok(read.records.get(&key).and_then(|stored| as_withheld(&stored.record)).map(|it| it.user))
}

/// What is kept of an id that is withheld.
pub(super) fn withheld_key(roster: &Roster, external: &ExternalId) -> Key {
    TheWithheld(hash(roster, external)).key()
}

fn hash(roster: &Roster, external: &ExternalId) -> Uuid {
    let digest = Sha256::digest(roster.links.pseudonym(external.as_str()).as_bytes());
    Uuid::from_slice(&digest[..16]).unwrap_or_default()
}

fn as_withheld(record: &Record) -> Option<Withheld> {
    let Record::Customer(it) = record else { return None };
    if let Customer::Withheld(it) = **it { Some(it) } else { None }
}

/// Ids by which a source means a person without their bearing them.
pub(crate) struct Meant {
    user: UserId,
    ids: BTreeSet<Uuid>,
}

impl Meant {
    /// Those of a source, for a user.
    pub(crate) async fn by(roster: &Roster, source: SourceId, user: UserId) -> Result<Self, StoreError> {
        let (home, mut found) = (Home::Stream(source, 1), BTreeSet::new());
        let mut after = TheWithheld(Uuid::nil()).key();
        loop {
            let records = roster.store.records(&home, Some(&after), 200).await?;
            let Some(last) = records.last() else { return Ok(Self { user, ids: found }) };
            after = last.record.key();
            let all = records.iter().filter_map(|stored| as_withheld(&stored.record));
            found.extend(all.filter(|it| it.user == user).map(|it| it.hash));
        }
    }

    /// Whether a message is about one of them, which nobody else has come to bear since.
    pub(crate) async fn are_spoken_of_in(&self, roster: &Roster, message: &str) -> Result<bool, StoreError> {
        if self.ids.is_empty() {
            return Ok(false);
        }
        let Ok(message) = serde_json::from_str::<Value>(message) else { return Ok(false) };
        let said = ["userId", "previousId"].map(|name| message.get(name).and_then(as_external_id));
        for external in said.into_iter().flatten().filter(|it| self.ids.contains(&hash(roster, it))) {
            match claims::target(roster, &ClaimName::UserExternalId(external)).await? {
                Some(ClaimTarget::User(other)) if other != self.user => {}
                _ => return Ok(true),
            }
        }
        Ok(false)
    }
}
