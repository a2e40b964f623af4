//! Records in the vendor's product, with their owners as they are: hand-overs apply at once.

use super::audit::person;
use super::organization::{somewhere, visible_standing};
use super::{Rows, Shown};
use crate::facts::Request;
use crate::home::{Home, Key, Record, TheSuccessions};
use crate::id::OrganizationId;
use crate::listing::{Listing, PageRequest};
use crate::model::{Holding, HoldingName, Successions};
use crate::op::{Roster, View};
use crate::ops::record::reach;
use crate::permission::Permission;
use crate::reference::UserRef;
use crate::refusal::{OpError, Refusal};
use crate::text::RecordType;

/// How many are looked at in one go where not all of them belong to the answer.
const SLICE: u16 = 500;

/// One record.
pub async fn record(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    name: &HoldingName,
) -> Result<Shown<Holding>, OpError> {
    let (_, standing) = visible_standing(roster, request, organization).await?;
    let mut view = View::new(roster, Home::Organization(organization), request);
    view.fetch([Key::Holding(name.clone()), Key::Successions]).await?;
    let stored = view.get(name).await?.ok_or(Refusal::NotFound)?;
    roster.policies.access.require(&standing, "records:read", reach(stored.account))?;
    let successions = view.get(&TheSuccessions).await?.unwrap_or_default();
    let version = view.shown_version(&Key::Holding(name.clone())).ok_or(Refusal::NotFound)?;
    Ok(Shown { value: successions.apply(&stored), version })
}

/// Records that the actor may see: of an owner, of a type.
pub async fn records(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    owner: Option<&UserRef>,
    kind: Option<RecordType>,
    page: &PageRequest,
) -> Result<Rows<Shown<Holding>>, OpError> {
    let (_, standing) = visible_standing(roster, request, organization).await?;
    let owner = match owner {
        Some(named) => Some(person(roster, request, Some(organization), named).await?),
        None => None,
    };
    somewhere(&standing, "records:read")?;
    let scope = standing.scope(&Permission::of("records:read"));
    let successions = open_successions(roster, request, organization).await?;
    let owners = owner.map(|owner| successions.sources(owner)).unwrap_or_default();
    let listing = Listing::Holdings { organization, owners, kind, scope };
    let (mut rows, mut page) = (Vec::new(), page.clone());
    let most = usize::from(page.limit);
    if owner.is_some() && !successions.open.is_empty() {
        // Many of them may be another's by now.
        page.limit = page.limit.max(SLICE);
    }
    loop {
        let found = roster.store.list(&listing, &page).await?;
        page.after = found.rows.last().map(|row| row.position.clone());
        for row in found.rows {
            let Record::Holding(stored) = row.stored.record else { continue };
            let value = successions.apply(&stored);
            if owner.is_some_and(|owner| owner != value.owner) {
                continue;
            }
            if rows.len() == most {
                return Ok(Rows { next: last(&rows), rows });
            }
            rows.push(Shown { value, version: row.stored.version });
        }
        if !found.more {
            return Ok(Rows { rows, next: None });
        }
    }
}

fn last(rows: &[Shown<Holding>]) -> Option<crate::listing::Position> {
    rows.last().map(|row| crate::listing::Position { by: String::new(), id: row.value.id.uuid() })
}

async fn open_successions(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
) -> Result<Successions, OpError> {
    let mut view = View::new(roster, Home::Organization(organization), request);
    Ok(view.get(&TheSuccessions).await?.unwrap_or_default())
}
