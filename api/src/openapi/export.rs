//! The schema of everything about a person.

use serde_json::{Value, json};

use super::leaving::post;
use super::schema::{count, id, list, name, object, of, one_of, or_null, text, time};

/// Everything about a person.
pub(super) fn user_export() -> Value {
    object(
        "Everything that is kept about a person.",
        vec![
            ("user", of("User"), "The person."),
            ("email_change", or_null(export_email_change()), "The last change of their address."),
            (
                "trait_times",
                json!({"type": "object", "additionalProperties": time()}),
                "When sources last set which field or trait.",
            ),
            ("said_name", or_null(text("Ada Lovelace")), "The name that sources last said of them."),
            ("said_names", list(said_name()), "The name that each source says of them."),
            ("sessions", list(of("Session")), "Their sessions."),
            ("mail", list(export_letter()), "Letters to them that wait."),
            ("jobs", list(of("Job")), "Jobs about them."),
            (
                "job_items",
                list(export_job_item()),
                "What jobs gave that names them, and what those took that have not ended.",
            ),
            (
                "audit",
                list(of("AuditEvent")),
                "What the trail of the person and of the deployment says of them.",
            ),
            ("organizations", list(exported_organization()), "Organization by organization."),
            ("messages", list(export_message()), "What sources have sent about them, and is not applied."),
        ],
    )
}

fn said_name() -> Value {
    object(
        "A name that a source says.",
        vec![
            ("source", id("src"), "Which source."),
            ("name", name("Ada Lovelace"), "The name."),
            ("at", time(), "As of when it said so."),
        ],
    )
}

fn exported_organization() -> Value {
    let organization =
        object("Which.", vec![("id", id("org"), "Its id."), ("name", name("Cloud"), "Its name.")]);
    object(
        "What is kept of them in one organization.",
        vec![
            ("organization", organization, "Which."),
            ("member", or_null(of("Member")), "How they stand there."),
            ("posts", list(post()), "Posts that they hold."),
            ("posts_awaited", list(post()), "Posts that wait for whoever bears their external id."),
            ("presence", or_null(export_presence()), "When they were seen there."),
            ("records", list(of("Record")), "Records that they own."),
            ("api_keys", list(of("ApiKey")), "Their personal keys."),
            ("invitations", list(of("Invitation")), "Invitations of their addresses."),
            ("invitations_sent", list(export_sent()), "Invitations that they stand for."),
            ("mail", list(export_letter()), "Letters to them that wait."),
            ("jobs", list(of("Job")), "Jobs that they asked for."),
            (
                "job_items",
                list(export_job_item()),
                "What jobs gave that names them, and what those took that have not ended.",
            ),
            ("activity", list(of("Activity")), "What they did, by event and day."),
            ("audit", list(of("AuditEvent")), "What was done by and to them."),
        ],
    )
}

fn export_presence() -> Value {
    let at = || or_null(time());
    object(
        "When somebody was seen.",
        vec![
            ("first_seen_at", at(), "First."),
            ("last_seen_at", at(), "Last."),
            ("sessions", count(0), "In how many sessions."),
            ("last_message_received_at", at(), "When they last wrote."),
            ("last_message_sent_at", at(), "When they were last written to."),
        ],
    )
}

fn export_email_change() -> Value {
    let address = || text("ada@example.com");
    let before = object(
        "One that was done.",
        vec![("from", address(), "The address before."), ("at", time(), "When.")],
    );
    object(
        "A change of address.",
        vec![
            ("from", or_null(address()), "The address before."),
            ("to", address(), "The address after."),
            ("created_at", time(), "When it was asked for."),
            ("expires_at", time(), "Its link is dead from then on."),
            ("used_at", or_null(time()), "When it was done."),
            ("before", list(before), "Those done shortly before."),
        ],
    )
}

fn export_letter() -> Value {
    let kinds =
        ["invitation", "password_reset", "email_change", "email_changed", "ownership_transferred", "alert"];
    object(
        "A letter.",
        vec![
            ("kind", one_of(&kinds), "What about."),
            ("asked_by", or_null(text("ada@example.com")), "The address that asked for a new password."),
            ("created_at", or_null(time()), "When it was caused, if that is known."),
        ],
    )
}

fn export_job_item() -> Value {
    object(
        "Something in a job that names them.",
        vec![
            ("job_id", id("job"), "Which job."),
            (
                "item",
                json!({"type": ["string", "object"], "examples": ["ext:ada"]}),
                "A name, or a line of a file.",
            ),
            ("status", or_null(text("changed")), "What came of it."),
            ("code", or_null(text("not_found")), "Why it was refused."),
        ],
    )
}

fn export_sent() -> Value {
    object(
        "An invitation, without the address.",
        vec![
            ("id", id("inv"), "Its id."),
            ("access", of("Access"), "What it gives."),
            ("status", text("pending"), "How it stands."),
            ("expires_at", time(), "It ends then."),
            ("created_at", time(), "When it was made."),
        ],
    )
}

fn export_message() -> Value {
    object(
        "What a source has sent.",
        vec![
            ("source_id", id("src"), "Which source."),
            ("received_at", time(), "When it came."),
            (
                "reason",
                or_null(text("account_gone")),
                "Why it could not be applied; null for one that waits.",
            ),
            ("payload", json!({}), "As it came."),
        ],
    )
}
