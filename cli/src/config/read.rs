//! Reads settings out of the merged layers one at a time, so that every problem is found in one go.

use std::path::{Path, PathBuf};

use figment::Figment;
use figment::value::Value;

use super::keys::{Form, Key};
use super::layers::{not_utf8, source_of};
use super::problem::{Fault, Problem, Source};

/// What `config show` prints for a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// Nobody gave a value.
    Unset,
    /// A secret was given.
    Hidden,
    /// The value in effect.
    Text(String),
}

/// One setting in effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Dotted path: `server.listen`.
    pub key: &'static str,
    /// The value, unless it is a secret.
    pub value: Shown,
    /// Where it came from.
    pub source: Source,
}

/// A value with its place of origin.
pub(super) struct Found<T> {
    pub value: T,
    pub source: Source,
}

/// A secret, or the file that holds it.
pub(super) enum ValueOrFile<V, F> {
    Value(Found<V>),
    File(Found<F>),
}

/// A problem was noted.
pub(super) struct Noted;

/// Collects the settings in effect and the problems met on the way.
pub(super) struct Reader<'a> {
    pub figment: &'a Figment,
    pub cwd: &'a Path,
    pub settings: Vec<Setting>,
    pub problems: Vec<Problem>,
}

impl Reader<'_> {
    /// The parsed value; `None` when nobody gave one or when it is wrong, which is noted as a problem.
    pub fn parse<T>(
        &mut self,
        key: &'static Key,
        parse: impl FnOnce(&str) -> Result<T, Fault>,
        show: impl FnOnce(&T) -> String,
    ) -> Option<Found<T>> {
        let Found { value: text, source } = self.text(key)?;
        match parse(&text) {
            Ok(value) => {
                let shown = if key.secret { Shown::Hidden } else { Shown::Text(show(&value)) };
                self.record(key, shown, source.clone());
                Some(Found { value, source })
            }
            Err(fault) => {
                self.fail(source, key, fault);
                None
            }
        }
    }

    /// A path, taken from the working folder when it is relative.
    pub fn path(&mut self, key: &'static Key) -> Option<Found<PathBuf>> {
        let cwd = self.cwd;
        self.parse(key, |text| absolute(cwd, text), |path| path.display().to_string())
    }

    /// One of a few words.
    pub fn choice<T: Copy>(&mut self, key: &'static Key, choices: &[(&str, T)]) -> Option<T> {
        let parse = |text: &str| {
            let choice = choices.iter().find(|(name, _)| *name == text);
            choice.copied().ok_or_else(|| {
                let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
                Fault::new(format!("\"{text}\" is not known"), format!("use one of: {}", names.join(", ")))
            })
        };
        let found = self.parse(key, parse, |(name, _)| (*name).to_owned())?;
        Some(found.value.1)
    }

    /// Whether anybody, including the defaults, gave a value.
    pub fn given(&self, key: &Key) -> bool {
        self.figment.contains(key.path)
    }

    /// Which of a value and a file with the value counts: what was given at the higher layer; both at one layer
    /// contradict each other, which is noted. The other one is shown as not set.
    pub fn higher<V, F>(
        &mut self,
        (key, value): (&'static Key, Option<Found<V>>),
        (file_key, file): (&'static Key, Option<Found<F>>),
    ) -> Result<Option<ValueOrFile<V, F>>, Noted> {
        let rank = |source: &Source| source.rank();
        match (value, file) {
            (Some(value), Some(file)) if rank(&value.source) == rank(&file.source) => {
                let fault = Fault::new(format!("is given beside {}", key.path), "keep one of the two");
                self.fail(file.source, file_key, fault);
                Err(Noted)
            }
            (Some(value), Some(file)) if rank(&value.source) < rank(&file.source) => {
                self.unset(key);
                Ok(Some(ValueOrFile::File(file)))
            }
            (Some(value), _) => {
                self.unset(file_key);
                Ok(Some(ValueOrFile::Value(value)))
            }
            (None, Some(file)) => {
                self.unset(key);
                Ok(Some(ValueOrFile::File(file)))
            }
            (None, None) => {
                self.unset(key);
                self.unset(file_key);
                Ok(None)
            }
        }
    }

    /// Notes a value in effect that was not parsed: unset, or derived from others.
    pub fn record(&mut self, key: &'static Key, value: Shown, source: Source) {
        self.settings.push(Setting { key: key.path, value, source });
    }

    /// Notes that a setting is not in effect, whatever was noted before.
    pub fn unset(&mut self, key: &'static Key) {
        self.settings.retain(|setting| setting.key != key.path);
        self.record(key, Shown::Unset, Source::Default);
    }

    pub fn fail(&mut self, source: Source, key: &Key, fault: Fault) {
        self.problems.push(Problem::at(source, key, fault));
    }

    fn text(&mut self, key: &'static Key) -> Option<Found<String>> {
        let value = self.figment.find_value(key.path).ok()?;
        let source = self.source(key, &value);
        let fault = match value {
            Value::String(_, text) if text.trim().is_empty() => {
                Fault::new("is empty", "give it a value, or remove it to use the default")
            }
            // What an environment value that is not UTF-8 was turned into.
            Value::String(_, text) if text.contains(char::REPLACEMENT_CHARACTER) => not_utf8(),
            Value::String(_, text) => return Some(Found { value: text, source }),
            Value::Num(_, number) if key.form == Form::Number => {
                let text = number
                    .to_i128()
                    .map_or_else(|| "a broken number".to_owned(), |number| number.to_string());
                return Some(Found { value: text, source });
            }
            Value::Bool(_, flag) if key.form == Form::Boolean => {
                return Some(Found { value: flag.to_string(), source });
            }
            Value::Array(_, values) if key.form == Form::List => match joined(&values) {
                Some(text) => return Some(Found { value: text, source }),
                None => Fault::new("is not a list of texts", "write it like [\"one\", \"two\"]"),
            },
            _ => Fault::new("is not text", "put the value in double quotes"),
        };
        self.fail(source, key, fault);
        None
    }

    fn source(&self, key: &Key, value: &Value) -> Source {
        let Some(metadata) = self.figment.get_metadata(value.tag()) else {
            return Source::Default;
        };
        match metadata.source.as_ref().and_then(figment::Source::file_path) {
            Some(path) => Source::File(path.to_owned()),
            None => source_of(&metadata.name, key),
        }
    }
}

/// Texts of a list, with commas.
fn joined(values: &[Value]) -> Option<String> {
    let texts: Option<Vec<&str>> = values.iter().map(Value::as_str).collect();
    texts.map(|texts| texts.join(","))
}

/// Joins to the working folder and drops `.` parts, for display.
pub(super) fn absolute(cwd: &Path, text: &str) -> Result<PathBuf, Fault> {
    if text == "~" || text.starts_with("~/") {
        return Err(Fault::new("~ is not expanded here", "write the whole path"));
    }
    Ok(cwd.join(text).components().collect())
}
