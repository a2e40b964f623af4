//! `roster doctor`: everything that must be so for this deployment to start and to keep what it says it keeps.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use roster_core::facts::Entropy;
use roster_core::health::{Check, Durability, Inspection, Reach};
use roster_core::home::Home;
use roster_core::store::Store;
use serde_json::{Value, json};

use crate::args::Global;
use crate::backends::{self, Tables};
use crate::config::{Config, MasterKeySource, Problem, environment, master_key, shell_quoted, show};
use crate::entropy::SystemEntropy;
use crate::failure::Failure;
use crate::logging;
use crate::output::{Printer, line, table};
use crate::secrets::Secrets;
use crate::session::working_folder;

/// How far the clocks of this machine and of the store may be apart, in milliseconds.
const CLOCKS: u64 = 5_000;
const OTHERS: u32 = 0o077;
/// What is not looked at while the configuration cannot be used.
const UNSEEN: [&str; 4] = ["public_url", "data folder", "mail", "store"];

/// Looks at everything and changes nothing; status 1 where something is bad, 3 where the store is not reached.
pub async fn run(global: &Global) -> Result<(), Failure> {
    let out = Printer::new(global.output);
    let (config, problems) = show::problems(&global.flags(), environment(), &working_folder()?);
    let Some(config) = config else {
        let mut checks: Vec<Check> = problems.iter().map(unusable).collect();
        let why = "is looked at once the configuration can be used";
        checks.extend(UNSEEN.map(|name| Check::new(name, "not looked at", "to be looked at").or(Some(why))));
        say(out, &checks)?;
        return Err(Failure::Said);
    };
    logging::start(&config.log, false);
    let (mut key, secrets) = master_key(&config);
    let looked = backends::inspect(&config, secrets.map(|secrets| secrets.fingerprint)).await;
    if let (MasterKeySource::Generated(path), None) = (&config.master_key, secrets)
        && looked.as_ref().is_ok_and(is_sound)
        && key.is_good()
    {
        key.found = format!("{} (not there)", path.display());
        key.problem = Some(master_key::lost(path));
    }
    let mut checks = vec![public_url(&config), key, data_folder(&config), mail(&config).await];
    let looked = match looked {
        Ok(looked) => looked,
        Err(failure) => {
            let problem = failure.to_string();
            checks.push(Check::new("store", "cannot be looked at", "answers").or(Some(problem)));
            say(out, &checks)?;
            return Err(failure);
        }
    };
    let is_ready = looked.is_ready();
    checks.extend(looked.checks);
    if let (true, Some(secrets)) = (is_ready, secrets) {
        let store = backends::open(&config, &secrets, Tables::MustBeThere).await?;
        checks.push(durability(store.as_ref()).await?);
        checks.push(clocks(store.as_ref()).await?);
    }
    say(out, &checks)?;
    match looked.reach {
        Reach::Nothing => Err(Failure::Unreached),
        Reach::Empty | Reach::Whole if checks.iter().all(Check::is_good) => Ok(()),
        Reach::Empty | Reach::Whole => Err(Failure::Said),
    }
}

/// Whether a deployment is there, as far as it can be looked at without its key.
fn is_sound(looked: &Inspection) -> bool {
    looked.reach == Reach::Whole && looked.checks.iter().all(Check::is_good)
}

/// A problem of the configuration itself.
fn unusable(problem: &Problem) -> Check {
    let found = problem.key.clone().unwrap_or_else(|| problem.source.to_string());
    Check::new("configuration", found, "settings that can be used").or(Some(problem))
}

fn public_url(config: &Config) -> Check {
    Check::new("public_url", &config.public_url, "set where other machines can connect")
}

fn master_key(config: &Config) -> (Check, Option<Secrets>) {
    let found = match &config.master_key {
        MasterKeySource::Given(_) => "given in the configuration".to_owned(),
        MasterKeySource::File(path) | MasterKeySource::Generated(path) => mode(path),
    };
    let check = Check::new("master key", found, "32 bytes or more, for this user alone");
    match master_key::find(config) {
        Ok(key) => (check, key.as_ref().map(Secrets::derive)),
        Err(problem) => (check.or(Some(problem)), None),
    }
}

fn data_folder(config: &Config) -> Check {
    let path = &config.data_dir;
    let open = std::fs::metadata(path).is_ok_and(|found| found.permissions().mode() & OTHERS != 0);
    let fix =
        format!("other users can look into it: run: chmod 700 {}", shell_quoted(&path.display().to_string()));
    Check::new("data folder", mode(path), "for this user alone (0700)").or(open.then_some(fix))
}

/// Whether mail goes where it is to go: the server answers, or the folder can be written to.
async fn mail(config: &Config) -> Check {
    let needed = "a server that answers, a folder, or none";
    let Some(mail) = &config.mail else {
        return Check::new("mail", "none: links of invitations are copied", needed);
    };
    Check::new("mail", mail.shown(), needed).or(mail.reach().await.err())
}

/// A path and who may use it.
fn mode(path: &Path) -> String {
    match std::fs::metadata(path) {
        Ok(found) => format!("{} ({:04o})", path.display(), found.permissions().mode() & 0o7777),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            format!("{} (not there yet, made when needed)", path.display())
        }
        Err(error) => format!("{} ({error})", path.display()),
    }
}

async fn durability(store: &dyn Store) -> Result<Check, Failure> {
    let found = match store.describe().await?.durability {
        Durability::Full => "full",
        Durability::Relaxed => "relaxed, as configured: a crash can lose the newest changes",
    };
    Ok(Check::new("durability", found, "full, or relaxed on purpose"))
}

async fn clocks(store: &dyn Store) -> Result<Check, Failure> {
    let before = SystemEntropy.millis();
    let theirs = store.read(&Home::Deployment, &[], &[]).await?.clock.micros() / 1_000;
    let ours = u64::midpoint(before, SystemEntropy.millis());
    Ok(clock(ours.abs_diff(theirs.unsigned_abs())))
}

fn clock(apart: u64) -> Check {
    let problem =
        "set the clocks of this machine and of the store's by NTP: ids and secrets bear this machine's time";
    let needed = format!("at most {CLOCKS} ms");
    Check::new("clock difference", format!("{apart} ms"), needed).or((apart > CLOCKS).then_some(problem))
}

fn say(out: Printer, checks: &[Check]) -> Result<(), Failure> {
    let rows: Vec<Value> = checks.iter().map(row).collect();
    if out.is_for_machines() {
        let whole = json!({"ok": checks.iter().all(Check::is_good), "checks": rows});
        return out.rows(&whole, &["name", "found", "needed", "result", "problem", "at_start"], &rows);
    }
    let columns = [("CHECK", "/name"), ("FOUND", "/found"), ("NEEDED", "/needed"), ("RESULT", "/result")];
    line(&table(&rows, &columns))?;
    for check in checks {
        if let Some(said) = check.problem.as_ref().or(check.at_start.as_ref()) {
            line(&format!("{}: {said}", check.name))?;
        }
    }
    Ok(())
}

fn row(check: &Check) -> Value {
    json!({
        "name": check.name, "found": check.found, "needed": check.needed,
        "result": if check.is_good() { "ok" } else { "bad" }, "problem": check.problem, "at_start": check.at_start,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_may_be_a_little_apart() {
        assert!(clock(0).is_good() && clock(CLOCKS).is_good());
        let bad = clock(CLOCKS + 1);
        assert_eq!((bad.is_good(), bad.found.as_str()), (false, "5001 ms"));
    }
}
