//! From a secret to an actor (rules P5, P6). Read afresh with every request; nothing is remembered.

use futures::future::try_join;

use super::find_user;
use super::refresh::tidied;
use crate::actor::{Actor, Via};
use crate::facts::Request;
use crate::home::{Home, Key, Record};
use crate::id::{ApiKeyId, OperatorKeyId, OrganizationId, SessionId, UserId};
use crate::known::Known;
use crate::model::{Access, ApiKey, OperatorKey, OrganizationStatus, Session, User, UserStatus};
use crate::op::{Roster, View, personal_key_holds, run};
use crate::ops::session::TouchSession;
use crate::permission::Permission;
use crate::policy::{Reach, Standing, custom_roles};
use crate::reference::UserRef;
use crate::refusal::{OpError, Refusal};
use crate::secret::{Token, TokenKind};
use crate::store::{Read, StoreError};
use crate::time::Timestamp;

/// Who asks.
#[derive(Debug)]
pub struct Caller {
    /// Who.
    pub actor: Actor,
    /// How often the user has been removed from everything, if it is one.
    pub cuts: u32,
    /// What was read to find out.
    pub known: Known,
}

/// What a request is going to read, so that it is read while it is found out who asks.
#[derive(Debug, Default)]
pub struct Needed {
    /// Of the organization whose key it bears.
    pub keys: Vec<Key>,
    /// The head of this user, beside it.
    pub user: Option<UserId>,
}

/// Who a secret speaks for: itself, or a user on whose behalf it acts. Dead and unknown secrets answer alike.
///
/// `needed` is read together with an organization's key.
pub async fn authenticate(
    roster: &Roster,
    secret: &str,
    on_behalf_of: Option<&UserRef>,
    needed: Needed,
) -> Result<Caller, OpError> {
    let token = Token::parse(secret).map_err(|_| Refusal::Unauthenticated)?;
    match token.kind() {
        TokenKind::Operator(key) => {
            operator(roster, &token, key).await?;
            let (actor, cuts) = match on_behalf_of {
                None => (Actor::Operator { key: Some(key) }, 0),
                Some(user) => on_behalf(roster, user, Via::Operator { key: Some(key) }).await?,
            };
            Ok(Caller { actor, cuts, known: Known::default() })
        }
        // A write key opens nothing but what takes events.
        TokenKind::Write(_) => Err(Refusal::Unauthenticated.into()),
        TokenKind::Personal(organization, key) => {
            let (actor, cuts) = personal_key(roster, &token, organization, key).await?;
            if on_behalf_of.is_some() {
                let detail = "a personal key acts for its own member only";
                return Err(Refusal::invalid("#Roster-On-Behalf-Of", detail).into());
            }
            Ok(Caller { actor, cuts, known: Known::default() })
        }
        TokenKind::Session(user, session) => {
            let (actor, cuts) = by_session(roster, &token, user, session).await?;
            if on_behalf_of.is_some() {
                let no = "a session speaks for its own user only; leave the header out";
                return Err(Refusal::invalid("#Roster-On-Behalf-Of", no).into());
            }
            Ok(Caller { actor, cuts, known: Known::default() })
        }
        TokenKind::Organization(organization, key) => {
            let (access, standing, known) =
                organization_key(roster, &token, organization, key, needed).await?;
            let (actor, cuts) = match on_behalf_of {
                None => (Actor::ApiKey { organization, key }, 0),
                Some(user) => {
                    let standing = knowing(roster, organization, standing, &access).await?;
                    if !standing.holds(&Permission::of("members:act_as"), Reach::Organization) {
                        return Err(Refusal::lacks("members:act_as").into());
                    }
                    on_behalf(roster, user, Via::ApiKey { organization, key }).await?
                }
            };
            Ok(Caller { actor, cuts, known })
        }
    }
}

/// Refuses where what spoke for an actor speaks no more: a key that was revoked or has ended, a session that is over. What
/// else a key may is read where it acts.
pub(crate) async fn require_alive(roster: &Roster, actor: &Actor) -> Result<(), OpError> {
    let alive = match *actor {
        Actor::Operator { key: Some(key) } | Actor::User { via: Via::Operator { key: Some(key) }, .. } => {
            operator_key(roster, key).await?.is_some()
        }
        Actor::User { user, via: Via::Session { session, .. } } => {
            live_session(roster, user, session).await?.is_some()
        }
        Actor::User { via: Via::ApiKey { organization, key }, .. } => {
            match live_key(roster, organization, key).await? {
                Some((key, now)) => {
                    let standing = Standing::of_key(Some(&key), now);
                    let standing = knowing(roster, organization, standing, &key.access).await?;
                    standing.holds(&Permission::of("members:act_as"), Reach::Organization)
                }
                None => false,
            }
        }
        Actor::ApiKey { organization, key }
        | Actor::User { via: Via::PersonalKey { organization, key }, .. } => {
            live_key(roster, organization, key).await?.is_some()
        }
        Actor::Operator { key: None }
        | Actor::User {
            via:
                Via::Operator { key: None } | Via::Invitation { .. } | Via::Reset { .. } | Via::EmailChange { .. },
            ..
        }
        | Actor::Source { .. }
        | Actor::Visitor
        | Actor::System => true,
    };
    if alive { Ok(()) } else { Err(Refusal::Unauthenticated.into()) }
}

async fn live_key(
    roster: &Roster,
    organization: OrganizationId,
    id: ApiKeyId,
) -> Result<Option<(ApiKey, Timestamp)>, StoreError> {
    let (home, key) = (Home::Organization(organization), Key::ApiKey(id));
    let mut read = roster.store.read(&home, std::slice::from_ref(&key), &[]).await?;
    let now = read.now();
    Ok(match read.records.remove(&key).map(|stored| stored.record) {
        Some(Record::ApiKey(key)) if key.is_live(now) => Some((key, now)),
        _ => None,
    })
}

/// A member by a key of their own: never after a cut, here or everywhere (rules M7, L9).
async fn personal_key(
    roster: &Roster,
    token: &Token,
    organization: OrganizationId,
    id: ApiKeyId,
) -> Result<(Actor, u32), OpError> {
    let home = Home::Organization(organization);
    let read = roster.store.read(&home, &[Key::Organization, Key::ApiKey(id)], &[]).await?;
    let record = |key: &Key| read.records.get(key).map(|stored| &stored.record);
    let (Some(Record::Organization(kept)), Some(Record::ApiKey(key))) =
        (record(&Key::Organization), record(&Key::ApiKey(id)))
    else {
        return Err(Refusal::Unauthenticated.into());
    };
    let open = kept.status == OrganizationStatus::Active && key.opens(token, read.now());
    let user = key.user.filter(|_| open).ok_or(Refusal::Unauthenticated)?;
    let keys = [Key::ApiKey(id), Key::Member(user)];
    let read = roster.store.read(&home, &keys, &[]).await?;
    let member = match read.records.get(&Key::Member(user)).map(|stored| &stored.record) {
        Some(Record::Member(member)) => Some(member),
        _ => None,
    };
    let head = roster.store.read(&Home::User(user), &[Key::User], &[]).await?;
    let (stands, cuts) = match head.records.get(&Key::User).map(|stored| &stored.record) {
        Some(Record::User(user)) => {
            (user.status == UserStatus::Active && !user.has_cut(key.created_at), user.cuts)
        }
        _ => (false, 0),
    };
    let member = member.filter(|member| member.survives(cuts));
    if stands && personal_key_holds(Some(key), member, read.now()) {
        roster.last_uses.note(organization, id, read.now());
        Ok((Actor::User { user, via: Via::PersonalKey { organization, key: id } }, cuts))
    } else {
        Err(Refusal::Unauthenticated.into())
    }
}

async fn by_session(
    roster: &Roster,
    token: &Token,
    user: UserId,
    id: SessionId,
) -> Result<(Actor, u32), OpError> {
    let live = live_session(roster, user, id).await?;
    let (found, session, now) =
        live.filter(|(_, session, _)| token.fits(&session.secret_hash)).ok_or(Refusal::Unauthenticated)?;
    if session.last_used_at.plus_seconds(roster.sign_in.unnoted()) < now {
        let request = Request::new(Actor::System, roster.entropy.as_ref());
        tidied(run(roster, &request, &TouchSession { user, session: id }).await.map(drop));
    }
    Ok((Actor::User { user, via: Via::Session { session: id, since: session.created_at } }, found.cuts))
}

/// A session that is not over, of one who is not shut out.
async fn live_session(
    roster: &Roster,
    user: UserId,
    id: SessionId,
) -> Result<Option<(User, Session, Timestamp)>, StoreError> {
    let keys = [Key::User, Key::Credential, Key::Session(id)];
    let mut read = roster.store.read(&Home::User(user), &keys, &[]).await?;
    let now = read.now();
    let [user, credential, session] = keys.map(|key| read.records.remove(&key).map(|stored| stored.record));
    let (Some(Record::User(user)), Some(Record::Credential(credential)), Some(Record::Session(session))) =
        (user, credential, session)
    else {
        return Ok(None);
    };
    let live = session.is_live(now, credential.generation, roster.sign_in.idle)
        && user.status == UserStatus::Active
        && !user.has_cut(session.created_at);
    Ok(live.then_some((user, session, now)))
}

async fn operator(roster: &Roster, token: &Token, key: OperatorKeyId) -> Result<(), OpError> {
    let found = operator_key(roster, key).await?.filter(|found| token.fits(&found.secret_hash));
    found.map(drop).ok_or_else(|| Refusal::Unauthenticated.into())
}

async fn operator_key(roster: &Roster, id: OperatorKeyId) -> Result<Option<OperatorKey>, StoreError> {
    let key = Key::OperatorKey(id);
    let mut read = roster.store.read(&Home::Deployment, std::slice::from_ref(&key), &[]).await?;
    Ok(match read.records.remove(&key).map(|stored| stored.record) {
        Some(Record::OperatorKey(found)) => Some(found),
        _ => None,
    })
}

async fn organization_key(
    roster: &Roster,
    token: &Token,
    organization: OrganizationId,
    id: ApiKeyId,
    needed: Needed,
) -> Result<(Access, Standing, Known), OpError> {
    let home = Home::Organization(organization);
    let keys = [vec![Key::Organization, Key::ApiKey(id)], needed.keys].concat();
    let (read, person) = try_join(roster.store.read(&home, &keys, &[]), head(roster, needed.user)).await?;
    let record = |key: &Key| read.records.get(key).map(|stored| &stored.record);
    let (Some(Record::Organization(kept)), Some(Record::ApiKey(key))) =
        (record(&Key::Organization), record(&Key::ApiKey(id)))
    else {
        return Err(Refusal::Unauthenticated.into());
    };
    let opens = key.user.is_none() && key.opens(token, read.now());
    if kept.status == OrganizationStatus::Closed || !opens {
        return Err(Refusal::Unauthenticated.into());
    }
    roster.last_uses.note(organization, id, read.now());
    let standing = Standing::of_key(Some(key), read.now());
    let access = key.access.clone();
    let known = Known::default().with(home, keys, read);
    let known = person.into_iter().fold(known, |known, (home, read)| known.with(home, [Key::User], read));
    Ok((access, standing, known))
}

async fn head(roster: &Roster, user: Option<UserId>) -> Result<Option<(Home, Read)>, StoreError> {
    let Some(home) = user.map(Home::User) else { return Ok(None) };
    let read = roster.store.read(&home, &[Key::User], &[]).await?;
    Ok(Some((home, read)))
}

/// The standing of a key, with what its own roles hold.
async fn knowing(
    roster: &Roster,
    organization: OrganizationId,
    standing: Standing,
    access: &Access,
) -> Result<Standing, OpError> {
    let request = Request::new(Actor::System, roster.entropy.as_ref());
    let mut view = View::new(roster, Home::Organization(organization), &request);
    view.fetch_roles(custom_roles(access).collect::<Vec<_>>()).await?;
    Ok(standing.knowing(view.roles()))
}

async fn on_behalf(roster: &Roster, named: &UserRef, via: Via) -> Result<(Actor, u32), OpError> {
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
        UserStatus::Active => Ok((Actor::User { user: user.id, via }, user.cuts)),
        UserStatus::Suspended | UserStatus::Erased => Err(Refusal::Unauthenticated.into()),
    }
}
