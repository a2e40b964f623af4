//! Whether tools that others use accept docs/openapi.json.

use std::fs;

use anyhow::{Context, Result, bail};

use super::tools::{Tools, said};
use crate::repo::{Repo, succeed};

const NPM: [&str; 3] = ["@redocly/cli@2.77.0", "openapi-typescript@7.13.0", "typescript@5.9.3"];
const PYPI: &str = "openapi-python-client==0.29.1";

/// Probes take nothing that could be refused, so they document no refusal.
const LINT: &str = "extends: [recommended]\nrules:\n  operation-4xx-response: off\n";
/// The generator knows no other text than plain text, and sends files as bytes.
const PYTHON: &str = "content_type_overrides:\n  application/openmetrics-text: text/plain\n  \
                      application/x-ndjson: text/plain\n  text/csv: application/octet-stream\n";

/// Lints the document, and generates a client in TypeScript and one in Python.
pub fn run(repo: &Repo) -> Result<()> {
    let tools = Tools::new(repo, "openapi")?;
    let document = tools.path("openapi.json");
    fs::copy(repo.join("docs/openapi.json"), &document).context("docs/openapi.json cannot be read")?;
    lint(&tools)?;
    typescript(&tools)?;
    python(&tools)?;
    println!("docs/openapi.json is accepted by redocly, openapi-typescript and openapi-python-client.");
    Ok(())
}

fn lint(tools: &Tools) -> Result<()> {
    tools.npm(&NPM)?;
    tools.write("redocly.yaml", LINT)?;
    let said = said(tools.npx().args(["redocly", "lint", "--config", "redocly.yaml", "openapi.json"]))?;
    // Warnings alone leave the exit status at 0.
    if said.contains("You have ") || !said.contains("is valid") {
        bail!("redocly is not content:\n{said}");
    }
    Ok(())
}

fn typescript(tools: &Tools) -> Result<()> {
    succeed(tools.npx().args(["openapi-typescript", "openapi.json", "-o", "roster.ts"]))?;
    let use_it = "import type { paths } from \"./roster\";\n\
                  type Answer = paths[\"/v1/check\"][\"post\"][\"responses\"][200];\n\
                  const answer = (it: Answer[\"content\"][\"application/json\"]): boolean => it.allowed;\n\
                  export default answer;\n";
    tools.write("use.ts", use_it)?;
    succeed(tools.npx().args(["tsc", "--strict", "--noEmit", "use.ts"]))
}

fn python(tools: &Tools) -> Result<()> {
    tools.pip(&[PYPI])?;
    tools.write("python.yaml", PYTHON)?;
    let generate = ["generate", "--path", "openapi.json", "--config", "python.yaml", "--meta", "none"];
    let mut client = tools.program("venv/bin/openapi-python-client");
    let said = said(client.args(generate).args(["--output-path", "roster_client", "--fail-on-warning"]))?;
    if said.contains("WARNING") {
        bail!("openapi-python-client is not content:\n{said}");
    }
    let use_it = "from roster_client.api.check import check; from roster_client.models import Member";
    succeed(tools.program("venv/bin/python").args(["-c", use_it]))
}
