//! From a secret to an actor (rules P5, P6). Read afresh with every request; nothing is remembered.

use super::find_user;
use crate::actor::{Actor, Via};
use crate::home::{Home, Key, Record};
use crate::id::{ApiKeyId, OperatorKeyId, OrganizationId};
use crate::known::Known;
use crate::model::{ApiKey, OrganizationStatus, UserStatus};
use crate::op::Roster;
use crate::permission::Permission;
use crate::policy::{Reach, Standing};
use crate::reference::UserRef;
use crate::refusal::{OpError, Refusal};
use crate::secret::{Token, TokenKind};

/// Who a secret speaks for: itself, or a user on whose behalf it acts. Dead and unknown secrets answer alike.
///
/// `also` is read together with an organization's key: what the request will need of that home.
pub async fn authenticate(
    roster: &Roster,
    secret: &str,
    on_behalf_of: Option<&UserRef>,
    also: Vec<Key>,
) -> Result<(Actor, Known), OpError> {
    let token = Token::parse(secret).map_err(|_| Refusal::Unauthenticated)?;
    match token.kind() {
        TokenKind::Operator(key) => {
            operator(roster, &token, key).await?;
            let actor = match on_behalf_of {
                None => Actor::Operator { key: Some(key) },
                Some(user) => on_behalf(roster, user, Via::Operator { key: Some(key) }).await?,
            };
            Ok((actor, Known::default()))
        }
        TokenKind::Organization(organization, key) => {
            let (standing, known) = organization_key(roster, &token, organization, key, also).await?;
            let actor = match on_behalf_of {
                None => Actor::ApiKey { organization, key },
                Some(user) => {
                    if !standing.holds(&Permission::of("members:act_as"), Reach::Organization) {
                        return Err(Refusal::lacks("members:act_as").into());
                    }
                    on_behalf(roster, user, Via::ApiKey { organization, key }).await?
                }
            };
            Ok((actor, known))
        }
    }
}

async fn operator(roster: &Roster, token: &Token, key: OperatorKeyId) -> Result<(), OpError> {
    let read = roster.store.read(&Home::Deployment, &[Key::OperatorKey(key)], &[]).await?;
    match read.records.get(&Key::OperatorKey(key)).map(|stored| &stored.record) {
        Some(Record::OperatorKey(found)) if token.fits(&found.secret_hash) => Ok(()),
        _ => Err(Refusal::Unauthenticated.into()),
    }
}

async fn organization_key(
    roster: &Roster,
    token: &Token,
    organization: OrganizationId,
    id: ApiKeyId,
    also: Vec<Key>,
) -> Result<(Standing, Known), OpError> {
    let home = Home::Organization(organization);
    let keys = [vec![Key::Organization, Key::ApiKey(id)], also].concat();
    let read = roster.store.read(&home, &keys, &[]).await?;
    let record = |key: &Key| read.records.get(key).map(|stored| &stored.record);
    let (Some(Record::Organization(organization)), Some(Record::ApiKey(key))) =
        (record(&Key::Organization), record(&Key::ApiKey(id)))
    else {
        return Err(Refusal::Unauthenticated.into());
    };
    let opens = |key: &ApiKey| token.fits(&key.secret_hash) && key.is_live(read.now());
    if organization.status == OrganizationStatus::Closed || !opens(key) {
        return Err(Refusal::Unauthenticated.into());
    }
    let standing = Standing::of_key(Some(key), read.now());
    Ok((standing, Known::default().with(home, keys, read)))
}

async fn on_behalf(roster: &Roster, named: &UserRef, via: Via) -> Result<Actor, OpError> {
    let user = find_user(roster, named).await?;
    if let Via::ApiKey { organization, .. } = via {
        let key = Key::Member(user.id);
        let read =
            roster.store.read(&Home::Organization(organization), std::slice::from_ref(&key), &[]).await?;
        if !read.records.contains_key(&key) {
            return Err(Refusal::NotFound.into());
        }
    }
    match user.status {
        UserStatus::Active => Ok(Actor::User { user: user.id, via }),
        UserStatus::Suspended | UserStatus::Erased => Err(Refusal::Unauthenticated.into()),
    }
}
