//! Schemas of what people hold, and of how it is handed over.

use serde_json::{Value, json};

use super::schema::{
    closed, count, external_id, flag, id, list, map_of, matching, name, object, of, one_of, or_null,
    reference, role, text, time,
};

/// All of them, by name.
pub fn all() -> Vec<(&'static str, Value)> {
    vec![
        ("AccountOwner", account_owner()),
        ("Record", record()),
        ("UserExport", super::export::user_export()),
        ("LeavingPlan", leaving_plan()),
        (
            "LeftByPlan",
            object(
                "What came of a leaving plan.",
                vec![
                    ("member", of("Member"), "The member afterwards."),
                    ("job", or_null(of("Job")), "What rewrites the records that were handed over."),
                    (
                        "transfer",
                        or_null(of("Transfer")),
                        "The transfer of ownership, if they were the owner.",
                    ),
                ],
            ),
        ),
    ]
}

const MODES: [&str; 3] = ["deactivate", "remove", "delete"];
const TYPE: &str = "^[A-Za-z0-9_.-]{1,64}$";

/// The bodies of operations about them.
pub fn body(id: &str) -> Option<Value> {
    Some(match id {
        "set_account_owner"
        | "set_organization_account_owner"
        | "set_key_role"
        | "set_organization_key_role" => {
            object("Whom.", vec![("user", reference("ext:ada"), "The person, by id or external id.")])
        }
        "erase_user" => object("Erasing cannot be undone.", vec![("confirm", flag(true), "Must be true.")]),
        "put_record" => closed(
            "Who owns it, where it lies.",
            &["owner"],
            vec![
                ("owner", reference("ext:ada"), "An active member, by id or external id."),
                ("account", or_null(reference("ext:north")), "The account on which it lies, if on one."),
                ("title", or_null(name("Big deal")), "What people call it."),
            ],
        ),
        "reassign_records" => closed(
            "Whose, and to whom.",
            &["from", "to"],
            vec![
                ("from", reference("ext:ada"), "Whose they are, former members too."),
                ("to", reference("ext:bob"), "An active member."),
                ("type", or_null(matching(TYPE, "deal")), "Only of this type."),
                ("account", or_null(reference("ext:north")), "Only on this account."),
            ],
        ),
        "execute_leaving_plan" => closed(
            "How they go, and what becomes of what they had.",
            &["mode", "revision"],
            vec![
                ("mode", one_of(&MODES), "How they go."),
                (
                    "revision",
                    text("9b74c9897bac770ffc029102a200c5de"),
                    "The revision of the plan that was read.",
                ),
                (
                    "records_to",
                    or_null(reference("ext:bob")),
                    "Whose their records will be; left with them if nobody's.",
                ),
                ("posts_to", or_null(reference("ext:bob")), "Whose their posts will be."),
                ("owner_to", or_null(reference("ext:bob")), "The new owner, where they are the owner."),
                ("invitations", one_of(&["revoke", "hand_over"]), "Taken back, or the caller's from now on."),
                ("reason", or_null(text("Left the company")), "For the audit trail."),
            ],
        ),
        _ => return None,
    })
}

fn account_owner() -> Value {
    let state = |state: &str| json!({"const": state});
    let resolved = object(
        "Somebody.",
        vec![
            ("state", state("resolved"), "Who it is, is known."),
            ("source", one_of(&["manual", "mapping"]), "Set by hand, or named by a trait."),
            ("user_id", id("usr"), "Who."),
        ],
    );
    let unresolved = object(
        "Somebody who is looked for.",
        vec![
            ("state", state("unresolved"), "Nobody fits yet."),
            ("source", state("mapping"), "Named by a trait."),
            ("external_id", external_id("ada"), "Whom the trait names."),
        ],
    );
    json!({"description": "Who owns the buying decision.", "oneOf": [resolved, unresolved]})
}

fn record() -> Value {
    object(
        "Something in the vendor's product that a user owns there.",
        vec![
            ("id", id("rec"), "Roster's id."),
            ("type", matching(TYPE, "deal"), "What kind of thing."),
            ("external_id", external_id("deal-1"), "The vendor's id, unique in the organization and type."),
            ("owner", id("usr"), "Who owns it."),
            ("account", or_null(id("acc")), "The account on which it lies, if on one."),
            ("title", or_null(name("Big deal")), "What people call it."),
        ],
    )
}

fn leaving_plan() -> Value {
    let lost = object(
        "A role that is lost.",
        vec![
            ("account", matching("^(all|acc_.*)$", "all"), "The account, or `all` of them."),
            ("role", role(), "The role."),
        ],
    );
    let owned = object(
        "Something that must be handed over first.",
        vec![
            ("type", json!({"const": "organization"}), "What."),
            ("id", id("org"), "Which."),
            ("name", name("Cloud"), "Its name."),
        ],
    );
    let key = object(
        "A key.",
        vec![
            ("id", id("key"), "Its id."),
            ("name", name("Laptop"), "Its name."),
            (
                "kind",
                one_of(&["personal", "organization"]),
                "Theirs, which ends with the membership; or the organization's, made by them, which stays.",
            ),
            ("prefix", text("rkp_01kb2y0v"), "The first characters of its secret."),
            ("expires_at", or_null(time()), "When it ends by itself."),
            ("last_used_at", or_null(time()), "When it was used last."),
        ],
    );
    object(
        "What goes with a member.",
        vec![
            ("user_id", id("usr"), "Who."),
            ("organization_id", id("org"), "Where."),
            ("mode", one_of(&MODES), "How they would go."),
            ("recommended_mode", one_of(&MODES), "What can be taken back."),
            ("accounts_lost", list(lost), "What they reach now."),
            ("ownerships", list(owned), "What stands in the way."),
            ("records", map_of(&count(12)), "How many records of each type they own."),
            ("api_keys", list(key), "Their personal keys, and keys of the organization that they made."),
            ("webhooks", list(of("Webhook")), "Webhooks that they made, which stay."),
            ("pending_invitations", count(2), "Pending invitations that they stand for."),
            ("posts", list(post()), "Posts that they hold."),
            (
                "seats_freed",
                count(1),
                "Seats that are free afterwards where invitations are revoked: the member's, and theirs.",
            ),
            ("revision", text("9b74c9897bac770ffc029102a200c5de"), "What executing the plan needs."),
        ],
    )
}

pub(super) fn post() -> Value {
    object(
        "A post.",
        vec![
            ("type", one_of(&["account_owner", "key_role"]), "Which side's."),
            ("name", or_null(name("csm")), "The name of a key role."),
            ("account", or_null(id("acc")), "The account; null for the organization itself."),
        ],
    )
}
