//! Changing a user: names first, then the record, then what lists show, then the names let go.

use super::claims::{self, Taken};
use super::create_user::entry_of;
use super::find_user;
use crate::facts::Request;
use crate::home::Record;
use crate::id::UserId;
use crate::listing::{Listing, PageRequest};
use crate::model::{ClaimName, ClaimTarget, User};
use crate::op::{Done, Roster, preflight, run};
use crate::ops::member::RefreshCard;
use crate::ops::pointer::PutDirectoryEntry;
use crate::ops::user::{UpdateUser, UserPatch};
use crate::reference::UserRef;
use crate::refusal::{OpError, Refusal};

/// Applies a patch to a user, and refreshes cards and directory entry in the same request.
pub async fn update_user(
    roster: &Roster,
    request: &Request,
    user: UserId,
    patch: &UserPatch,
) -> Result<Done<User>, OpError> {
    let mut operation = UpdateUser { user, patch: patch.clone(), not_after: None };
    let (before, after) = preflight(roster, request, &operation).await?;
    let fresh: Vec<ClaimName> =
        names(&after).into_iter().filter(|name| !names(&before).contains(name)).collect();
    if !fresh.is_empty() {
        match claims::take(roster, request, &fresh, ClaimTarget::User(user)).await? {
            Taken::All(not_after) => operation.not_after = Some(not_after),
            Taken::Not(ClaimName::UserExternalId(_)) => return Err(Refusal::ExternalIdExists.into()),
            Taken::Not(_) => return Err(Refusal::EmailExists.into()),
        }
    }
    let done = match run(roster, request, &operation).await {
        Ok(done) => done,
        Err(error) => {
            claims::free(roster, request, &fresh, ClaimTarget::User(user)).await?;
            return Err(error);
        }
    };
    let (before, after) = done.output;
    if before != after {
        refresh(roster, request, user).await?;
        let let_go: Vec<ClaimName> =
            names(&before).into_iter().filter(|name| !names(&after).contains(name)).collect();
        claims::free(roster, request, &let_go, ClaimTarget::User(user)).await?;
    }
    Ok(Done { output: after, version: done.version })
}

/// Brings directory entry and cards up to what the user's record says now.
async fn refresh(roster: &Roster, request: &Request, user: UserId) -> Result<(), OpError> {
    let record = find_user(roster, &UserRef::Id(user)).await?;
    let entry = PutDirectoryEntry { entry: entry_of(&record) };
    run(roster, &request.as_system("directory"), &entry).await?;
    let listing = Listing::Memberships { user };
    let mut page = PageRequest { after: None, limit: 200 };
    loop {
        let found = roster.store.list(&listing, &page).await?;
        for row in &found.rows {
            if let Record::Membership(at) = &row.stored.record {
                let card = RefreshCard { organization: at.organization, user, card: record.card() };
                run(roster, &request.as_system("card"), &card).await?;
            }
        }
        page.after = found.rows.last().map(|row| row.position.clone());
        if !found.more {
            return Ok(());
        }
    }
}

fn names(user: &User) -> Vec<ClaimName> {
    let email = user.email.as_ref().map(ClaimName::email);
    email.into_iter().chain(user.external_id.clone().map(ClaimName::UserExternalId)).collect()
}
