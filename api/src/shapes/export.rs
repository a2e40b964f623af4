//! Everything about a person, as one JSON object that is written piece by piece.

use std::fmt::Write as _;

use roster_core::model::customer::SaidName;
use roster_core::model::{EmailChange, Invitation, Letter};
use roster_core::reads::{ExportedOrganization, JobItem, Message, Piece, Section, WaitingLetter};
use serde_json::{Value, json};

use super::customer::as_it_came;
use super::leaving::{post, record};
use super::{api_key, audit, customer, invitation, job, member, session, user};

/// Writes the pieces of an export, in the order in which they come.
#[derive(Debug, Default)]
pub struct ExportWriter {
    /// The list that is open.
    open: Option<&'static str>,
    /// Whether it has a row already.
    rows: bool,
    /// How many organizations have begun.
    organizations: u64,
    /// Whose they are, for shapes that say so.
    organization: Option<roster_core::id::OrganizationId>,
}

impl ExportWriter {
    /// The text of a piece: together they are one JSON object.
    pub fn text(&mut self, piece: &Piece) -> String {
        match piece {
            Piece::User(it) => format!("{{\"user\":{}", user(it)),
            Piece::EmailChange(it) => format!(",\"email_change\":{}", email_change(it.as_ref())),
            Piece::TraitTimes(times) => format!(",\"trait_times\":{}", json!(times)),
            Piece::SaidName(name) => said_name(name),
            Piece::Rows(section) => self.section(section),
            Piece::Organization(it) => self.begin(it),
            Piece::OrganizationsEnd => {
                let mut text = self.closed();
                text.push_str(if self.organizations > 0 { "}]" } else { ",\"organizations\":[]" });
                text
            }
            // White space between two parts: nobody takes the silence for an end.
            Piece::Nothing => "\n".to_owned(),
            Piece::End => self.closed() + "}\n",
        }
    }

    fn begin(&mut self, it: &ExportedOrganization) -> String {
        let mut text = self.closed();
        text.push_str(if self.organizations > 0 { "}," } else { ",\"organizations\":[" });
        self.organizations += 1;
        self.organization = Some(it.organization.id);
        // Its lists follow in the same object.
        text.push_str(head(it).to_string().trim_end().strip_suffix('}').unwrap_or_default());
        text
    }

    fn closed(&mut self) -> String {
        if self.open.take().is_some() { "]".to_owned() } else { String::new() }
    }

    fn section(&mut self, section: &Section) -> String {
        let (name, rows) = self.shaped(section);
        let mut text = String::new();
        if self.open != Some(name) {
            text = self.closed();
            write!(text, ",\"{name}\":[").ok();
            (self.open, self.rows) = (Some(name), false);
        }
        for row in rows {
            write!(text, "{}{row}", if self.rows { "," } else { "" }).ok();
            self.rows = true;
        }
        text
    }

    fn shaped(&self, section: &Section) -> (&'static str, Vec<Value>) {
        let of = self.organization;
        match section {
            Section::Sessions(rows) => ("sessions", rows.iter().map(|it| session(it, None)).collect()),
            Section::Mail(rows) => ("mail", rows.iter().map(letter).collect()),
            Section::Jobs(rows) => ("jobs", rows.iter().map(job).collect()),
            Section::JobItems(rows) => ("job_items", rows.iter().map(job_item).collect()),
            Section::Audit(rows) => ("audit", rows.iter().map(audit).collect()),
            Section::Records(rows) => ("records", rows.iter().map(record).collect()),
            Section::ApiKeys(rows) => {
                ("api_keys", rows.iter().map(|it| api_key(&it.key, it.last_used_at)).collect())
            }
            Section::Invitations(rows) => {
                let shape = |it| of.map_or(Value::Null, |of| invitation(of, it));
                ("invitations", rows.iter().map(shape).collect())
            }
            Section::InvitationsSent(rows) => ("invitations_sent", rows.iter().map(sent).collect()),
            Section::Activity(rows) => ("activity", rows.iter().map(customer::activity).collect()),
            Section::Messages(rows) => ("messages", rows.iter().map(message).collect()),
        }
    }
}

/// What is no list of an organization.
fn head(it: &ExportedOrganization) -> Value {
    let id = it.organization.id;
    let presence = it.presence.as_ref().map(|seen| {
        json!({
            "first_seen_at": seen.first_seen_at, "last_seen_at": seen.last_seen_at, "sessions": seen.sessions,
            "last_message_received_at": seen.last_message_received_at,
            "last_message_sent_at": seen.last_message_sent_at,
        })
    });
    json!({
        "organization": {"id": id, "name": it.organization.name},
        "member": it.member.as_ref().map(|found| member(id, found)),
        "posts": it.posts.iter().map(post).collect::<Vec<_>>(),
        "posts_awaited": it.awaited.iter().map(post).collect::<Vec<_>>(),
        "presence": presence,
    })
}

fn said_name(it: &SaidName) -> String {
    let by: Vec<Value> = (it.by.iter())
        .map(|(source, said)| json!({"source": source, "name": said.name, "at": said.last}))
        .collect();
    format!(",\"said_name\":{},\"said_names\":{}", json!(it.said), json!(by))
}

fn email_change(it: Option<&EmailChange>) -> Value {
    let Some(it) = it else { return Value::Null };
    let before: Vec<Value> = it.done.iter().map(|done| json!({"from": done.from, "at": done.at})).collect();
    json!({
        "from": it.from, "to": it.to, "created_at": it.created_at, "expires_at": it.expires_at,
        "used_at": it.used_at, "before": before,
    })
}

fn letter(it: &WaitingLetter) -> Value {
    let kind = match it.letter {
        Some(Letter::Invitation { .. }) => "invitation",
        Some(Letter::PasswordReset { .. }) | None => "password_reset",
        Some(Letter::EmailChange { .. }) => "email_change",
        Some(Letter::EmailChanged { .. }) => "email_changed",
        Some(Letter::OwnershipTransferred { .. }) => "ownership_transferred",
        Some(Letter::Alert { .. }) => "alert",
    };
    json!({"kind": kind, "asked_by": it.asked_by, "created_at": it.created_at})
}

fn job_item(it: &JobItem) -> Value {
    let line = serde_json::from_str::<Value>(&it.item).ok().filter(Value::is_object);
    json!({
        "job_id": it.job, "item": line.unwrap_or_else(|| it.item.clone().into()),
        "status": it.outcome.as_ref().map(|outcome| outcome.status.name()),
        "code": it.outcome.as_ref().and_then(|outcome| outcome.code.clone()),
    })
}

/// Without the address, which is somebody else's.
fn sent(it: &Invitation) -> Value {
    json!({
        "id": it.id, "access": it.access, "status": it.status, "expires_at": it.expires_at,
        "created_at": it.created_at,
    })
}

fn message(it: &Message) -> Value {
    let payload = as_it_came(&it.payload);
    json!({"source_id": it.source, "received_at": it.received_at, "reason": it.reason, "payload": payload})
}
