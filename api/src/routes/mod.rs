//! Routes by resource. Each extracts, runs one operation, flow or read of the core, and maps the answer.

pub mod account;
pub mod activity;
pub mod api_key;
pub mod audit;
pub mod check;
pub mod email_change;
pub mod erasure;
pub mod event;
pub mod health;
pub mod ingest;
pub mod invitation;
pub mod job;
pub mod leaving;
pub mod lifecycle;
pub mod mapping;
pub mod member;
pub mod organization;
pub mod ownership;
pub mod password_reset;
pub mod post;
pub mod record;
pub mod report;
pub mod role;
pub mod session;
pub mod source;
pub mod user;
pub mod view;
pub mod webhook;

use crate::route::Route;

/// The query parameters of every list.
pub const PAGE: &[(&str, &str)] = &[
    ("limit", "How many rows at the most, 1 to 200; 50 if left out."),
    ("cursor", "The `next_cursor` of the page before."),
];

/// Every route of the API.
pub fn all() -> Vec<Route> {
    [
        organization::routes(),
        account::routes(),
        post::routes(),
        leaving::routes(),
        record::routes(),
        erasure::routes(),
        member::routes(),
        lifecycle::routes(),
        user::routes(),
        role::routes(),
        api_key::routes(),
        check::routes(),
        audit::routes(),
        event::routes(),
        job::routes(),
        session::routes(),
        password_reset::routes(),
        email_change::routes(),
        invitation::routes(),
        source::routes(),
        ingest::routes(),
        activity::routes(),
        mapping::routes(),
        report::routes(),
        view::routes(),
        webhook::routes(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
