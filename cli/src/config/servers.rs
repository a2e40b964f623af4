//! The sections of stores that run on a server: an address, or a file that holds it, and what belongs to it.

use std::path::PathBuf;

use secrecy::SecretString;

use super::keys::{self, Key};
use super::problem::{Fault, Source};
use super::read::{Found, Noted, Reader, Shown, ValueOrFile};
use super::{Backend, DURABILITIES, PostgresStorage, RedisStorage, secret_file};

/// How the address of a server is given.
struct Address {
    key: &'static Key,
    file: &'static Key,
    backend: Backend,
    schemes: &'static [&'static str],
    what: &'static str,
    form: &'static str,
}

static POSTGRES: Address = Address {
    key: &keys::POSTGRES_URL,
    file: &keys::POSTGRES_URL_FILE,
    backend: Backend::Postgres,
    schemes: &["postgres://", "postgresql://"],
    what: "is no address of a Postgres database",
    form: "postgres://USER:PASSWORD@HOST:PORT/DATABASE",
};

static REDIS: Address = Address {
    key: &keys::REDIS_URL,
    file: &keys::REDIS_URL_FILE,
    backend: Backend::Redis,
    schemes: &["redis://", "rediss://"],
    what: "is no address of Redis",
    form: "redis://USER:PASSWORD@HOST:PORT, or several with commas between for a Redis Cluster",
};

pub(super) fn read_postgres(reader: &mut Reader<'_>, backend: Option<Backend>) -> Option<PostgresStorage> {
    let url = read_address(reader, &POSTGRES, backend);
    let connections = reader.parse(&keys::POSTGRES_CONNECTIONS, connections, ToString::to_string);
    Some(PostgresStorage { url: url.ok()?, connections: connections?.value })
}

pub(super) fn read_redis(reader: &mut Reader<'_>, backend: Option<Backend>) -> Option<RedisStorage> {
    let url = read_address(reader, &REDIS, backend);
    let prefix = reader.parse(&keys::REDIS_PREFIX, prefix, Clone::clone);
    let durability = reader.choice(&keys::REDIS_DURABILITY, DURABILITIES);
    let declared = reader.given(&keys::REDIS_APPENDFSYNC);
    if !declared {
        reader.record(&keys::REDIS_APPENDFSYNC, Shown::Unset, Source::Default);
    }
    let words = [("always", "always"), ("everysec", "everysec")];
    let appendfsync = if declared { Some(reader.choice(&keys::REDIS_APPENDFSYNC, &words)?) } else { None };
    Some(RedisStorage {
        url: url.ok()?,
        prefix: prefix?.value,
        durability: durability?,
        appendfsync: appendfsync.map(str::to_owned),
    })
}

/// The address or a file with it, one of them whenever it is needed. Files of stores that are not in use are not read.
fn read_address(
    reader: &mut Reader<'_>,
    address: &'static Address,
    backend: Option<Backend>,
) -> Result<Option<SecretString>, Noted> {
    let given = [address.key, address.file].map(|key| reader.given(key));
    let value = reader.parse(address.key, |text| address.parse(text), |_| String::new());
    let file = reader.path(address.file);
    if value.is_some() != given[0] || file.is_some() != given[1] {
        return Err(Noted);
    }
    let in_use = backend == Some(address.backend);
    let url = match reader.higher((address.key, value), (address.file, file))? {
        Some(ValueOrFile::Value(value)) => Some(value.value),
        Some(ValueOrFile::File(file)) if in_use => Some(address.read_file(reader, &file).ok_or(Noted)?),
        Some(ValueOrFile::File(_)) => return Ok(None),
        None => None,
    };
    if url.is_none() && in_use {
        let fix = format!(
            "set {} to {} (in roster.toml or as {}), or {} to a file that holds it",
            address.key.path,
            address.form,
            address.key.variable(),
            address.file.path
        );
        reader.fail(Source::Default, address.key, Fault::new("is needed for this backend", fix));
        return Err(Noted);
    }
    Ok(url)
}

impl Address {
    fn parse(&self, text: &str) -> Result<SecretString, Fault> {
        let begins = |part: &str| self.schemes.iter().any(|scheme| part.trim().starts_with(scheme));
        let many = self.backend == Backend::Redis;
        let right = if many { text.split(',').all(begins) } else { begins(text) };
        let wrong = || Fault::new(self.what, format!("write it like {}", self.form));
        if right { Ok(SecretString::from(text)) } else { Err(wrong()) }
    }

    fn read_file(&self, reader: &mut Reader<'_>, file: &Found<PathBuf>) -> Option<SecretString> {
        let missing = || {
            let fix = "make it, readable by this user alone, or name another one";
            Fault::new(format!("{} does not exist", file.value.display()), fix)
        };
        let read = secret_file::read(&file.value)
            .and_then(|text| text.ok_or_else(missing))
            .and_then(|text| self.parse(text.trim()));
        read.map_err(|fault| reader.fail(file.source.clone(), self.file, fault)).ok()
    }
}

fn connections(text: &str) -> Result<u32, Fault> {
    let number = text.parse().ok().filter(|number| (2..=1_000).contains(number));
    number.ok_or_else(|| {
        Fault::new(format!("\"{text}\" is no number of connections"), "give a number from 2 to 1000")
    })
}

/// Braces would decide where a cluster keeps a key, and a star or the like would match other keys.
fn prefix(text: &str) -> Result<String, Fault> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '-' | '_' | '.' | '/');
    if text.len() <= 64 && text.chars().all(fits) {
        return Ok(text.to_owned());
    }
    let fix = "use at most 64 of a-z, A-Z, 0-9, : - _ . /";
    Err(Fault::new(format!("\"{text}\" cannot begin a key"), fix))
}
