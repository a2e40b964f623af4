//! Lists as tables for spreadsheets, whichever commands there are (rule X4).

use std::fs;

use crate::place::Place;
use crate::stores::on_every_store;

/// Commands that list something: those that take `--limit`, by their pages of the manual.
fn lists(place: &Place) -> Vec<String> {
    place.done("man --folder pages");
    let pages = fs::read_dir(place.path().join("pages")).unwrap().map(|page| page.unwrap().path());
    let lists = pages.filter(|page| fs::read_to_string(page).unwrap().contains(r"\-\-limit"));
    let mut lists: Vec<String> = lists
        .map(|page| page.file_stem().unwrap().to_str().unwrap().strip_prefix("roster-").unwrap().to_owned())
        .collect();
    lists.sort();
    lists
}

on_every_store! {
    fn x4_every_command_that_lists_prints_a_table() {
        let place = Place::with_acme();
        let id = |line: &str| place.json(line)["id"].as_str().unwrap().to_owned();
        let view = id("view create All --columns name");
        let indicator = id(&format!("indicator create Watch --view {view}"));
        let source = id("source create Product --organization ext:acme");
        let webhook = id("webhook create https://example.com/hooks --organization ext:acme");
        place.write("accounts.csv", "account_external_id,name\nwest,=1+1\n");
        let job = id("import accounts accounts.csv --organization ext:acme");
        place.done("user update ext:bob --name =1+1");
        let (mut tables, mut made_harmless) = (0, 0);
        for list in lists(&place) {
            let line = match list.as_str() {
                "account-list" | "api-key-list" | "audit-list" | "events-list" | "invitation-list" | "job-list"
                | "member-list" | "record-list" | "webhook-list" | "activity" => {
                    format!("{} --organization ext:acme", list.replace("-list", " list"))
                }
                "indicator-list" | "operator-key-list" | "organization-list" | "source-list" | "user-list"
                | "view-list" => list.replace("-list", " list"),
                "dead-letter-list" => format!("dead-letter list --source {source}"),
                "indicator-alerts" => format!("indicator alerts {indicator}"),
                "job-results" => format!("job results {job}"),
                "report-accounts" | "report-organizations" => list.replace('-', " ") + " --columns name",
                "user-accounts" => "user accounts ext:bob".to_owned(),
                "view-show" => format!("view show {view}"),
                "webhook-deliveries" => format!("webhook deliveries {webhook}"),
                other => panic!("say here how {other} is run"),
            };
            let table = place.done(&format!("{line} --output csv"));
            let (head, rows) = table.split_once("\r\n").unwrap_or_else(|| panic!("{line}: {table}"));
            let is_name = |name: &str| !name.is_empty() && name.chars().all(|it| it.is_ascii_lowercase() || "_.".contains(it));
            assert!(head.split(',').all(is_name), "{line}: {table}");
            assert!(rows.is_empty() || rows.ends_with("\r\n"), "{line}: {table}");
            assert!(!rows.split(['\n', ',']).any(|cell| cell.starts_with("=1") || cell.starts_with("\"=1")), "{line}: {table}");
            made_harmless += usize::from(rows.contains("\"'=1+1\""));
            tables += 1;
        }
        assert!(tables >= 24, "{tables}");
        // Members, people, accounts, and reports on them.
        assert!(made_harmless >= 4, "{made_harmless}");
    }
}
