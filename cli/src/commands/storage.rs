//! `roster storage`: moves a deployment from one store to another.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Subcommand;
use roster_core::copy::{Copied, CopyError, Step, copy};
use roster_core::health::Reach;
use roster_core::presence::{Presence, Stay};
use roster_core::store::{Store, StoreError, StoreErrorKind};
use serde_json::json;

use crate::args::Global;
use crate::backends::{self, Tables};
use crate::config::{Config, Flags, MasterKeySource, master_key};
use crate::failure::Failure;
use crate::logging;
use crate::output::Printer;
use crate::progress::Progress;
use crate::secrets::Secrets;
use crate::session::{load_config, secrets, working_folder};

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Copy everything into another, empty store, and compare the two.
    ///
    /// The configuration, its environment included, names the store that is copied. FILE is a configuration file that
    /// names the other; the environment and the flags do not change what it says. Both belong to one master key
    /// afterwards. No server may run on either store; let no other command write while this one runs.
    Copy {
        /// The configuration file of the other store.
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
    },
    /// Write records anew that are kept in an older schema, while the store is in use.
    ///
    /// Records are read in any schema that this program knows, so nothing waits for this; a later release may ask for
    /// it. In stores with tables there is nothing to do but `roster migrate`, whose schema must be current.
    Upgrade,
}

/// Does it.
pub async fn run(command: Command, global: &Global) -> Result<(), Failure> {
    let config = load_config(global)?;
    logging::start(&config.log, false);
    match command {
        Command::Copy { to } => copy_to(&to, &config, global).await,
        Command::Upgrade => upgrade(&config, global).await,
    }
}

async fn upgrade(config: &Config, global: &Global) -> Result<(), Failure> {
    let mut progress = Progress::counting("homes gone through");
    let done = backends::upgrade(config, &secrets(config).await?, &mut |homes| progress.at(homes)).await;
    progress.end();
    let backends::Upgraded { homes, records } = done?;
    let text = format!(
        "Every record is of the newest schema: {homes} homes gone through, {records} records written anew."
    );
    Printer::new(global.output).say(&text, &json!({"homes": homes, "records": records}))
}

async fn copy_to(to: &Path, config: &Config, global: &Global) -> Result<(), Failure> {
    let other = load_other(to)?;
    let secrets = of_source(config).await?;
    same_key(&other, &secrets, to)?;
    let source = backends::open(config, &secrets, Tables::MustBeThere).await?;
    let on_source = alone(&source, "a server runs on the store that is copied").await?;
    let target = backends::open(&other, &secrets, Tables::MayBeMade).await?;
    let places = [on_source, alone(&target, BUSY_TARGET).await?];
    let is_alone = || places.iter().all(Stay::is_held);
    let copied = with_progress(source.as_ref(), target.as_ref(), &is_alone).await;
    for place in places {
        place.leave().await;
    }
    let copied = copied?;
    let (from, into) = (config.storage.backend.name(), other.storage.backend.name());
    say(Printer::new(global.output), copied, from, into)
}

/// The key of the store that is copied, which must be there: nothing is made where a path or an address is wrong.
async fn of_source(config: &Config) -> Result<Secrets, Failure> {
    let nothing = |found: &str| {
        Failure::Store(format!(
            "there is nothing to copy: {found}; check which store the configuration names, by `roster config show`"
        ))
    };
    let key = master_key::find(config)?.ok_or_else(|| nothing("there is no master key"))?;
    let secrets = Secrets::derive(&key);
    let looked = backends::inspect(config, Some(secrets.fingerprint)).await?;
    let waiting = looked.checks.iter().find_map(|check| check.at_start.clone());
    if let Some(problem) = looked.checks.into_iter().find_map(|check| check.problem) {
        return Err(match looked.reach {
            Reach::Whole => Failure::Failed(problem),
            Reach::Nothing | Reach::Empty => Failure::Store(problem),
        });
    }
    if looked.reach != Reach::Whole {
        return Err(nothing("the store holds nothing of Roster's"));
    }
    // It is the server's or an administrator's to bring it up, not this command's.
    match waiting {
        Some(waiting) => Err(Failure::Failed(format!(
            "{waiting}; this command changes nothing in the store that is copied: run `roster migrate` first"
        ))),
        None => Ok(secrets),
    }
}

/// The configuration of the other store: its file alone. Settings of this one in the environment must not leak in.
fn load_other(file: &Path) -> Result<Config, Failure> {
    let flags = Flags { config: Some(file.to_owned()), ..Flags::default() };
    Ok(Config::load(&flags, std::iter::empty(), &working_folder()?)?)
}

/// The other deployment must start with the key of this one, or what is copied could not be opened.
fn same_key(other: &Config, ours: &Secrets, file: &Path) -> Result<(), Failure> {
    let generated = matches!(&other.master_key, MasterKeySource::Generated(path) if !path.exists());
    if generated || Secrets::derive(&master_key::resolve(other)?).fingerprint == ours.fingerprint {
        return Ok(());
    }
    Err(Failure::Usage(format!(
        "{} names another master key: give it the key of the store that is copied",
        file.display()
    )))
}

const BUSY_TARGET: &str =
    "both configurations name the same store, a server runs on the store that is copied to";

async fn alone(store: &Arc<dyn Store>, why: &str) -> Result<Stay, Failure> {
    store.enter(Presence::Alone).await?.ok_or_else(|| {
        Failure::Failed(format!(
            "{why}, or another copy is under way: end it, then copy again (after a server was \
             killed it can take 30 seconds until that is known)"
        ))
    })
}

async fn with_progress(
    source: &dyn Store,
    target: &dyn Store,
    is_alone: &(dyn Fn() -> bool + Sync),
) -> Result<Copied, Failure> {
    let mut copying = Some(Progress::counting("homes copied"));
    let mut comparing = None;
    let done = copy(source, target, is_alone, &mut |step| match step {
        Step::Copied(homes) => {
            if let Some(progress) = &mut copying {
                progress.at(homes);
            }
        }
        Step::Compared(homes, all) => {
            if let Some(progress) = copying.take() {
                progress.end();
            }
            comparing.get_or_insert_with(|| Progress::towards_an_end("homes compared")).of(homes, all);
        }
    })
    .await;
    copying.into_iter().chain(comparing).for_each(Progress::end);
    done.map_err(|error| failure(&error))
}

/// What went wrong, and how things stand now.
fn failure(error: &CopyError) -> Failure {
    let half = "unless nothing was copied yet, the store that is copied to holds half of a deployment now and is not \
                opened: start again with an empty one";
    match error {
        CopyError::Source(store) | CopyError::Target(store) if is_unreachable(store) => {
            Failure::Store(format!("{error}; {half}"))
        }
        CopyError::NotEmpty => Failure::Failed(format!("{error}; name another in the file")),
        CopyError::Source(_) | CopyError::Target(_) | CopyError::NotAlone => {
            Failure::Failed(format!("{error}; {half}"))
        }
        CopyError::Differs { .. } => Failure::Failed(format!(
            "{error}; something was written meanwhile, or a store is damaged (see `roster verify`); {half}"
        )),
    }
}

const fn is_unreachable(error: &StoreError) -> bool {
    matches!(error.kind, StoreErrorKind::Unavailable | StoreErrorKind::Busy)
}

fn say(out: Printer, copied: Copied, from: &str, into: &str) -> Result<(), Failure> {
    let Copied { homes, records, entries } = copied;
    let text = format!(
        "Copied from {from} to {into}, and both hold the same: {homes} homes, {records} records and {entries} log \
         entries.\nStart the other with the same master key."
    );
    let whole = json!({
        "from": from, "to": into, "homes": homes, "records": records, "entries": entries, "compared": true,
    });
    out.say(&text, &whole)
}
