//! Operations: one file each, holding request, state, load, decide and its tests.

pub mod account;
pub mod api_key;
pub mod customer;
pub mod feed;
pub mod invitation;
pub mod job;
pub mod leaving;
pub mod mail;
pub mod member;
pub mod operator_key;
pub mod organization;
pub mod ownership;
pub mod pointer;
pub mod post;
pub(crate) mod receipt;
pub mod record;
pub mod role;
pub mod session;
pub mod source;
pub mod stream;
pub mod user;
pub mod webhook;
