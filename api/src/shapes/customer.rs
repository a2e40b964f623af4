//! The JSON shapes about customers.

use roster_core::id::{AccountId, OrganizationId};
use roster_core::model::customer::{
    Alert, DeadLetter, Groups, Indicator, Mappings, ReportKind, Source, View,
};
use roster_core::reads::ActivityRow;
use serde_json::{Value, json};

/// One source, without its write key.
pub fn source(it: &Source) -> Value {
    let (to, organization, name) = match &it.groups {
        Groups::One(organization) => ("one", Some(*organization), None),
        Groups::Each => ("each", None, None),
        Groups::Trait(name) => ("trait", None, Some(name)),
    };
    json!({
        "id": it.id, "name": it.name,
        "groups": {"to": to, "organization": organization, "trait": name},
        "organization_owner": it.organization_owner, "new_organizations_per_day": it.new_organizations_per_day,
        "default_role": it.default_role,
        "events": {
            "message_received": it.events.message_received, "message_sent": it.events.message_sent,
        },
        "created_at": it.created_at,
    })
}

/// One message that could not be applied.
pub fn dead_letter(it: &DeadLetter) -> Value {
    let payload = as_it_came(&it.payload);
    json!({
        "id": it.id, "source_id": it.source, "received_at": it.received_at, "reason": it.reason,
        "payload": payload,
    })
}

/// `{user_id, event, day, count}`: what is not grouped by is null.
pub fn activity(row: &ActivityRow) -> Value {
    let (user, event, day) = &row.key;
    json!({"user_id": user, "event": event, "day": day, "count": row.count})
}

/// One saved view.
pub fn view(it: &View) -> Value {
    let filter = it.filter.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok());
    json!({
        "id": it.id, "name": it.name, "kind": it.kind, "filter": filter, "columns": it.columns, "sort": it.sort,
    })
}

/// One indicator.
pub fn indicator(it: &Indicator) -> Value {
    json!({
        "id": it.id, "name": it.name, "view_id": it.view, "holds_for_days": it.holds_for_days,
        "created_at": it.created_at,
    })
}

/// One alert.
pub fn alert(it: &Alert) -> Value {
    let subject = match it.kind {
        ReportKind::Accounts => json!({"type": "account", "id": AccountId::from_uuid(it.subject)}),
        ReportKind::Organizations => {
            json!({"type": "organization", "id": OrganizationId::from_uuid(it.subject)})
        }
    };
    json!({"id": it.id, "indicator_id": it.indicator, "state": it.state, "subject": subject, "at": it.at})
}

/// `{account_owner_trait, organization_owner_trait}`
pub fn mappings(it: &Mappings) -> Value {
    json!({
        "account_owner_trait": it.account_owner_trait, "organization_owner_trait": it.organization_owner_trait,
    })
}

/// What a source sent: as JSON, or as the text that it was where it is none, or so deep that few could read the answer.
pub(super) fn as_it_came(message: &str) -> Value {
    match serde_json::from_str::<Value>(message) {
        Ok(value) if !roster_core::model::is_too_deep(&value) => value,
        Ok(_) | Err(_) => message.into(),
    }
}
