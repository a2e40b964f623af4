//! A deployment of real life, copied from every store to every other one.
#![expect(clippy::unwrap_used, reason = "these are the bodies of tests")]

use std::path::Path;
use std::sync::Arc;

use roster_core::actor::Actor;
use roster_core::copy::{Copied, CopyError, Step, copy};
use roster_core::facts::Request;
use roster_core::flows::import::{ImportOptions, parse_members};
use roster_core::flows::{begin_import, resolve_organization};
use roster_core::home::{Home, Record};
use roster_core::id::OrganizationId;
use roster_core::jobs::Worker;
use roster_core::listing::{Listing, MemberSort, PageRequest, Row, Scope};
use roster_core::load::{Load, Part};
use roster_core::model::DirectoryKind;
use roster_core::op::Roster;
use roster_core::store::Store;
use roster_core::verify::verify_all;
use roster_tests::build::{change, organization_home};
use roster_tests::holdings::holding;
use roster_tests::http::{Service, text};
use roster_tests::stores::{CountingEntropy, TestStore, fresh, selected};
use serde_json::json;

/// Set to take the whole file of members.
const WHOLE: &str = "ROSTER_TEST_WHOLE_FILE";
const CLOUD: &str = "/v1/organizations/ext:cloud";

/// An organization with the members of the file, of all of it or of so many rows, and one who has left; and an admin
/// who holds records and has invited somebody into a role of the organization's own.
async fn real_life(rows: usize) -> (Service, OrganizationId) {
    let service = Service::on("memory").await;
    let owner = json!({"name": "Cloud", "external_id": "cloud", "owner": {"email": "owner@example.com"}});
    service.operator().post("/v1/organizations", owner).await.is(201);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/organization-members.csv");
    let file = std::fs::read(file).unwrap();
    let lines = parse_members(&file).unwrap().take(rows);
    let roster = &service.roster;
    let organization = resolve_organization(roster, &"ext:cloud".parse().unwrap()).await.unwrap();
    let request = Request::new(Actor::CLI, roster.entropy.as_ref());
    let options = ImportOptions { create_accounts: true, dry_run: false };
    begin_import(roster, &request, organization, lines, options).await.unwrap();
    Worker::new(roster.clone(), Arc::default()).work_off().await.unwrap();
    let operator = service.operator();
    operator.delete(&format!("{CLOUD}/members/ext:amberlemur")).await.is(200);
    let access = |role: &str| json!({"type": "organization", "role": role});
    for person in ["nils", "nora"] {
        let body = json!({
            "email": format!("{person}@example.com"), "external_id": person, "access": access("admin"),
        });
        operator.post(&format!("{CLOUD}/members"), body).await.is(201);
    }
    for n in 0..2 {
        let path = format!("{CLOUD}/records/deal/{n}");
        operator.put(&path, json!({"owner": "ext:nils"})).await.is(201);
    }
    let nils = service.user("ext:nils");
    let role = json!({"name": "Support", "permissions": ["members:read"]});
    let role = text(&nils.post(&format!("{CLOUD}/roles"), role).await.is(201), "/id");
    for name in ["rita", "rob"] {
        let body = json!({"email": format!("{name}@example.com"), "access": access(&role)});
        nils.post(&format!("{CLOUD}/invitations"), body).await.is(201);
    }
    (service, organization)
}

/// Every row of what people list.
async fn listed(store: &dyn Store, organization: OrganizationId) -> Vec<Row> {
    let members = |sort, q: Option<&str>| Listing::Members {
        organization,
        status: None,
        account: None,
        role: None,
        q: q.map(str::to_owned),
        sort,
        descending: false,
        scope: Scope::All,
    };
    let mut rows = Vec::new();
    for listing in [
        members(MemberSort::Email, None),
        members(MemberSort::Id, Some("noble")),
        Listing::Accounts { organization, status: None, scope: Scope::All },
        Listing::Directory { kind: DirectoryKind::Users, active: None, q: None },
    ] {
        let mut after = None;
        loop {
            let page = store.list(&listing, &PageRequest { after, limit: 200 }).await.unwrap();
            rows.extend(page.rows);
            after = rows.last().filter(|_| page.more).map(|row| row.position.clone());
            if after.is_none() {
                break;
            }
        }
    }
    rows
}

async fn copied(from: &dyn Store, to: &dyn Store) -> Copied {
    copy(from, to, &|| true, &mut |_| {}).await.unwrap()
}

async fn is_clean(test: &TestStore, like: &Roster) {
    let roster = Roster { store: Arc::clone(&test.store), ..like.clone() };
    let verdict = verify_all(&roster, &mut |_| {}).await.unwrap();
    assert_eq!(verdict.findings, [], "on {}", test.name);
}

/// On a copy people go on: an invitation is taken back, and who leaves hands over their records.
async fn goes_on(test: TestStore, like: &Roster) {
    let (name, entropy) = (test.name, CountingEntropy::after(Arc::clone(&test.clock), 1 << 32));
    let roster = Roster { store: Arc::clone(&test.store), entropy: Arc::new(entropy), ..like.clone() };
    let service = Service::over(test, roster).await;
    let operator = service.operator();
    let pending = operator.get(&format!("{CLOUD}/invitations")).await.is(200);
    let id = text(&pending, "/data/0/id");
    operator.delete(&format!("{CLOUD}/invitations/{id}")).await.is(204);
    let plan = format!("{CLOUD}/members/ext:nils/leaving-plan");
    let shown = operator.get(&plan).await.is(200);
    let told = (&shown["records"], &shown["pending_invitations"]);
    assert_eq!(told, (&json!({"deal": 2}), &json!(1)), "on {name}");
    let body = json!({
        "mode": "remove", "revision": shown["revision"], "records_to": "ext:nora", "invitations": "revoke",
    });
    operator.post(&plan, body).await.is(200);
    Worker::new(service.roster.clone(), Arc::default()).work_off().await.unwrap();
    let heir = operator.get("/v1/users/ext:nora").await.is(200);
    let deal = operator.get(&format!("{CLOUD}/records/deal/1")).await.is(200);
    assert_eq!(deal["owner"], heir["id"], "on {name}");
    is_clean(&service.test, &service.roster).await;
}

/// X5: nothing is lost or changed between any two stores, in either direction, be they of one kind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn x5_every_store_is_copied_to_every_other_one() {
    let (service, organization) = real_life(50).await;
    let source = service.roster.store.as_ref();
    let expected = listed(source, organization).await;
    assert!(expected.len() > 80);
    for from in selected() {
        let first = fresh(from).await;
        let all = copied(source, first.store.as_ref()).await;
        assert!(all.entries > 50 && all.records > all.homes, "{all:?}");
        // To another of its own kind as well: another file, database or prefix.
        for to in selected() {
            println!("from {from} to {to}");
            let second = fresh(to).await;
            assert_eq!(copied(first.store.as_ref(), second.store.as_ref()).await, all);
            assert_eq!(listed(second.store.as_ref(), organization).await, expected);
            is_clean(&second, &service.roster).await;
            if to != from {
                goes_on(second, &service.roster).await;
            }
        }
    }
}

/// X5: a part of the file, or all of it, goes from store to store, through all of them, and comes out as it went in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn x5_real_life_goes_through_every_store() {
    let rows = if std::env::var_os(WHOLE).is_some() { usize::MAX } else { 700 };
    let (service, organization) = real_life(rows).await;
    let expected = listed(service.roster.store.as_ref(), organization).await;
    assert!(expected.len() > if rows > 2_666 { 3_000 } else { 800 }, "{}", expected.len());
    let mut from = Arc::clone(&service.roster.store);
    let mut passed = Vec::new();
    for to in selected() {
        let next = fresh(to).await;
        let all = copied(from.as_ref(), next.store.as_ref()).await;
        assert!(all.entries > 400, "{all:?}");
        from = Arc::clone(&next.store);
        passed.push(next);
    }
    let last = passed.last().unwrap();
    assert_eq!(listed(last.store.as_ref(), organization).await, expected);
    is_clean(last, &service.roster).await;
}

/// X5: a tally that is not the same is noticed, also one about a person.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn x5_a_tally_that_differs_is_noticed() {
    let (source, target) = (fresh("memory").await, fresh("memory").await);
    let owned = Record::Holding(holding(1, 1));
    let (tally, _) = owned.weighs()[0];
    for n in 1..=2 {
        let set = change(n, &organization_home(n)).put(owned.clone()).add(tally, 1, 0..=9);
        source.store.commit(&set.done()).await.unwrap();
    }
    let late = Part { tallies: [(tally, 7)].into(), ..Part::of(organization_home(2)) };
    let outcome = copy(source.store.as_ref(), target.store.as_ref(), &|| true, &mut |step| {
        if step == Step::Compared(1, 2) {
            tokio::task::block_in_place(|| {
                let counting = target.store.load(Load::Parts(std::slice::from_ref(&late)));
                tokio::runtime::Handle::current().block_on(counting).unwrap();
            });
        }
    })
    .await;
    let Err(CopyError::Differs { home, .. }) = outcome else { panic!("{outcome:?}") };
    assert_eq!(home, organization_home(2));
}

/// X5: what is written while a copy is under way is noticed, and the home is named.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn x5_what_is_written_meanwhile_is_noticed() {
    for name in selected() {
        let (source, target) = (fresh(name).await, fresh(name).await);
        for n in 1..=3 {
            source.store.commit(&change(n, &organization_home(n)).done()).await.unwrap();
        }
        let writing = Arc::clone(&source.store);
        let late = organization_home(2);
        let mut written = false;
        let outcome = copy(source.store.as_ref(), target.store.as_ref(), &|| true, &mut |step| {
            // The second home is copied by now and not compared yet.
            if step == Step::Copied(3) && !written {
                written = true;
                let (writing, set) = (Arc::clone(&writing), change(9, &late).done());
                tokio::task::block_in_place(|| {
                    tokio::runtime::Handle::current().block_on(writing.commit(&set)).unwrap();
                });
            }
        })
        .await;
        let Err(CopyError::Differs { home, detail }) = outcome else { panic!("{name}: {outcome:?}") };
        assert_eq!(home, organization_home(2));
        assert!(detail.contains("2 log entries") && detail.contains("1 log entries"), "{detail}");
        let again = copy(source.store.as_ref(), target.store.as_ref(), &|| true, &mut |_| {}).await;
        assert!(matches!(again, Err(CopyError::NotEmpty)), "{name}: {again:?}");
        let going_on = target.store.load(Load::Parts(&[])).await;
        assert_eq!(going_on, Ok(()), "{name}: the target keeps the mark of half a deployment");
    }
}

/// X5: what was copied while somebody else may have come in is not opened.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn x5_a_copy_that_was_not_alone_keeps_the_mark_of_half_a_deployment() {
    for name in selected() {
        let (source, target) = (fresh(name).await, fresh(name).await);
        source.store.commit(&change(1, &organization_home(1)).done()).await.unwrap();
        let outcome = copy(source.store.as_ref(), target.store.as_ref(), &|| false, &mut |_| {}).await;
        assert_eq!(outcome, Err(CopyError::NotAlone), "{name}");
        let going_on = target.store.load(Load::Parts(&[])).await;
        assert_eq!(going_on, Ok(()), "{name}: the target keeps the mark of half a deployment");
    }
}

/// X5: a home that came or went is named too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn x5_a_home_that_comes_meanwhile_is_noticed() {
    let (source, target) = (fresh("memory").await, fresh("memory").await);
    source.store.commit(&change(1, &organization_home(1)).done()).await.unwrap();
    let writing = Arc::clone(&source.store);
    let outcome = copy(source.store.as_ref(), target.store.as_ref(), &|| true, &mut |step| {
        if step == Step::Copied(1) {
            let (writing, set) = (Arc::clone(&writing), change(2, &Home::Deployment).done());
            tokio::task::block_in_place(|| {
                tokio::runtime::Handle::current().block_on(writing.commit(&set)).unwrap();
            });
        }
    })
    .await;
    let Err(CopyError::Differs { home, detail }) = outcome else { panic!("{outcome:?}") };
    assert_eq!((home, detail.as_str()), (Home::Deployment, "it is only in the first"));
}
