//! The schemas of answers: every field always present.

use roster_core::permission::CATALOGUE;
use serde_json::{Map, Value, json};

use super::people::{member, names, seen};
use super::schema::{
    closed, count, email, external_id, flag, id, list, map_of, matching, name, object, of, one_of, or_null,
    permission, role, text, time, traits,
};

/// All of them, by name.
pub fn all() -> Map<String, Value> {
    let mut all = Map::new();
    let others = [("Event", super::events::event()), ("Problem", problem())];
    for (name, schema) in entities()
        .into_iter()
        .chain(acts())
        .chain(questions())
        .chain(super::jobs::all())
        .chain(super::people::all())
        .chain(super::leaving::all())
        .chain(super::customers::all())
        .chain(super::webhooks::all())
        .chain(others)
    {
        all.insert(name.to_owned(), schema);
    }
    all
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn entities() -> Vec<(&'static str, Value)> {
    let wide = object(
        "Every account, future ones too, with one role.",
        vec![
            ("type", json!({"const": "organization"}), "Organization-wide access."),
            ("role", role(), "The role."),
        ],
    );
    let narrow = object(
        "Roles on named accounts.",
        vec![
            ("type", json!({"const": "accounts"}), "Access per account."),
            ("accounts", list(of("Grant")), "The accounts with a role each, at most 1,000."),
        ],
    );
    vec![
        ("User", object("A person, once in the deployment.", user())),
        ("Organization", object("A tenant.", organization())),
        (
            "Seats",
            object(
                "Seats paid for and in use.",
                vec![
                    ("purchased", or_null(count(100)), "Paid for; null is unlimited."),
                    ("used", count(42), "In use."),
                ],
            ),
        ),
        ("Account", object("A workspace in one organization.", account())),
        (
            "Grant",
            object(
                "A role on an account.",
                vec![("account", id("acc"), "The account."), ("role", role(), "The role.")],
            ),
        ),
        ("Access", json!({"description": "What a member or a key reaches.", "oneOf": [wide, narrow]})),
        ("Member", closed("A user in an organization.", &names(&member()), seen(member()))),
        ("AccountMember", {
            let mut fields = member();
            fields.push(("role", role(), "Their role on this account."));
            fields.push(("source", one_of(&["account", "organization"]), "Where the role comes from."));
            closed("A member as an account's list shows them.", &names(&fields), seen(fields.clone()))
        }),
        (
            "Role",
            object(
                "A named set of permissions.",
                vec![
                    ("id", role(), "The name of a system role, or the id of a custom one."),
                    ("name", name("member"), "Its name."),
                    ("system", flag(true), "Whether it is one of Roster's own."),
                    (
                        "permissions",
                        list(permission()),
                        "What it holds: of Roster's own catalogue, and for a custom role the vendor's too.",
                    ),
                ],
            ),
        ),
        (
            "Permission",
            object(
                "One permission of Roster's own catalogue.",
                vec![("permission", one_of(&CATALOGUE), "As `resource:action`.")],
            ),
        ),
        ("ApiKey", object("A key of an organization, without its secret.", key())),
        (
            "NewApiKey",
            object("A key with its secret, which is shown this once.", {
                let mut fields = key();
                fields.push((
                    "secret",
                    matching("^rk[ap]_", "rka_01kb2y0v4tejq8vt0d7c3w4n5e…"),
                    "Sent as a bearer token.",
                ));
                fields
            }),
        ),
        ("Invitation", object("An address that was asked in, without its link.", invitation())),
        (
            "InvitedRows",
            json!({
                "description": "What became of each row; of one invitation alone, the invitation with 201.",
                "oneOf": [
                    of("Invitation"),
                    object("Many.", vec![("results", list(of("InvitedRow")), "One a row, in the order given.")]),
                ],
            }),
        ),
        (
            "InvitedRow",
            object(
                "What became of a row.",
                vec![
                    ("index", count(0), "Which row, from 0."),
                    ("status", one_of(&["invited", "unchanged", "refused"]), "What was done."),
                    ("invitation", or_null(of("Invitation")), "The invitation, if there is a new one."),
                    ("code", or_null(text("already_member")), "Why it was refused."),
                ],
            ),
        ),
        (
            "InvitationLink",
            object(
                "The link that is good now.",
                vec![
                    ("url", text("https://roster.example.com/invitations/rkl_01kb2y0v4t…"), "The link."),
                    ("expires_at", time(), "When it ends."),
                ],
            ),
        ),
        (
            "InvitationPreview",
            object(
                "What a link shows.",
                vec![
                    (
                        "organization",
                        object("Who invites.", vec![("name", name("Cloud"), "Its name.")]),
                        "The organization.",
                    ),
                    ("role", or_null(role()), "The role, where there is one only."),
                    ("expires_at", time(), "When the link ends."),
                    ("status", invitation_status(), "How it stands."),
                ],
            ),
        ),
        (
            "AcceptedInvitation",
            object(
                "The membership, and for one who signed up a session.",
                vec![
                    (
                        "organization",
                        object(
                            "Where.",
                            vec![("id", id("org"), "Its id."), ("name", name("Cloud"), "Its name.")],
                        ),
                        "The organization.",
                    ),
                    ("member", of("Member"), "The membership."),
                    (
                        "session",
                        or_null(object(
                            "The first session.",
                            vec![
                                (
                                    "token",
                                    matching("^rks_", "rks_01kb2y0v4tejq8vt0d7c3w4n5e…"),
                                    "Sent as a bearer token.",
                                ),
                                ("expires_at", time(), "When it ends."),
                            ],
                        )),
                        "Null for one who was signed in.",
                    ),
                ],
            ),
        ),
        (
            "Session",
            object(
                "A sign-in that lasts.",
                vec![
                    ("id", id("ses"), "Its id."),
                    ("created_at", time(), "When the person signed in."),
                    ("last_used_at", time(), "When it was last used, give or take five minutes."),
                    ("expires_at", time(), "When it ends, however much it is used."),
                    ("current", flag(true), "Whether this request bears it."),
                ],
            ),
        ),
        (
            "NewSession",
            object(
                "A session with its secret, which is shown this once.",
                vec![
                    (
                        "token",
                        matching("^rks_", "rks_01kb2y0v4tejq8vt0d7c3w4n5e…"),
                        "Sent as a bearer token.",
                    ),
                    ("expires_at", time(), "When it ends, however much it is used."),
                    ("user", of("User"), "Who signed in."),
                ],
            ),
        ),
        (
            "Transfer",
            object(
                "A transfer of ownership.",
                vec![
                    ("id", id("trf"), "Its id."),
                    ("from", id("usr"), "The owner before."),
                    ("to", id("usr"), "The owner after, or whoever is to be it."),
                    ("previous_owner_role", role(), "What the owner before becomes."),
                    (
                        "state",
                        one_of(&["completed", "pending", "declined", "cancelled", "expired"]),
                        "How far it is; an offer that nobody can accept any more is expired.",
                    ),
                    ("expires_at", or_null(time()), "When an offer ends; null for what was never offered."),
                ],
            ),
        ),
        ("AuditEvent", object("One change, as the log keeps it.", audit())),
    ]
}

fn user() -> Vec<super::schema::Field> {
    vec![
        ("id", id("usr"), "Roster's id."),
        ("external_id", or_null(external_id("ada")), "The vendor's id."),
        ("email", or_null(email()), "Their address."),
        ("name", or_null(name("Ada")), "Their name."),
        ("status", one_of(&["active", "suspended", "erased"]), "Whether they have access anywhere."),
        ("traits", traits(), "JSON values under names."),
        ("created_at", time(), "When they were made."),
    ]
}

fn organization() -> Vec<super::schema::Field> {
    let owner = object(
        "The one owner.",
        vec![
            ("user_id", id("usr"), "Who."),
            ("email", or_null(email()), "Their address."),
            ("name", or_null(name("Ada")), "Their name."),
        ],
    );
    vec![
        ("id", id("org"), "Roster's id."),
        ("external_id", or_null(external_id("cloud")), "The vendor's id."),
        ("name", name("Cloud"), "Its name."),
        ("slug", matching("^[a-z0-9-]{1,63}$", "cloud"), "Its short name, unique in the deployment."),
        ("status", one_of(&["active", "closed"]), "Whether anything in it answers."),
        ("owner", owner, "The one owner."),
        ("owner_unavailable", flag(false), "Whether the owner is suspended."),
        ("account_owner", or_null(of("AccountOwner")), "The customer's own owner."),
        ("key_roles", map_of(&id("usr")), "Named responsibilities of the vendor's staff."),
        ("seats", of("Seats"), "Seats paid for and in use."),
        (
            "settings",
            object(
                "What it decides for itself.",
                vec![
                    ("invitations_hold_seats", flag(true), "Whether a pending invitation holds a seat."),
                    ("invitation_expires_in", count(1_296_000), "How long a link lives, in seconds."),
                    (
                        "former_members",
                        one_of(&["show", "hide"]),
                        "Whether reports and the rows of activity by user show who has left.",
                    ),
                ],
            ),
            "Its settings.",
        ),
        ("traits", traits(), "JSON values under names."),
        ("created_at", time(), "When it was made."),
    ]
}

fn account() -> Vec<super::schema::Field> {
    vec![
        ("id", id("acc"), "Roster's id."),
        ("organization_id", id("org"), "The organization it is in."),
        ("external_id", or_null(external_id("north")), "The vendor's id."),
        ("name", name("North"), "Its name."),
        ("status", one_of(&["active", "archived"]), "Whether access through it answers."),
        ("account_owner", or_null(of("AccountOwner")), "The customer's own owner."),
        ("key_roles", map_of(&id("usr")), "Named responsibilities of the vendor's staff."),
        ("traits", traits(), "JSON values under names."),
        ("created_at", time(), "When it was made."),
    ]
}

fn key() -> Vec<super::schema::Field> {
    vec![
        ("id", id("key"), "Its id."),
        ("name", name("Backend"), "Its name."),
        ("kind", one_of(&["organization", "personal"]), "Whose rights it has: its own, or its member's."),
        ("user_id", or_null(id("usr")), "The member of a personal key."),
        ("access", or_null(of("Access")), "What it reaches; null for a personal key."),
        ("prefix", text("rka_01kb2y0v4tej"), "How its secret begins."),
        (
            "expires_at",
            or_null(time()),
            "Dead from this instant on: its own end, or the cut of a personal key's member that came before it.",
        ),
        (
            "last_used_at",
            or_null(time()),
            "When it last opened something, to the minute; null if it never has.",
        ),
    ]
}

fn actor() -> Value {
    let id = or_null(text("usr_01kb2y0v4tejq8vt0d7c3w4n5e"));
    let via = or_null(text("opk_01kb2y0v4tejq8vt0d7c3w4n5e"));
    object(
        "Who acts.",
        vec![
            ("type", one_of(&["user", "api_key", "operator", "source", "system"]), "What kind of actor."),
            ("id", id, "Which; null for the command line and Roster itself."),
            ("via", via, "For a user: the key that spoke for them, or `operator` for the command line."),
        ],
    )
}

pub(super) fn audit() -> Vec<super::schema::Field> {
    let target = object(
        "What it was done to.",
        vec![
            ("type", text("user"), "What kind of thing."),
            ("id", text("usr_01kb2y0v4tejq8vt0d7c3w4n5e"), "Which."),
        ],
    );
    let state =
        json!({"type": ["object", "null"], "additionalProperties": true, "examples": [{"access": null}]});
    vec![
        ("id", id("aud"), "Its id."),
        ("seq", count(7), "The number of its entry in the log, without gaps."),
        ("time", time(), "When."),
        ("actor", actor(), "Who acted."),
        ("action", text("member.removed"), "What was done."),
        ("target", target, "What it was done to."),
        ("user_id", or_null(id("usr")), "Whom it is about."),
        ("before", state.clone(), "What stood there before."),
        ("after", state, "What stands there now."),
        ("request_id", or_null(text("9eb0cb534e095c003f78082b1affb9fa")), "The request."),
        ("reason", or_null(text("left the company")), "Why, if it was said."),
        (
            "hash",
            matching("^[0-9a-f]{64}$", &"0f".repeat(32)),
            "The hash of its entry, chained to the one before.",
        ),
    ]
}

fn invitation_status() -> Value {
    one_of(&["pending", "accepted", "declined", "revoked", "expired"])
}

fn invitation() -> Vec<super::schema::Field> {
    vec![
        ("id", id("inv"), "Its id."),
        ("organization_id", id("org"), "Whose it is."),
        ("email", email(), "Who is invited."),
        ("access", of("Access"), "What they will reach."),
        ("status", invitation_status(), "How it stands."),
        (
            "invited_by",
            object(
                "Who stands for it.",
                vec![
                    ("type", one_of(&["operator", "api_key", "user", "system"]), "What kind of actor."),
                    (
                        "id",
                        or_null(text("usr_01kb2y0v4tejq8vt0d7c3w4n5e")),
                        "Which; null for the command line.",
                    ),
                ],
            ),
            "Who stands for it.",
        ),
        ("holds_seat", flag(true), "Whether a seat is held for the person."),
        ("expires_at", time(), "When its link ends."),
        ("created_at", time(), "When it was made."),
    ]
}

fn acts() -> Vec<(&'static str, Value)> {
    let line = |about: &str| {
        object(
            about,
            vec![
                (
                    "account",
                    matching("^(all|acc_[0-7][0-9a-hjkmnp-tv-z]{25})$", "all"),
                    "The account, or `all`.",
                ),
                ("role", role(), "The role."),
            ],
        )
    };
    let mut changed = line("A role that became another.");
    changed["properties"]["previous_role"] = role();
    changed["required"] = json!(["account", "role", "previous_role"]);
    let removal = object(
        "The outcome of one row.",
        vec![
            ("user", text("ext:ada"), "As the request named them."),
            ("status", one_of(&["removed", "unchanged", "refused"]), "What became of it."),
            ("code", or_null(text("not_found")), "Why it was refused."),
        ],
    );
    vec![
        (
            "Changed",
            object("Whether anything was changed.", vec![("changed", flag(true), "False the second time.")]),
        ),
        (
            "AccessDiff",
            object(
                "What an access became another by.",
                vec![
                    ("added", list(line("A role that was given.")), "Given."),
                    ("removed", list(line("A role that was taken.")), "Taken."),
                    ("changed", list(changed), "Another role than before."),
                    ("unchanged", list(line("A role that stayed.")), "As before."),
                ],
            ),
        ),
        (
            "Removals",
            object("One outcome a row, in order.", vec![("results", list(removal), "The outcomes.")]),
        ),
    ]
}

fn questions() -> Vec<(&'static str, Value)> {
    let named = |kind: &'static str, about: &str| {
        object(about, vec![("id", id(kind), "Its id."), ("name", name("Cloud"), "Its name.")])
    };
    let membership = object(
        "A membership.",
        vec![
            ("organization", named("org", "Where."), "Where."),
            ("access", of("Access"), "What they reach."),
        ],
    );
    vec![
        (
            "UserAccount",
            object(
                "An account that a user reaches.",
                vec![
                    ("organization", named("org", "Where."), "Where."),
                    ("account", named("acc", "Which."), "Which."),
                    ("role", role(), "As what."),
                    ("source", one_of(&["account", "organization"]), "Where the role comes from."),
                ],
            ),
        ),
        (
            "Me",
            object(
                "Who asks.",
                vec![
                    ("actor", actor(), "The caller."),
                    ("user", or_null(of("User")), "The user, if it is one."),
                    ("memberships", list(membership), "Where they are a member."),
                ],
            ),
        ),
        (
            "Check",
            object(
                "May this user do this here?",
                vec![
                    ("allowed", flag(true), "The answer."),
                    (
                        "reason",
                        one_of(&[
                            "granted",
                            "not_found",
                            "no_membership",
                            "deactivated",
                            "expired",
                            "suspended",
                            "no_access",
                            "role_lacks_permission",
                        ]),
                        "Why.",
                    ),
                    ("role", or_null(role()), "The role that was found."),
                    ("source", or_null(one_of(&["account", "organization"])), "Where the role comes from."),
                ],
            ),
        ),
        (
            "Checks",
            object("One answer a question, in order.", vec![("results", list(of("Check")), "The answers.")]),
        ),
        ("Status", object("All is well.", vec![("status", one_of(&["ok"]), "`ok`.")])),
        (
            "Readiness",
            closed(
                "All is well.",
                &["status"],
                vec![
                    ("status", one_of(&["ok"]), "`ok`."),
                    ("checks", list(ready_check()), "Every check, where `verbose` was asked for."),
                ],
            ),
        ),
    ]
}

fn ready_check() -> Value {
    object(
        "One check of whether the process can work.",
        vec![
            ("name", one_of(&["process", "store", "schema", "durability"]), "What is looked at."),
            ("ok", flag(true), "Whether it is as it must be."),
            ("detail", text("sqlite answers."), "How it stands."),
        ],
    )
}

fn problem() -> Value {
    let field = object(
        "A field that cannot be used.",
        vec![
            ("pointer", text("/name"), "JSON pointer into the body, or `#name` for a parameter."),
            ("detail", text("is missing"), "What is wrong."),
        ],
    );
    let source = object(
        "Where access comes from.",
        vec![("type", one_of(&["organization"]), "The whole organization."), ("role", role(), "The role.")],
    );
    let mut problem = object(
        "Why a request was not done (RFC 9457).",
        vec![
            ("type", matching("^urn:roster:problem:", "urn:roster:problem:not_found"), "Names the code."),
            ("title", text("Not found"), "The code in words."),
            (
                "status",
                json!({"type": "integer", "minimum": 400, "maximum": 599, "examples": [404]}),
                "The HTTP status.",
            ),
            (
                "detail",
                text("There is no such thing here, or you cannot see it."),
                "What happened, and what to do.",
            ),
            ("code", matching("^[a-z_]+$", "not_found"), "Stable; programs go by it."),
            (
                "request_id",
                or_null(text("9eb0cb534e095c003f78082b1affb9fa")),
                "The request, as in the server's log.",
            ),
        ],
    );
    problem["properties"]["errors"] = list(field);
    problem["properties"]["source"] = source;
    problem["properties"]["uses"] = object(
        "What a role is used by.",
        vec![
            ("members", count(3), "Active members."),
            ("invitations", count(1), "Pending invitations."),
            ("api_keys", count(0), "Keys."),
            ("replacements", count(0), "Roles that it replaces and that somebody still names."),
        ],
    );
    problem["properties"]["checks"] = list(ready_check());
    let mut message = text("The body must be a JSON object.");
    message["description"] =
        "The detail once more, where sources send events: what libraries of Segment's read.".into();
    problem["properties"]["message"] = message;
    problem
}
