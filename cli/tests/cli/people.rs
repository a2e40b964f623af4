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

    /// M2: several people by one command: one outcome each, in order, and a bad one does not stop the others.
    fn m2_several_members_go_by_one_command() {
        let place = Place::with_acme();
        let own = "--organization ext:acme";
        place.done("organization seats ext:acme --purchased unlimited");
        for name in ["cy", "di"] {
            place.done(&format!(
                "member add {own} --email {name}@example.com --external-id {name} --role member --account ext:north"
            ));
        }
        let ran = |line: &str| {
            let ran = place.run(&format!("{line} --output json"));
            let told: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap_or_default();
            let told: Vec<String> = told["results"].as_array().into_iter().flatten().map(|row| {
                format!("{} {}", row["user"].as_str().unwrap(), row["code"].as_str().or(row["status"].as_str()).unwrap())
            }).collect();
            (ran.status, told.join(", "), ran.stderr)
        };
        let (status, told, stderr) = ran(&format!("member deactivate ext:cy ext:ada ext:nobody ext:di ext:cy {own}"));
        let expected = "ext:cy changed, ext:ada owner_must_transfer, ext:nobody not_found, ext:di changed, ext:cy unchanged";
        assert_eq!((status, told.as_str()), (1, expected));
        assert_eq!(stderr, "refused: owner_must_transfer: ext:ada\nrefused: not_found: ext:nobody\n");
        assert_eq!(ran(&format!("member reactivate ext:cy ext:di {own}")).1, "ext:cy changed, ext:di changed");
        let (remove, account) = (format!("member remove ext:cy ext:di {own}"), "--account ext:north");
        assert_eq!(ran(&format!("{remove} {account}")).0, 2, "asks, and nobody is there to answer");
        assert_eq!(ran(&format!("{remove} {account} --yes")).1, "ext:cy removed, ext:di removed");
        assert_eq!(ran(&format!("{remove} {account} --yes")).1, "ext:cy unchanged, ext:di unchanged");
        assert_eq!(ran(&format!("{remove} --yes")).1, "ext:cy removed, ext:di removed");
        assert_eq!(ran(&format!("member delete ext:cy ext:bob {own} --yes")), (0, "ext:cy removed, ext:bob removed".into(), String::new()));
        assert!(place.done("role permissions").contains("members:act_as"));
        assert_eq!(count(&place.json("role permissions")), 32);
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

    fn i4_invitations_from_the_sending_to_the_taking_back() {
        let place = Place::with_acme();
        place.done("organization update ext:acme --setting invitations_hold_seats=false");
        let to = "--organization ext:acme --role member --account ext:north";
        let many = place.json(&format!("invitation create cy@example.com dee@example.com CY@example.com {to}"));
        let rows = many["results"].as_array().unwrap();
        assert_eq!(keys(&rows[0]), "code email index invitation status url");
        assert_eq!(rows.iter().map(|row| row["status"].as_str().unwrap()).collect::<Vec<_>>(), ["invited", "invited", "unchanged"]);
        let again = place.run(&format!("invitation create eva@example.com bob@example.com {to}"));
        assert_eq!(again.status, 1, "{again:?}");
        assert!(again.stdout.contains("/invitations/rkl_") && again.stderr.starts_with("refused: already_member: bob@example.com"), "{again:?}");
        assert_eq!(place.run(&format!("invitation create fay@example.com gus@example.com --name Fay {to}")).status, 2);

        let of = |verb: &str| format!("invitation {verb} {} --organization ext:acme", rows[0]["invitation"]["id"].as_str().unwrap());
        assert_eq!(place.json(&of("show"))["email"], "cy@example.com");
        let url = place.done(&of("link"));
        assert_eq!(url.trim(), rows[0]["url"]);
        assert_eq!(place.run(&of("update")).status, 2, "nothing is to be changed");
        assert_eq!(place.run(&of("update --role viewer")).status, 2, "where");
        for nothing in [
            "user update ext:ada",
            "organization update ext:acme",
            "account update ext:north --organization ext:acme",
            "member update ext:bob --organization ext:acme",
            "role update member --organization ext:acme",
        ] {
            let ran = place.run(nothing);
            assert!(ran.status == 2 && ran.stderr.contains("say what is to change: --"), "{nothing}: {ran:?}");
        }
        let changed = place.json(&of("update --name Cy --expires-in 7200"));
        assert_eq!(changed["access"], rows[0]["invitation"]["access"]);
        assert_ne!(changed["expires_at"], rows[0]["invitation"]["expires_at"]);
        let wide = serde_json::json!({"type": "organization", "role": "viewer"});
        assert_eq!(place.json(&of("update --role viewer --all-accounts"))["access"], wide);
        assert_ne!(place.done(&of("resend")), url);
        assert_eq!(place.run(&of("revoke")).status, 2, "asks, and nobody is there to answer");
        assert_eq!(place.json(&of("revoke --yes")), serde_json::json!({"changed": true}));
        assert_eq!(place.refused(&of("link")), "invitation_not_pending");
        let reset = place.done("user password-reset ext:bob");
        assert!(reset.contains("/password-resets/"), "{reset}");
        place.done("verify");
    }

    fn o3_whoever_hands_over_becomes_what_is_named() {
        let place = Place::with_acme();
        let handed = place.json("organization transfer ext:acme --to ext:bob --previous-owner-role viewer --yes");
        assert_eq!((handed["state"].as_str(), handed["previous_owner_role"].as_str()), (Some("completed"), Some("viewer")));
        let ada = place.json("member show ext:ada --organization ext:acme");
        assert_eq!(ada["access"], serde_json::json!({"type": "organization", "role": "viewer"}));
    }
}
