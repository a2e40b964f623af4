//! The HTTP API as its clients see it, on every store.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod access;
mod addresses;
mod audit;
mod batches;
mod check;
mod contract;
mod conventions;
mod couriers;
mod cuts;
mod deliveries;
mod economy;
mod erasure;
mod events;
mod faults;
mod feed;
mod invitations;
mod invitees;
mod inviters;
mod isolation;
mod keys;
mod last_uses;
mod leaving;
mod lifecycle;
mod limits;
mod lists;
mod mail;
mod metrics;
mod offers;
mod ownership;
mod pages;
mod posts;
mod races;
mod receipts;
mod records;
mod removal;
mod resets;
mod roles;
mod seats;
mod sessions;
mod shown_links;
mod timing;
mod users;
mod versions;
mod webhooks;
mod worlds;

use std::sync::Arc;

use roster_core::jobs::Worker;
use roster_core::store::Clock as _;
use roster_core::verify::verify_all;
use roster_tests::world::World;
use serde_json::{Value, json};

/// No invariant is broken.
async fn verified(world: &World) {
    let verdict = verify_all(&world.service.roster, &mut |_| {}).await.unwrap();
    assert_eq!(verdict.findings, []);
}

/// Does the jobs that wait.
async fn work_off(world: &World) {
    Worker::new(world.service.roster.clone(), Arc::default()).work_off().await.unwrap();
}

/// The instant so many seconds from now.
fn later(world: &World, seconds: i64) -> Value {
    json!(world.test().clock.now().plus_seconds(seconds))
}
