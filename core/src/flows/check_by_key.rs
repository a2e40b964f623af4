//! `check` by an organization's key about its own organization: who asks and what is asked about are read together, in
//! one round trip.

use super::check::{CheckAnswer, CheckAsk, CheckOn, answer};
use super::check_named::{Asked, may_ask};
use crate::id::{ApiKeyId, OrganizationId};
use crate::model::OrganizationStatus;
use crate::op::Roster;
use crate::policy::{Roles, Standing};
use crate::reference::{AccountRef, OrganizationRef, UserRef};
use crate::refusal::{OpError, Refusal};
use crate::secret::{Token, TokenKind};
use crate::store::AccessKey;

/// Answers as [`super::authenticate`] and [`super::check_named`] after each other would. Nothing where that is more than
/// one round trip: for other secrets, other organizations, and what is named by an external id.
pub async fn check_by_key(
    roster: &Roster,
    secret: &str,
    asked: &Asked,
) -> Result<Option<CheckAnswer>, OpError> {
    let Ok(token) = Token::parse(secret) else { return Ok(None) };
    let Some((organization, key, ask)) = direct(&token, asked) else { return Ok(None) };
    let question = AccessKey {
        organization: Some(organization),
        user: ask.user,
        account: ask.on.account(),
        api_key: Some(key),
    };
    let facts = roster.store.access(&[question]).await?.pop().ok_or(Refusal::NotFound)?;
    let known = facts.api_key.as_ref().filter(|key| key.user.is_none() && key.opens(&token, facts.now));
    let (Some(key), Some(OrganizationStatus::Active)) = (known, facts.organization) else {
        return Err(Refusal::Unauthenticated.into());
    };
    roster.last_uses.note(organization, key.id, facts.now);
    let roles = Roles::of(facts.roles.iter().cloned());
    let standing = Standing::of_key(Some(key), facts.now).knowing(roles);
    // An account that is not there is nobody's to be forbidden.
    let on = if facts.account.is_none() { ask.on.unknown() } else { ask.on };
    if !may_ask(&standing, on) {
        return Err(Refusal::lacks("check:ask").into());
    }
    Ok(Some(answer(&ask, &facts, false)))
}

/// The question, if ids are all that it names.
fn direct(token: &Token, asked: &Asked) -> Option<(OrganizationId, ApiKeyId, CheckAsk)> {
    let TokenKind::Organization(organization, key) = token.kind() else { return None };
    let own = match &asked.organization {
        None => true,
        Some(OrganizationRef::Id(named)) => *named == organization,
        Some(OrganizationRef::External(_)) => false,
    };
    let (true, UserRef::Id(user)) = (own, &asked.user) else { return None };
    let on = match &asked.account {
        None => CheckOn::Organization,
        Some(AccountRef::Id(account)) => CheckOn::Account(Some(*account)),
        Some(AccountRef::External(_)) => return None,
    };
    let permission = asked.permission.clone();
    Some((
        organization,
        key,
        CheckAsk { user: Some(*user), organization: Some(organization), on, permission },
    ))
}
