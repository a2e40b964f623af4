//! Segment's own libraries, unmodified, for Python from `PyPI` and for Node from npm: what comes of what they send, packed or
//! not, and through trouble (rules G1, G2, G4, G5).

use std::collections::BTreeMap;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::place::Place;
use super::relay;
use super::tools::{Tools, Unfetched, until, until_within};
use crate::repo::{Repo, spoken};
use crate::servers::Servers;

const PYPI: &str = "segment-analytics-python==2.4.0";
const NPM: &str = "@segment/analytics-node@3.1.0";

/// Who a library tells of, which one it is, and whether it packs what it sends.
const PLAIN: [(&str, bool, bool); 3] = [("pia", true, true), ("paul", true, false), ("noa", false, false)];
/// The same, through trouble.
const TROUBLED: [(&str, bool, bool); 2] = [("petra", true, true), ("nils", false, false)];

/// Who the lines of the README tell of.
const README_PERSON: &str = "zoe";

/// Has both libraries tell of people on each store, and looks at what came of it.
pub fn run(repo: &Repo, servers: &Servers, backends: &[&'static str]) -> Result<()> {
    let tools = Tools::new(repo, "segment")?;
    tools.pip(&[PYPI])?;
    tools.npm(&[NPM])?;
    tools.write("product.py", include_str!("product.py"))?;
    tools.write("product.js", include_str!("product.js"))?;
    let readme = repo.read("README.md")?;
    // Where what one store needs cannot be fetched, the others are tried all the same.
    let mut unfetched = Ok(());
    for backend in backends {
        match on_store(repo, servers, &tools, &readme, backend) {
            Err(error) if error.is::<Unfetched>() => {
                unfetched = Err(error.context(format!("on {backend}")));
            }
            tried => tried?,
        }
    }
    unfetched
}

/// One after the other: a port that is free now could be taken by the relay of another try.
fn on_store(repo: &Repo, servers: &Servers, tools: &Tools, readme: &str, backend: &str) -> Result<()> {
    let begun = Instant::now();
    let place = Place::new(repo, servers, backend, "")?;
    on(&place, tools, readme, backend).with_context(|| format!("on {backend}:\n{}", place.log()))?;
    let time = spoken(begun.elapsed());
    println!("{PYPI} and {NPM} tell of people on {backend}, and are taken at their word ({time}).");
    Ok(())
}

fn on(place: &Place, tools: &Tools, readme: &str, backend: &str) -> Result<()> {
    let owner = ["--owner-email", "owner@example.com"];
    place.says(
        &[&["organization", "create", "--name", "Cloud", "--external-id", "cloud"], &owner[..]].concat(),
    )?;
    let source = place.json(&["source", "create", "Product", "--organization", "ext:cloud"])?;
    let key = source["write_key"].as_str().context("there is no write key")?;
    let served = place.serve()?;
    for (person, python, packed) in PLAIN {
        let mut told = client(tools, key, &place.url(), (person, python, packed));
        Telling::start(&mut told)?.ended().with_context(|| format!("the library of {person}"))?;
    }
    let mut told = tools.program("venv/bin/python");
    let lines = format!("readme-{backend}.py");
    tools.write(&lines, &lines_for(place, readme)?)?;
    told.arg(lines).env("WRITE_KEY", key);
    Telling::start(&mut told)?.ended().context("the lines of the README")?;
    // While Roster still has its port, which none of them can take so.
    let relays: Vec<_> =
        TROUBLED.into_iter().map(|who| Ok((who, relay::start(place.port())?))).collect::<Result<_>>()?;
    drop(served);
    let mut troubled = Vec::new();
    for (who, (port, trouble)) in relays {
        let told = Telling::start(&mut client(tools, key, &format!("http://127.0.0.1:{port}"), who))?;
        troubled.push((who.0, told, trouble));
    }
    // Roster is away until each has found that.
    until_within(Duration::from_mins(1), || {
        let all = troubled.iter().all(|(_, _, trouble)| trouble.was_absent());
        if all { Ok(()) } else { bail!("the libraries have not found Roster away") }
    })?;
    let _served = place.serve()?;
    for (person, told, trouble) in troubled {
        told.ended().with_context(|| format!("the library of {person}: {}", trouble.said()))?;
        ensure!(trouble.is_complete(), "{person} had too little trouble: {}", trouble.said());
    }
    let source = source["id"].as_str().context("there is no id")?;
    let operator = place.says(&["operator-key", "create", "clients"])?;
    until(|| came(place, source, &operator))?;
    ensure!(place.json(&["verify"]).is_ok(), "`roster verify` finds something");
    Ok(())
}

/// The lines of Python in the README, spoken to a place.
fn lines_for(place: &Place, readme: &str) -> Result<String> {
    let lines = readme.split("```python\n").nth(1).and_then(|rest| rest.split("```").next());
    Ok(lines.context("the README has no lines of Python")?.replace("http://127.0.0.1:8080", &place.url()))
}

fn client(tools: &Tools, key: &str, url: &str, (person, python, packed): (&str, bool, bool)) -> Command {
    let mut told = if python { tools.program("venv/bin/python") } else { tools.program("node") };
    told.arg(if python { "product.py" } else { "product.js" });
    told.env("WRITE_KEY", key).env("ROSTER", url).env("PERSON", person);
    told.env("PACKED", if packed { "yes" } else { "no" });
    told
}

/// A library that tells of somebody, killed when this is dropped before it has ended.
struct Telling(Child);

impl Telling {
    fn start(command: &mut Command) -> Result<Self> {
        Ok(Self(command.spawn().with_context(|| format!("{command:?} cannot be started"))?))
    }

    /// Waits for it, two minutes at the most.
    fn ended(mut self) -> Result<()> {
        let begun = Instant::now();
        loop {
            match self.0.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => bail!("it failed ({status})"),
                None if begun.elapsed() > Duration::from_mins(2) => bail!("it does not come to an end"),
                None => thread::sleep(Duration::from_millis(50)),
            }
        }
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _ended = self.0.wait();
    }
}

/// What must have come of it: nothing lost, nothing doubled, and what cannot be applied says why.
fn came(place: &Place, source: &str, operator: &str) -> Result<()> {
    let people = PLAIN.into_iter().chain(TROUBLED).map(|(person, ..)| person);
    let count = u64::try_from(people.clone().count())?;
    let page = place.get("/v1/organizations/ext:cloud/members?sort=-last_seen_at", operator)?;
    let rows = rows(&page)?;
    for person in people.chain([README_PERSON]) {
        let row = rows.iter().find(|row| row["external_id"] == json!(person));
        let row = row.with_context(|| format!("{person} is no member"))?;
        ensure!(row["email"] == json!(format!("{person}@example.com")), "{row}");
        ensure!(row["status"] == json!("active") && row["last_seen_at"].is_string(), "{row}");
        let accounts = row["access"]["accounts"].as_array().context("no accounts")?;
        // Delta; they were taken out of North again.
        ensure!(accounts.len() == 1 && accounts[0]["role"] == json!("member"), "{row}");
    }
    let page = place.json(&["activity", "--organization", "ext:cloud", "--group-by", "event"])?;
    let counted = counts(&page, "event", |row| row["count"].as_u64().unwrap_or_default())?;
    let expected =
        [("Message Received", count), ("Report Opened", 2 * count + 1), ("page", count), ("screen", count)];
    ensure!(counted == owned(&expected), "the activity is {counted:?}");
    let page = place.json(&["dead-letter", "list", "--source", source])?;
    let dead = counts(&page, "reason", |_| 1)?;
    ensure!(
        dead == owned(&[("account_not_found", count), ("invalid_event", count)]),
        "dead letters: {dead:?}"
    );
    Ok(())
}

fn owned(of: &[(&str, u64)]) -> BTreeMap<String, u64> {
    of.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
}

fn rows(page: &Value) -> Result<&Vec<Value>> {
    page["data"].as_array().context("that is no list")
}

fn counts(page: &Value, name: &str, of: impl Fn(&Value) -> u64) -> Result<BTreeMap<String, u64>> {
    let mut counts = BTreeMap::new();
    for row in rows(page)? {
        *counts.entry(row[name].as_str().unwrap_or_default().to_owned()).or_default() += of(row);
    }
    Ok(counts)
}
