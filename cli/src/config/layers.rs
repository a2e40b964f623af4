//! The layers under a configuration, each a figment provider: defaults, file, environment, flags.
//!
//! figment's own `Env` guesses types (`12345`, `007`, `true` and `[abc]` stop being strings) and passes
//! unknown names over, and its `Toml` searches parent folders and quotes the faulty line, which may hold a
//! secret. A [`Layer`] holds only known keys; what is unknown or misplaced is reported while it is read.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use figment::value::{Dict, Map, Value};
use figment::{Metadata, Profile, Provider};

use super::Flags;
use super::keys::{self, KEYS, Key, PREFIX};
use super::problem::{Fault, Problem, Source};
use super::secret_file;

const FILE_NAME: &str = "roster.toml";
pub(super) const ENVIRONMENT: &str = "environment";
pub(super) const FLAGS: &str = "flags";

/// Values of known keys from one place.
pub(super) struct Layer {
    metadata: Metadata,
    values: BTreeMap<&'static str, Value>,
}

impl Layer {
    fn new(metadata: Metadata) -> Self {
        Self { metadata, values: BTreeMap::new() }
    }

    fn set(&mut self, key: &'static Key, value: impl Into<Value>) {
        self.values.insert(key.path, value.into());
    }
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        self.metadata.clone()
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let mut root = Dict::new();
        for (path, value) in &self.values {
            nest(&mut root, path, value.clone());
        }
        Ok(Profile::Default.collect(root))
    }
}

fn nest(dict: &mut Dict, path: &str, value: Value) {
    let Some((section, rest)) = path.split_once('.') else {
        dict.insert(path.to_owned(), value);
        return;
    };
    let entry = dict.entry(section.to_owned()).or_insert_with(|| Value::from(Dict::new()));
    if let Value::Dict(_, inner) = entry {
        nest(inner, rest, value);
    }
}

/// The built-in values.
pub(super) fn defaults() -> Layer {
    let mut layer = Layer::new(Metadata::named("defaults"));
    for key in KEYS {
        if let Some(default) = key.default {
            layer.set(key, default);
        }
    }
    layer
}

/// The file of `--config`, which must exist, or `roster.toml` in the working folder if it is there.
///
/// The second value is the path that was read.
pub(super) fn file(
    given: Option<&Path>,
    cwd: &Path,
    problems: &mut Vec<Problem>,
) -> Option<(Layer, PathBuf)> {
    let path = cwd.join(given.unwrap_or(Path::new(FILE_NAME)));
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if given.is_none() && error.kind() == ErrorKind::NotFound => return None,
        Err(error) => {
            let fix = match given {
                Some(_) => "correct the path after --config, or make it a text file that this user can read",
                None => "make it a text file that this user can read, or name another one by --config",
            };
            let fault = Fault::new(format!("cannot be read: {error}"), fix);
            problems.push(Problem::whole(Source::File(path), fault));
            return None;
        }
    };
    let mut layer = Layer::new(Metadata::from("file", path.as_path()));
    match toml::from_str::<Dict>(&text) {
        Ok(dict) => {
            take_table(&mut layer, "", dict, &path, problems);
            if layer.values.contains_key(keys::MASTER_KEY.path) {
                problems.extend(readable_by_others(&path));
            }
        }
        Err(error) => problems.push(Problem::whole(Source::File(path.clone()), not_toml(&text, &error))),
    }
    Some((layer, path))
}

/// A file that holds the master key is as private as the key's own file has to be.
fn readable_by_others(path: &Path) -> Option<Problem> {
    let fault = secret_file::check(path).err()?;
    let said = fault.problem.strip_prefix(&format!("{} ", path.display())).unwrap_or(&fault.problem);
    let problem = format!("stands in a file that {said}");
    Some(Problem::at(Source::File(path.to_owned()), &keys::MASTER_KEY, Fault { problem, ..fault }))
}

/// Says the line, not its text, which may hold a secret.
fn not_toml(text: &str, error: &toml::de::Error) -> Fault {
    let before = error.span().and_then(|span| text.get(..span.start));
    let line = before.map_or(1, |before| before.matches('\n').count() + 1);
    Fault::new(
        format!("is not TOML at line {line}: {}", error.message().replace('\n', ", ")),
        "correct that line; text values stand in double quotes",
    )
}

fn take_table(layer: &mut Layer, section: &str, dict: Dict, file: &Path, problems: &mut Vec<Problem>) {
    for (name, value) in dict {
        let path = if section.is_empty() { name } else { format!("{section}.{name}") };
        if let Some(key) = keys::find(&path) {
            layer.set(key, value);
            continue;
        }
        let fault = match value {
            Value::Dict(_, inner) if keys::is_section(&path) => {
                take_table(layer, &path, inner, file, problems);
                continue;
            }
            _ if keys::is_section(&path) => Fault::new(
                "is a section, not a value",
                format!("write it as a table, [{path}], with its keys below"),
            ),
            _ => Fault::new("unknown key", instead(&path, |key| key.path.to_owned())),
        };
        problems.push(Problem::named(Source::File(file.to_owned()), &path, fault));
    }
}

/// Variables that begin with `ROSTER_`, kept as text whatever they look like.
pub(super) fn environment(
    variables: impl Iterator<Item = (String, String)>,
    problems: &mut Vec<Problem>,
) -> Layer {
    let mut layer = Layer::new(Metadata::named(ENVIRONMENT));
    for (name, value) in variables {
        let Some(rest) = name.strip_prefix(PREFIX) else {
            continue;
        };
        if rest.starts_with("TEST_") || is_service_link(rest, &value) {
            continue;
        }
        if let Some(key) = keys::find_variable(&name) {
            layer.set(key, value);
            continue;
        }
        let path = rest.to_ascii_lowercase().replace("__", ".");
        let fault = Fault::new("unknown variable", instead(&path, Key::variable));
        problems.push(Problem::named(Source::Environment(name.clone()), &name, fault));
    }
    layer
}

/// Kubernetes and Docker links put the addresses of a service named `roster` into every container beside it.
///
/// <https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables>
fn is_service_link(rest: &str, value: &str) -> bool {
    let host_or_port = |name: &str| name.ends_with("SERVICE_HOST") || name.contains("SERVICE_PORT");
    let address =
        |value: &str| ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme));
    let port_detail = |name: &str| {
        let mut parts = name.rsplit_once("PORT_").map_or("", |(_, detail)| detail).split('_');
        let number = parts.next().is_some_and(|number| number.parse::<u16>().is_ok());
        number && matches!(parts.next(), Some("TCP" | "UDP" | "SCTP"))
    };
    host_or_port(rest) || (rest.ends_with("PORT") && address(value)) || port_detail(rest)
}

/// The flags that were given.
pub(super) fn flags(flags: &Flags, problems: &mut Vec<Problem>) -> Layer {
    let mut layer = Layer::new(Metadata::named(FLAGS));
    let texts = [
        (&keys::LISTEN, &flags.listen),
        (&keys::PUBLIC_URL, &flags.public_url),
        (&keys::LOG_FORMAT, &flags.log_format),
        (&keys::LOG_LEVEL, &flags.log_level),
    ];
    for (key, value) in texts {
        if let Some(value) = value {
            layer.set(key, value.as_str());
        }
    }
    if let Some(path) = &flags.data_dir {
        match path.to_str() {
            Some(text) => layer.set(&keys::DATA_DIR, text),
            None => {
                problems.push(Problem::at(source_of(FLAGS, &keys::DATA_DIR), &keys::DATA_DIR, not_utf8()));
            }
        }
    }
    layer
}

/// The place a value of this key came from, by the name of its layer.
pub(super) fn source_of(layer: &str, key: &Key) -> Source {
    match layer {
        ENVIRONMENT => Source::Environment(key.variable()),
        FLAGS => Source::Flag(key.flag.unwrap_or(key.path).to_owned()),
        _ => Source::Default,
    }
}

pub(super) fn not_utf8() -> Fault {
    Fault::new("is not UTF-8", "use only UTF-8 text here")
}

fn instead(path: &str, name: impl Fn(&Key) -> String) -> String {
    if let Some(key) = keys::closest(path) {
        return format!("did you mean {}?", name(key));
    }
    let known: Vec<_> = KEYS.into_iter().map(name).collect();
    format!("remove it or use one of {}", known.join(", "))
}
