//! The facts of `check`.
#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "these are the bodies of tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use roster_core::home::{Key, Record};
use roster_core::model::{AccountStatus, ApiKey, MemberStatus, OrganizationStatus, UserStatus};
use roster_core::permission::{RoleRef, SystemRole};
use roster_core::store::{AccessKey, MemberFacts, Store, Stored};

use super::reads::records;
use crate::build::{
    account_id, api_key, api_key_id, change, member, on_accounts, organization, organization_home,
    organization_id, role, role_id, user_id,
};
use crate::stores::{START, TestStore};

fn asked(organization: u64, user: Option<u64>, account: Option<u64>, key: Option<u64>) -> AccessKey {
    AccessKey {
        organization: Some(organization_id(organization)),
        user: user.map(user_id),
        account: account.map(account_id),
        api_key: key.map(api_key_id),
    }
}

pub async fn access_answers_what_is_asked_and_nothing_else(at: &TestStore) {
    let store = at.store.as_ref();
    for (home, records) in records() {
        let put = records.iter().fold(change(1, &home), |draft, record| draft.put(record.clone()));
        store.commit(&put.done()).await.unwrap();
    }
    let asks = [
        AccessKey::default(),
        asked(1, Some(2), Some(2), Some(2)),
        asked(1, Some(1), Some(1), None),
        asked(1, Some(2), None, Some(9)),
        asked(2, Some(2), Some(1), Some(1)),
        AccessKey { user: Some(user_id(2)), account: Some(account_id(1)), ..AccessKey::default() },
        asked(1, Some(2), Some(2), Some(2)),
        asked(9, Some(9), Some(9), Some(9)),
    ];
    let facts = store.access(&asks).await.unwrap();
    assert_eq!(facts.len(), asks.len());
    assert!(facts.iter().all(|fact| fact.now == START));
    let one = &facts[1];
    assert_eq!((one.organization, one.user), (Some(OrganizationStatus::Active), Some(UserStatus::Erased)));
    assert_eq!((one.cuts, facts[0].cuts), (3, 0));
    let member = MemberFacts {
        status: MemberStatus::Active,
        starts_at: None,
        expires_at: Some(START.plus_seconds(9)),
        epoch: 3,
        organization_role: None,
        account_role: Some(RoleRef::Custom(role_id(3))),
    };
    assert_eq!((one.member.clone(), one.account), (Some(member.clone()), Some(AccountStatus::Archived)));
    let roles = [(1, RoleRef::System(SystemRole::Viewer)), (2, RoleRef::Custom(role_id(3)))];
    assert_eq!(one.api_key, Some(ApiKey { expires_at: None, ..api_key(2, on_accounts(&roles)) }));
    let owner = facts[2].member.clone().unwrap();
    assert_eq!(
        (owner.organization_role, owner.account_role, facts[2].user),
        (Some(RoleRef::OWNER), None, None)
    );
    assert_eq!(facts[3].member, Some(MemberFacts { account_role: None, ..member }));
    assert_eq!((facts[3].account, &facts[3].api_key), (None, &None));
    assert_eq!(facts[4].organization, Some(OrganizationStatus::Closed));
    assert_eq!((&facts[4].member, facts[4].account, &facts[4].api_key), (&None, None, &None));
    assert_eq!(
        (facts[5].user, facts[5].account),
        (Some(UserStatus::Erased), None),
        "an account is of an organization"
    );
    let named = vec![role(3, Some(RoleRef::Custom(role_id(4)))), role(4, None)];
    assert_eq!((&one.roles, &facts[2].roles), (&named, &vec![]), "what is named, and one hop from it");
    assert_eq!((&facts[3].roles, &facts[4].roles), (&vec![], &vec![]));
    assert_eq!(facts[6], facts[1]);
    for nothing in [&facts[0], &facts[7]] {
        assert_eq!((nothing.organization, nothing.user, &nothing.member), (None, None, &None));
    }
    assert_eq!(store.access(&[]).await.unwrap(), vec![]);
}

pub async fn access_judges_by_the_later_of_clock_and_log(at: &TestStore) {
    let ahead = START.plus_seconds(30);
    let set =
        change(1, &organization_home(1)).put(Record::Organization(organization(1))).entry(None, &[], ahead);
    at.store.commit(&set.done()).await.unwrap();
    let now = async |n| at.store.access(&[asked(n, None, None, None)]).await.unwrap()[0].now;
    assert_eq!((now(1).await, now(2).await), (ahead, START));
    at.clock.advance_seconds(60);
    assert_eq!((now(1).await, now(2).await), (START.plus_seconds(60), START.plus_seconds(60)));
}

/// Asks about everybody until all are gone; whom an answer that was asked for after their removal still shows as a member.
async fn ask_until_gone(store: Arc<dyn Store>, gone: Arc<Vec<AtomicBool>>) -> Vec<u64> {
    let mut stale = Vec::new();
    loop {
        let mut all_known = true;
        for (n, gone) in (1..).zip(gone.iter()) {
            let known = gone.load(Ordering::SeqCst);
            all_known &= known;
            let facts = store.access(&[asked(1, Some(n), None, None)]).await.unwrap();
            let active = facts[0].member.as_ref().is_some_and(|member| member.status == MemberStatus::Active);
            if known && active {
                stale.push(n);
            }
            let (known, key) = (gone.load(Ordering::SeqCst), Key::Member(user_id(n)));
            let read = store.read(&organization_home(1), std::slice::from_ref(&key), &[]).await.unwrap();
            let is_in =
                |stored: &Stored| matches!(&stored.record, Record::Member(it) if it.left_at.is_none());
            if known && read.records.get(&key).is_some_and(is_in) {
                stale.push(n);
            }
        }
        if all_known {
            return stale;
        }
    }
}

pub async fn m7_nothing_asked_after_a_removal_sees_the_member_however_many_ask(at: &TestStore) {
    const PEOPLE: u64 = 12;
    let home = organization_home(1);
    let joined = (1..=PEOPLE)
        .fold(change(1, &home).put(Record::Organization(organization(1))), |draft, n| {
            draft.put(Record::Member(member(n, on_accounts(&[]))))
        });
    at.store.commit(&joined.done()).await.unwrap();
    let gone: Arc<Vec<AtomicBool>> = Arc::new((1..=PEOPLE).map(|_| AtomicBool::new(false)).collect());
    let askers: Vec<_> =
        (0..24).map(|_| tokio::spawn(ask_until_gone(Arc::clone(&at.store), Arc::clone(&gone)))).collect();
    for (n, gone) in (1..).zip(gone.iter()) {
        let left = member(n, on_accounts(&[])).left(START);
        at.store.commit(&change(1 + n, &home).put(Record::Member(left)).done()).await.unwrap();
        gone.store(true, Ordering::SeqCst);
    }
    for asker in askers {
        assert_eq!(asker.await.unwrap(), Vec::<u64>::new(), "seen after their removal was acknowledged");
    }
}
