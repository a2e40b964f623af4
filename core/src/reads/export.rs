//! Everything that is kept about a person (rule L5): for them, and for operators.

use crate::facts::Request;
use crate::flows::find_user;
use crate::home::{Home, Key, Record, TheHeldPosts, TheMember, TheOrganization, TheSuccessions};
use crate::id::{OrganizationId, UserId};
use crate::listing::{Listing, PageRequest, Scope};
use crate::model::{ApiKey, Holding, Invitation, Member, Organization, PostName, Session, Successions, User};
use crate::op::{Roster, View};
use crate::reference::UserRef;
use crate::refusal::{OpError, Refusal};

use super::pointers;

/// What is kept of a person in one organization.
#[derive(Clone, PartialEq, Debug)]
pub struct ExportedOrganization {
    /// Which.
    pub organization: Organization,
    /// How they stand there; nothing for one who only holds a post there.
    pub member: Option<Member>,
    /// Posts that they hold.
    pub posts: Vec<PostName>,
    /// Records that they own.
    pub records: Vec<Holding>,
    /// Their personal keys.
    pub api_keys: Vec<ApiKey>,
    /// Invitations of their address.
    pub invitations: Vec<Invitation>,
}

/// What is kept of a person.
#[derive(Clone, PartialEq, Debug)]
pub struct Export {
    /// The person.
    pub user: User,
    /// Their sessions.
    pub sessions: Vec<Session>,
    /// Organization by organization.
    pub organizations: Vec<ExportedOrganization>,
}

/// All of it; 404 for everybody but the person and operators.
pub async fn export(roster: &Roster, request: &Request, named: &UserRef) -> Result<Export, OpError> {
    let user = find_user(roster, named).await?;
    let own = request.actor.user() == Some(user.id) && request.actor.bound_to().is_none();
    if !own && !request.actor.is_operator() {
        return Err(Refusal::lacks("operator").into());
    }
    let sessions = all(roster, &Listing::Sessions { user: user.id }, |record| match record {
        Record::Session(session) => Some(session),
        _ => None,
    })
    .await?;
    let mut organizations = Vec::new();
    for organization in pointers(roster, user.id).await? {
        organizations.extend(in_organization(roster, request, organization, &user).await?);
    }
    Ok(Export { user, sessions, organizations })
}

async fn in_organization(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    user: &User,
) -> Result<Option<ExportedOrganization>, OpError> {
    let mut view = View::new(roster, Home::Organization(organization), request);
    let keys = [Key::Organization, Key::Member(user.id), Key::HeldPosts(user.id), Key::Successions];
    view.fetch(keys).await?;
    let Some(found) = view.get(&TheOrganization).await? else { return Ok(None) };
    let now = view.now();
    let member = view.get(&TheMember(user.id)).await?.map(|it| it.at(now).after_cuts(user.cuts, now));
    let successions = view.get(&TheSuccessions).await?.unwrap_or_default();
    let posts = view.get(&TheHeldPosts(user.id)).await?.map(|held| held.posts).unwrap_or_default();
    Ok(Some(ExportedOrganization {
        organization: found,
        member,
        posts: posts.into_iter().collect(),
        records: records_of(roster, organization, user.id, &successions).await?,
        api_keys: all(roster, &Listing::ApiKeys { organization }, |record| match record {
            Record::ApiKey(key) if key.user == Some(user.id) => Some(key),
            _ => None,
        })
        .await?,
        invitations: invitations_of(roster, organization, user).await?,
    }))
}

async fn records_of(
    roster: &Roster,
    organization: OrganizationId,
    user: UserId,
    successions: &Successions,
) -> Result<Vec<Holding>, OpError> {
    let owners = successions.sources(user);
    let listing = Listing::Holdings { organization, owners, kind: None, scope: Scope::All };
    all(roster, &listing, |record| match record {
        // As they are, hand-overs that are not written down yet included.
        Record::Holding(stored) => Some(successions.apply(&stored)).filter(|it| it.owner == user),
        _ => None,
    })
    .await
}

async fn invitations_of(
    roster: &Roster,
    organization: OrganizationId,
    user: &User,
) -> Result<Vec<Invitation>, OpError> {
    let address = user.email.as_ref().map(crate::text::Email::key);
    let listing = Listing::Invitations { organization, status: None, scope: Scope::All };
    all(roster, &listing, |record| match record {
        Record::Invitation(it) if it.accepted_by == Some(user.id) || address == Some(it.email.key()) => {
            Some(it)
        }
        _ => None,
    })
    .await
}

/// Every row of a listing that is wanted.
async fn all<T>(
    roster: &Roster,
    listing: &Listing,
    wanted: impl Fn(Record) -> Option<T>,
) -> Result<Vec<T>, OpError> {
    let (mut rows, mut page) = (Vec::new(), PageRequest { after: None, limit: 200 });
    loop {
        let found = roster.store.list(listing, &page).await?;
        page.after = found.rows.last().map(|row| row.position.clone());
        rows.extend(found.rows.into_iter().filter_map(|row| wanted(row.stored.record)));
        if !found.more {
            return Ok(rows);
        }
    }
}
