//! What is read back: records as they were, dumps, homes, and the facts of `check`.
#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "these are the bodies of tests")]

use std::sync::Arc;

use roster_core::actor::{Actor, Via};
use roster_core::home::{Due, Home, Key, Record, Tally};
use roster_core::id::{PasswordResetId, SourceId};
use roster_core::listing::{Listing, PageRequest};
use roster_core::log::Head;
use roster_core::model::customer::{ActivityMonth, Day, Drainer, Inbox, Presence};
use roster_core::model::{
    Access, Account, AccountStatus, ApiKey, Card, ClaimName, ClaimTarget, Credential, DirectoryId, FeedKey,
    FeedLine, FeedSpan, Invitation, InvitationStatus, Inviter, Job, JobSide, Member, MemberStatus,
    Membership, Note, NoteKey, Organization, OrganizationStatus, PasswordReset, Receipt, Transfer,
    TransferState, User, UserStatus,
};
use roster_core::permission::{RoleRef, SystemRole};
use roster_core::text::ExternalId;
use roster_core::time::Timestamp;
use uuid::Uuid;

use crate::build::{
    account, account_id, api_key, api_key_id, card, change, claim, commit_id, directory_entry, email_change,
    invitation, invitation_id, job, job_part, key_end, mail, mail_id, mail_pointer, member, on_accounts,
    operator_key, organization, organization_home, organization_id, receipt, role, role_id, session,
    session_id, shown_link, text, traits, transfer, user, user_id,
};
use crate::holdings::{held_posts, holding, holding_types, posts, successions};
use crate::hooks;
use crate::stores::{START, TestStore};

pub async fn an_empty_home_reads_as_empty(at: &TestStore) {
    for home in [organization_home(1), Home::Claim(ClaimName::Slug(text("north")))] {
        let read = at.store.read(&home, &[Key::Organization, Key::Claim], &[Tally::Seats]).await.unwrap();
        assert_eq!((read.clock, read.head, read.records), (START, Head::start(&home), [].into()));
        assert_eq!(read.tallies, [(Tally::Seats, 0)].into());
        let dump = at.store.dump(&home).await.unwrap();
        assert_eq!((dump.head, dump.records.len(), dump.tallies.len()), (Head::start(&home), 0, 0));
    }
}

/// What is read of many homes at the same time, of such too as were never written to, is what each is read by itself.
pub async fn reads_that_wait_together_are_each_their_own(at: &TestStore) {
    const MADE: u64 = 6;
    for n in 1..=MADE {
        let access = on_accounts(&[(n, RoleRef::System(SystemRole::Viewer))]);
        let home = organization_home(n);
        let records = [
            Record::Organization(organization(n)),
            Record::Account(account(n)),
            Record::Member(member(n, access)),
            Record::Member(member(n + 1, on_accounts(&[]))),
            Record::ApiKey(api_key(n, on_accounts(&[(n, RoleRef::System(SystemRole::Viewer))]))),
        ];
        let draft = records.into_iter().fold(change(n, &home), crate::build::Draft::put);
        at.store.commit(&draft.done()).await.unwrap();
        let home = Home::User(user_id(n));
        let (person, membership) =
            (Record::User(user(n)), Record::Membership(Membership { organization: organization_id(n) }));
        at.store.commit(&change(n, &home).put(person).put(membership).done()).await.unwrap();
    }
    let mut asks = Vec::new();
    for n in 1..=MADE + 2 {
        let (one, other) = (Key::Member(user_id(n)), Key::Member(user_id(n + 1)));
        let (home, itself) = (organization_home(n), Key::Organization);
        let key = Key::ApiKey(api_key_id(n));
        asks.push((home.clone(), vec![itself, key, Key::Account(account_id(n)), one.clone()]));
        asks.push((home.clone(), vec![Key::Account(account_id(n + 1)), other.clone()]));
        asks.push((home, vec![other, one.clone(), one]));
        asks.push((Home::User(user_id(n)), vec![Key::User]));
        asks.push((Home::User(user_id(n)), vec![Key::Membership(organization_id(n))]));
    }
    let mut alone = Vec::new();
    for (home, keys) in &asks {
        alone.push(at.store.read(home, keys, &[]).await.unwrap());
    }
    let counts: Vec<usize> = alone.iter().map(|read| read.records.len()).collect();
    assert_eq!(counts[..5], [4, 1, 2, 1, 1], "of the first");
    assert_eq!(counts[counts.len() - 5..], [0; 5], "of who was never written to");
    let together: Vec<_> = (0..4 * asks.len())
        .map(|n| {
            let ((home, keys), store) = (asks[n % asks.len()].clone(), Arc::clone(&at.store));
            tokio::spawn(async move { store.read(&home, &keys, &[]).await })
        })
        .collect();
    for (n, read) in together.into_iter().enumerate() {
        assert_eq!(read.await.unwrap().unwrap(), alone[n % alone.len()], "{:?}", asks[n % asks.len()]);
    }
}

fn feed_lines() -> Vec<Record> {
    let span = |home, from, to| FeedSpan { home, from, to };
    let spans = vec![span(organization_home(1), 1, 7), span(Home::Deployment, 3, 3)];
    let entry = FeedLine { spans, ..FeedLine::reaching(FeedKey::entry(1), 1, START) };
    let others = [FeedKey::end(), FeedKey::gone(), FeedKey::mark(&organization_home(1))];
    let others = others.map(|key| FeedLine::reaching(key, 1, START.plus_seconds(1)));
    [entry].into_iter().chain(others).map(Record::Feed).collect()
}

/// Somebody who has signed in, at an instant finer than what people are shown.
fn signed_in() -> Actor {
    let since = Timestamp::from_micros(START.micros() + 7);
    Actor::User { user: user_id(1), via: Via::Session { session: session_id(1), since } }
}

fn source_id() -> SourceId {
    SourceId::from_uuid(organization_id(1).uuid())
}

/// What people did.
fn seen() -> Vec<Record> {
    let mut presence = Presence::new(user_id(1), Some(START));
    presence.apply(source_id(), (organization_id(7).uuid(), 3));
    let mut day = Day::default();
    day.events.insert("Opened\0".into(), 7);
    day.touch(1);
    day.sessions.insert("0123456789abcdef".into());
    let (user, month, since) = (user_id(1), 2026 * 12, None);
    vec![presence.into(), ActivityMonth { user, month, days: [(3, day)].into(), since }.into()]
}

/// What a source has sent.
fn sent() -> Vec<Record> {
    let inbox = Inbox {
        id: organization_id(3).uuid(),
        seed: [7; 32],
        seed_millis: u64::MAX >> 1,
        again: true,
        received_at: START,
        sent_at: None,
        messages: vec![(Some("track".into()), "{\"n\": 1e308}".into()), (None, "\u{1f980}".into())],
    };
    vec![inbox.into(), Drainer { holder: organization_id(4).uuid(), until: START }.into()]
}

/// Records with every field in more than one state.
#[expect(clippy::too_many_lines, reason = "a table")]
pub(super) fn records() -> Vec<(Home, Vec<Record>)> {
    let bare = |n| Member { card: Card::default(), starts_at: Some(START), ..member(n, Access::NONE) };
    let roles = [(1, RoleRef::System(SystemRole::Viewer)), (2, RoleRef::Custom(role_id(3)))];
    let unicode =
        Card {
            name: Some(text("Ünïcødé Ñame 日本")), email: Some(text("Bob@B\u{fc}cher.test")), ..card(4)
        };
    let organizations = vec![
        Record::Organization(Organization {
            purchased: None,
            external_id: None,
            posts: posts(),
            ..organization(1)
        }),
        Record::Account(Account { posts: posts(), ..account(1) }),
        Record::Account(Account { status: AccountStatus::Archived, ..account(2) }),
        Record::AccountExternalId(text("Case"), account_id(1)),
        Record::AccountExternalId(text("case"), account_id(2)),
        Record::Member(member(1, Access::Organization(RoleRef::OWNER))),
        Record::Member(Member {
            expires_at: Some(START.plus_seconds(9)),
            epoch: 3,
            ..member(2, on_accounts(&roles))
        }),
        Record::Member(Member { status: MemberStatus::Deactivated, epoch: 2, ..bare(3) }),
        Record::Member(Member { card: unicode, ..member(4, Access::NONE) }.left(START.plus_seconds(5))),
        Record::ApiKey(api_key(1, Access::Organization(RoleRef::ADMIN))),
        Record::ApiKey(ApiKey { expires_at: None, ..api_key(2, on_accounts(&roles)) }),
        Record::Transfer(transfer(1)),
        Record::Transfer(Transfer {
            state: TransferState::Pending,
            expires_at: Some(START.plus_seconds(9)),
            ..transfer(2)
        }),
        Record::HeldPosts(held_posts()),
        Record::RecordTypes(holding_types()),
        Record::Note(key_end(1)),
        Record::Note(shown_link(1)),
        Record::Successions(successions()),
        Record::Holding(holding(1, 1)),
        Record::Holding(holding(2, 2)),
        Record::Receipt(receipt(1)),
        Record::Role(role(3, Some(RoleRef::Custom(role_id(4))))),
        Record::Role(role(4, None)),
        Record::Job(Box::new(job(1))),
        Record::JobPart(job_part(1, JobSide::Input, 0)),
        Record::JobPart(job_part(1, JobSide::Results, 7)),
        Record::Invitation(invitation(1, Access::Organization(RoleRef::ADMIN))),
        Record::Invitation(Invitation {
            name: None,
            invited_by: Inviter::System,
            ..invitation(2, on_accounts(&roles))
        }),
        Record::Invitation(Invitation {
            accepted_by: Some(user_id(4)),
            invited_by: Inviter::Operator { id: None },
            ..invitation(3, Access::NONE).ended(InvitationStatus::Accepted, START.plus_seconds(1))
        }),
        Record::InvitedAddress("guest1@example.com".into(), invitation_id(1)),
        Record::InvitedAddress("Guest1@b\u{fc}cher.test".into(), invitation_id(2)),
    ];
    let organizations: Vec<Record> =
        organizations.into_iter().chain(hooks::webhooks(Some(organization_id(1)))).collect();
    let nobody = User { email: None, name: None, external_id: None, ..user(2) };
    let users = vec![
        Record::User(User {
            status: UserStatus::Erased,
            cuts: 3,
            cut_at: Some(START.plus_seconds(3)),
            traits: traits(serde_json::json!({})),
            ..nobody
        }),
        Record::Membership(roster_core::model::Membership { organization: organization_id(1) }),
        Record::Receipt(Receipt { answer: None, ..receipt(2) }),
        Record::Job(Box::new(Job { lease: None, cursor: None, actor: signed_in(), ..job(2) })),
        Record::Credential(Credential {
            password_hash: "$argon2id$v=19$m=8,t=1,p=1$c2FsdA$aGFzaA".into(),
            generation: 4,
            set_by: Some(invitation_id(1)),
            changed_at: START,
        }),
        Record::Session(session(1)),
        Record::Session(session(2)),
        Record::PasswordReset(PasswordReset {
            id: PasswordResetId::from_uuid(session_id(3).uuid()),
            created_at: START,
            expires_at: START.plus_seconds(60),
            used_at: Some(START.plus_seconds(5)),
        }),
        Record::Mail(mail(1)),
        Record::NewAddress(email_change(1)),
    ];
    let target = ClaimTarget::Organization(organization_id(1));
    let named = Home::Claim(ClaimName::OrganizationExternalId(text("A:b c")));
    let entry = roster_core::model::DirectoryEntry {
        search: vec!["b".into(), "a".into(), "b".into(), "\0x".into()],
        active: false,
        ..directory_entry(5)
    };
    let operators = [Record::OperatorKey(operator_key(1)), Record::Receipt(receipt(1))];
    let operators = operators.into_iter().chain(hooks::webhooks(None)).collect();
    vec![
        (organization_home(1), organizations),
        (Home::User(user_id(2)), users),
        (Home::Deployment, operators),
        (named, vec![Record::Claim(roster_core::model::Claim { target, ..claim(1) })]),
        (Home::directory(entry.id), vec![Record::DirectoryEntry(entry)]),
        (Home::Feed, feed_lines()),
        (Home::Activity(organization_id(1)), seen()),
        (Home::Stream(source_id(), 0), sent()),
        (mail_id(1).outbox(), vec![Record::MailPointer(mail_pointer(1))]),
        hooks::sent(),
        (
            organization_home(2),
            vec![Record::Organization(Organization {
                status: OrganizationStatus::Closed,
                ..organization(2)
            })],
        ),
    ]
}

pub async fn every_kind_of_record_comes_back_as_it_was(at: &TestStore) {
    for (home, records) in records() {
        let put = records.iter().fold(change(1, &home), |draft, record| draft.put(record.clone()));
        at.store.commit(&put.done()).await.unwrap();
    }
    for (home, records) in records() {
        let mut keys: Vec<Key> = records.iter().map(Record::key).collect();
        keys.extend([
            Key::Account(account_id(99)),
            Key::AccountExternalId(text("CASE")),
            Key::OperatorKey(crate::build::operator_key_id(9)),
        ]);
        let read = at.store.read(&home, &keys, &[]).await.unwrap();
        assert_eq!(read.records.len(), records.len(), "{home}");
        for record in records {
            let stored = &read.records[&record.key()];
            assert_eq!((&stored.record, stored.version), (&record, commit_id(1)));
        }
    }
}

pub async fn put_replaces_and_remove_removes(at: &TestStore) {
    let (store, home) = (at.store.as_ref(), organization_home(1));
    let key = Key::Member(user_id(1));
    let many = on_accounts(&[(1, RoleRef::ADMIN), (2, RoleRef::ADMIN)]);
    let one = on_accounts(&[(2, RoleRef::OWNER)]);
    let shapes = [many, Access::Organization(RoleRef::ADMIN), one, Access::NONE];
    for (n, access) in (1..).zip(shapes) {
        let it = Record::Member(member(1, access));
        store.commit(&change(n, &home).put(it.clone()).done()).await.unwrap();
        let read = store.read(&home, std::slice::from_ref(&key), &[]).await.unwrap();
        assert_eq!((&read.records[&key].record, read.records[&key].version), (&it, commit_id(n)));
    }
    store.commit(&change(9, &home).remove(key.clone()).done()).await.unwrap();
    assert_eq!(store.read(&home, &[key], &[]).await.unwrap().records, [].into());
    let everything: Vec<_> = records().swap_remove(0).1;
    let put = everything.iter().fold(change(10, &home), |draft, record| draft.put(record.clone()));
    store.commit(&put.done()).await.unwrap();
    let removed = everything.iter().fold(change(11, &home), |draft, record| draft.remove(record.key()));
    store.commit(&removed.done()).await.unwrap();
    let dump = store.dump(&home).await.unwrap();
    assert_eq!((dump.records, dump.due), (vec![], vec![]));
}

pub async fn the_due_index_follows_its_records(at: &TestStore) {
    let (store, home) = (at.store.as_ref(), organization_home(1));
    let ending = |n, seconds| Member {
        expires_at: Some(START.plus_seconds(seconds)),
        ..member(n, Access::Organization(RoleRef::ADMIN))
    };
    let line =
        |n, seconds, seats| Due { at: START.plus_seconds(seconds), key: Key::Member(user_id(n)), seats };
    let put = |n, it: Member| change(n, &home).put(Record::Member(it)).done();
    store.commit(&put(1, ending(1, 20))).await.unwrap();
    store.commit(&put(2, Member { access: Access::NONE, ..ending(2, 10) })).await.unwrap();
    store.commit(&put(3, member(3, Access::NONE))).await.unwrap();
    assert_eq!(store.dump(&home).await.unwrap().due, vec![line(2, 10, 0), line(1, 20, 1)]);
    store.commit(&put(4, ending(2, 30))).await.unwrap();
    assert_eq!(store.dump(&home).await.unwrap().due, vec![line(1, 20, 1), line(2, 30, 1)]);
    store.commit(&put(5, ending(1, 20).left(START))).await.unwrap();
    assert_eq!(store.dump(&home).await.unwrap().due, vec![line(2, 30, 1)]);
    store.commit(&change(6, &home).remove(Key::Member(user_id(2))).done()).await.unwrap();
    assert_eq!(store.dump(&home).await.unwrap().due, vec![]);
    // Seats that are held end too, and keys, and are listed with whatever else does.
    let hold = |batch: u128, seconds, seats| {
        let (batch, until) = (Uuid::from_u128(batch), START.plus_seconds(seconds));
        Record::Note(Note::SeatHold { batch, seats, until })
    };
    let draft = change(7, &home).put(hold(1, 20, 5)).put(hold(2, 10, 7)).put(Record::Member(ending(3, 15)));
    store.commit(&draft.put(Record::Note(key_end(1))).done()).await.unwrap();
    let key = Due { at: START.plus_seconds(12), key: Key::Note(key_end(1).key()), seats: 0 };
    let ends = |batch: u128, seconds, seats| Due {
        at: START.plus_seconds(seconds),
        key: Key::Note(NoteKey::SeatHold(Uuid::from_u128(batch))),
        seats,
    };
    let due = store.dump(&home).await.unwrap().due;
    assert_eq!(due, vec![ends(2, 10, 7), key, line(3, 15, 1), ends(1, 20, 5)]);
    let listing = Listing::Due { home: home.clone(), until: START.plus_seconds(15) };
    let found = store.list(&listing, &PageRequest { after: None, limit: 9 }).await.unwrap();
    let found: Vec<_> = found.rows.into_iter().map(|row| row.stored.record).collect();
    assert_eq!(found, vec![hold(2, 10, 7), Record::Note(key_end(1)), Record::Member(ending(3, 15))]);
    let gone = change(8, &home).put(hold(2, 30, 6)).remove(Key::Note(NoteKey::SeatHold(Uuid::from_u128(1))));
    store.commit(&gone.remove(Key::Note(key_end(1).key())).done()).await.unwrap();
    assert_eq!(store.dump(&home).await.unwrap().due, vec![line(3, 15, 1), ends(2, 30, 6)]);
}

pub async fn a_dump_holds_everything_but_the_log(at: &TestStore) {
    for (home, records) in records() {
        let put = records.iter().fold(change(1, &home), |draft, record| draft.put(record.clone()));
        at.store.commit(&put.add(Tally::Seats, 3, 0..=9).done()).await.unwrap();
        let mut expected = records;
        expected.sort_by_key(Record::key);
        let mut due: Vec<Due> = expected.iter().filter_map(Record::due).collect();
        due.sort();
        let dump = at.store.dump(&home).await.unwrap();
        assert!(dump.records.iter().all(|stored| stored.version == commit_id(1)));
        assert_eq!(dump.records.into_iter().map(|stored| stored.record).collect::<Vec<_>>(), expected);
        assert_eq!((dump.tallies, dump.due), ([(Tally::Seats, 3)].into(), due));
        assert_eq!(dump.head.seq, u64::from(home.has_log()));
    }
}

pub async fn homes_come_in_the_order_of_their_printed_form(at: &TestStore) {
    let store = at.store.as_ref();
    for (n, (home, records)) in (1..).zip(records()) {
        let put = records.iter().fold(change(n, &home), |draft, record| draft.put(record.clone()));
        store.commit(&put.done()).await.unwrap();
    }
    let released = Home::Claim(ClaimName::Email("a".into()));
    store.commit(&change(1, &released).put(Record::Claim(claim(1))).done()).await.unwrap();
    store.commit(&change(2, &released).remove(Key::Claim).done()).await.unwrap();
    let mut expected: Vec<Home> = records().into_iter().map(|(home, _)| home).collect();
    expected.sort_by_key(ToString::to_string);
    let (mut found, mut after): (Vec<Home>, Option<Home>) = (Vec::new(), None);
    loop {
        let page = store.homes(after.as_ref(), 2).await.unwrap();
        assert!(page.len() <= 2);
        let Some(last) = page.last() else { break };
        after = Some(last.clone());
        found.extend(page);
    }
    assert_eq!(found, expected, "all that hold anything, and not the claim that was let go");
}

pub async fn a_store_answers_ping(at: &TestStore) {
    assert_eq!(at.store.ping().await, Ok(()));
    let absent: ExternalId = text("x");
    assert_eq!(
        at.store.read(&organization_home(1), &[Key::AccountExternalId(absent)], &[]).await.unwrap().records,
        [].into()
    );
    let elsewhere = Key::DirectoryEntry(DirectoryId::User(user_id(1)));
    assert_eq!(at.store.read(&Home::Deployment, &[elsewhere], &[]).await.unwrap().records, [].into());
}
