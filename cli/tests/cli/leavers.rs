//! How people leave by the command line, what they leave behind, and what customers' data says meanwhile: the commands of
//! which no other test tells.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::place::{Place, count, keys};
use crate::server::Server;
use crate::stores::on_every_store;

const PLAN: &str = "member leave-plan ext:bob --organization ext:acme";

fn bob(place: &Place) -> Value {
    place.json("member show ext:bob --organization ext:acme")
}

/// Ada's records, Bob's posts, and somebody who inherits.
fn with_heir() -> Place {
    let place = Place::with_acme();
    place.done(
        "member add --organization ext:acme --email cy@example.com --external-id cy --name Cy --role member \
         --account ext:north",
    );
    place.done("record put deal 1 --organization ext:acme --owner ext:bob");
    place.done("post set ext:bob --account-owner --account ext:north --organization ext:acme");
    place
}

on_every_store! {
    /// L6, L7: the plan is read by the same words; only where it says how is anything done, once somebody said yes.
    fn l7_a_leaving_plan_is_read_first_and_then_executed() {
        let place = with_heir();
        let plan = place.json(PLAN);
        assert_eq!((&plan["recommended_mode"], &plan["seats_freed"]), (&json!("deactivate"), &json!(1)));
        let table = place.done(PLAN);
        for words in ["revision", "1 deal", "account owner of acc_"] {
            assert!(table.contains(words), "{words}: {table}");
        }
        assert_eq!(place.json(&format!("{PLAN} --mode remove --show"))["mode"], "remove");
        assert_eq!(bob(&place)["status"], "active");
        for how in ["--mode deactivate", "--records-to ext:cy", "--reason gone", "--invitations revoke"] {
            let ran = place.run(&format!("{PLAN} {how}"));
            assert_eq!(ran.status, 2, "{how}: {ran:?}");
            assert!(ran.stderr.contains("--yes"), "{how}: {ran:?}");
        }
        assert_eq!(bob(&place)["status"], "active");
        let how = "--mode deactivate --records-to ext:cy --posts-to ext:cy --invitations hand_over --yes";
        let left = place.json(&format!("{PLAN} {how}"));
        assert_eq!((&left["member"]["status"], &left["job"]["status"]), (&json!("deactivated"), &json!("completed")));
        assert_eq!(count(&place.json("record list --organization ext:acme --owner ext:cy")), 1);
        let north = place.json("account show ext:north --organization ext:acme");
        assert_eq!(north["account_owner"]["state"], "resolved");
        assert_eq!(place.refused("member leave-plan ext:ada --organization ext:acme --mode remove --yes --output json"), "owner_must_transfer");
    }

    fn l6_a_plan_that_was_shown_is_executed_only_as_it_was() {
        let place = with_heir();
        let revision = place.json(PLAN)["revision"].as_str().unwrap().to_owned();
        place.done("record put deal 2 --organization ext:acme --owner ext:bob");
        let leave = |revision: &str| format!("{PLAN} --mode deactivate --revision {revision} --yes --output json");
        assert_eq!(place.refused(&leave(&revision)), "plan_changed");
        assert_eq!(bob(&place)["status"], "active");
        let now = place.json(PLAN)["revision"].as_str().unwrap().to_owned();
        place.done(&leave(&now));
        assert_eq!(bob(&place)["status"], "deactivated");
    }

    fn o4_an_offer_is_made_and_taken_back() {
        let place = Place::with_acme();
        let offer = place.json("organization transfer ext:acme --to ext:bob --require-acceptance");
        assert_eq!(offer["state"], "pending");
        let of = |verb: &str, offer: &Value| format!("organization {verb}-offer ext:acme {}", offer["id"].as_str().unwrap());
        assert_eq!(place.json(&of("show", &offer)), offer);
        assert_eq!(place.json(&of("cancel", &offer))["state"], "cancelled");
        let offer = || place.json("organization transfer ext:acme --to ext:bob --require-acceptance");
        let (one, other) = (offer(), offer());
        assert_eq!(place.json(&of("decline", &one))["state"], "declined");
        assert_eq!(place.run(&of("accept", &other)).status, 2, "asks, and nobody is there to answer");
        let accepted = place.json(&format!("{} --yes", of("accept", &other)));
        assert_eq!((&accepted["state"], &accepted["to"]), (&json!("completed"), &bob(&place)["user_id"]));
    }

    fn records_are_put_shown_handed_over_and_deleted() {
        let place = with_heir();
        let one = "deal 1 --organization ext:acme";
        assert_eq!(keys(&place.json(&format!("record show {one}"))), "account external_id id owner title type");
        place.done("record reassign --from ext:bob --to ext:cy --organization ext:acme --yes");
        assert_eq!(count(&place.json("record list --organization ext:acme --owner ext:cy")), 1);
        assert_eq!(place.run(&format!("record delete {one}")).status, 2);
        place.done(&format!("record delete {one} --yes"));
        assert_eq!(count(&place.json("record list --organization ext:acme")), 0);
        let cleared = place.json("post clear --account-owner --account ext:north --organization ext:acme");
        assert_eq!(cleared["account_owner"], Value::Null);
    }

    /// L5: everything about a person is shown, and then nothing names them any more.
    fn l5_a_person_is_exported_and_erased() {
        let place = Place::with_acme();
        let told = place.done("user export ext:bob");
        assert!(told.contains("bob@example.com"));
        assert_eq!(place.run("user erase ext:bob").status, 2);
        let id = bob(&place)["user_id"].as_str().unwrap().to_owned();
        let job = place.json("user erase ext:bob --yes");
        assert_eq!(job["status"], "completed");
        assert!(!place.done(&format!("user show {id} --output json")).contains("bob@example.com"));
        assert_eq!(place.refused("user erase ext:ada --yes"), "owner_must_transfer");
    }

    fn t2_trait_mappings_are_shown_and_set() {
        let place = Place::with_acme();
        let none = json!({"account_owner_trait": null, "organization_owner_trait": null});
        assert_eq!(place.json("trait-mappings show"), none);
        let own = "--organization ext:acme";
        let set = place.json(&format!("trait-mappings set {own} --account-owner-trait buyer"));
        assert_eq!(set["account_owner_trait"], "buyer");
        assert_eq!(place.json("trait-mappings show"), none, "the deployment's are others");
        let made = place.json(&format!("account create {own} --name East --external-id east --trait buyer=ada"));
        assert_eq!(made["account_owner"]["source"], "mapping");
        let job = place.json("job list");
        let id = job["data"][0]["id"].as_str().unwrap();
        assert_eq!(keys(&place.json(&format!("job results {id}"))), "data next_cursor");
    }

    fn t5_reports_views_and_indicators_are_asked_saved_and_changed() {
        let place = Place::with_acme();
        assert_eq!(count(&place.json("report accounts")), 2);
        assert_eq!(count(&place.json("report organizations --limit 1")), 1);
        // A filter says where it goes wrong; a trait's name with a blank stands in quotation marks.
        for (filter, status, said) in [
            (r#"traits."paid plan" missing and name eq "North""#, 0, ""),
            (r#"name eq "North" or nope exists"#, 2, "\n                     ^"),
            (r"traits.paid plan missing", 2, "\n              ^"),
        ] {
            let ran = place.command().args(["report", "accounts", "--where", filter]).output().unwrap();
            let stderr = String::from_utf8(ran.stderr).unwrap();
            assert_eq!(ran.status.code(), Some(status), "{filter}: {stderr}");
            assert!(stderr.trim_end().ends_with(said), "{filter}: {stderr}");
        }
        for line in ["report accounts --columns nope", "view create Bad --sort nope", "report accounts --sort a,b"] {
            assert_eq!(place.run(line).status, 2, "{line}");
        }
        let many = vec!["name"; 101].join(",");
        assert_eq!(place.run(&format!("view create Wide --columns {many}")).status, 2);
        assert_eq!(place.refused(&format!("source create X --groups trait --trait {}", "x".repeat(201))), "invalid");
        let view = place.json("view create Quiet --columns name");
        let view = view["id"].as_str().unwrap();
        assert_eq!(count(&place.json(&format!("view show {view}"))), 2);
        let changed = place.json(&format!("view update {view} --name Silent --columns name,id --sort -name"));
        assert_eq!((&changed["name"], &changed["sort"]), (&json!("Silent"), &json!(["-name"])));
        let made = place.json(&format!("indicator create Entered --view {view}"));
        let made = made["id"].as_str().unwrap();
        let changed = place.json(&format!("indicator update {made} --name Gone --holds-for-days 3"));
        assert_eq!(place.json(&format!("indicator show {made}")), changed);
        assert_eq!(changed["holds_for_days"], 3);
        assert_eq!(count(&place.json(&format!("indicator alerts {made}"))), 0);
        place.done(&format!("indicator delete {made} --yes"));
        place.done(&format!("view delete {view} --yes"));
        assert_eq!(count(&place.json("view list")), 0);
    }

    fn g1_sources_are_made_changed_and_deleted() {
        let place = Place::with_acme();
        let made = place.json("source create Product --organization ext:acme");
        let id = made["id"].as_str().unwrap();
        assert!(made["write_key"].as_str().unwrap().starts_with("rkw_"));
        assert_eq!(made["new_organizations_per_day"], 100);
        let bound = place.json(&format!("source update {id} --new-organizations-per-day 7"));
        assert_eq!(bound["new_organizations_per_day"], 7);
        assert_eq!(place.refused(&format!("source update {id} --organization-owner ext:nobody")), "invalid");
        let changed = place.json(&format!("source update {id} --groups trait --trait org --default-role viewer"));
        assert_eq!((&changed["groups"]["to"], &changed["groups"]["trait"]), (&json!("trait"), &json!("org")));
        assert_eq!(place.run(&format!("source update {id} --trait org")).status, 2);
        let letters = format!("dead-letter list --source {id}");
        assert_eq!(count(&place.json(&letters)), 0);
        // Two that cannot be applied; one of them is put back by its id, and comes back.
        let key = made["write_key"].as_str().unwrap();
        let server = Server::start(&place);
        for n in 0..2 {
            let unlink = json!({"userId": format!("nobody-{n}"), "accountId": "north", "messageId": format!("m-{n}"), "writeKey": key});
            assert_eq!(server.try_call("POST", "/analytics/v1/unlink", "", Some(&unlink)).unwrap().0, 200);
        }
        let all = |wanted: usize| {
            let until = Instant::now() + Duration::from_secs(20);
            loop {
                let listed = place.json(&letters);
                if count(&listed) == wanted {
                    return listed;
                }
                assert!(Instant::now() < until, "{listed}");
            }
        };
        let listed = all(2);
        let letter = listed["data"][0]["id"].as_str().unwrap();
        let replay = format!("dead-letter replay --source {id}");
        assert_eq!(place.json(&format!("{replay} {letter}"))["replayed"], 1);
        assert_eq!(all(2)["data"].as_array().unwrap().iter().filter(|it| it["id"] == letter).count(), 0);
        let unknown = "dlq_01kb2y0v4tejq8vt0d7c3w4n5e";
        assert_eq!(place.refused(&format!("{replay} {unknown}")), "not_found");
        assert_eq!(place.json(&replay)["replayed"], 2);
        all(2);
        drop(server);
        assert_eq!(count(&place.json("activity --organization ext:acme")), 0);
        place.done(&format!("source delete {id} --yes"));
        assert_eq!(count(&place.json("source list")), 0);
    }

    fn settings_and_keys_are_changed() {
        let place = Place::with_acme();
        let update = "organization update ext:acme --setting";
        let changed = place.json(&format!("{update} invitations_hold_seats=false --setting invitation_expires_in=86400"));
        assert_eq!(changed["settings"]["invitations_hold_seats"], false);
        assert_eq!(changed["settings"]["invitation_expires_in"], 86_400);
        assert_eq!(place.run(&format!("{update} colour=red")).status, 2);
        let key = place.json("api-key create ci --organization ext:acme --role viewer --all-accounts");
        let key = key["id"].as_str().unwrap();
        let grant = format!("api-key update {key} --organization ext:acme --grant ext:north=member");
        assert_eq!(place.json(&grant)["access"]["type"], "accounts");
        let none = "member set-access ext:bob --organization ext:acme --none";
        assert_eq!(place.run(none).status, 2);
        place.done(&format!("{none} --yes"));
    }

    /// A list that was cut says so to machines too; what a job or an import refuses is named with its code.
    fn what_was_cut_or_refused_is_said_on_stderr() {
        let place = Place::with_acme();
        for format in ["table", "json", "csv"] {
            let ran = place.run(&format!("member list --organization ext:acme --limit 1 --output {format}"));
            assert!(ran.status == 0 && ran.stderr.contains("--cursor "), "{format}: {ran:?}");
        }
        let file = "email,account_external_id,role\nx@example.com,nowhere,viewer\n";
        let ran = place.run_reading(file, "import members - --organization ext:acme --output json");
        assert_eq!(ran.status, 1, "{ran:?}");
        assert!(ran.stderr.contains("refused: not_found: line 2: "), "{ran:?}");
        let ran = place.run("user remove-everywhere ext:ada --yes");
        assert_eq!(ran.status, 1, "{ran:?}");
        assert!(ran.stderr.contains("refused: owner_must_transfer: "), "{ran:?}");
    }
}
