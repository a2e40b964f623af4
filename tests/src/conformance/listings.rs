//! Listings: every filter, order and page as the memory store answers it.
#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "these are the bodies of tests")]

use std::sync::Arc;

use roster_core::home::{Home, Key, Record};
use roster_core::listing::{Listing, MemberSort, PageRequest, Position, Row, Scope};
use roster_core::memory::MemoryStore;
use roster_core::model::{Access, AccountStatus, DirectoryKind, Invitation, InvitationStatus, MemberStatus};
use roster_core::permission::RoleRef;
use roster_core::store::Store;

use super::generated::{ACCOUNTS, MEMBERS, roles, sets};
use crate::build::{
    Dice, account, account_id, change, invitation, on_accounts, organization_home, organization_id, session,
    text, user_id,
};
use crate::holdings::holding;
use crate::stores::{START, TestStore};

const SEARCHES: [&str; 14] =
    ["north", " NORTH ", "nörth", "no", "a", "ab", "u1", "x3", "X3", "x", "日", "", "\u{0}x3", "nobody"];

/// Fills the store and a memory store with the same.
async fn twins(at: &TestStore) -> MemoryStore {
    let memory = MemoryStore::new(Arc::clone(&at.clock) as _);
    let sets = sets(2_027);
    assert!(memory.commit_all(&sets).await.iter().all(Result::is_ok));
    assert!(at.store.commit_all(&sets).await.iter().all(Result::is_ok));
    at.clock.advance_seconds(10);
    memory
}

/// All rows of a listing, page by page, each page as in memory.
async fn compare(at: &TestStore, memory: &MemoryStore, listing: &Listing, limit: u16) -> Vec<Row> {
    let (mut rows, mut after) = (Vec::new(), None);
    loop {
        let page = PageRequest { after, limit };
        let expected = memory.list(listing, &page).await.unwrap();
        let found = at.store.list(listing, &page).await.unwrap();
        assert_eq!(found, expected, "{listing:?} {page:?}");
        after = found.rows.last().map(|row| row.position.clone());
        rows.extend(found.rows);
        if !found.more {
            return rows;
        }
    }
}

fn some_scope(dice: &mut Dice) -> Scope {
    if dice.once_in(2) {
        return Scope::All;
    }
    let many = dice.below(4);
    let mut accounts: Vec<_> = (0..many).map(|_| account_id(dice.below(ACCOUNTS))).collect();
    accounts.sort_unstable();
    accounts.dedup();
    Scope::Accounts(accounts)
}

fn some_members(dice: &mut Dice) -> Listing {
    let statuses = [MemberStatus::Active, MemberStatus::Deactivated, MemberStatus::Former];
    let account = dice.below(ACCOUNTS);
    Listing::Members {
        organization: organization_id(1),
        status: dice.once_in(2).then(|| *dice.pick(&statuses)),
        account: dice.once_in(3).then(|| account_id(account)),
        role: dice.once_in(3).then(|| *dice.pick(&roles())),
        q: dice.once_in(2).then(|| (*dice.pick(&SEARCHES)).to_owned()),
        sort: *dice.pick(&[MemberSort::Id, MemberSort::Name, MemberSort::Email, MemberSort::JoinedAt]),
        descending: dice.once_in(2),
        scope: some_scope(dice),
    }
}

/// Every member in one order.
fn all_members(sort: MemberSort, descending: bool) -> Listing {
    let (organization, scope) = (organization_id(1), Scope::All);
    Listing::Members {
        organization,
        status: None,
        account: None,
        role: None,
        q: None,
        sort,
        descending,
        scope,
    }
}

pub async fn members_are_listed_as_in_memory(at: &TestStore) {
    let memory = twins(at).await;
    for sort in [MemberSort::Id, MemberSort::Name, MemberSort::Email, MemberSort::JoinedAt] {
        for descending in [false, true] {
            let rows = compare(at, &memory, &all_members(sort, descending), 7).await;
            assert_eq!(rows.len() as u64, MEMBERS, "{sort:?}");
        }
    }
    let (mut dice, mut some) = (Dice::new(5), 0);
    for _ in 0..300 {
        let limit = 1 + u16::try_from(dice.below(9)).unwrap();
        let rows = compare(at, &memory, &some_members(&mut dice), limit).await;
        some += usize::from(!rows.is_empty());
    }
    assert!(some > 100, "most listings should find somebody: {some}");
    for by in ["", "b", "north", "00001798761599000000"] {
        for n in [0, 30, 99] {
            let listing = some_members(&mut dice);
            let page =
                PageRequest { after: Some(Position { by: by.to_owned(), id: user_id(n).uuid() }), limit: 9 };
            let expected = memory.list(&listing, &page).await.unwrap();
            assert_eq!(at.store.list(&listing, &page).await.unwrap(), expected, "{listing:?} {page:?}");
        }
    }
}

pub async fn invitations_and_sessions_are_listed_as_in_memory(at: &TestStore) {
    let memory = twins(at).await;
    let (home, mut dice) = (organization_home(1), Dice::new(8));
    let shapes = |n: u64| match n % 3 {
        0 => Access::Organization(RoleRef::ADMIN),
        1 => on_accounts(&[(n % ACCOUNTS, RoleRef::ADMIN)]),
        _ => Access::NONE,
    };
    for n in 0..30 {
        let it = invitation(n, shapes(n));
        let expires_at = START.plus_seconds(if n % 4 == 0 { 5 } else { 100 });
        let it = Invitation { expires_at, ..it };
        let statuses = [InvitationStatus::Declined, InvitationStatus::Revoked, InvitationStatus::Expired];
        let it = if n % 5 == 0 { it.ended(*dice.pick(&statuses), START) } else { it };
        let put = change(5_000 + n, &home).put(Record::Invitation(it)).done();
        let begun = change(6_000 + n, &Home::User(user_id(1))).put(Record::Session(session(n))).done();
        for set in [put, begun] {
            assert!(memory.commit(&set).await.is_ok() && at.store.commit(&set).await.is_ok());
        }
    }
    let organization = organization_id(1);
    let statuses = [
        None,
        Some(InvitationStatus::Pending),
        Some(InvitationStatus::Expired),
        Some(InvitationStatus::Declined),
        Some(InvitationStatus::Accepted),
    ];
    for status in statuses {
        for scope in [Scope::All, Scope::Accounts(vec![]), some_scope(&mut dice), some_scope(&mut dice)] {
            compare(at, &memory, &Listing::Invitations { organization, status, scope }, 4).await;
        }
    }
    let rows = compare(at, &memory, &Listing::Sessions { user: user_id(1) }, 7).await;
    assert_eq!(rows.len(), 30);
    let due = Listing::Due { home, until: START.plus_seconds(50) };
    assert!(
        compare(at, &memory, &due, 3)
            .await
            .iter()
            .any(|row| matches!(row.stored.record, Record::Invitation(_)))
    );
}

pub async fn records_are_listed_as_in_memory(at: &TestStore) {
    let memory = MemoryStore::new(Arc::clone(&at.clock) as _);
    let (home, organization, mut dice) = (organization_home(1), organization_id(1), Dice::new(9));
    for n in 0..60 {
        // Some change hands, some go.
        let put = |owner| change(7_000 + n * 4 + owner, &home).put(Record::Holding(holding(n, owner))).done();
        let mut sets = vec![put(n % 3)];
        if n % 5 == 0 {
            sets.push(put(3));
        }
        if n % 7 == 0 {
            sets.push(change(8_000 + n, &home).remove(Key::Holding(holding(n, 0).name())).done());
        }
        for set in sets {
            assert!(memory.commit(&set).await.is_ok() && at.store.commit(&set).await.is_ok());
        }
    }
    for owners in [vec![], vec![1], vec![3], vec![0, 3], vec![9]] {
        let owners: Vec<_> = owners.into_iter().map(user_id).collect();
        for kind in [None, Some("deal"), Some("deal-flow"), Some("other")] {
            for scope in [Scope::All, Scope::Accounts(vec![]), some_scope(&mut dice)] {
                let (owners, kind) = (owners.clone(), kind.map(text));
                compare(at, &memory, &Listing::Holdings { organization, owners, kind, scope }, 4).await;
            }
        }
    }
    let everything = Listing::Holdings { organization, owners: vec![], kind: None, scope: Scope::All };
    assert_eq!(compare(at, &memory, &everything, 7).await.len(), 51);
}

pub async fn accounts_are_listed_as_in_memory(at: &TestStore) {
    let memory = twins(at).await;
    let (organization, mut dice) = (organization_id(1), Dice::new(6));
    for status in [None, Some(AccountStatus::Active), Some(AccountStatus::Archived)] {
        for scope in [Scope::All, Scope::Accounts(vec![]), some_scope(&mut dice), some_scope(&mut dice)] {
            compare(at, &memory, &Listing::Accounts { organization, status, scope }, 2).await;
        }
    }
    let everything = Listing::Accounts { organization, status: None, scope: Scope::All };
    assert_eq!(compare(at, &memory, &everything, 4).await.len() as u64, ACCOUNTS);
    let many = (0..1_000).map(account_id).collect();
    let named = Listing::Accounts { organization, status: None, scope: Scope::Accounts(many) };
    assert_eq!(compare(at, &memory, &named, 4).await.len() as u64, ACCOUNTS);
}

pub async fn directories_are_listed_as_in_memory(at: &TestStore) {
    let memory = twins(at).await;
    for kind in [DirectoryKind::Users, DirectoryKind::Organizations] {
        for active in [None, Some(true), Some(false)] {
            for q in std::iter::once(None).chain(SEARCHES.map(Some)) {
                let listing = Listing::Directory { kind, active, q: q.map(str::to_owned) };
                compare(at, &memory, &listing, 4).await;
            }
        }
        let everything = Listing::Directory { kind, active: None, q: None };
        assert_eq!(compare(at, &memory, &everything, 7).await.len() as u64, MEMBERS);
    }
}

pub async fn keys_and_memberships_are_listed_by_id(at: &TestStore) {
    let memory = twins(at).await;
    let listings = [
        Listing::ApiKeys { organization: organization_id(1) },
        Listing::OperatorKeys,
        Listing::Memberships { user: user_id(1) },
    ];
    for listing in listings {
        let rows = compare(at, &memory, &listing, 2).await;
        assert_eq!(rows.len() as u64, ACCOUNTS);
        assert!(
            rows.is_sorted_by_key(|row| row.position.id) && rows.iter().all(|row| row.position.by.is_empty())
        );
    }
}

pub async fn what_is_due_is_listed_earliest_first(at: &TestStore) {
    let memory = twins(at).await;
    for seconds in [-1, 0, 5, 10, 30] {
        let listing = Listing::Due { home: organization_home(1), until: START.plus_seconds(seconds) };
        let rows = compare(at, &memory, &listing, 3).await;
        assert!(rows.is_sorted_by_key(|row| row.position.clone()));
        assert_eq!(rows.is_empty(), seconds < 0);
    }
}

pub async fn a_row_that_stays_comes_exactly_once(at: &TestStore) {
    let home = organization_home(1);
    let put = |n, number| change(n, &home).put(Record::Account(account(number))).done();
    let first: Vec<_> = (0..30).map(|n| put(n + 1, 10 * n)).collect();
    assert!(at.store.commit_all(&first).await.iter().all(Result::is_ok));
    let listing = Listing::Accounts { organization: organization_id(1), status: None, scope: Scope::All };
    let (mut seen, mut page) = (Vec::new(), PageRequest { after: None, limit: 4 });
    for n in 0.. {
        let found = at.store.list(&listing, &page).await.unwrap();
        seen.extend(found.rows.iter().map(|row| row.position.id));
        page.after = found.rows.last().map(|row| row.position.clone());
        if !found.more {
            break;
        }
        // Rows come and go around those that stay: the even ones.
        let gone = Key::Account(account_id(10 * (2 * n + 1)));
        let coming =
            [put(1_000 + n, 15 * n + 1), put(2_000 + n, 0), change(3_000 + n, &home).remove(gone).done()];
        assert!(at.store.commit_all(&coming).await.iter().all(Result::is_ok));
    }
    for n in (0..30).step_by(2) {
        let id = account_id(10 * n).uuid();
        assert_eq!(seen.iter().filter(|seen| **seen == id).count(), 1, "account {}", 10 * n);
    }
}

pub async fn listings_of_nothing_are_empty(at: &TestStore) {
    let listings = [
        all_members(MemberSort::Name, true),
        Listing::Directory { kind: DirectoryKind::Users, active: Some(true), q: Some("a".into()) },
        Listing::OperatorKeys,
        Listing::Due { home: Home::User(user_id(1)), until: START },
    ];
    for listing in listings {
        let page = at.store.list(&listing, &PageRequest { after: None, limit: 5 }).await.unwrap();
        assert_eq!((page.now, page.rows, page.more), (START, vec![], false));
    }
}
