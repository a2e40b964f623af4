//! The configuration: defaults, then `roster.toml`, then the environment, then flags; later ones win.
//!
//! [`Config::load`] reads every setting and reports everything that is wrong at once. Relative paths count
//! from the working folder, in files too. A new setting is a line in `keys.rs` and a field here; a backend is
//! a word in [`Backend::NAMES`] and a section beside [`SqliteStorage`].

mod indicators;
mod keys;
mod layers;
mod mail;
pub mod master_key;
mod people;
mod problem;
mod public_url;
mod read;
mod secret_file;
mod servers;
pub mod show;
#[cfg(test)]
mod tests;
mod webhooks;

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use figment::Figment;
use roster_api::peer::Proxies;
use roster_core::health::Durability;
use secrecy::{ExposeSecret, SecretString};

pub use self::indicators::IndicatorSettings;
pub use self::people::People;
use self::problem::Fault;
pub use self::problem::{Problem, Problems, Source};
use self::read::{Found, Reader, ValueOrFile};
pub use self::read::{Setting, Shown};
pub use self::secret_file::shell_quoted;
pub use self::webhooks::WebhookSettings;
use crate::mail::MailSettings;

/// Settings given on the command line. Secrets have no flag.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flags {
    /// `--config`: the file to read in place of `roster.toml` in the working folder; it must exist.
    pub config: Option<PathBuf>,
    /// `--listen`, as written.
    pub listen: Option<String>,
    /// `--public-url`, as written.
    pub public_url: Option<String>,
    /// `--data-dir`.
    pub data_dir: Option<PathBuf>,
    /// `--log-format`, as written.
    pub log_format: Option<String>,
    /// `--log-level`, as written.
    pub log_level: Option<String>,
}

/// The most answers that may wait: three quarters of the connections.
const MOST_FOLLOWERS: usize = 3_000;

/// A configuration without problems.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the server listens.
    pub server: Server,
    /// The address at which people reach the server, without a slash at its end.
    pub public_url: String,
    /// The folder for the database file and a generated master key; it may not exist yet.
    pub data_dir: PathBuf,
    /// Where the master key is; [`master_key::resolve`] reads or makes it.
    pub master_key: MasterKeySource,
    /// Where the data is.
    pub storage: Storage,
    /// How people come in and sign in.
    pub people: People,
    /// By what mail is sent, if at all.
    pub mail: Option<MailSettings>,
    /// Where events may be sent.
    pub webhooks: WebhookSettings,
    /// When indicators are evaluated.
    pub indicators: IndicatorSettings,
    /// What is logged, and how.
    pub log: Log,
    /// The file that was read, if any.
    pub file: Option<PathBuf>,
    settings: Vec<Setting>,
}

/// Section `server`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Address and port; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Proxies whose word on whom they speak for is believed.
    pub trusted_proxies: Proxies,
    /// How many answers that wait for what happens next there may be at a time.
    pub followers: usize,
}

/// Section `storage`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage {
    /// The backend in use.
    pub backend: Backend,
    /// Section `storage.sqlite`.
    pub sqlite: SqliteStorage,
    /// Section `storage.postgres`.
    pub postgres: PostgresStorage,
    /// Section `storage.redis`.
    pub redis: RedisStorage,
}

/// The kinds of store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// One file on this machine.
    Sqlite,
    /// A database on a Postgres server.
    Postgres,
    /// A Redis, or a Redis Cluster.
    Redis,
}

impl Backend {
    /// The words for `storage.backend`.
    pub const NAMES: &[(&str, Self)] =
        &[("sqlite", Self::Sqlite), ("postgres", Self::Postgres), ("redis", Self::Redis)];

    /// Its word for `storage.backend`.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, backend)| *backend == self).map_or("", |(name, _)| name)
    }
}

/// Section `storage.sqlite`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqliteStorage {
    /// The database file.
    pub path: PathBuf,
}

/// Section `storage.postgres`.
#[derive(Debug, Clone)]
pub struct PostgresStorage {
    /// The address of the database, with its password. There whenever the backend is Postgres.
    pub url: Option<SecretString>,
    /// The most connections.
    pub connections: u32,
}

impl PartialEq for PostgresStorage {
    fn eq(&self, other: &Self) -> bool {
        let url = |storage: &Self| storage.url.as_ref().map(|url| url.expose_secret().to_owned());
        (url(self), self.connections) == (url(other), other.connections)
    }
}

impl Eq for PostgresStorage {}

/// Section `storage.redis`.
#[derive(Debug, Clone)]
pub struct RedisStorage {
    /// The address with its password, or several of one cluster. There whenever the backend is Redis.
    pub url: Option<SecretString>,
    /// What all keys begin with.
    pub prefix: String,
    /// How much of what was acknowledged a power cut may take.
    pub durability: Durability,
    /// What `appendfsync` is on a server that does not say so.
    pub appendfsync: Option<String>,
}

impl PartialEq for RedisStorage {
    fn eq(&self, other: &Self) -> bool {
        let url = |storage: &Self| storage.url.as_ref().map(|url| url.expose_secret().to_owned());
        (url(self), &self.prefix, self.durability, &self.appendfsync)
            == (url(other), &other.prefix, other.durability, &other.appendfsync)
    }
}

impl Eq for RedisStorage {}

const DURABILITIES: &[(&str, Durability)] = &[("full", Durability::Full), ("relaxed", Durability::Relaxed)];

/// Section `log`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// How a line looks.
    pub format: LogFormat,
    /// The least important level that is written.
    pub level: tracing::Level,
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

const LOG_FORMATS: &[(&str, LogFormat)] = &[("text", LogFormat::Text), ("json", LogFormat::Json)];
const LOG_LEVELS: &[(&str, tracing::Level)] = &[
    ("error", tracing::Level::ERROR),
    ("warn", tracing::Level::WARN),
    ("info", tracing::Level::INFO),
    ("debug", tracing::Level::DEBUG),
    ("trace", tracing::Level::TRACE),
];

/// Where the master key comes from.
#[derive(Debug, Clone)]
pub enum MasterKeySource {
    /// Given as base64; checked already.
    Given(SecretString),
    /// In this file, which must exist.
    File(PathBuf),
    /// In this file in the data folder, made on first use.
    Generated(PathBuf),
}

impl Config {
    /// Reads the configuration.
    ///
    /// `env` is the whole environment (see [`environment`]); what does not begin with `ROSTER_` is passed
    /// over, and so are `ROSTER_TEST_*` and the service links of Kubernetes. `cwd` is the working folder.
    ///
    /// # Errors
    /// Every problem of every layer.
    pub fn load(
        flags: &Flags,
        env: impl Iterator<Item = (String, String)>,
        cwd: &Path,
    ) -> Result<Self, Problems> {
        Self::examine(flags, env, cwd).map_err(|(problems, _)| Problems(problems))
    }

    /// The same, with the master key's place where that is known though something else is wrong.
    #[expect(clippy::type_complexity, reason = "problems, and what to look at besides them")]
    fn examine(
        flags: &Flags,
        env: impl Iterator<Item = (String, String)>,
        cwd: &Path,
    ) -> Result<Self, (Vec<Problem>, Option<(MasterKeySource, Source)>)> {
        let mut problems = Vec::new();
        let mut figment = Figment::from(layers::defaults());
        let mut file = None;
        if let Some((layer, path)) = layers::file(flags.config.as_deref(), cwd, &mut problems) {
            figment = figment.merge(layer);
            file = Some(path);
        }
        figment = figment.merge(layers::environment(env, &mut problems));
        figment = figment.merge(layers::flags(flags, &mut problems));
        let mut reader = Reader { figment: &figment, cwd, settings: Vec::new(), problems };
        let mut key = None;
        let config = Self::read(&mut reader, file, &mut key);
        let Reader { settings, problems, .. } = reader;
        match config {
            Some(config) if problems.is_empty() => Ok(Self { settings: in_order(settings), ..config }),
            _ => Err((problems, key.map(|key| (key, source_in(&settings, &keys::MASTER_KEY_FILE))))),
        }
    }

    /// `None` only when a problem was noted. Each setting is read before the first `?`, so that all are
    /// checked.
    fn read(
        reader: &mut Reader<'_>,
        file: Option<PathBuf>,
        key: &mut Option<MasterKeySource>,
    ) -> Option<Self> {
        let listen = read_listen(reader);
        let proxies = read_proxies(reader);
        let followers = reader.parse(&keys::FOLLOWERS, followers, ToString::to_string);
        let public_url = read_public_url(reader, listen.as_ref());
        let data_dir = reader.path(&keys::DATA_DIR).map(|found| found.value);
        let master_key = read_master_key(reader, data_dir.as_deref());
        key.clone_from(&master_key);
        let backend = reader.choice(&keys::BACKEND, Backend::NAMES);
        let path = read_sqlite_path(reader, data_dir.as_deref());
        let postgres = servers::read_postgres(reader, backend);
        let redis = servers::read_redis(reader, backend);
        let people = people::read(reader);
        let mail = mail::read(reader);
        let webhooks = webhooks::read(reader);
        let indicators = indicators::read(reader);
        let format = reader.choice(&keys::LOG_FORMAT, LOG_FORMATS);
        let level = reader.choice(&keys::LOG_LEVEL, LOG_LEVELS);
        Some(Self {
            server: Server { listen: listen?.value, trusted_proxies: proxies?, followers: followers?.value },
            public_url: public_url?,
            data_dir: data_dir?,
            master_key: master_key?,
            storage: Storage {
                backend: backend?,
                sqlite: SqliteStorage { path: path? },
                postgres: postgres?,
                redis: redis?,
            },
            people: people?,
            mail: mail?,
            webhooks: webhooks?,
            indicators: indicators?,
            log: Log { format: format?, level: level? },
            file,
            settings: Vec::new(),
        })
    }

    /// Every setting in effect, secrets hidden, in the order of the documentation.
    pub fn settings(&self) -> &[Setting] {
        &self.settings
    }

    /// The public address once the server listens at `bound`, which differs from `server.listen` for port 0.
    pub fn public_url_at(&self, bound: SocketAddr) -> String {
        match self.source(&keys::PUBLIC_URL) {
            Source::Default => default_public_url(bound),
            _ => self.public_url.clone(),
        }
    }

    /// Why the server cannot listen at `server.listen`.
    pub fn listen_problem(&self, error: &io::Error) -> Problem {
        let listen = self.server.listen;
        let problem = match error.kind() {
            ErrorKind::AddrInUse => format!("{listen} is in use by another program"),
            _ => format!("{listen} cannot be listened on: {error}"),
        };
        let fix = format!(
            "free it, or set another address and port (server.listen in roster.toml, {} or --listen)",
            keys::LISTEN.variable()
        );
        Problem::at(self.source(&keys::LISTEN), &keys::LISTEN, Fault::new(problem, fix))
    }

    fn source(&self, key: &keys::Key) -> Source {
        source_in(&self.settings, key)
    }
}

fn source_in(settings: &[Setting], key: &keys::Key) -> Source {
    let setting = settings.iter().find(|setting| setting.key == key.path);
    setting.map_or(Source::Default, |setting| setting.source.clone())
}

/// The environment of this process, for [`Config::load`].
///
/// Only names that begin with `ROSTER_`. A value that is not UTF-8 keeps a mark by which `load` refuses it.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| {
        let name = name.into_string().ok().filter(|name| name.starts_with(keys::PREFIX))?;
        Some((name, value.to_string_lossy().into_owned()))
    })
}

fn in_order(mut settings: Vec<Setting>) -> Vec<Setting> {
    settings.sort_by_key(|setting| keys::KEYS.iter().position(|key| key.path == setting.key));
    settings
}

fn read_listen(reader: &mut Reader<'_>) -> Option<Found<SocketAddr>> {
    let parse = |text: &str| {
        text.parse::<SocketAddr>().map_err(|_| {
            let problem = format!("\"{text}\" is not an IP address with a port");
            Fault::new(
                problem,
                "write it like 127.0.0.1:8080 or [::1]:8080, with a number and not a host name",
            )
        })
    };
    reader.parse(&keys::LISTEN, parse, ToString::to_string)
}

fn read_proxies(reader: &mut Reader<'_>) -> Option<Proxies> {
    if !reader.given(&keys::TRUSTED_PROXIES) {
        reader.record(&keys::TRUSTED_PROXIES, Shown::Unset, Source::Default);
        return Some(Proxies::default());
    }
    let parse = |text: &str| {
        let parsed = text.parse::<Proxies>();
        parsed.map(|proxies| (proxies, text.to_owned())).map_err(|bad| {
            Fault::new(
                bad.to_string(),
                "write addresses or networks with commas between: 10.0.0.0/8, 192.0.2.1",
            )
        })
    };
    reader.parse(&keys::TRUSTED_PROXIES, parse, |(_, text)| text.clone()).map(|found| found.value.0)
}

/// Fewer than connections, of which others need some.
fn followers(text: &str) -> Result<usize, Fault> {
    let number = text.parse().ok().filter(|number| (1..=MOST_FOLLOWERS).contains(number));
    number.ok_or_else(|| {
        let fix = format!("give a number from 1 to {MOST_FOLLOWERS}");
        Fault::new(format!("\"{text}\" is no number of answers that may wait"), fix)
    })
}

fn read_public_url(reader: &mut Reader<'_>, listen: Option<&Found<SocketAddr>>) -> Option<String> {
    if reader.given(&keys::PUBLIC_URL) {
        return reader.parse(&keys::PUBLIC_URL, public_url::parse, Clone::clone).map(|found| found.value);
    }
    let listen = listen?;
    if !listen.value.ip().to_canonical().is_loopback() {
        let problem =
            format!("{} accepts connections from other machines, and public_url is not set", listen.value);
        let fix = format!(
            "set public_url to the address at which people reach this server, such as \
             https://roster.example.com (in roster.toml, as {} or with --public-url)",
            keys::PUBLIC_URL.variable()
        );
        reader.fail(listen.source.clone(), &keys::LISTEN, Fault::new(problem, fix));
        return None;
    }
    let url = default_public_url(listen.value);
    reader.record(&keys::PUBLIC_URL, Shown::Text(url.clone()), Source::Default);
    Some(url)
}

fn default_public_url(listen: SocketAddr) -> String {
    format!("http://{listen}")
}

/// The key or its file, whichever was given at the higher layer; both at one layer contradict each other.
fn read_master_key(reader: &mut Reader<'_>, data_dir: Option<&Path>) -> Option<MasterKeySource> {
    let parse = |text: &str| master_key::MasterKey::decode(text).map(|_| SecretString::from(text));
    let (value_given, file_given) = (reader.given(&keys::MASTER_KEY), reader.given(&keys::MASTER_KEY_FILE));
    let value = reader.parse(&keys::MASTER_KEY, parse, |_| String::new());
    let file = reader.path(&keys::MASTER_KEY_FILE);
    if value.is_some() != value_given || file.is_some() != file_given {
        return None;
    }
    match reader.higher((&keys::MASTER_KEY, value), (&keys::MASTER_KEY_FILE, file)).ok()? {
        Some(ValueOrFile::File(file)) => Some(MasterKeySource::File(file.value)),
        Some(ValueOrFile::Value(value)) => Some(MasterKeySource::Given(value.value)),
        None => Some(MasterKeySource::Generated(data_dir?.join(master_key::FILE_NAME))),
    }
}

fn read_sqlite_path(reader: &mut Reader<'_>, data_dir: Option<&Path>) -> Option<PathBuf> {
    if reader.given(&keys::SQLITE_PATH) {
        return reader.path(&keys::SQLITE_PATH).map(|found| found.value);
    }
    let path = data_dir?.join("roster.db");
    reader.record(&keys::SQLITE_PATH, Shown::Text(path.display().to_string()), Source::Default);
    Some(path)
}
