//! Organizations with accounts, owners and signs of life made by dice, the same in every run, for reports to be compared
//! on.

use roster_core::home::{Home, Record, Tally};
use roster_core::id::{AccountId, UserId};
use roster_core::model::customer::{Presence, ReportKind};
use roster_core::model::{
    Access, Account, AccountStatus, DirectoryEntry, DirectoryId, FormerMembers, Member, MemberStatus,
    Organization, OrganizationStatus, Post, Posts, Settings,
};
use roster_core::permission::RoleRef;
use roster_core::store::{ChangeSet, Write};
use roster_core::time::Timestamp;
use serde_json::{Value, json};

use crate::build::{
    Dice, account, account_id, card, change, member, organization, organization_home, organization_id, text,
    traits, user_id,
};
use crate::stores::START;

/// How many organizations there are.
pub const ORGANIZATIONS: u64 = 7;
/// How many accounts each has.
pub const ACCOUNTS: u64 = 9;
/// How many people there are.
const PEOPLE: u64 = 10;

/// The n-th account of an organization.
pub fn account_of(organization: u64, n: u64) -> AccountId {
    account_id(10_000 * (organization + 1) + n)
}

/// The names of columns, with some traits.
pub fn fields(kind: ReportKind) -> Vec<&'static str> {
    let both = "id external_id name status created_at seats.purchased seats.used members members.active \
        members.deactivated owner owner.state owner.source owner.user_id owner.external_id owner.email owner.name \
        owner.joined_at owner.last_seen_at owner.first_seen_at owner.sessions owner.last_message_received_at \
        owner.last_message_sent_at traits.plan traits.plan traits.x traits.when traits.none";
    let more = match kind {
        ReportKind::Accounts => {
            "organization_id organization.id organization.external_id organization.name organization.slug \
             organization.status organization.created_at organization.traits.plan organization.traits.x"
        }
        ReportKind::Organizations => "slug accounts members.former governor.user_id governor.email",
    };
    both.split_whitespace().chain(more.split_whitespace()).collect()
}

/// An instant within some days of the beginning.
fn around(dice: &mut Dice) -> Timestamp {
    let seconds = i64::try_from(dice.below(12 * 86_400)).unwrap_or(0) - 10 * 86_400;
    Timestamp::from_micros(START.plus_seconds(seconds).micros() + i64::try_from(dice.below(3)).unwrap_or(0))
}

fn some_traits(dice: &mut Dice) -> Value {
    let any = |dice: &mut Dice| {
        let all = [
            json!("pro"),
            json!("Pro"),
            json!("free \u{0} \"ö\""),
            json!(1),
            json!(1.5),
            json!(-3),
            json!(true),
            json!(false),
            json!(["pro", 1, null]),
            json!({"pro": [1]}),
            json!("2026-12-30T00:00:00Z"),
            json!("2026-12-25T12:00:00+02:00"),
        ];
        all[usize::try_from(dice.below(all.len() as u64)).unwrap_or(0)].clone()
    };
    let mut traits = json!({"other": "kept out"});
    for name in ["plan", "x", "when"] {
        if !dice.once_in(4) {
            traits[name] = any(dice);
        }
    }
    traits
}

fn some_posts(dice: &mut Dice) -> Posts {
    // Some of whom are no members.
    let user = user_id(dice.below(PEOPLE + 2));
    let since = START.plus_seconds(-i64::try_from(dice.below(4)).unwrap_or(0));
    let external_id = text(dice.pick::<&str>(&["nobody", "Ext-1", "later"]));
    let owner = match dice.below(5) {
        0 => None,
        1 => Some(Post::Mapping { external_id, user: None, since }),
        2 => Some(Post::Mapping { external_id, user: Some(user), since }),
        _ => Some(Post::Manual { user, since }),
    };
    let key_role = dice.once_in(3).then(|| (text("csm"), Post::Manual { user: user_id(1), since }));
    Posts { account_owner: owner, key_roles: key_role.into_iter().collect() }
}

/// A member in some state: some end at about now, some have left, some were deleted.
fn some_member(dice: &mut Dice, organization: u64, n: u64) -> Member {
    let access = match dice.below(4) {
        0 => Access::Organization(RoleRef::ADMIN),
        1 => Access::NONE,
        _ => {
            let many = 1 + dice.below(5);
            let grants = (0..many).map(|_| (account_of(organization, dice.below(ACCOUNTS)), RoleRef::ADMIN));
            Access::Accounts(grants.collect())
        }
    };
    let mut card = card(n);
    if dice.once_in(3) {
        (card.email, card.external_id) = (None, None);
    }
    let status = *dice.pick(&[MemberStatus::Active, MemberStatus::Active, MemberStatus::Deactivated]);
    let ends = dice.once_in(3).then(|| START.plus_seconds(i64::try_from(dice.below(80)).unwrap_or(0)));
    let joined_at = around(dice);
    let it = Member { status, expires_at: ends, joined_at, card, deleted_at: None, ..member(n, access) };
    let left_at = START.plus_seconds(-i64::try_from(dice.below(4)).unwrap_or(0));
    match dice.below(8) {
        0 => it.left(left_at),
        1 => it.deleted(left_at),
        2 => Member { deleted_at: Some(left_at), left_at: Some(left_at), ..it },
        _ => it,
    }
}

fn some_presence(dice: &mut Dice, user: UserId) -> Presence {
    let since = (!dice.once_in(3)).then(|| START.plus_seconds(-i64::try_from(dice.below(4)).unwrap_or(0)));
    let mut maybe = || (!dice.once_in(4)).then(|| around(dice));
    let (first_seen_at, last_seen_at) = (maybe(), maybe());
    let (last_message_received_at, last_message_sent_at) = (maybe(), maybe());
    let sessions = i64::try_from(dice.below(4)).unwrap_or(0);
    let applied = vec![(user.uuid(), 3)];
    Presence {
        first_seen_at,
        last_seen_at,
        sessions,
        last_message_received_at,
        last_message_sent_at,
        applied,
        ..Presence::new(user, since)
    }
}

fn some_organization(dice: &mut Dice, n: u64) -> Organization {
    let former_members = *dice.pick(&[FormerMembers::Show, FormerMembers::Hide]);
    Organization {
        status: *dice.pick(&[
            OrganizationStatus::Active,
            OrganizationStatus::Active,
            OrganizationStatus::Closed,
        ]),
        owner: user_id(dice.below(PEOPLE)),
        purchased: dice.once_in(2).then_some(40),
        settings: Settings { former_members, ..Settings::default() },
        traits: traits(some_traits(dice)),
        posts: some_posts(dice),
        created_at: around(dice),
        ..organization(n)
    }
}

fn some_account(dice: &mut Dice, organization: u64, n: u64) -> Account {
    let names = ["North", "north", "Östra", "a"];
    Account {
        id: account_of(organization, n),
        name: text(dice.pick::<&str>(&names)),
        status: *dice.pick(&[AccountStatus::Active, AccountStatus::Archived]),
        traits: traits(some_traits(dice)),
        posts: some_posts(dice),
        created_at: around(dice),
        ..account(n)
    }
}

/// Change sets that fill an empty store. The last entry of the directory leads nowhere.
pub fn sets(seed: u64) -> Vec<ChangeSet> {
    let mut dice = Dice::new(seed);
    let (mut sets, mut next) = (Vec::new(), 0);
    let mut put = |home: &Home, record: Record, add: Option<(Tally, i64)>| {
        next += 1;
        let mut set = change(next, home).put(record).done();
        set.writes.extend(add.map(|(tally, by)| Write::Add { tally, by, within: 0..=i64::MAX }));
        sets.push(set);
    };
    for n in 0..=ORGANIZATIONS {
        let id = DirectoryId::Organization(organization_id(n));
        let entry = DirectoryEntry { id, search: Vec::new(), active: !dice.once_in(3) };
        put(&Home::directory(id), Record::DirectoryEntry(entry), None);
    }
    for n in 0..ORGANIZATIONS {
        let (home, activity) = (organization_home(n), Home::Activity(organization_id(n)));
        put(&home, Record::Organization(some_organization(&mut dice, n)), None);
        for account in 0..ACCOUNTS {
            let it = some_account(&mut dice, n, account);
            let active = i64::from(it.status == AccountStatus::Active);
            put(&home, Record::Account(it), Some((Tally::ActiveAccounts, active)));
        }
        for user in 0..PEOPLE {
            let it = some_member(&mut dice, n, user);
            let taken = it.seats();
            if !dice.once_in(5) {
                put(&home, Record::Member(it), Some((Tally::Seats, taken)));
            }
            // Of one organization nothing is known; of some who are no members something is.
            if n > 0 && !dice.once_in(3) {
                put(&activity, some_presence(&mut dice, user_id(user)).into(), None);
            }
        }
    }
    sets
}

/// An organization with more accounts than are read at a time, and how many.
pub fn many() -> (Vec<ChangeSet>, u64) {
    let (home, count) = (organization_home(ORGANIZATIONS), 4_100);
    let mut dice = Dice::new(9);
    let mut records = vec![Record::Organization(some_organization(&mut dice, ORGANIZATIONS))];
    records.extend((0..count).map(|n| {
        let mut account = some_account(&mut dice, ORGANIZATIONS, n);
        if n + 1 == count {
            account.traits = traits(json!({"rare": "last"}));
        }
        Record::Account(account)
    }));
    records.extend((0..PEOPLE).map(|n| Record::Member(some_member(&mut dice, ORGANIZATIONS, n))));
    let chunks = records.chunks(500).zip(1_000_000..);
    let sets = chunks.map(|(records, n)| {
        let mut set = change(n, &home).done();
        set.writes.extend(records.iter().cloned().map(Write::Put));
        set
    });
    (sets.collect(), count)
}
