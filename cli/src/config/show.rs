//! What `roster config show` and `roster config check` print.

use std::path::Path;

use comfy_table::Table;
use serde_json::{Value, json};

use super::{Config, Flags, Problem, Shown, master_key};

/// The settings in effect with their sources, as a table for people.
pub fn table(config: &Config) -> String {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING).set_header(["SETTING", "VALUE", "SOURCE"]);
    for setting in config.settings() {
        let value = match &setting.value {
            Shown::Unset => "(not set)",
            Shown::Hidden => HIDDEN,
            Shown::Text(text) => text,
        };
        table.add_row([setting.key, value, &setting.source.to_string()]);
    }
    table.trim_fmt()
}

/// The settings in effect with their sources:
/// `{"settings": [{"key", "value": text or null, "source": {"kind", "name"}}]}`.
pub fn to_json(config: &Config) -> Value {
    let settings = config.settings().iter().map(|setting| {
        let value = match &setting.value {
            Shown::Unset => Value::Null,
            Shown::Hidden => HIDDEN.into(),
            Shown::Text(text) => text.as_str().into(),
        };
        json!({ "key": setting.key, "value": value, "source": setting.source })
    });
    json!({ "settings": settings.collect::<Vec<_>>() })
}

const HIDDEN: &str = "(hidden)";

/// What [`check`] found.
#[derive(Debug)]
pub struct Check {
    /// Empty for a configuration that can be used.
    pub problems: Vec<Problem>,
}

/// Reads the configuration and looks at the master key, and writes nothing.
pub fn check(flags: &Flags, env: impl Iterator<Item = (String, String)>, cwd: &Path) -> Check {
    Check { problems: problems(flags, env, cwd).1 }
}

/// The configuration, if it can be used, and every problem of it, those of the master key's file included.
pub fn problems(
    flags: &Flags,
    env: impl Iterator<Item = (String, String)>,
    cwd: &Path,
) -> (Option<Config>, Vec<Problem>) {
    match Config::examine(flags, env, cwd) {
        Ok(config) => {
            let problems = master_key::check(&config).err().into_iter().collect();
            (Some(config), problems)
        }
        Err((mut problems, key)) => {
            problems.extend(key.and_then(|(key, source)| master_key::find_at(&key, &source).err()));
            (None, problems)
        }
    }
}

impl Check {
    /// Whether the configuration can be used.
    pub fn is_ok(&self) -> bool {
        self.problems.is_empty()
    }

    /// One line a problem, or one that says that there is none.
    pub fn text(&self) -> String {
        if self.is_ok() {
            return "the configuration has no problems".to_owned();
        }
        let lines: Vec<_> = self.problems.iter().map(ToString::to_string).collect();
        lines.join("\n")
    }

    /// `{"ok": bool, "problems": [{"source": {"kind", "name"}, "key", "problem", "fix"}]}`.
    pub fn to_json(&self) -> Value {
        json!({ "ok": self.is_ok(), "problems": self.problems })
    }
}
