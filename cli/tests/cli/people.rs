//! People who go and come back, roles of an organization's own, keys that are turned.

use crate::place::{Place, count, keys};
use crate::stores::on_every_store;

on_every_store! {
    fn l1_l4_members_go_for_now_and_for_good() {
        let place = Place::with_acme();
        let of = |verb: &str| format!("member {verb} ext:bob --organization ext:acme");
        assert_eq!(place.json(&of("deactivate"))["status"], "deactivated");
        assert_eq!(count(&place.json("member list --organization ext:acme --status deactivated")), 1);
        assert_eq!(place.json(&of("reactivate"))["status"], "active");
        assert_eq!(place.run(&of("delete")).status, 2, "asks, and nobody is there to answer");
        let delete = of("delete") + " --yes";
        assert_eq!(place.json(&delete), serde_json::json!({"changed": true}));
        assert_eq!(place.json(&delete), serde_json::json!({"changed": false}));
        assert_eq!(place.refused("member deactivate ext:ada --organization ext:acme"), "owner_must_transfer");
    }

    fn l9_users_are_suspended_and_let_in_again() {
        let place = Place::with_acme();
        let check = "check --user ext:bob --permission members:read --organization ext:acme --account ext:north";
        assert_eq!(place.json("user suspend ext:bob")["status"], "suspended");
        assert!(place.run(&format!("{check} --output json")).stdout.contains("\"suspended\""));
        assert_eq!(place.json("user unsuspend ext:bob")["status"], "active");
        assert_eq!(place.json(check)["reason"], "granted");
    }

    fn p2_roles_are_made_edited_and_deleted() {
        let place = Place::with_acme();
        let made = place.json(
            "role create --organization ext:acme --name Desk --permission members:read --permission deals:export",
        );
        assert_eq!(keys(&made), "id name permissions system");
        let role = made["id"].as_str().unwrap();
        assert_eq!(count(&place.json("role list --organization ext:acme")), 5);
        let show = format!("role show {role} --organization ext:acme");
        assert_eq!(place.done(&show), "deals:export\nmembers:read\n");
        place.done(&format!("member set-role ext:bob --organization ext:acme --account ext:north --role {role}"));
        let edited = place.json(&format!("role update {role} --organization ext:acme --permission deals:import"));
        assert_eq!(edited["permissions"], serde_json::json!(["deals:import"]));
        let delete = format!("role delete {role} --organization ext:acme --yes");
        assert_eq!(place.refused(&delete), "role_in_use");
        place.done(&format!("{delete} --replace-with viewer"));
        assert_eq!(place.refused(&show), "not_found");
        let bob = place.json("member show ext:bob --organization ext:acme");
        assert_eq!(bob["access"]["accounts"][0]["role"], "viewer");
        place.done("verify");
    }

    fn p3_keys_are_turned() {
        let place = Place::with_acme();
        let made = place.json("api-key create Backend --organization ext:acme --role viewer --all-accounts");
        let rotate = format!("api-key rotate {} --organization ext:acme", made["id"].as_str().unwrap());
        let turned = place.json(&format!("{rotate} --overlap-seconds 60"));
        assert_eq!((keys(&turned), turned["id"] == made["id"]), (keys(&made), true));
        assert_ne!(turned["secret"], made["secret"]);
        assert!(place.done(&rotate).starts_with("rka_"));
    }
}
