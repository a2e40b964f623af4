//! The table of settings: every key there is, with its default, variable and flag.

/// One setting, known by its dotted path in `roster.toml`.
#[derive(Debug)]
pub(super) struct Key {
    /// Dotted path: `server.listen`.
    pub path: &'static str,
    /// The value when nobody gives one; `None` where it is derived from other settings or stays unset.
    pub default: Option<&'static str>,
    /// The command-line flag, with its dashes.
    pub flag: Option<&'static str>,
    /// A secret is never printed and has a sibling `<path>_file`.
    pub secret: bool,
    /// What may stand for it in the file beside text.
    pub form: Form,
}

/// What may stand for a setting beside text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Form {
    /// Nothing.
    Text,
    /// A number without quotes.
    Number,
    /// `true` or `false` without quotes.
    Boolean,
    /// Several in brackets; in a variable, with commas.
    List,
}

impl Key {
    const fn text(path: &'static str) -> Self {
        Self { path, default: None, flag: None, secret: false, form: Form::Text }
    }

    const fn secret(path: &'static str) -> Self {
        Self { secret: true, ..Self::text(path) }
    }

    const fn number(path: &'static str) -> Self {
        Self { form: Form::Number, ..Self::text(path) }
    }

    const fn boolean(path: &'static str) -> Self {
        Self { form: Form::Boolean, ..Self::text(path) }
    }

    const fn list(path: &'static str) -> Self {
        Self { form: Form::List, ..Self::text(path) }
    }

    const fn duration(path: &'static str) -> Self {
        Self::text(path)
    }

    const fn or(self, default: &'static str) -> Self {
        Self { default: Some(default), ..self }
    }

    const fn flag(self, flag: &'static str) -> Self {
        Self { flag: Some(flag), ..self }
    }

    /// The environment variable: `ROSTER_`, then the path with `__` between levels.
    pub fn variable(&self) -> String {
        format!("{PREFIX}{}", self.path.replace('.', "__").to_ascii_uppercase())
    }
}

pub(super) const PREFIX: &str = "ROSTER_";

pub(super) static LISTEN: Key = Key::text("server.listen").or("127.0.0.1:8080").flag("--listen");
pub(super) static TRUSTED_PROXIES: Key = Key::text("server.trusted_proxies");
pub(super) static FOLLOWERS: Key = Key::number("server.followers").or("1000");
pub(super) static PUBLIC_URL: Key = Key::text("public_url").flag("--public-url");
pub(super) static DATA_DIR: Key = Key::text("data_dir").or("./roster-data").flag("--data-dir");
pub(super) static MASTER_KEY: Key = Key::secret("master_key");
pub(super) static MASTER_KEY_FILE: Key = Key::text("master_key_file");
pub(super) static BACKEND: Key = Key::text("storage.backend").or("sqlite");
pub(super) static SQLITE_PATH: Key = Key::text("storage.sqlite.path");
pub(super) static POSTGRES_URL: Key = Key::secret("storage.postgres.url");
pub(super) static POSTGRES_URL_FILE: Key = Key::text("storage.postgres.url_file");
pub(super) static POSTGRES_CONNECTIONS: Key = Key::number("storage.postgres.connections").or("16");
pub(super) static REDIS_URL: Key = Key::secret("storage.redis.url");
pub(super) static REDIS_URL_FILE: Key = Key::text("storage.redis.url_file");
pub(super) static REDIS_PREFIX: Key = Key::text("storage.redis.prefix").or("roster:");
pub(super) static REDIS_DURABILITY: Key = Key::text("storage.redis.durability").or("full");
pub(super) static REDIS_APPENDFSYNC: Key = Key::text("storage.redis.appendfsync");
pub(super) static LINKS_INVITATION: Key = Key::text("links.invitation");
pub(super) static LINKS_PASSWORD_RESET: Key = Key::text("links.password_reset");
pub(super) static LINKS_EMAIL_CHANGE: Key = Key::text("links.email_change");
pub(super) static SESSIONS_IDLE: Key = Key::duration("sessions.idle").or("14d");
pub(super) static SESSIONS_LIFE: Key = Key::duration("sessions.life").or("90d");
pub(super) static PASSWORDS_MEMORY: Key = Key::number("passwords.memory").or("19456");
pub(super) static PASSWORDS_PASSES: Key = Key::number("passwords.passes").or("2");
pub(super) static PASSWORDS_LANES: Key = Key::number("passwords.lanes").or("1");
pub(super) static PASSWORDS_AT_ONCE: Key = Key::number("passwords.at_once");
pub(super) static PASSWORDS_RESET_LIFE: Key = Key::duration("passwords.reset_life").or("1h");
pub(super) static INVITATION_SHORTEST: Key = Key::duration("policy.invitation.shortest").or("1h");
pub(super) static OFFER_LIFE: Key = Key::duration("policy.offer.life").or("7d");
pub(super) static MAIL_URL: Key = Key::secret("mail.url");
pub(super) static MAIL_URL_FILE: Key = Key::text("mail.url_file");
pub(super) static MAIL_FROM: Key = Key::text("mail.from");
pub(super) static MAIL_CA_FILE: Key = Key::text("mail.ca_file");
pub(super) static MAIL_TEMPLATES: Key = Key::text("mail.templates");
pub(super) static MAIL_ALERTS_TO: Key = Key::list("mail.alerts_to");
pub(super) static LIMITS_SIGN_IN: Key = Key::text("limits.sign_in").or("50/15m");
pub(super) static LIMITS_RESET: Key = Key::text("limits.password_reset").or("5/1h");
pub(super) static LIMITS_ACCEPT: Key = Key::text("limits.accept").or("100/10m");
pub(super) static LIMITS_EMAIL_CHANGE: Key = Key::text("limits.email_change").or("5/1h");
pub(super) static LIMITS_INVITE: Key = Key::text("limits.invite").or("20/1h");
pub(super) static LIMITS_INVITE_FROM: Key = Key::text("limits.invite_from").or("10000/1h");
pub(super) static LIMITS_PEER: Key = Key::text("limits.peer").or("300/5m");
pub(super) static WEBHOOKS_PRIVATE: Key = Key::boolean("webhooks.allow_private_addresses").or("false");
pub(super) static INDICATORS_EVERY: Key = Key::duration("indicators.evaluate_every").or("5m");
pub(super) static LOG_FORMAT: Key = Key::text("log.format").or("text").flag("--log-format");
pub(super) static LOG_LEVEL: Key = Key::text("log.level").or("info").flag("--log-level");

/// Every key, in the order in which `config show` prints them.
pub(super) static KEYS: [&Key; 46] = [
    &LISTEN,
    &TRUSTED_PROXIES,
    &FOLLOWERS,
    &PUBLIC_URL,
    &DATA_DIR,
    &MASTER_KEY,
    &MASTER_KEY_FILE,
    &BACKEND,
    &SQLITE_PATH,
    &POSTGRES_URL,
    &POSTGRES_URL_FILE,
    &POSTGRES_CONNECTIONS,
    &REDIS_URL,
    &REDIS_URL_FILE,
    &REDIS_PREFIX,
    &REDIS_DURABILITY,
    &REDIS_APPENDFSYNC,
    &LINKS_INVITATION,
    &LINKS_PASSWORD_RESET,
    &LINKS_EMAIL_CHANGE,
    &SESSIONS_IDLE,
    &SESSIONS_LIFE,
    &PASSWORDS_MEMORY,
    &PASSWORDS_PASSES,
    &PASSWORDS_LANES,
    &PASSWORDS_AT_ONCE,
    &PASSWORDS_RESET_LIFE,
    &INVITATION_SHORTEST,
    &OFFER_LIFE,
    &MAIL_URL,
    &MAIL_URL_FILE,
    &MAIL_FROM,
    &MAIL_CA_FILE,
    &MAIL_TEMPLATES,
    &MAIL_ALERTS_TO,
    &LIMITS_SIGN_IN,
    &LIMITS_RESET,
    &LIMITS_ACCEPT,
    &LIMITS_EMAIL_CHANGE,
    &LIMITS_INVITE,
    &LIMITS_INVITE_FROM,
    &LIMITS_PEER,
    &WEBHOOKS_PRIVATE,
    &INDICATORS_EVERY,
    &LOG_FORMAT,
    &LOG_LEVEL,
];

/// The key with this dotted path.
pub(super) fn find(path: &str) -> Option<&'static Key> {
    KEYS.into_iter().find(|key| key.path == path)
}

/// The key that this environment variable sets.
pub(super) fn find_variable(name: &str) -> Option<&'static Key> {
    KEYS.into_iter().find(|key| key.variable() == name)
}

/// Whether the path is a table that holds keys: `server`, `storage.sqlite`.
pub(super) fn is_section(path: &str) -> bool {
    KEYS.iter().any(|key| key.path.strip_prefix(path).is_some_and(|rest| rest.starts_with('.')))
}

/// The key that was probably meant by an unknown path.
pub(super) fn closest(path: &str) -> Option<&'static Key> {
    KEYS.into_iter()
        .map(|key| (likeness(path, key.path), key))
        .filter(|(likeness, _)| *likeness >= 0.7)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, key)| key)
}

/// Likeness of two paths from 0 to 1; a right last part in the wrong section counts nearly as a match.
fn likeness(unknown: &str, known: &str) -> f64 {
    let whole = strsim::normalized_damerau_levenshtein(unknown, known);
    let last = strsim::normalized_damerau_levenshtein(last_part(unknown), last_part(known));
    whole.max(last * 0.9)
}

fn last_part(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_one_variable_with_two_underscores_between_levels() {
        let cases = [
            (&LISTEN, "ROSTER_SERVER__LISTEN"),
            (&PUBLIC_URL, "ROSTER_PUBLIC_URL"),
            (&DATA_DIR, "ROSTER_DATA_DIR"),
            (&MASTER_KEY, "ROSTER_MASTER_KEY"),
            (&MASTER_KEY_FILE, "ROSTER_MASTER_KEY_FILE"),
            (&BACKEND, "ROSTER_STORAGE__BACKEND"),
            (&SQLITE_PATH, "ROSTER_STORAGE__SQLITE__PATH"),
        ];
        for (key, variable) in cases {
            assert_eq!(key.variable(), variable);
            assert_eq!(find_variable(variable).unwrap().path, key.path);
        }
    }

    #[test]
    fn each_secret_may_come_from_a_file() {
        for key in KEYS.iter().filter(|key| key.secret) {
            assert!(find(&format!("{}_file", key.path)).is_some(), "{}_file is missing", key.path);
        }
    }

    #[test]
    fn slips_find_the_key_that_was_meant() {
        let cases = [
            ("server.lisen", Some("server.listen")),
            ("server_listen", Some("server.listen")),
            ("listen", Some("server.listen")),
            ("public_uri", Some("public_url")),
            ("masterkey", Some("master_key")),
            ("storage.sqlite_path", Some("storage.sqlite.path")),
            ("log.fromat", Some("log.format")),
            ("storage.postgre.url", Some("storage.postgres.url")),
            ("colour", None),
        ];
        for (unknown, meant) in cases {
            assert_eq!(closest(unknown).map(|key| key.path), meant, "{unknown}");
        }
    }
}
