//! The JSON shapes of the contract: every field always present, null when empty.

pub mod customer;
mod export;
mod leaving;
pub mod webhook;

pub use export::ExportWriter;
pub use leaving::{leaving_plan, left, record};

use roster_core::actor::Actor;
use roster_core::flows::{CheckAnswer, CheckReason, RemovalRow, SignedIn};
use roster_core::id::{AccountId, OrganizationId, SessionId};
use roster_core::log::hex;
use roster_core::model::{
    Account, ApiKey, Card, Invitation, Inviter, Job, Member, OperatorKey, Outcome, OutcomeStatus, Post,
    Posts, Role, Session, Transfer, User, UserStatus,
};
use roster_core::ops::member::{AccessDiff, GrantChange, GrantLine};
use roster_core::permission::{CATALOGUE, RoleRef, SystemRole};
use roster_core::reads::{
    AuditRow, Event, InvitationPreview, Me, OrganizationShown, SeatsShown, SeenMember, UserAccount,
};
use roster_core::time::Timestamp;
use serde_json::{Value, json};

/// `{id, external_id, email, name, status, traits, created_at}`; of an erased person nothing that names them, also while
/// it is still being taken away.
pub fn user(user: &User) -> Value {
    if user.status == UserStatus::Erased {
        return json!({
            "id": user.id, "external_id": null, "email": null, "name": null, "status": user.status, "traits": {},
            "created_at": user.created_at,
        });
    }
    json!({
        "id": user.id, "external_id": user.external_id, "email": user.email, "name": user.name,
        "status": user.status, "traits": user.traits, "created_at": user.created_at,
    })
}

/// `{purchased, used}`
pub fn seats(seats: &SeatsShown) -> Value {
    json!({"purchased": seats.purchased, "used": seats.used})
}

/// The organization with its owner and seats.
pub fn organization(shown: &OrganizationShown) -> Value {
    let it = &shown.organization.value;
    let owner: &Card = &shown.owner;
    json!({
        "id": it.id, "external_id": it.external_id, "name": it.name, "slug": it.slug, "status": it.status,
        "owner": {"user_id": it.owner, "email": owner.email, "name": owner.name},
        "owner_unavailable": shown.owner_unavailable, "account_owner": account_owner(&it.posts),
        "key_roles": key_roles(&it.posts),
        "seats": {"purchased": it.purchased, "used": shown.used},
        "settings": it.settings, "traits": it.traits, "created_at": it.created_at,
    })
}

/// Who owns the buying decision, or who is looked for.
fn account_owner(posts: &Posts) -> Value {
    match &posts.account_owner {
        None => Value::Null,
        Some(Post::Manual { user, .. }) => {
            json!({"state": "resolved", "source": "manual", "user_id": user})
        }
        Some(Post::Mapping { user: Some(user), .. }) => {
            json!({"state": "resolved", "source": "mapping", "user_id": user})
        }
        Some(Post::Mapping { external_id, user: None, .. }) => {
            json!({"state": "unresolved", "source": "mapping", "external_id": external_id})
        }
    }
}

/// `{name: user_id}`
fn key_roles(posts: &Posts) -> Value {
    posts.key_roles.iter().map(|(name, post)| (name.to_string(), json!(post.holder()))).collect()
}

/// One account.
pub fn account(organization: OrganizationId, account: &Account) -> Value {
    json!({
        "id": account.id, "organization_id": organization, "external_id": account.external_id,
        "name": account.name, "status": account.status,
        "account_owner": account_owner(&account.posts), "key_roles": key_roles(&account.posts),
        "traits": account.traits, "created_at": account.created_at,
    })
}

/// One member.
pub fn member(organization: OrganizationId, member: &Member) -> Value {
    json!({
        "user_id": member.user, "organization_id": organization, "external_id": member.card.external_id,
        "email": member.card.email, "name": member.card.name, "status": member.status, "access": member.access,
        "starts_at": member.starts_at, "expires_at": member.expires_at, "joined_at": member.joined_at,
        "left_at": member.left_at,
    })
}

/// One member with when they were last seen; in an account's list with their role there.
pub fn seen_member(organization: OrganizationId, it: &SeenMember, account: Option<AccountId>) -> Value {
    let mut shape = member(organization, &it.member.value);
    shape["last_seen_at"] = json!(it.last_seen_at);
    if let Some(account) = account {
        let access = &it.member.value.access;
        shape["role"] = json!(access.role_on(account));
        shape["source"] = source(access.organization_role().is_some()).into();
    }
    shape
}

/// One member as an account's list shows them.
pub fn account_member(
    organization: OrganizationId,
    it: &Member,
    role: RoleRef,
    organization_wide: bool,
) -> Value {
    let mut shape = member(organization, it);
    shape["role"] = json!(role);
    shape["source"] = source(organization_wide).into();
    shape
}

/// `account` or `organization`.
pub const fn source(organization_wide: bool) -> &'static str {
    if organization_wide { "organization" } else { "account" }
}

/// `{added, removed, changed, unchanged}`
pub fn access_diff(diff: &AccessDiff) -> Value {
    let line = |line: &GrantLine| {
        let account = line.account.map_or_else(|| "all".to_owned(), |account| account.to_string());
        json!({"account": account, "role": line.role})
    };
    let change = |change: &GrantChange| {
        let mut shape = line(&change.now);
        shape["previous_role"] = json!(change.previous_role);
        shape
    };
    let lines = |lines: &[GrantLine]| lines.iter().map(line).collect::<Vec<_>>();
    json!({
        "added": lines(&diff.added), "removed": lines(&diff.removed),
        "changed": diff.changed.iter().map(change).collect::<Vec<_>>(), "unchanged": lines(&diff.unchanged),
    })
}

/// One row of a removal of many.
pub fn removal(user: &str, row: &RemovalRow) -> Value {
    let (status, code) = match row {
        RemovalRow::Removed => ("removed", None),
        RemovalRow::Unchanged => ("unchanged", None),
        RemovalRow::Refused(refusal) => ("refused", Some(refusal.code())),
    };
    json!({"user": user, "status": status, "code": code})
}

/// A system role.
pub fn role(role: SystemRole) -> Value {
    json!({
        "id": role.name(), "name": role.name(), "system": true,
        "permissions": role.catalogue().collect::<Vec<_>>(),
    })
}

/// A role of the organization's own.
pub fn custom_role(role: &Role) -> Value {
    json!({"id": role.id, "name": role.name, "system": false, "permissions": role.permissions})
}

/// One permission of the catalogue.
pub fn permissions() -> Vec<Value> {
    CATALOGUE.iter().map(|permission| json!({"permission": permission})).collect()
}

fn kind_of_key(key: &ApiKey) -> &'static str {
    if key.user.is_some() { "personal" } else { "organization" }
}

/// A key, without its secret.
pub fn api_key(key: &ApiKey, last_used_at: Option<Timestamp>) -> Value {
    json!({
        "id": key.id, "name": key.name, "kind": kind_of_key(key),
        "user_id": key.user, "access": key.user.is_none().then_some(&key.access),
        "prefix": key.prefix, "expires_at": key.expires_at, "last_used_at": last_used_at,
    })
}

/// An operator key, without its secret.
pub fn operator_key(key: &OperatorKey) -> Value {
    json!({"id": key.id, "name": key.name, "prefix": key.prefix, "created_at": key.created_at})
}

/// One invitation, without its link.
pub fn invitation(organization: OrganizationId, it: &Invitation) -> Value {
    let (kind, id) = match it.invited_by {
        Inviter::Operator { id } => ("operator", id.map(|id| id.to_string())),
        Inviter::ApiKey { id } => ("api_key", Some(id.to_string())),
        Inviter::User { id, .. } => ("user", Some(id.to_string())),
        Inviter::System => ("system", None),
    };
    json!({
        "id": it.id, "organization_id": organization, "email": it.email, "access": it.access,
        "status": it.status, "invited_by": {"type": kind, "id": id}, "holds_seat": it.seats() > 0,
        "expires_at": it.expires_at, "created_at": it.created_at,
    })
}

/// What became of one row of a batch of invitations.
pub fn invited_row(index: usize, status: &str, invitation: Option<&Value>, code: Option<&str>) -> Value {
    json!({"index": index, "status": status, "invitation": invitation, "code": code})
}

/// What the link of an invitation shows.
pub fn invitation_preview(shown: &InvitationPreview) -> Value {
    json!({
        "organization": {"name": shown.organization}, "role": shown.role, "expires_at": shown.expires_at,
        "status": shown.status,
    })
}

/// One session of a user, as the bearer of `current` sees it.
pub fn session(session: &Session, current: Option<SessionId>) -> Value {
    json!({
        "id": session.id, "created_at": session.created_at, "last_used_at": session.last_used_at,
        "expires_at": session.expires_at, "current": current == Some(session.id),
    })
}

/// A session that was begun, with its secret.
pub fn new_session(begun: &SignedIn) -> Value {
    json!({
        "token": begun.token.reveal(), "expires_at": begun.session.expires_at, "user": user(&begun.user),
    })
}

/// One transfer of ownership.
pub fn transfer(transfer: &Transfer) -> Value {
    json!({
        "id": transfer.id, "from": transfer.from, "to": transfer.to,
        "previous_owner_role": transfer.previous_owner_role, "state": transfer.state,
        "expires_at": transfer.expires_at,
    })
}

/// One answer of `check`.
pub fn check(answer: &CheckAnswer) -> Value {
    json!({
        "allowed": answer.reason == CheckReason::Granted, "reason": answer.reason.name(),
        "role": answer.role.map(|(role, _)| role), "source": answer.role.map(|(_, source)| source.name()),
    })
}

/// One row of what a user reaches.
pub fn user_account(row: &UserAccount) -> Value {
    json!({
        "organization": {"id": row.organization.id, "name": row.organization.name},
        "account": {"id": row.account.id, "name": row.account.name},
        "role": row.role, "source": source(row.organization_wide),
    })
}

/// `{type, id, via}`
pub fn actor(actor: &Actor) -> Value {
    json!({"type": actor.kind(), "id": actor.id(), "via": actor.via()})
}

/// Who asks.
pub fn me(me: &Me) -> Value {
    let memberships: Vec<Value> = me
        .memberships
        .iter()
        .map(|row| json!({
            "organization": {"id": row.organization.id, "name": row.organization.name}, "access": row.access,
        }))
        .collect();
    json!({"actor": actor(&me.actor), "user": me.user.as_ref().map(user), "memberships": memberships})
}

/// One audit event.
pub fn audit(row: &AuditRow) -> Value {
    json!({
        "id": row.id, "seq": row.seq, "time": row.time, "actor": actor(&row.actor),
        "action": row.change.action,
        "target": {"type": row.change.target_type, "id": row.change.target_id},
        "user_id": row.change.user, "before": row.change.before, "after": row.change.after,
        "request_id": row.request_id, "reason": row.reason, "hash": hex(&row.hash),
    })
}

/// `{id, type, time, organization_id, seq, data}`
pub fn event(event: &Event) -> Value {
    event.told()
}

/// A job.
pub fn job(job: &Job) -> Value {
    json!({
        "id": job.id, "kind": job.work.kind(), "organization_id": job.work.organization(),
        "status": job.status.name(), "progress": {"done": job.done, "total": job.total},
        "summary": job.summary, "failure": job.failure, "created_at": job.created_at,
        "finished_at": job.finished_at,
    })
}

/// What came of one item of a job.
pub fn outcome(outcome: &Outcome) -> Value {
    json!({
        "item": outcome.item, "line": outcome.line, "status": outcome.status.name(), "code": outcome.code,
        "warning": outcome.warning, "detail": outcome.detail,
    })
}

/// A whole import, once its job has ended.
pub fn import_report(job: &Job, outcomes: &[Outcome]) -> Value {
    const ENDS: [OutcomeStatus; 4] =
        [OutcomeStatus::Added, OutcomeStatus::Changed, OutcomeStatus::Unchanged, OutcomeStatus::Refused];
    let count = |status: OutcomeStatus| job.summary.get(status.name()).copied().unwrap_or(0);
    let summary: serde_json::Map<String, Value> =
        ENDS.iter().map(|status| (status.name().to_owned(), count(*status).into())).collect();
    json!({
        "summary": summary, "accounts_created": job.made.accounts, "users_created": job.made.users,
        "results": outcomes.iter().map(outcome).collect::<Vec<_>>(),
    })
}
