//! Everything that tests share: stores to run on, records and worlds to put in them, callers of the API, and the
//! cases that every store must pass.

pub mod build;
pub mod conformance;
pub mod contract;
pub mod crash;
pub mod databases;
pub mod gate;
pub(crate) mod held;
pub mod holdings;
pub mod hooks;
pub mod http;
pub mod keyspaces;
pub mod load;
pub mod mailbox;
pub mod private_server;
pub mod proxy;
pub mod races;
pub mod receiver;
pub mod redis_cluster;
pub mod replicas;
pub mod stores;
pub mod world;
