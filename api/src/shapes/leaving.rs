//! What people hold, and what goes with them.

use roster_core::id::OrganizationId;
use roster_core::model::{Holding, PostName};
use roster_core::ops::leaving::{LeavingMode, Left};
use roster_core::reads::LeavingPlan;
use serde_json::{Map, Value, json};

use super::{job, kind_of_key, member, transfer};

/// `{id, type, external_id, owner, account, title}`
pub fn record(it: &Holding) -> Value {
    json!({
        "id": it.id, "type": it.kind, "external_id": it.external_id, "owner": it.owner, "account": it.account,
        "title": it.title,
    })
}

/// What goes with a member.
pub fn leaving_plan(organization: OrganizationId, plan: &LeavingPlan) -> Value {
    let lost: Vec<Value> = plan
        .accounts_lost
        .iter()
        .map(|(account, role)| {
            let account = account.map_or_else(|| "all".to_owned(), |account| account.to_string());
            json!({"account": account, "role": role})
        })
        .collect();
    let owned = plan.owned.iter().map(|it| json!({"type": "organization", "id": it.id, "name": it.name}));
    let records: Map<String, Value> =
        plan.records.iter().map(|(kind, count)| (kind.to_string(), json!(count))).collect();
    let keys = plan.api_keys.iter().map(|seen| {
        let key = &seen.key;
        json!({
            "id": key.id, "name": key.name, "kind": kind_of_key(key), "prefix": key.prefix,
            "expires_at": key.expires_at, "last_used_at": seen.last_used_at,
        })
    });
    let webhooks: Vec<Value> = plan.webhooks.iter().map(super::webhook::webhook).collect();
    let posts = plan.posts.iter().map(post);
    json!({
        "user_id": plan.user, "organization_id": organization, "mode": plan.mode.name(),
        "recommended_mode": LeavingMode::RECOMMENDED.name(), "accounts_lost": lost,
        "ownerships": owned.collect::<Vec<_>>(), "records": records, "api_keys": keys.collect::<Vec<_>>(),
        "webhooks": webhooks, "pending_invitations": plan.pending_invitations, "posts": posts.collect::<Vec<_>>(),
        "seats_freed": plan.seats_freed, "revision": plan.revision,
    })
}

/// What came of a plan.
pub fn left(organization: OrganizationId, left: &Left) -> Value {
    json!({
        "member": member(organization, &left.member), "job": left.job.as_ref().map(job),
        "transfer": left.transfer.as_ref().map(transfer),
    })
}

pub(super) fn post(post: &PostName) -> Value {
    let kind = if post.key_role.is_some() { "key_role" } else { "account_owner" };
    json!({"type": kind, "name": post.key_role, "account": post.account})
}
