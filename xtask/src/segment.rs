//! Segment's own libraries, unmodified, against a server: for Python from `PyPI`, for Node from npm (rule G1).

use std::fs;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::repo::{Repo, Scratch, succeed};

const PYPI: &str = "segment-analytics-python==2.3.4";
const NPM: &str = "@segment/analytics-node@2.3.0";

const PYTHON: &str = r#"
import os, segment.analytics as analytics
analytics.write_key = os.environ["WRITE_KEY"]
analytics.host = os.environ["ROSTER"]
analytics.gzip = True
def failed(error, items): raise SystemExit(f"{error}")
analytics.on_error = failed
analytics.identify("pia", {"email": "pia@example.com", "name": "Pia"})
analytics.group("pia", "delta", {"name": "Delta"})
analytics.track("pia", "Report Opened")
analytics.identify("pia", {"company": {"id": "north", "name": "North"}})
analytics.identify("pia", {"company": {"id": "north", "remove": True}})
analytics.shutdown()
"#;

const NODE: &str = r#"
const { Analytics } = require("@segment/analytics-node");
const analytics = new Analytics({ writeKey: process.env.WRITE_KEY, host: process.env.ROSTER, flushAt: 1 });
analytics.on("error", (error) => { console.error(error); process.exit(1); });
(async () => {
  analytics.identify({ userId: "noa", traits: { email: "noa@example.com", name: "Noa" } });
  analytics.group({ userId: "noa", groupId: "delta", traits: { name: "Delta" } });
  analytics.track({ userId: "noa", event: "Report Opened" });
  await analytics.closeAndFlush();
})();
"#;

/// A server that ends with this.
struct Served(Child);

impl Drop for Served {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Has both libraries identify, group, track and unlink, and looks at what came of it.
pub fn run(repo: &Repo) -> Result<()> {
    let scratch = repo.scratch("segment")?;
    succeed(Command::new("cargo").args(["build", "--package", "roster-cli"]).current_dir(repo.join("")))?;
    let roster = repo.join("target/debug/roster");
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let command = || {
        let mut command = Command::new(&roster);
        command.current_dir(scratch.path()).env("ROSTER_DATA_DIR", scratch.path().join("data"));
        command
    };
    let listen = format!("127.0.0.1:{port}");
    let mut serve = command();
    serve.args(["serve", "--listen", &listen]).stderr(Stdio::null());
    let _served = Served(serve.spawn().context("the server cannot be started")?);
    until(|| std::net::TcpStream::connect(&listen).is_ok())?;
    let owner = [
        "organization",
        "create",
        "--name",
        "Cloud",
        "--external-id",
        "cloud",
        "--owner-email",
        "o@example.com",
    ];
    succeed(command().args(owner))?;
    let key = said(command().args(["source", "create", "Product", "--organization", "ext:cloud"]))?;
    let address = format!("http://{listen}");
    let client = |program: &str| {
        let own = scratch.path().join(program);
        let mut client = if own.is_file() { Command::new(own) } else { Command::new(program) };
        client.current_dir(scratch.path()).env("WRITE_KEY", key.trim()).env("ROSTER", &address);
        client
    };
    succeed(client("python3").args(["-m", "venv", "venv"]))?;
    succeed(client("venv/bin/pip").args(["install", "-q", "--disable-pip-version-check", PYPI]))?;
    write(&scratch, "client.py", PYTHON)?;
    succeed(client("venv/bin/python").arg("client.py"))?;
    write(&scratch, "package.json", "{\"private\": true}\n")?;
    succeed(client("npm").args(["install", "--no-audit", "--no-fund", "--loglevel", "error", NPM]))?;
    write(&scratch, "client.js", NODE)?;
    succeed(client("node").arg("client.js"))?;
    let members = ["member", "list", "--organization", "ext:cloud", "--output", "json"];
    let activity = ["activity", "--organization", "ext:cloud", "--group-by", "event", "--output", "json"];
    until(|| {
        let members = said(command().args(members)).unwrap_or_default();
        let activity = said(command().args(activity)).unwrap_or_default();
        members.contains("pia@example.com")
            && members.contains("noa@example.com")
            && members.matches("\"member\"").count() == 2
            && activity.contains("\"count\": 2")
    })
    .context("what the libraries sent was not applied")?;
    println!("{PYPI} and {NPM} identify, group, track and unlink.");
    Ok(())
}

/// Waits until something is so, ten seconds at the most.
fn until(mut so: impl FnMut() -> bool) -> Result<()> {
    let begun = Instant::now();
    while !so() {
        if begun.elapsed() > Duration::from_secs(10) {
            bail!("waited ten seconds in vain");
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

fn said(command: &mut Command) -> Result<String> {
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("{command:?} cannot be started"))?;
    if !output.status.success() {
        bail!("{command:?} failed");
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn write(scratch: &Scratch, name: &str, text: &str) -> Result<()> {
    fs::write(scratch.path().join(name), text).context("the scratch folder cannot be written")
}
