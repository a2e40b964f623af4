//! The world that most tests begin with is copied from memory: it is what requests would have made on each store.

use roster_core::home::Home;
use roster_core::log::{LogFilter, Logged};
use roster_core::store::{Dump, Store};
use roster_core::verify::verify_all;
use roster_tests::http::Service;
use roster_tests::stores::selected;
use roster_tests::world::World;
use serde_json::{Value, json};

/// Everything that a store holds but the commits it remembers.
async fn held(store: &dyn Store) -> Vec<(Home, Dump, Vec<Logged>)> {
    let mut held = Vec::new();
    let homes = store.homes(None, u16::MAX).await.unwrap();
    for home in homes {
        let log = store.log(&home, 0, u16::MAX, &LogFilter::ALL).await.unwrap();
        let dump = store.dump(&home).await.unwrap();
        held.push((home, dump, log));
    }
    held
}

/// What indexes find, and what is allowed by all of it.
async fn shown(world: &World) -> Vec<Value> {
    let operator = world.operator();
    let mut shown = Vec::new();
    for path in [
        "organizations/ext:cloud/members?limit=200",
        "organizations/ext:cloud/accounts?limit=200",
        "users?q=no",
    ] {
        shown.push(operator.get(&format!("/v1/{path}")).await.is(200));
    }
    for user in ["ext:nora", "ext:fred"] {
        let asked = json!({"user": user, "permission": "members:read", "account": "ext:north", "organization": "ext:cloud"});
        shown.push(operator.post("/v1/check", asked).await.is(200));
    }
    shown
}

async fn is_clean(world: &World) {
    let verdict = verify_all(&world.service.roster, &mut |_| {}).await.unwrap();
    assert_eq!(verdict.findings, [], "on {}", world.test().name);
}

#[tokio::test]
async fn a_copied_world_is_the_one_that_requests_make() {
    for store in selected() {
        let made = World::of(Service::on(store).await).await;
        is_clean(&made).await;
        let shown = shown(&made).await;
        let (copied, mailed) = (World::on(store).await, World::with_mail(store).await.0);
        let expected = held(&*made.test().store).await;
        assert!(expected.len() > 10);
        for world in [&copied, &mailed, &World::with_webhooks(store).await] {
            assert_eq!(held(&*world.test().store).await, expected, "on {store}");
            is_clean(world).await;
            assert_eq!(self::shown(world).await, shown, "on {store}");
        }
        // It draws next what the one that was made does; a copy of it draws what neither has drawn, since a commit whose id
        // is known is not done again.
        let again = copied.copied().await;
        let [made, copied, again] =
            [&made, &copied, &again].map(|world| world.service.roster.entropy.bytes());
        assert_eq!(made, copied, "on {store}");
        assert_ne!(copied, again, "on {store}");
        let (service, mailbox) = Service::with_mail(store).await;
        let made = World::of(service).await;
        assert_eq!(held(&*made.test().store).await, expected, "with mail, on {store}");
        assert_eq!(mailbox.collect(&made.service.roster).await, []);
        let made = World::of(Service::with_webhooks(store, true).await).await;
        assert_eq!(held(&*made.test().store).await, expected, "with webhooks, on {store}");
    }
}
