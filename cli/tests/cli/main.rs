//! The real program on a real store, each test in a folder of its own.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod demo;
mod follow;
mod full;
mod import;
mod jobs;
mod kill;
mod leavers;
mod lists;
mod logs;
mod nouns;
mod people;
mod place;
#[expect(dead_code, reason = "the tests of the stores need more of it")]
#[path = "../../../tests/src/private_server/mod.rs"]
mod private_server;
mod readme;
mod rolling;
mod serve;
mod server;
mod settings;
mod stop;
mod storage;
mod stores;
mod usage;
mod webhooks;
