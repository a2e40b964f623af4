//! The schemas of jobs.

use roster_core::model::Work;
use serde_json::Value;

use super::schema::{count, id, map_of, object, of, one_of, or_null, text, time};

/// Those of a job and of what came of it.
pub fn all() -> Vec<(&'static str, Value)> {
    vec![
        ("Job", job()),
        ("JobAccepted", object("A job was asked for.", vec![("job", of("Job"), "The job.")])),
        (
            "JobResult",
            object(
                "What came of one item.",
                vec![
                    ("item", text("ext:ada"), "The item, as it was named."),
                    ("line", or_null(count(2)), "The line of the file on which it begins."),
                    (
                        "status",
                        one_of(&["added", "changed", "removed", "unchanged", "refused", "left"]),
                        "How it ended.",
                    ),
                    ("code", or_null(text("no_seat")), "Why it was refused."),
                    (
                        "warning",
                        or_null(text("external_id_differs")),
                        "What to look at although it was done.",
                    ),
                    ("detail", or_null(text("unknown role")), "Why it was refused, in words."),
                ],
            ),
        ),
    ]
}

fn job() -> Value {
    let progress = object(
        "How far it is.",
        vec![("done", count(40), "Items done."), ("total", count(100), "Items in all, as far as is known.")],
    );
    let status =
        one_of(&["queued", "running", "completed", "completed_with_conflicts", "failed", "cancelled"]);
    object(
        "Something that takes long.",
        vec![
            ("id", id("job"), "Its id."),
            ("kind", one_of(&Work::KINDS), "What it does."),
            ("organization_id", or_null(id("org")), "Where, if it is about one organization."),
            ("status", status, "How far it has come."),
            ("progress", progress, "The same in numbers."),
            ("summary", map_of(&count(40)), "How many items ended how."),
            (
                "failure",
                or_null(text("no_seat")),
                "Why it failed, or did not get on when it was last tried: a code, words, or both with a colon between.",
            ),
            ("created_at", time(), "When it was asked for."),
            ("finished_at", or_null(time()), "When it ended."),
        ],
    )
}
