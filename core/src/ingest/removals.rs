//! Who took what from whom, by the log (rule M9).

use std::collections::BTreeMap;

use serde_json::Value;
use tokio::sync::Mutex;

use crate::actor::Actor;
use crate::home::Home;
use crate::id::{AccountId, OrganizationId, UserId};
use crate::log::{Body, Change, LogFilter};
use crate::model::Access;
use crate::op::Roster;
use crate::store::{StoreError, StoreErrorKind};

/// What the logs say, each read once as far as it goes: a slice that links one person to a hundred accounts reads what
/// happened to them once.
#[derive(Debug, Default)]
pub(super) struct Removals(Mutex<BTreeMap<(OrganizationId, UserId), Told>>);

/// What a log says of one member, up to an entry.
#[derive(Debug, Default)]
struct Told {
    after: u64,
    /// Whether a hand was the last to take an account from them.
    of: BTreeMap<AccountId, bool>,
    /// The same of all other accounts.
    others: bool,
}

impl Removals {
    /// Whether the last to take an account from a user was no source.
    pub(super) async fn by_hand(
        &self,
        roster: &Roster,
        organization: OrganizationId,
        account: AccountId,
        user: UserId,
    ) -> Result<bool, StoreError> {
        let mut all = self.0.lock().await;
        let told = all.entry((organization, user)).or_default();
        let (home, filter) = (Home::Organization(organization), LogFilter::of_user(user));
        loop {
            let entries = roster.store.log(&home, told.after, 200, &filter).await?;
            let Some(last) = entries.last() else { break };
            let mut bodies = Vec::with_capacity(entries.len());
            for entry in &entries {
                let body: Body = serde_json::from_slice(&entry.body).map_err(|error| {
                    let kind = StoreErrorKind::Corrupt;
                    StoreError { kind, operation: "log", detail: error.to_string() }
                })?;
                bodies.push(body);
            }
            for body in &bodies {
                let by_hand = !matches!(body.actor, Actor::Source { .. });
                for change in body.changes.iter().filter(|change| change.user == Some(user)) {
                    told.note(change, by_hand);
                }
            }
            told.after = last.seq;
        }
        Ok(told.is_by_hand(account))
    }
}

impl Told {
    fn is_by_hand(&self, account: AccountId) -> bool {
        self.of.get(&account).copied().unwrap_or(self.others)
    }

    fn note(&mut self, change: &Change, by_hand: bool) {
        if ["member.removed", "member.deleted", "member.expired"].contains(&change.action.as_str()) {
            self.all(by_hand);
            return;
        }
        let access =
            |fields: &Value| -> Option<Access> { serde_json::from_value(fields.get("access")?.clone()).ok() };
        let Some(after) = access(&change.after) else { return };
        match access(&change.before) {
            Some(Access::Organization(_)) => self.all(by_hand),
            Some(Access::Accounts(before)) => {
                self.of.extend(before.keys().map(|account| (*account, by_hand)));
            }
            None => {}
        }
        match after {
            Access::Organization(_) => self.all(false),
            Access::Accounts(after) => self.of.extend(after.keys().map(|account| (*account, false))),
        }
    }

    fn all(&mut self, by_hand: bool) {
        self.of.clear();
        self.others = by_hand;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const CHANGED: &str = "member.access_changed";

    #[test]
    fn m9_the_last_to_take_an_account_from_somebody_is_told() {
        let id = |n: u128| AccountId::from_uuid(uuid::Uuid::from_u128(n));
        let on = |accounts: &[u128]| {
            let access = accounts.iter().map(|n| (id(*n), crate::permission::RoleRef::ADMIN)).collect();
            json!({"access": Access::Accounts(access)})
        };
        let whole = || json!({"access": Access::Organization(crate::permission::RoleRef::ADMIN)});
        let mut told = Told::default();
        let mut then = |action: &str, before: Value, after: Value, by_hand: bool, out: [bool; 3]| {
            let (target_id, target_type) = (String::new(), "member".to_owned());
            let change =
                Change { action: action.to_owned(), after, before, target_id, target_type, user: None };
            told.note(&change, by_hand);
            assert_eq!([1, 2, 3].map(|n| told.is_by_hand(id(n))), out, "{action}");
        };
        then("member.added", Value::Null, on(&[1, 2]), true, [false; 3]);
        then(CHANGED, on(&[1, 2]), on(&[1]), true, [false, true, false]);
        then(CHANGED, on(&[1]), on(&[]), false, [false, true, false]);
        then(CHANGED, on(&[]), on(&[2]), true, [false; 3]);
        then("member.updated", json!({"expires_at": null}), json!({"expires_at": "x"}), true, [false; 3]);
        then(CHANGED, on(&[2]), whole(), true, [false; 3]);
        then(CHANGED, whole(), on(&[3]), true, [true, true, false]);
        then("member.removed", on(&[3]), Value::Null, true, [true; 3]);
        then("member.added", Value::Null, on(&[1]), true, [false, true, true]);
        then("member.expired", on(&[1]), Value::Null, false, [false; 3]);
    }
}
