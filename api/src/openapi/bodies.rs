//! The schemas of request bodies, by operation.

use serde_json::{Value, json};

use super::schema::{
    Field, closed, count, email, external_id, flag, list, list_of, matching, name, object, of, one_of,
    or_null, permission, reference, role, text, time, traits,
};

/// The body that an operation takes.
#[expect(clippy::too_many_lines, reason = "a table")]
pub fn of_operation(id: &str) -> Option<Value> {
    let schema = match id {
        "create_organization" => create_organization(),
        "update_organization" => closed(
            "What to change; what is left out stays.",
            &[],
            vec![
                ("name", name("Cloud and Sky"), "Its name."),
                ("slug", slug(), "Its short name."),
                ("external_id", external_id("cloud"), "The vendor's id; can be set once."),
                (
                    "settings",
                    closed(
                        "Its settings; what is left out stays.",
                        &[],
                        vec![
                            (
                                "invitations_hold_seats",
                                flag(true),
                                "Whether a pending invitation holds a seat.",
                            ),
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
                ("traits", traits(), "Traits to set; null removes one."),
            ],
        ),
        "close_organization" => {
            object("Closing cannot be undone.", vec![("confirm", flag(true), "Must be true.")])
        }
        "delete_member" => {
            object("Deleting cannot be undone.", vec![("confirm", flag(true), "Must be true.")])
        }
        "update_seats" => object(
            "How many seats are paid for.",
            vec![("purchased", or_null(count(50)), "A number, or null for unlimited.")],
        ),
        "transfer_ownership" => closed(
            "To whom.",
            &["to"],
            vec![
                ("to", user(), "An active member."),
                ("previous_owner_role", role(), "What the owner before becomes; `admin` if left out."),
                (
                    "require_acceptance",
                    flag(false),
                    "Whether it is an offer only, which the member accepts or not.",
                ),
            ],
        ),
        "create_account" => closed(
            "A new account.",
            &["name"],
            vec![
                ("name", name("South"), "Its name."),
                (
                    "external_id",
                    or_null(external_id("south")),
                    "The vendor's id, unique in the organization.",
                ),
                ("traits", traits(), "What is known of it."),
            ],
        ),
        "update_account" => closed(
            "What to change; what is left out stays.",
            &[],
            vec![
                ("name", name("South-West"), "Its name."),
                ("external_id", external_id("south"), "The vendor's id; can be set once."),
                ("status", one_of(&["active", "archived"]), "Brings it back, or archives it."),
                ("traits", traits(), "Traits to set; null removes one."),
            ],
        ),
        "set_account_role" => object("The role.", vec![("role", role(), "The role on this account.")]),
        "remove_many_from_account" => {
            object("Whom.", vec![("users", list_of(1, 1000, text("ext:ada")), "Users by id or external id.")])
        }
        "act_on_members" => closed(
            "What, and to whom.",
            &["action", "users"],
            vec![
                (
                    "action",
                    one_of(&["remove", "deactivate", "reactivate", "delete", "set_access"]),
                    "The act.",
                ),
                ("users", list_of(1, 10_000, text("ext:ada")), "Users by id or external id."),
                ("confirm", flag(true), "For `delete`: must be true."),
                ("roles", list(role_row()), "For `set_access`: roles as PUT of an access takes them."),
            ],
        ),
        "add_member" => closed(
            "Who, and what they reach.",
            &["access"],
            vec![
                ("user", user(), "Somebody who exists; without address and external id."),
                ("email", email(), "Somebody by address."),
                ("external_id", external_id("ada"), "Somebody by the vendor's id."),
                ("name", or_null(name("Ada")), "Their name, for one who is new."),
                ("access", access(), "What they reach."),
                ("starts_at", or_null(time()), "No access before this instant."),
                ("expires_at", or_null(time()), "No access from this instant on."),
            ],
        ),
        "update_member" => closed(
            "What to change; what is left out stays, null clears.",
            &[],
            vec![
                ("starts_at", or_null(time()), "No access before this instant."),
                ("expires_at", or_null(time()), "No access from this instant on."),
            ],
        ),
        "replace_access" => {
            object("The whole access.", vec![("roles", list(role_row()), "Each role with its accounts.")])
        }
        _ => return of_people_and_keys(id),
    };
    Some(schema)
}

fn invitation() -> Value {
    closed(
        "Who is invited to what.",
        &["email", "access"],
        vec![
            ("email", email(), "The address."),
            ("access", access(), "What the person will reach."),
            ("name", or_null(name("Ada")), "What they are called."),
            (
                "expires_in",
                or_null(count(86_400)),
                "How long the link lives, in seconds: an hour to 90 days.",
            ),
        ],
    )
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn of_people_and_keys(id: &str) -> Option<Value> {
    let schema = match id {
        "create_user" => closed(
            "An address, an external id, or both.",
            &[],
            vec![
                ("email", or_null(email()), "Their address."),
                ("external_id", or_null(external_id("ada")), "The vendor's id."),
                ("name", or_null(name("Ada")), "Their name."),
                ("traits", traits(), "JSON values under names."),
            ],
        ),
        "update_user" => closed(
            "What to change; what is left out stays, null clears.",
            &[],
            vec![
                ("name", or_null(name("Ada King")), "Their name."),
                ("email", or_null(email()), "Their address."),
                ("external_id", external_id("ada"), "The vendor's id; can be set once."),
                ("traits", traits(), "Traits to set; null removes one."),
            ],
        ),
        "rotate_api_key" => closed(
            "How long the old secret opens too.",
            &[],
            vec![("overlap_seconds", count(3600), "Seconds, at most 2592000; none if left out.")],
        ),
        "create_role" => closed(
            "A named set of permissions.",
            &["name", "permissions"],
            vec![
                ("name", name("Support"), "Its name; not one of a system role."),
                ("permissions", list(permission()), "What it holds, at most 500."),
            ],
        ),
        "update_role" => closed(
            "What to change; what is left out stays.",
            &[],
            vec![
                ("name", name("Support"), "Its name; not one of a system role."),
                ("permissions", list(permission()), "All that it holds from then on, at most 500."),
            ],
        ),
        "create_invitations" => json!({
            "description": "One invitation, or many.",
            "oneOf": [
                of("AskedInvitation"),
                object("Many.", vec![("invitations", list_of(1, 1000, of("AskedInvitation")), "Up to 1,000.")]),
            ],
        }),
        "update_invitation" => closed(
            "What to change; what is left out stays, null clears.",
            &[],
            vec![
                ("access", access(), "What the person will reach."),
                ("name", or_null(name("Ada")), "What they are called."),
                ("expires_in", count(86_400), "How long the link lives from now on, in seconds."),
            ],
        ),
        "accept_invitation" => closed(
            "Both for one who signs up; nothing for one who is signed in.",
            &[],
            vec![
                ("name", or_null(name("Ada")), "What the person is called."),
                ("password", or_null(text("correct horse battery")), "Their password, 8 to 256 characters."),
            ],
        ),
        "sign_in" => object(
            "Address and password.",
            vec![
                ("email", email(), "The address."),
                ("password", text("correct horse battery"), "The password."),
            ],
        ),
        "ask_password_reset" => object("Whose.", vec![("email", email(), "The address.")]),
        "ask_email_change" => object("The new address.", vec![("email", email(), "The address.")]),
        "reset_password" => object(
            "The new password.",
            vec![("password", text("battery staple correct"), "The new one, 8 to 256 characters.")],
        ),
        "change_password" => object(
            "The password before, and the one after.",
            vec![
                ("current", text("correct horse battery"), "The password before."),
                ("password", text("battery staple correct"), "The new one, 8 to 256 characters."),
            ],
        ),
        "create_api_key" => closed(
            "What the key reaches.",
            &["name"],
            vec![
                ("name", name("Backend"), "Its name."),
                (
                    "kind",
                    one_of(&["organization", "personal"]),
                    "Whose rights it has: its own, or its member's.",
                ),
                ("access", access(), "What it reaches; left out for a personal key."),
                ("expires_at", or_null(time()), "Dead from this instant on."),
            ],
        ),
        "update_api_key" => closed(
            "What to change; what is left out stays.",
            &[],
            vec![
                ("name", name("Backend, north"), "Its name."),
                ("access", access(), "What it reaches."),
                ("expires_at", or_null(time()), "Dead from this instant on; null for never."),
            ],
        ),
        "check" => question(user(), reference("ext:cloud"), reference("ext:north")),
        "check_batch" => object(
            "The questions.",
            vec![(
                "checks",
                list_of(1, 100, question(text("ext:ada"), text("ext:cloud"), text("ext:north"))),
                "In this order.",
            )],
        ),
        _ => {
            return super::leaving::body(id)
                .or_else(|| super::customers::body(id))
                .or_else(|| super::webhooks::body(id));
        }
    };
    Some(schema)
}

fn create_organization() -> Value {
    let owner = closed(
        "By address, external id, or both.",
        &[],
        vec![
            ("email", or_null(email()), "Their address."),
            ("external_id", or_null(external_id("owner")), "The vendor's id of the person."),
            ("name", or_null(name("Olu Owner")), "Their name."),
        ],
    );
    let seats =
        closed("Seats.", &[], vec![("purchased", or_null(count(100)), "Paid for; null is unlimited.")]);
    closed(
        "A new organization.",
        &["name", "owner"],
        vec![
            ("name", name("Cloud"), "Its name."),
            ("external_id", or_null(external_id("cloud")), "The vendor's id."),
            ("slug", or_null(slug()), "Its short name; made from the name if left out."),
            ("owner", owner, "The owner, found or made."),
            ("seats", or_null(seats), "Unlimited if left out."),
            ("accounts", list(first_account()), "The first accounts; one of its own name if left out."),
        ],
    )
}

fn first_account() -> Value {
    let fields: Vec<Field> = vec![
        ("name", name("North"), "Its name."),
        ("external_id", or_null(external_id("north")), "The vendor's id, unique in the organization."),
    ];
    closed("A new account.", &["name"], fields)
}

fn slug() -> Value {
    matching("^[a-z0-9-]{1,63}$", "cloud")
}

fn user() -> Value {
    reference("ext:ada")
}

/// What bodies share by name: generators of clients make one class of each, and stumble over the same one twice.
pub fn shared() -> [(String, Value); 2] {
    let grant = object(
        "A role on an account.",
        vec![("account", reference("ext:north"), "The account."), ("role", role(), "The role.")],
    );
    [("AskedGrant".to_owned(), grant), ("AskedInvitation".to_owned(), invitation())]
}

/// As answers show it, but accounts may be named by external id.
fn access() -> Value {
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
            (
                "accounts",
                json!({"type": "array", "maxItems": 1000, "items": of("AskedGrant")}),
                "Each account once.",
            ),
        ],
    );
    json!({"oneOf": [wide, narrow]})
}

fn role_row() -> Value {
    let accounts = json!({
        "oneOf": [{"type": "array", "items": reference("ext:north")}, {"const": "all"}], "examples": [["ext:north"]],
    });
    object(
        "A role and where.",
        vec![
            ("role", role(), "The role."),
            ("accounts", accounts, "Accounts, or `all`, which stands alone."),
        ],
    )
}

fn question(user: Value, organization: Value, account: Value) -> Value {
    closed(
        "May this user do this here?",
        &["user", "permission"],
        vec![
            ("user", user, "Who."),
            ("permission", permission(), "What."),
            ("organization", or_null(organization), "Where; the key's own if left out."),
            ("account", or_null(account), "On which account; the whole organization if left out."),
        ],
    )
}

/// The name of a body's schema: `create_user` has `CreateUserRequest`.
pub fn schema_name(id: &str) -> String {
    let words = id.split('_').map(|word| {
        let mut letters = word.chars();
        letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
    });
    words.collect::<String>() + "Request"
}

/// A body by name.
pub fn named(id: &str) -> Value {
    of(&schema_name(id))
}
