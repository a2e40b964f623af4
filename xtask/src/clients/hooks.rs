//! Webhooks, received and checked by the libraries of Standard Webhooks for Python and for Node (rule X2).

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Child;

use anyhow::{Context, Result, ensure};

use super::place::Place;
use super::tools::{Tools, until};
use crate::repo::Repo;
use crate::servers::{Servers, free_ports};

const PYPI: &str = "standardwebhooks==1.1.0";
const NPM: &str = "standardwebhooks@1.1.1";

/// A receiver, ended when this is dropped.
struct Receiver(Child);

impl Drop for Receiver {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Has both told of a member who comes and goes, with a secret and with the next one.
pub fn run(repo: &Repo, servers: &Servers) -> Result<()> {
    let tools = Tools::new(repo, "hooks")?;
    tools.pip(&[PYPI])?;
    tools.npm(&[NPM])?;
    tools.write("receiver.py", include_str!("hooks.py"))?;
    tools.write("receiver.js", include_str!("hooks.js"))?;
    let place = Place::new(repo, servers, "sqlite", "[webhooks]\nallow_private_addresses = true\n")?;
    let create = ["organization", "create", "--name", "Cloud", "--external-id", "cloud", "--owner-email"];
    place.says(&[&create[..], &["owner@example.com"]].concat())?;
    let ports: [u16; 2] = free_ports()?;
    let mut receivers = Vec::new();
    for ((program, script), port) in
        [("venv/bin/python", "receiver.py"), ("node", "receiver.js")].into_iter().zip(ports)
    {
        let url = format!("http://127.0.0.1:{port}/hooks");
        let made = place.json(&["webhook", "create", &url, "--organization", "ext:cloud"])?;
        let (id, secret) = (made["id"].as_str(), made["secret"].as_str());
        let (id, secret) = (id.context("no id")?.to_owned(), secret.context("no secret")?.to_owned());
        let told = tools.path(format!("{script}.told"));
        let start = |secret: &str| -> Result<Receiver> {
            let mut receiver = tools.program(program);
            receiver.arg(script).env("PORT", port.to_string()).env("SECRET", secret).env("TOLD", &told);
            receiver.spawn().map(Receiver).context("the receiver cannot be started")
        };
        receivers.push((script, id, start(&secret)?, told.clone()));
    }
    let _served = place.serve()?;
    let add = ["member", "add", "--organization", "ext:cloud", "--external-id", "zoe", "--email"];
    place.says(&[&add[..], &["zoe@example.com", "--all-accounts", "--role", "viewer"]].concat())?;
    place.says(&["member", "remove", "ext:zoe", "--organization", "ext:cloud", "--yes"])?;
    for (script, id, _, told) in &receivers {
        until(|| has(told, &["member.added", "member.removed"]))
            .with_context(|| format!("{script}: {}", place.log()))?;
        // Signed by both secrets for a while.
        place.says(&["webhook", "rotate-secret", id, "--overlap-seconds", "600"])?;
    }
    place.says(&["organization", "update", "ext:cloud", "--name", "Wolke \u{1F324}"])?;
    for (script, _, _, told) in &receivers {
        until(|| has(told, &["organization.updated"]))
            .with_context(|| format!("{script}: {}", place.log()))?;
    }
    println!("{PYPI} and {NPM} take what webhooks are sent, and know who signed it.");
    Ok(())
}

/// Whether events have come, none of them twice, and none with a signature that does not fit.
fn has(told: &Path, types: &[&str]) -> Result<()> {
    let text = fs::read_to_string(told).unwrap_or_default();
    ensure!(!text.contains("refused"), "{text}");
    for of in types {
        ensure!(text.lines().any(|line| line.ends_with(&format!(" {of}"))), "no {of} has come:\n{text}");
    }
    let ids: BTreeSet<_> = text.lines().filter_map(|line| line.split(' ').next()).collect();
    ensure!(ids.len() == text.lines().count(), "something came twice:\n{text}");
    Ok(())
}
