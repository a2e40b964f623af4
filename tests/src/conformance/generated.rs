//! An organization and directories made by dice, the same in every run, for stores to be compared on.

use roster_core::home::{Home, Record};
use roster_core::model::{
    Access, Account, AccountStatus, Card, DirectoryEntry, DirectoryId, Member, MemberStatus, Membership,
};
use roster_core::permission::{RoleRef, SystemRole};
use roster_core::store::ChangeSet;
use roster_core::text::search_keys;

use crate::build::{
    Dice, account, account_id, api_key, change, member, operator_key, organization_home, organization_id,
    role_id, text, user_id,
};
use crate::stores::START;

/// How many members there are.
pub const MEMBERS: u64 = 60;
/// How many accounts there are.
pub const ACCOUNTS: u64 = 9;

const WORDS: [&str; 10] = ["North", "north", "Nörth", "Élan", "élan", "Zed", "日本", "a", "Ab", "ABBA"];

/// The roles that are given.
pub fn roles() -> [RoleRef; 4] {
    [
        RoleRef::ADMIN,
        RoleRef::System(SystemRole::Viewer),
        RoleRef::Custom(role_id(1)),
        RoleRef::Custom(role_id(2)),
    ]
}

fn some_access(dice: &mut Dice) -> Access {
    match dice.below(4) {
        0 => Access::Organization(*dice.pick(&roles())),
        1 => Access::NONE,
        _ => {
            let many = 1 + dice.below(3);
            let grants = (0..many).map(|_| (account_id(dice.below(ACCOUNTS)), *dice.pick(&roles())));
            Access::Accounts(grants.collect())
        }
    }
}

fn some_card(dice: &mut Dice, n: u64) -> Card {
    let name = format!("{} {}", dice.pick(&WORDS), dice.pick(&WORDS));
    let (upper, domain) = (dice.once_in(2), dice.pick(&["example.com", "b\u{fc}cher.test"]).to_owned());
    let email = if upper { format!("U{n}@{domain}") } else { format!("u{n}@{domain}") };
    Card {
        name: (!dice.once_in(5)).then(|| text(&name)),
        email: (!dice.once_in(5)).then(|| text(&email)),
        external_id: dice.once_in(2).then(|| text(&format!("X{}", n % 7))),
    }
}

/// A member in some state: some end soon, some joined at the same instant.
fn some_member(dice: &mut Dice, n: u64) -> Member {
    let access = some_access(dice);
    let status = *dice.pick(&[MemberStatus::Active, MemberStatus::Active, MemberStatus::Deactivated]);
    let ends = dice.once_in(3).then(|| i64::try_from(dice.below(20)).unwrap_or(0));
    let joined = i64::try_from(dice.below(5)).unwrap_or(0);
    let it = Member {
        status,
        expires_at: ends.map(|seconds| START.plus_seconds(seconds)),
        joined_at: START.plus_seconds(-joined),
        card: some_card(dice, n),
        ..member(n, access)
    };
    if dice.once_in(6) { it.left(START) } else { it }
}

/// Change sets that fill an empty store.
pub fn sets(seed: u64) -> Vec<ChangeSet> {
    let mut dice = Dice::new(seed);
    let home = organization_home(1);
    let mut sets = Vec::new();
    let mut next = 0;
    let mut put = |sets: &mut Vec<ChangeSet>, home: &Home, record: Record| {
        next += 1;
        sets.push(change(next, home).put(record).done());
    };
    for n in 0..ACCOUNTS {
        let status = *dice.pick(&[AccountStatus::Active, AccountStatus::Archived]);
        put(&mut sets, &home, Record::Account(Account { status, ..account(n) }));
        let access = some_access(&mut dice);
        put(&mut sets, &home, Record::ApiKey(api_key(n, access)));
        put(&mut sets, &Home::Deployment, Record::OperatorKey(operator_key(n)));
        let membership = Membership { organization: organization_id(n * 7 % 11) };
        put(&mut sets, &Home::User(user_id(1)), Record::Membership(membership));
    }
    for n in 0..MEMBERS {
        let it = some_member(&mut dice, n);
        put(&mut sets, &home, Record::Member(it.clone()));
        put(&mut sets, &organization_home(2), Record::Member(it));
        if dice.once_in(4) {
            let again = some_member(&mut dice, n);
            put(&mut sets, &home, Record::Member(again));
        }
        for id in [DirectoryId::User(user_id(n)), DirectoryId::Organization(organization_id(n))] {
            let card = some_card(&mut dice, n);
            let search = search_keys(card.name.as_ref(), card.email.as_ref(), card.external_id.as_ref());
            let entry = DirectoryEntry { id, search, active: !dice.once_in(3) };
            put(&mut sets, &Home::directory(id), Record::DirectoryEntry(entry));
        }
    }
    sets
}
