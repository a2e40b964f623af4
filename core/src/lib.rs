//! Roster's core: who is in which account, as what, who owns the account, and how people leave.
//!
//! Operations decide ([`op`]), stores keep ([`store`]), front ends call [`op::run`] or a flow. No rule lives outside
//! this crate.

pub mod actor;
pub mod copy;
pub mod facts;
pub mod feed;
pub mod flows;
pub mod gather;
pub mod health;
pub mod home;
pub mod id;
pub mod ingest;
pub mod jobs;
pub mod judge;
pub mod known;
pub mod limits;
pub mod listing;
pub mod load;
pub mod log;
pub mod mail;
pub mod memory;
pub mod model;
pub mod news;
pub mod observe;
pub mod op;
pub mod ops;
pub mod overlay;
pub mod permission;
pub mod policy;
pub mod presence;
pub mod reads;
pub mod reference;
pub mod refusal;
pub mod report;
pub mod secret;
pub mod settle;
pub mod sign_in;
pub mod stop;
pub mod store;
pub mod text;
pub mod time;
pub mod verify;
pub mod watch;
pub mod webhooks;
