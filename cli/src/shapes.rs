//! What is printed as JSON, under the names of the HTTP API.

use roster_core::flows::CheckAnswer;
use roster_core::id::OrganizationId;
use roster_core::log::hex;
use roster_core::model::{Account, ApiKey, Member, OperatorKey, Transfer, User};
use roster_core::ops::member::{AccessDiff, GrantLine};
use roster_core::permission::SystemRole;
use roster_core::reads::{AccountMember, AuditRow, OrganizationShown, SeatsShown, UserAccount};
use serde_json::{Value, json};

pub fn operator_key(key: &OperatorKey) -> Value {
    json!({"id": key.id, "name": key.name, "prefix": key.prefix, "created_at": key.created_at})
}

pub fn organization(shown: &OrganizationShown) -> Value {
    let organization = &shown.organization.value;
    json!({
        "id": organization.id,
        "external_id": organization.external_id,
        "name": organization.name,
        "slug": organization.slug,
        "status": organization.status,
        "owner": {"user_id": organization.owner, "email": shown.owner.email, "name": shown.owner.name},
        "owner_unavailable": shown.owner_unavailable,
        "account_owner": null,
        "key_roles": {},
        "seats": {"purchased": organization.purchased, "used": shown.used},
        "settings": organization.settings,
        "traits": organization.traits,
        "created_at": organization.created_at,
    })
}

pub fn seats(seats: SeatsShown) -> Value {
    json!({"purchased": seats.purchased, "used": seats.used})
}

pub fn transfer(transfer: &Transfer) -> Value {
    json!({
        "id": transfer.id,
        "from": transfer.from,
        "to": transfer.to,
        "previous_owner_role": transfer.previous_owner_role,
        "state": transfer.state,
        "expires_at": null,
    })
}

pub fn account(organization: OrganizationId, account: &Account) -> Value {
    json!({
        "id": account.id,
        "organization_id": organization,
        "external_id": account.external_id,
        "name": account.name,
        "status": account.status,
        "account_owner": null,
        "key_roles": {},
        "traits": account.traits,
        "created_at": account.created_at,
    })
}

pub fn member(organization: OrganizationId, member: &Member) -> Value {
    json!({
        "user_id": member.user,
        "organization_id": organization,
        "external_id": member.card.external_id,
        "email": member.card.email,
        "name": member.card.name,
        "status": member.status,
        "access": member.access,
        "starts_at": member.starts_at,
        "expires_at": member.expires_at,
        "joined_at": member.joined_at,
        "left_at": member.left_at,
    })
}

pub fn account_member(organization: OrganizationId, row: &AccountMember) -> Value {
    let mut shape = member(organization, &row.member.value);
    shape["role"] = json!(row.role);
    shape["source"] = json!(source(row.organization_wide));
    shape
}

pub fn access_diff(diff: &AccessDiff) -> Value {
    let line = |line: &GrantLine| {
        let account = line
            .account
            .map_or_else(|| json!("all"), |account| json!(account));
        json!({"account": account, "role": line.role})
    };
    let lines = |lines: &[GrantLine]| lines.iter().map(line).collect::<Vec<_>>();
    let changed = diff.changed.iter().map(|change| {
        let mut changed = line(&change.now);
        changed["previous_role"] = json!(change.previous_role);
        changed
    });
    json!({
        "added": lines(&diff.added),
        "removed": lines(&diff.removed),
        "changed": changed.collect::<Vec<_>>(),
        "unchanged": lines(&diff.unchanged),
    })
}

pub fn user(user: &User) -> Value {
    json!({
        "id": user.id,
        "external_id": user.external_id,
        "email": user.email,
        "name": user.name,
        "status": user.status,
        "traits": user.traits,
        "created_at": user.created_at,
    })
}

pub fn user_account(row: &UserAccount) -> Value {
    json!({
        "organization": {"id": row.organization.id, "name": row.organization.name},
        "account": {"id": row.account.id, "name": row.account.name},
        "role": row.role,
        "source": source(row.organization_wide),
    })
}

pub fn role(role: SystemRole) -> Value {
    let permissions: Vec<_> = role.catalogue().collect();
    json!({"id": role.name(), "name": role.name(), "system": true, "permissions": permissions})
}

pub fn api_key(key: &ApiKey) -> Value {
    json!({
        "id": key.id,
        "name": key.name,
        "kind": "organization",
        "user_id": null,
        "access": key.access,
        "prefix": key.prefix,
        "expires_at": key.expires_at,
        "last_used_at": null,
    })
}

pub fn check(answer: &CheckAnswer) -> Value {
    json!({
        "allowed": answer.reason == roster_core::flows::CheckReason::Granted,
        "reason": answer.reason.name(),
        "role": answer.role.map(|(role, _)| role),
        "source": answer.role.map(|(_, source)| source.name()),
    })
}

pub fn audit(row: &AuditRow) -> Value {
    let actor = &row.body.actor;
    json!({
        "id": row.id,
        "seq": row.seq,
        "time": row.time,
        "actor": {"type": actor.kind(), "id": actor.id(), "via": actor.via()},
        "action": row.change.action,
        "target": {"type": row.change.target_type, "id": row.change.target_id},
        "user_id": row.change.user,
        "before": row.change.before,
        "after": row.change.after,
        "request_id": row.body.request_id,
        "reason": row.reason,
        "hash": hex(&row.hash),
    })
}

fn source(organization_wide: bool) -> &'static str {
    if organization_wide {
        "organization"
    } else {
        "account"
    }
}
