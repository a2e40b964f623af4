//! Which of our packages may depend on which, read from the manifests.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use toml::{Table, Value};

use super::Finding;
use crate::repo::Repo;

/// What core must not know: where things are kept, how they are asked for, how it is configured.
const NOT_IN_CORE: [&str; 4] = ["sqlx", "redis", "axum", "figment"];

const KINDS: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];

/// A package of ours.
struct Package {
    /// Its folder, which names its part.
    folder: String,
    name: String,
    /// Packages it depends on, of every kind.
    needs: Vec<String>,
}

/// Findings in all manifests.
pub(super) fn check(repo: &Repo) -> Result<Vec<Finding>> {
    let root: Table = repo.read("Cargo.toml")?.parse().context("Cargo.toml")?;
    let workspace = table(&root, "workspace").context("Cargo.toml has no [workspace]")?;
    let members = workspace.get("members").and_then(Value::as_array).context("[workspace] has no members")?;
    let mut packages = Vec::new();
    for folder in members.iter().filter_map(Value::as_str) {
        let manifest: Table =
            repo.read(&format!("{folder}/Cargo.toml"))?.parse().context(folder.to_owned())?;
        packages
            .push(package(folder, &manifest, table(workspace, "dependencies")).context(folder.to_owned())?);
    }
    Ok(packages.iter().flat_map(|package| check_package(package, &packages)).collect())
}

/// The folders that a part may depend on; nothing for a part without a rule. `storage-*` stands for every store.
fn allowed(folder: &str) -> Option<&'static [&'static str]> {
    match folder {
        "core" | "xtask" => Some(&[]),
        "api" => Some(&["core"]),
        "cli" => Some(&["core", "api", "storage-*"]),
        "bench" => Some(&["core", "cli"]),
        "tests" => Some(&["core", "api", "storage-*", "cli", "xtask"]),
        store if store.starts_with("storage-") => Some(&["core"]),
        _ => None,
    }
}

fn check_package(package: &Package, all: &[Package]) -> Vec<Finding> {
    let path = format!("{}/Cargo.toml", package.folder);
    let finding = |what: String| Finding::new(&path, 0, what);
    let Some(allowed) = allowed(&package.folder) else {
        return vec![finding("no rule says what this may depend on: give it one in xtask".to_owned())];
    };
    let folders: BTreeMap<&str, &str> =
        all.iter().map(|own| (own.name.as_str(), own.folder.as_str())).collect();
    let mut findings = Vec::new();
    for need in &package.needs {
        if let Some(folder) = folders.get(need.as_str()) {
            let part = if folder.starts_with("storage-") { "storage-*" } else { folder };
            if !allowed.contains(&part) {
                findings.push(finding(format!("{} must not depend on {need}", package.folder)));
            }
        }
        let is = |banned: &&str| {
            need.strip_prefix(banned).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        };
        if package.folder == "core" && NOT_IN_CORE.iter().any(is) {
            findings.push(finding(format!("core must not know {need}")));
        }
    }
    findings
}

fn package(folder: &str, manifest: &Table, shared: Option<&Table>) -> Result<Package> {
    let name = table(manifest, "package").and_then(|package| package.get("name")).and_then(Value::as_str);
    let targets = table(manifest, "target").into_iter().flat_map(Table::values).filter_map(Value::as_table);
    let sections = std::iter::once(manifest).chain(targets);
    let tables = sections.flat_map(|section| KINDS.into_iter().filter_map(|kind| table(section, kind)));
    let needs = tables.flatten().map(|(key, value)| real_name(key, value, shared));
    Ok(Package {
        folder: folder.to_owned(),
        name: name.context("the package has no name")?.to_owned(),
        needs: needs.collect(),
    })
}

/// The name of the package behind a dependency, which may be renamed, here or in the workspace.
fn real_name(key: &str, value: &Value, shared: Option<&Table>) -> String {
    let inherited = value.get("workspace").and_then(Value::as_bool) == Some(true);
    let value = shared.filter(|_| inherited).and_then(|shared| shared.get(key)).unwrap_or(value);
    value.get("package").and_then(Value::as_str).unwrap_or(key).to_owned()
}

fn table<'a>(within: &'a Table, key: &str) -> Option<&'a Table> {
    within.get(key).and_then(Value::as_table)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARED: &str = r#"
        roster-core = { path = "core" }
        files = { package = "roster-storage-sqlite", path = "storage-sqlite" }
        serde = "1"
    "#;

    fn made(folder: &str, dependencies: &str) -> Package {
        let name = if folder == "xtask" { folder.to_owned() } else { format!("roster-{folder}") };
        let manifest = format!("[package]\nname = \"{name}\"\n{dependencies}");
        package(folder, &manifest.parse().unwrap(), Some(&SHARED.parse().unwrap())).unwrap()
    }

    fn found(folder: &str, dependencies: &str) -> Vec<String> {
        let all = ["core", "api", "storage-sqlite", "storage-other", "cli", "tests", "xtask"];
        let mut all: Vec<Package> = all.iter().map(|folder| made(folder, "")).collect();
        all.push(made(folder, dependencies));
        check_package(&all[all.len() - 1], &all).into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn allowed_edges_pass() {
        for (folder, dependencies) in [
            ("core", "[dependencies]\nserde.workspace = true"),
            ("api", "[dependencies]\nroster-core.workspace = true\naxum = \"1\""),
            ("storage-sqlite", "[dependencies]\nroster-core = { workspace = true, optional = true }"),
            (
                "cli",
                "[dependencies]\nroster-core.workspace = true\nroster-api = \"1\"\nfiles.workspace = true",
            ),
            ("tests", "[dev-dependencies]\nroster-cli = \"1\"\nroster-storage-other = \"1\""),
            ("xtask", "[dependencies]\nserde.workspace = true"),
        ] {
            assert!(found(folder, dependencies).is_empty(), "{folder}");
        }
    }

    #[test]
    fn other_edges_are_found_in_every_kind_of_dependency() {
        for (folder, dependencies, finding) in [
            ("core", "[dev-dependencies]\nroster-api = \"1\"", "core must not depend on roster-api"),
            ("xtask", "[dependencies]\nroster-core.workspace = true", "xtask must not depend on roster-core"),
            ("api", "[build-dependencies]\nroster-cli = \"1\"", "api must not depend on roster-cli"),
            ("cli", "[dependencies]\nroster-tests = \"1\"", "cli must not depend on roster-tests"),
            (
                "storage-sqlite",
                "[target.'cfg(unix)'.dependencies]\nroster-storage-other = \"1\"",
                "storage-sqlite must not depend on roster-storage-other",
            ),
        ] {
            assert_eq!(found(folder, dependencies), [finding]);
        }
    }

    #[test]
    fn renamed_dependencies_are_seen_through() {
        let finding = "api must not depend on roster-storage-sqlite";
        assert_eq!(found("api", "[dependencies]\nfiles.workspace = true"), [finding]);
        let here = "[dependencies]\nx = { package = \"roster-storage-sqlite\", version = \"1\" }";
        assert_eq!(found("api", here), [finding]);
    }

    #[test]
    fn core_knows_no_store_and_no_front_end() {
        let dependencies = "[dependencies]\nsqlx-core = \"1\"\nweb = { package = \"axum\", version = \"1\" }";
        let mut findings = found("core", dependencies);
        findings.sort_unstable();
        assert_eq!(findings, ["core must not know axum", "core must not know sqlx-core"]);
        assert!(found("core", "[dependencies]\nredistribute = \"1\"").is_empty());
        assert!(found("api", "[dependencies]\naxum = \"1\"").is_empty());
    }

    #[test]
    fn a_part_without_a_rule_is_found() {
        assert_eq!(found("web", "").len(), 1);
    }
}
