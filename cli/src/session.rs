//! What a command works with: the store that the configuration names, and where the answer goes.

use std::path::Path;
use std::sync::Arc;

use roster_core::actor::Actor;
use roster_core::facts::Request;
use roster_core::flows::{find_user, resolve_organization};
use roster_core::health::{Inspection, Reach};
use roster_core::id::{OrganizationId, UserId};
use roster_core::limits::Limits;
use roster_core::listing::{PageRequest, Position};
use roster_core::mail::Post;
use roster_core::op::Roster;
use roster_core::reads::Rows;
use roster_core::reference::{OrganizationRef, UserRef};
use roster_core::refusal::OpError;
use roster_core::webhooks::Webhooks;

use crate::args::{Global, Limit};
use crate::backends::Tables;
use crate::config::{Config, MasterKeySource, master_key};
use crate::cursor::Cursor;
use crate::entropy::SystemEntropy;
use crate::failure::Failure;
use crate::output::Printer;
use crate::secrets::Secrets;
use crate::{backends, logging};

/// An open store, acted on as an operator.
#[derive(Debug)]
pub struct Session {
    /// Everything an operation runs in.
    pub roster: Roster,
    /// Where the answer goes.
    pub out: Printer,
}

/// Rows by page in the store.
const PAGE: u16 = 200;

impl Session {
    /// Reads the configuration and opens its store; makes the master key where there is none, and the store where it
    /// is a file.
    pub async fn open(global: &Global) -> Result<Self, Failure> {
        Self::open_with(global, Tables::MustBeThere).await
    }

    /// The same; on a server too, tables are made and migrated.
    pub async fn open_and_migrate(global: &Global) -> Result<Self, Failure> {
        Self::open_with(global, Tables::MayBeMade).await
    }

    async fn open_with(global: &Global, tables: Tables) -> Result<Self, Failure> {
        let config = load_config(global)?;
        logging::start(&config.log, false);
        let roster = open_roster(&config, &secrets(&config).await?, tables).await?;
        Ok(Self { roster, out: Printer::new(global.output) })
    }

    /// A request of the operator at the command line.
    pub fn request(&self) -> Request {
        Request::new(Actor::CLI, self.roster.entropy.as_ref())
    }

    /// The organization meant.
    pub async fn organization(&self, named: &OrganizationRef) -> Result<OrganizationId, Failure> {
        Ok(resolve_organization(&self.roster, named).await?)
    }

    /// The user meant, who exists.
    pub async fn user(&self, named: &UserRef) -> Result<UserId, Failure> {
        Ok(find_user(&self.roster, named).await?.id)
    }
}

/// The configuration from file, environment and flags.
pub fn load_config(global: &Global) -> Result<Config, Failure> {
    Ok(Config::load(&global.flags(), crate::config::environment(), &working_folder()?)?)
}

/// The folder from which relative paths count.
pub fn working_folder() -> Result<std::path::PathBuf, Failure> {
    std::env::current_dir().map_err(|error| {
        Failure::Failed(format!("the working folder cannot be read: {error}; change to another"))
    })
}

/// What the master key of a configuration gives. It is made if there is none yet, but not for a store that was made with
/// another.
pub async fn secrets(config: &Config) -> Result<Secrets, Failure> {
    if let (MasterKeySource::Generated(path), Ok(None)) = (&config.master_key, master_key::find(config)) {
        let looked = backends::inspect(config, None).await?;
        // Whoever makes both at the same time makes the key first.
        if looked.reach != Reach::Empty && !path.exists() {
            return Err(without_key(looked, path));
        }
    }
    match master_key::resolve(config) {
        Ok(key) => Ok(Secrets::derive(&key)),
        // A folder that can hold no key holds no store either; a key that is there and of no use is a mistake.
        Err(problem) => match &config.master_key {
            MasterKeySource::Generated(path) if !path.exists() => Err(Failure::Store(problem.to_string())),
            _ => Err(problem.into()),
        },
    }
}

/// Why no key is made for a store that is not empty, as far as anybody can tell.
fn without_key(looked: Inspection, path: &Path) -> Failure {
    let problem = looked.checks.into_iter().find_map(|check| check.problem);
    match (looked.reach, problem) {
        (Reach::Nothing, Some(problem)) => Failure::Store(problem),
        (_, Some(problem)) => Failure::Failed(problem),
        (_, None) => Failure::Failed(master_key::lost(path)),
    }
}

/// Opens the store of a configuration.
pub async fn open_roster(config: &Config, secrets: &Secrets, tables: Tables) -> Result<Roster, Failure> {
    let roster = Roster::new(backends::open(config, secrets, tables).await?, Arc::new(SystemEntropy));
    let people = &config.people;
    Ok(Roster {
        sign_in: Arc::new(people.sign_in()),
        links: Arc::new(people.links(secrets.links, config.public_url.clone())),
        policies: Arc::new(people.policies()),
        post: post(config)?,
        limits: Arc::new(Limits::new(people.rates)),
        webhooks: Webhooks {
            private_addresses: config.webhooks.allow_private_addresses,
            ..Webhooks::default()
        },
        ..roster
    })
}

/// Who carries mail, as configured.
fn post(config: &Config) -> Result<Post, Failure> {
    match &config.mail {
        Some(mail) => {
            let carrier = mail.carrier().map_err(Failure::Failed)?;
            Ok(Post::by(carrier).alerting(&mail.alerts_to))
        }
        None => Ok(Post::default()),
    }
}

/// Rows of a list, and where it goes on.
#[derive(Debug)]
pub struct Listed<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// Where the list goes on, if `--limit` cut it.
    pub next: Option<String>,
}

/// Follows a list page by page from where it is to begin, to its end or to the limit.
pub async fn all_pages<T>(
    limit: &Limit,
    mut fetch: impl AsyncFnMut(PageRequest) -> Result<Rows<T>, OpError>,
) -> Result<Listed<T>, Failure> {
    let mut rows = Vec::new();
    let mut after: Option<Position> = limit.after()?;
    let limit = limit.rows();
    loop {
        let room = limit.map_or(usize::from(PAGE), |limit| limit - rows.len());
        let size = u16::try_from(room).unwrap_or(PAGE).min(PAGE);
        let page = fetch(PageRequest { after: after.take(), limit: size }).await?;
        rows.extend(page.rows);
        match page.next {
            Some(next) if limit.is_none_or(|limit| rows.len() < limit) => after = Some(next),
            next => {
                return Ok(Listed { rows, next: next.as_ref().map(Cursor::to) });
            }
        }
    }
}
