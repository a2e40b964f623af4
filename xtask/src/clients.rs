//! `cargo xtask clients`: whether tools that others use accept docs/openapi.json. They are fetched from npm and `PyPI`.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::repo::{Repo, Scratch, succeed};

const NPM: [&str; 3] = ["@redocly/cli@2.77.0", "openapi-typescript@7.13.0", "typescript@5.9.3"];
const PYPI: &str = "openapi-python-client==0.29.1";

/// Probes take nothing that could be refused, so they document no refusal.
const LINT: &str = "extends: [recommended]\nrules:\n  operation-4xx-response: off\n";
/// The generator knows no other text than plain text.
const PYTHON: &str = "content_type_overrides:\n  application/openmetrics-text: text/plain\n  \
                      application/x-ndjson: text/plain\n";

/// Lints the document, and generates a client in TypeScript and one in Python.
pub fn run(repo: &Repo) -> Result<()> {
    let scratch = repo.scratch("clients")?;
    let document = scratch.path().join("openapi.json");
    fs::copy(repo.join("docs/openapi.json"), &document).context("docs/openapi.json cannot be read")?;
    lint(&scratch)?;
    typescript(&scratch)?;
    python(&scratch)?;
    println!("docs/openapi.json is accepted by redocly, openapi-typescript and openapi-python-client.");
    Ok(())
}

fn lint(scratch: &Scratch) -> Result<()> {
    write(scratch, "package.json", "{\"private\": true}\n")?;
    let mut install = at(scratch, "npm");
    succeed(install.args(["install", "--no-audit", "--no-fund", "--loglevel", "error"]).args(NPM))
        .context("the tools cannot be installed by npm")?;
    write(scratch, "redocly.yaml", LINT)?;
    let said = said(npx(scratch).args(["redocly", "lint", "--config", "redocly.yaml", "openapi.json"]))?;
    // Warnings alone leave the exit status at 0.
    if said.contains("You have ") || !said.contains("is valid") {
        bail!("redocly is not content:\n{said}");
    }
    Ok(())
}

fn typescript(scratch: &Scratch) -> Result<()> {
    succeed(npx(scratch).args(["openapi-typescript", "openapi.json", "-o", "roster.ts"]))?;
    let use_it = "import type { paths } from \"./roster\";\n\
                  type Answer = paths[\"/v1/check\"][\"post\"][\"responses\"][200];\n\
                  const answer = (it: Answer[\"content\"][\"application/json\"]): boolean => it.allowed;\n\
                  export default answer;\n";
    write(scratch, "use.ts", use_it)?;
    succeed(npx(scratch).args(["tsc", "--strict", "--noEmit", "use.ts"]))
}

fn python(scratch: &Scratch) -> Result<()> {
    succeed(at(scratch, "python3").args(["-m", "venv", "venv"]))?;
    succeed(at(scratch, "venv/bin/pip").args(["install", "-q", "--disable-pip-version-check", PYPI]))
        .context("the generator cannot be installed by pip")?;
    write(scratch, "python.yaml", PYTHON)?;
    let generate = ["generate", "--path", "openapi.json", "--config", "python.yaml", "--meta", "none"];
    let mut client = at(scratch, "venv/bin/openapi-python-client");
    let said = said(client.args(generate).args(["--output-path", "roster_client", "--fail-on-warning"]))?;
    if said.contains("WARNING") {
        bail!("openapi-python-client is not content:\n{said}");
    }
    let use_it = "from roster_client.api.check import check; from roster_client.models import Member";
    succeed(at(scratch, "venv/bin/python").args(["-c", use_it]))
}

/// A program of the tools' folder or of the system, in that folder.
fn at(scratch: &Scratch, program: &str) -> Command {
    let own = scratch.path().join(program);
    let mut command = if own.is_file() { Command::new(own) } else { Command::new(program) };
    let path = std::env::var_os("PATH").unwrap_or_default();
    let own = scratch.path().join("venv/bin");
    let paths = std::iter::once(own).chain(std::env::split_paths(&path));
    command.current_dir(scratch.path()).env("PATH", std::env::join_paths(paths).unwrap_or(path));
    command
}

fn npx(scratch: &Scratch) -> Command {
    let mut command = at(scratch, "npx");
    command.arg("--no-install").env("REDOCLY_TELEMETRY", "off");
    command
}

/// Runs a command and gives back all that it says.
fn said(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{command:?} cannot be started"))?;
    let said =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    if !output.status.success() {
        bail!("{command:?} failed:\n{said}");
    }
    Ok(said)
}

fn write(scratch: &Scratch, name: impl AsRef<Path>, text: &str) -> Result<()> {
    fs::write(scratch.path().join(name), text).context("the scratch folder cannot be written")
}
