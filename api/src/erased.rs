//! Answers that are given again hold nothing of people who were erased meanwhile (rule L5).

use std::collections::BTreeSet;

use axum::body::{Body, to_bytes};
use axum::http::header;
use axum::response::Response;
use roster_core::home::{Home, Key, Record};
use roster_core::id::UserId;
use roster_core::model::UserStatus;
use roster_core::op::Roster;
use serde_json::{Value, json};

use crate::error::Problem;

/// The most bytes of an answer that is given again.
const MOST: usize = 16 * 1024 * 1024;

/// An answer as it is, unless it is one from before.
pub async fn without_erased(roster: &Roster, response: Response) -> Result<Response, Problem> {
    if !response.headers().contains_key("idempotency-replayed") {
        return Ok(response);
    }
    let (mut parts, body) = response.into_parts();
    let bytes = to_bytes(body, MOST).await.unwrap_or_default();
    let Ok(mut shown) = serde_json::from_slice::<Value>(&bytes) else {
        return Ok(Response::from_parts(parts, Body::from(bytes)));
    };
    let mut people = BTreeSet::new();
    named(&shown, &mut people);
    let mut changed = false;
    for user in people {
        let read = roster.store.read(&Home::User(user), &[Key::User], &[]).await?;
        let found = read.records.get(&Key::User).map(|stored| &stored.record);
        if matches!(found, Some(Record::User(it)) if it.status == UserStatus::Erased) {
            blank(&mut shown, user);
            changed = true;
        }
    }
    let body = if changed { Body::from(shown.to_string()) } else { Body::from(bytes) };
    parts.headers.remove(header::CONTENT_LENGTH);
    Ok(Response::from_parts(parts, body))
}

/// Whom an object is about, if it is about a person.
fn person(fields: &serde_json::Map<String, Value>) -> Option<UserId> {
    ["user_id", "id"].iter().find_map(|name| fields.get(*name)?.as_str()?.parse().ok())
}

fn named(shown: &Value, people: &mut BTreeSet<UserId>) {
    match shown {
        Value::Object(fields) => {
            people.extend(person(fields));
            fields.values().for_each(|value| named(value, people));
        }
        Value::Array(rows) => rows.iter().for_each(|value| named(value, people)),
        _ => {}
    }
}

fn blank(shown: &mut Value, user: UserId) {
    match shown {
        Value::Object(fields) => {
            if person(fields) == Some(user) {
                for name in ["email", "name", "external_id"] {
                    fields.entry(name).and_modify(|value| *value = Value::Null);
                }
                if fields.contains_key("traits") {
                    fields.insert("traits".to_owned(), json!({}));
                    fields.insert("status".to_owned(), json!(UserStatus::Erased));
                }
            }
            fields.values_mut().for_each(|value| blank(value, user));
        }
        Value::Array(rows) => rows.iter_mut().for_each(|value| blank(value, user)),
        _ => {}
    }
}
