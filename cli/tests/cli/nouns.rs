//! Each noun and verb once, with the keys that the JSON of the API has.

use serde_json::Value;

use crate::place::{Place, count, keys, row_keys};
use crate::stores::on_every_store;

const ORGANIZATION: &str = "account_owner created_at external_id id key_roles name owner owner_unavailable seats \
                            settings slug status traits";
const ACCOUNT: &str = "account_owner created_at external_id id key_roles name organization_id status traits";
const MEMBER: &str =
    "access email expires_at external_id joined_at left_at name organization_id starts_at status user_id";
const USER: &str = "created_at email external_id id name status traits";
const API_KEY: &str = "access expires_at id kind last_used_at name prefix user_id";
const AUDIT: &str = "action actor after before hash id reason request_id seq target time user_id";

on_every_store! {
    fn organizations_are_made_listed_changed_and_closed() {
        let place = Place::with_acme();
        let shown = place.json("organization show ext:acme");
        assert_eq!(keys(&shown), ORGANIZATION);
        assert_eq!(keys(&shown["owner"]), "email name user_id");
        assert_eq!(shown["owner"]["email"], "ada@example.com");
        assert_eq!(shown["seats"], serde_json::json!({"purchased": 3, "used": 2}));
        assert_eq!(row_keys(&place.json("organization list")), ORGANIZATION);
        assert_eq!(count(&place.json("organization list --q acm")), 1);
        assert_eq!(count(&place.json("organization list --q north")), 0);
        let changed = place.json("organization update ext:acme --slug acme-2 --trait plan=pro --trait size=12");
        assert_eq!(changed["slug"], "acme-2");
        assert_eq!(changed["traits"], serde_json::json!({"plan": "pro", "size": 12}));
        let closed = place.json("organization close ext:acme --yes");
        assert_eq!(closed["status"], "closed");
        assert_eq!(count(&place.json("organization list")), 0);
        assert_eq!(count(&place.json("organization list --status closed")), 1);
        assert_eq!(place.refused("organization update ext:acme --slug other"), "organization_closed");
    }

    fn an_organization_without_accounts_gets_one_of_its_name() {
        let place = Place::empty();
        let made = place.json("organization create --name Solo --owner-email ada@example.com");
        let accounts = place.json(&format!("account list --organization {}", made["id"].as_str().unwrap()));
        assert_eq!(count(&accounts), 1);
        assert_eq!(accounts["data"][0]["name"], "Solo");
        assert!(made["seats"]["purchased"].is_null());
        for (line, what_to_do) in [
            ("organization create --name Solo", "<--owner-email <EMAIL>|--owner-external-id <ID>>"),
            ("user create --name Ada", "<--email <EMAIL>|--external-id <ID>>"),
            ("invitation create a@example.com --expires-in 2h", "a whole number of seconds"),
        ] {
            let ran = place.run(line);
            assert!(ran.status == 2 && ran.stderr.contains(what_to_do), "{line}: {ran:?}");
        }
    }

    fn s3_seats_are_shown_and_set() {
        let place = Place::with_acme();
        assert_eq!(place.json("organization seats ext:acme"), serde_json::json!({"purchased": 3, "used": 2}));
        assert_eq!(place.json("organization seats ext:acme --purchased 2")["purchased"], 2);
        assert_eq!(place.refused("organization seats ext:acme --purchased 1"), "seats_in_use");
        let add = "member add --organization ext:acme --email cy@example.com --role viewer --account ext:north";
        assert_eq!(place.refused(add), "no_seat");
        assert!(place.json("organization seats ext:acme --purchased unlimited")["purchased"].is_null());
        place.done(add);
    }

    fn o3_ownership_is_transferred() {
        let place = Place::with_acme();
        let transfer = place.json("organization transfer ext:acme --to ext:bob --yes");
        assert_eq!(keys(&transfer), "expires_at from id previous_owner_role state to");
        assert_eq!(transfer["state"], "completed");
        assert_eq!(place.json("organization show ext:acme")["owner"]["email"], "bob@example.com");
        assert_eq!(place.json("member show ext:ada --organization ext:acme")["access"]["role"], "admin");
    }

    fn o8_accounts_are_made_changed_archived_and_brought_back() {
        let place = Place::with_acme();
        let made = place.json("account create --organization ext:acme --name East --external-id east");
        assert_eq!(keys(&made), ACCOUNT);
        assert_eq!(row_keys(&place.json("account list --organization ext:acme")), ACCOUNT);
        assert_eq!(place.json("account show ext:east --organization ext:acme"), made);
        let changed = place.json("account update ext:east --organization ext:acme --name Orient --trait a=1");
        assert_eq!((changed["name"].as_str(), changed["traits"]["a"].as_i64()), (Some("Orient"), Some(1)));
        assert_eq!(place.json("account archive ext:east --organization ext:acme --yes")["status"], "archived");
        assert_eq!(count(&place.json("account list --organization ext:acme --status archived")), 1);
        assert_eq!(place.json("account unarchive ext:east --organization ext:acme")["status"], "active");
        assert_eq!(
            place.refused("account create --organization ext:acme --name East --external-id east"),
            "external_id_exists"
        );
    }

    fn m1_members_are_added_listed_given_roles_and_removed() {
        let place = Place::with_acme();
        let bob = place.json("member show ext:bob --organization ext:acme");
        assert_eq!(keys(&bob), MEMBER);
        assert_eq!(row_keys(&place.json("member list --organization ext:acme")), MEMBER);
        for (more, fields) in [("", 12), ("--account ext:north", 14)] {
            let seen = place.json(&format!("member list --organization ext:acme --sort -last_seen_at {more}"));
            assert_eq!(seen["data"][0]["last_seen_at"], Value::Null, "nobody was");
            assert_eq!(seen["data"][0].as_object().unwrap().len(), fields);
        }
        let on_north = place.json("member list --organization ext:acme --account ext:north --sort name");
        assert_eq!(
            row_keys(&on_north),
            "access email expires_at external_id joined_at left_at name organization_id \
                                         role source starts_at status user_id"
        );
        assert_eq!(on_north["data"][0]["source"], "organization");
        assert_eq!(on_north["data"][1]["role"], "member");
        let role =
            place.json("member set-role ext:bob --organization ext:acme --account ext:south --role viewer");
        assert_eq!(role["role"], "viewer");
        let removed = place.json("member remove ext:bob --organization ext:acme --account ext:north --yes");
        assert_eq!(removed, serde_json::json!({"changed": true}));
        let again = place.json("member remove ext:bob --organization ext:acme --account ext:north --yes");
        assert_eq!(again, serde_json::json!({"changed": false}));
        assert_eq!(count(&place.json("member list --organization ext:acme --role viewer")), 1);
        place.done("member remove ext:bob --organization ext:acme --yes");
        assert_eq!(count(&place.json("member list --organization ext:acme")), 1);
        assert_eq!(count(&place.json("member list --organization ext:acme --status former --q bob")), 1);
        assert_eq!(place.refused("member remove ext:ada --organization ext:acme --yes"), "owner_must_transfer");
    }

    fn m4_access_is_replaced_in_one_step() {
        let place = Place::with_acme();
        let set = "member set-access ext:bob --organization ext:acme";
        let diff = place.json(&format!("{set} --grant ext:north=viewer --grant ext:south=admin"));
        assert_eq!(keys(&diff), "added changed removed unchanged");
        assert_eq!(diff["changed"][0]["previous_role"], "member");
        assert_eq!(diff["added"][0]["role"], "admin");
        let diff = place.json(&format!("{set} --all-accounts admin"));
        assert_eq!(diff["added"][0]["account"], "all");
        assert_eq!(
            place.refused("member remove ext:bob --organization ext:acme --account ext:north --yes"),
            "implicit_access"
        );
        place.done(&format!("{set} --none --yes"));
        let bob = place.json("member show ext:bob --organization ext:acme");
        assert_eq!(
            (bob["status"].as_str(), bob["access"]["accounts"].as_array().map(Vec::len)),
            (Some("active"), Some(0))
        );
    }

    fn m12_memberships_begin_and_end_and_members_leave() {
        let place = Place::with_acme();
        let update = "member update ext:bob --organization ext:acme";
        let bob = place.json(&format!("{update} --expires-at 2999-01-01T00:00:00Z"));
        assert_eq!(bob["expires_at"], "2999-01-01T00:00:00.000Z");
        assert!(place.json(&format!("{update} --no-expires-at"))["expires_at"].is_null());
        assert_eq!(place.json("member leave ext:bob --organization ext:acme --yes")["status"], "former");
        let later = place.json(
            "member add --organization ext:acme --user ext:bob --role admin --all-accounts \
             --starts-at 2999-01-01T00:00:00Z",
        );
        assert_eq!(later["starts_at"], "2999-01-01T00:00:00.000Z");
    }

    fn users_are_made_listed_and_changed() {
        let place = Place::with_acme();
        let made = place.json("user create --email cy@example.com --name Cy");
        assert_eq!(keys(&made), USER);
        assert_eq!(row_keys(&place.json("user list")), USER);
        let first = place.json("user list --limit 2");
        assert_eq!(count(&first), 2);
        let cut = place.run("user list --limit 2");
        let cursor = first["next_cursor"].as_str().unwrap();
        assert!(cut.stderr.contains(&format!("--cursor {cursor}")), "{}", cut.stderr);
        let rest = place.json(&format!("user list --cursor {cursor}"));
        let all = place.json("user list");
        assert_eq!((count(&first) + count(&rest), &all["next_cursor"]), (count(&all), &serde_json::Value::Null));
        assert_eq!(rest["data"][0], all["data"][2]);
        assert_eq!(place.run("user list --cursor x").status, 2);
        let id = made["id"].as_str().unwrap();
        let changed = place.json(&format!("user update {id} --external-id cy --no-name --trait x=true"));
        assert_eq!((changed["external_id"].as_str(), changed["name"].is_null()), (Some("cy"), true));
        assert_eq!(place.json("user show ext:cy"), changed);
        let accounts = place.json("user accounts ext:ada");
        assert_eq!(row_keys(&accounts), "account organization role source");
        assert_eq!(count(&accounts), 2);
        assert_eq!(place.refused("user create --email ADA@example.com"), "email_exists");
        assert_eq!(place.refused("user show ext:nobody"), "not_found");
    }

    fn p1_roles_are_listed_and_shown() {
        let place = Place::with_acme();
        let roles = place.json("role list");
        assert_eq!(row_keys(&roles), "id name permissions system");
        assert_eq!(count(&roles), 4);
        assert_eq!(
            place.json("role show viewer --organization ext:acme")["permissions"].as_array().unwrap().len(),
            3
        );
    }

    fn p3_keys_show_their_secret_once() {
        let place = Place::with_acme();
        let made = place.run("api-key create ci --organization ext:acme --role viewer --account ext:north");
        assert_eq!(made.status, 0);
        assert!(made.stdout.starts_with("rka_") && made.stdout.lines().count() == 1, "{made:?}");
        assert!(!made.stderr.contains(made.stdout.trim()));
        let made = place.json("api-key create cd --organization ext:acme --role admin --all-accounts");
        assert_eq!(keys(&made), "access expires_at id kind last_used_at name prefix secret user_id");
        let listed = place.json("api-key list --organization ext:acme");
        assert_eq!((row_keys(&listed).as_str(), count(&listed)), (API_KEY, 2));
        let id = made["id"].as_str().unwrap();
        let changed = place.json(&format!("api-key update {id} --organization ext:acme --name deploy"));
        assert_eq!(changed["name"], "deploy");
        assert_eq!(place.json(&format!("api-key show {id} --organization ext:acme")), changed);
        place.done(&format!("api-key revoke {id} --organization ext:acme --yes"));
        assert_eq!(place.refused(&format!("api-key show {id} --organization ext:acme")), "not_found");
    }

    fn operator_keys_print_the_secret_alone() {
        let place = Place::empty();
        let made = place.run("operator-key create laptop");
        assert_eq!(made.status, 0);
        assert!(made.stdout.starts_with("rko_") && made.stdout.lines().count() == 1, "{made:?}");
        let made = place.json("operator-key create server");
        assert_eq!(keys(&made), "created_at id name prefix secret");
        assert_eq!(row_keys(&place.json("operator-key list")), "created_at id name prefix");
        place.done(&format!("operator-key revoke {} --yes", made["id"].as_str().unwrap()));
        assert_eq!(count(&place.json("operator-key list")), 1);
    }

    fn p4_a_check_ends_well_whatever_the_answer_is() {
        let place = Place::with_acme();
        let ask = |user: &str, permission: &str, rest: &str| {
            let answer = place
                .json(&format!("check --user {user} --permission {permission} --organization ext:acme {rest}"));
            assert_eq!(keys(&answer), "allowed reason role source");
            answer["reason"].as_str().unwrap().to_owned()
        };
        assert_eq!(ask("ext:bob", "records:read", "--account ext:north"), "granted");
        assert_eq!(ask("ext:bob", "records:read", "--account ext:south"), "no_access");
        assert_eq!(ask("ext:bob", "members:add", "--account ext:north"), "role_lacks_permission");
        assert_eq!(ask("ext:bob", "records:read", ""), "no_access");
        assert_eq!(ask("ext:ada", "deals:export", ""), "granted");
        assert_eq!(ask("ext:nobody", "records:read", ""), "not_found");
        assert_eq!(ask("ext:ada", "records:read", "--account ext:nowhere"), "not_found");
    }

    fn x1_the_audit_trail_is_listed_and_verified() {
        let place = Place::with_acme();
        let trail = place.json("audit list --organization ext:acme");
        assert_eq!(row_keys(&trail), AUDIT);
        assert_eq!(trail["data"][0]["action"], "organization.created");
        assert_eq!(trail["data"][0]["actor"], serde_json::json!({"type": "operator", "id": null, "via": null}));
        assert_eq!(count(&place.json("audit list --organization ext:acme --user ext:bob")), 1);
        let trail = "audit list --organization ext:acme";
        let first = place.json(&format!("{trail} --limit 3"));
        assert_eq!(count(&first), 3);
        let rest = place.json(&format!("{trail} --cursor {}", first["next_cursor"].as_str().unwrap()));
        assert_eq!(rest["data"][0], place.json(trail)["data"][3]);
        assert_eq!(place.run(&format!("user list --cursor {}", first["next_cursor"].as_str().unwrap())).status, 2);
        let narrower = format!("{trail} --user ext:bob --cursor {}", first["next_cursor"].as_str().unwrap());
        assert_eq!(place.run(&narrower).status, 2, "a cursor is of a list with its filters");
        let events = "events list --organization ext:acme";
        let first = place.json(&format!("{events} --limit 2"));
        let rest = place.json(&format!("{events} --cursor {}", first["next_cursor"].as_str().unwrap()));
        assert_eq!(rest["data"][0], place.json(events)["data"][2]);
        assert_eq!(place.json(&format!("{events} --limit {}", count(&place.json(events))))["next_cursor"], serde_json::Value::Null);
        let of_all = place.json("events list");
        let types: Vec<_> = of_all["data"].as_array().unwrap().iter().map(|row| row["type"].as_str().unwrap()).collect();
        assert!(types.contains(&"organization.created") && types.contains(&"user.created"), "without a server: {types:?}");
        assert_eq!(place.json("audit list")["data"][0]["action"], "user.created");
        assert_eq!(place.json("audit verify --organization ext:acme")["ok"], true);
        let verdict = place.json("verify");
        assert_eq!(keys(&verdict), "entries findings homes ok records repaired");
        assert_eq!(verdict["ok"], true);
        let repaired = place.json("verify --repair");
        assert_eq!((&repaired["ok"], &repaired["repaired"]), (&true.into(), &serde_json::json!([])));
    }

    fn x4_members_are_imported() {
        let place = Place::with_acme();
        let file = "email,user_external_id,account_external_id,role\n\
                    cy@example.com,cy,north,viewer\n\
                    bob@example.com,bob,north,member\n\
                    ada@example.com,,north,owner\n";
        place.write("members.csv", file);
        place.done("organization seats ext:acme --purchased unlimited");
        let line = "import members members.csv --organization ext:acme --output json";
        let dry = place.run(&format!("{line} --dry-run"));
        let real = place.run(line);
        assert_eq!((dry.status, real.status), (1, 1), "{real:?}");
        assert_eq!(dry.stdout, real.stdout);
        let report: serde_json::Value = serde_json::from_str(&real.stdout).unwrap();
        let counted =
            ["added", "changed", "unchanged", "refused"].map(|name| report["summary"][name].as_i64().unwrap());
        assert_eq!(counted, [1, 0, 1, 1]);
        assert_eq!(keys(&report["results"][0]), "code detail item line status warning");
        assert_eq!(report["results"][2]["code"], "owner_by_transfer_only");
        assert_eq!(report["results"][2]["line"], 4);

        let good = "email,account_external_id,role\ndee@example.com,west,member\n";
        let ran = place.run_reading(good, "import members - --organization ext:acme --create-accounts");
        assert_eq!(ran.status, 0, "{ran:?}");
        assert!(ran.stdout.contains("1 added") && ran.stdout.contains("1 accounts"), "{ran:?}");
        assert_eq!(count(&place.json("member list --organization ext:acme --account ext:west --q dee")), 1);
    }

    fn empty_lists_say_so() {
        let place = Place::empty();
        for line in ["organization list", "user list", "operator-key list", "audit list"] {
            let text = place.done(line);
            assert!(text.starts_with("There are no") || text.starts_with("Nothing"), "{line}: {text}");
            assert_eq!(place.json(line), serde_json::json!({"data": [], "next_cursor": null}));
        }
    }
}

on_every_store! {
    /// X1: the filters of the API, the whole trail in both forms.
    fn x1_the_trail_is_filtered_and_exported() {
        let place = Place::with_acme();
        let list = |rest: &str| place.json(&format!("audit list --organization ext:acme {rest}"));
        let all = list("");
        assert_eq!(row_keys(&all), AUDIT);
        assert_eq!(count(&list("--actor operator")), count(&all));
        assert_eq!(count(&list("--actor ext:ada")), 0);
        assert_eq!(count(&list("--action member.added")), 2);
        assert_eq!(count(&list("--user ext:bob")), 1);
        assert_eq!(count(&list("--to 2000-01-01T00:00:00Z")), 0);
        assert_eq!(count(&list("--from 2000-01-01T00:00:00Z --action member.added")), 2);
        assert_eq!(place.run("audit list --action nothing").status, 2);
        assert_eq!(place.run("audit list --actor nobody").status, 2);
        let lines = place.done("audit export --organization ext:acme");
        let rows: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(Value::from(rows), all["data"]);
        let csv = place.done("audit export --organization ext:acme --action member.added --output csv");
        let lines: Vec<_> = csv.split("\r\n").collect();
        assert!(lines[0].starts_with("id,seq,time,actor,action,target,user_id,before,after,"), "{csv}");
        assert_eq!(lines.len(), 4, "{csv}");
        assert!(place.done("audit export").contains("user.created"));
        assert!(place.done("audit verify").contains("trails are whole"));
        assert_eq!(place.json("audit verify")["ok"], true);
        let newest = all["data"].as_array().unwrap().last().unwrap();
        assert_eq!(place.json("audit verify --organization ext:acme")["entries"], newest["seq"]);
    }

    /// X4: every list as CSV, with its columns though it is empty.
    fn x4_lists_come_as_csv() {
        let place = Place::with_acme();
        let csv = |line: &str| place.done(&format!("{line} --output csv"));
        for (line, columns, rows) in [
            ("organization list", "id,external_id,name,slug,", 1),
            ("organization list --q nothing", "id,external_id,name,slug,", 0),
            ("account list --organization ext:acme", "id,organization_id,", 2),
            ("member list --organization ext:acme", "user_id,organization_id,", 2),
            ("member list --organization ext:acme --account ext:north", "user_id,organization_id,", 2),
            ("user list", "id,external_id,email,", 2),
            ("user accounts ext:bob", "organization,account,role,source", 1),
            ("role list", "id,name,system,permissions", 4),
            ("api-key list --organization ext:acme", "id,name,kind,", 0),
            ("operator-key list", "id,name,prefix,created_at", 0),
            ("audit list --organization ext:acme --action role.deleted", "id,seq,time,", 0),
        ] {
            let text = csv(line);
            assert!(text.starts_with(columns), "{line}: {text}");
            assert_eq!(text.matches("\r\n").count(), rows + 1, "{line}: {text}");
        }
        // What is no list, but many things.
        place.write("accounts.csv", "account_external_id,name\nwest,West\nnorth,North\n");
        place.done("member add --organization ext:acme --external-id cat --role viewer --all-accounts");
        for (line, text) in [
            (
                "import accounts accounts.csv --organization ext:acme",
                "item,line,status,code,warning,detail\r\nwest,2,added,,,\r\nnorth,3,unchanged,,,\r\n",
            ),
            (
                "member deactivate ext:bob ext:cat --organization ext:acme --yes",
                "user,status,code\r\next:bob,changed,\r\next:cat,changed,\r\n",
            ),
            ("verify", "status,home,invariant,detail\r\n"),
            ("audit verify", "home,seq,problem\r\n"),
            ("audit verify --organization ext:acme", "home,seq,problem\r\n"),
        ] {
            assert_eq!(csv(line), text, "{line}");
        }
        place.done("user update ext:bob --name =1+1");
        assert!(csv("user list").contains("\"'=1+1\""));
        assert!(csv("user show ext:bob").contains("\"'=1+1\""));
    }
}
