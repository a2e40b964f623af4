//! The section `mail`: by what mail is sent, from whom, and in whose words.

use std::path::PathBuf;

use roster_core::text::Email;
use secrecy::{ExposeSecret, SecretString};

use super::keys::{self, Key};
use super::problem::{Fault, Source};
use super::read::{Found, Reader, Shown, ValueOrFile};
use super::secret_file;
use crate::mail::{MailSettings, check_url};

/// Whom letters in a folder come from, where nobody says.
const NOBODY: &str = "roster@localhost";

/// Reads the section; outer `None` when a problem was noted, inner where no mail is set up.
#[expect(clippy::option_option, reason = "the reader tells what cannot be used so, for all settings")]
pub(super) fn read(reader: &mut Reader<'_>) -> Option<Option<MailSettings>> {
    let before = reader.problems.len();
    let url = read_url(reader);
    let from = read_from(reader, url.as_ref());
    let ca_file = path(reader, &keys::MAIL_CA_FILE);
    let templates = path(reader, &keys::MAIL_TEMPLATES);
    let alerts_to = read_alerts_to(reader, url.is_some());
    if reader.problems.len() > before {
        return None;
    }
    let Some(url) = url else { return of_nothing(reader, ca_file) };
    let source = |of: &Option<Found<PathBuf>>| of.as_ref().map_or(Source::Default, |it| it.source.clone());
    let sources = [source(&ca_file), source(&templates)];
    let [ca_file, templates] = [ca_file, templates].map(|found| found.map(|found| found.value));
    let settings = MailSettings { url, from: from?, ca_file, templates, alerts_to: alerts_to? };
    let [of_authorities, of_texts] = sources;
    if let Err(bad) = settings.check_authorities() {
        let fault = Fault::new(
            bad,
            "name a file of PEM with the authority of the mail server, for smtp:// and smtps://",
        );
        reader.fail(of_authorities, &keys::MAIL_CA_FILE, fault);
        return None;
    }
    if let Err(bad) = settings.carrier() {
        let fault = Fault::new(bad, "correct it; `[mail]` names a server or a folder, an address, and texts");
        reader.fail(of_texts, &keys::MAIL_TEMPLATES, fault);
        return None;
    }
    Some(Some(settings))
}

/// Where no mail is set up. Whoever names an authority believes that there is.
#[expect(clippy::option_option, reason = "as in `read`")]
fn of_nothing(reader: &mut Reader<'_>, ca_file: Option<Found<PathBuf>>) -> Option<Option<MailSettings>> {
    let Some(found) = ca_file else { return Some(None) };
    let fault = Fault::new(
        "names the authority of a mail server, and no mail is set up",
        "set mail.url as well, or remove it",
    );
    reader.fail(found.source, &keys::MAIL_CA_FILE, fault);
    None
}

fn path(reader: &mut Reader<'_>, key: &'static Key) -> Option<Found<PathBuf>> {
    if reader.given(key) {
        return reader.path(key);
    }
    reader.record(key, Shown::Unset, Source::Default);
    None
}

/// Who is written to of alerts; nobody where nothing is said.
fn read_alerts_to(reader: &mut Reader<'_>, mail: bool) -> Option<Vec<Email>> {
    let key: &'static Key = &keys::MAIL_ALERTS_TO;
    if !reader.given(key) {
        reader.record(key, Shown::Unset, Source::Default);
        return Some(Vec::new());
    }
    let parse = |text: &str| {
        let addresses = text.split(',').map(str::trim).filter(|text| !text.is_empty());
        let parsed = addresses.map(|text| {
            let fix = "write it like [\"ops@example.com\"], or in a variable with commas";
            text.parse::<Email>().map_err(|_| Fault::new(format!("\"{text}\" is no address"), fix))
        });
        let parsed = parsed.collect::<Result<Vec<_>, _>>()?;
        if mail || parsed.is_empty() {
            return Ok(parsed);
        }
        Err(Fault::new("names somebody, and no mail is set up", "set mail.url as well, or remove it"))
    };
    let show =
        |addresses: &Vec<Email>| addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    reader.parse(key, parse, show).map(|found| found.value)
}

fn read_url(reader: &mut Reader<'_>) -> Option<SecretString> {
    let cwd = reader.cwd.to_owned();
    let given = [&keys::MAIL_URL, &keys::MAIL_URL_FILE].map(|key| reader.given(key));
    let value = reader.parse(&keys::MAIL_URL, |text| url(&cwd, text), |_| String::new());
    let file = reader.path(&keys::MAIL_URL_FILE);
    if value.is_some() != given[0] || file.is_some() != given[1] {
        return None;
    }
    match reader.higher((&keys::MAIL_URL, value), (&keys::MAIL_URL_FILE, file)).ok()?? {
        ValueOrFile::Value(value) => Some(value.value),
        ValueOrFile::File(file) => from_file(reader, &file),
    }
}

fn from_file(reader: &mut Reader<'_>, file: &Found<std::path::PathBuf>) -> Option<SecretString> {
    let missing = || {
        let fix = "make it, readable by this user alone, or name another one";
        Fault::new(format!("{} does not exist", file.value.display()), fix)
    };
    let cwd = reader.cwd.to_owned();
    let read = secret_file::read(&file.value)
        .and_then(|text| text.ok_or_else(missing))
        .and_then(|text| url(&cwd, text.trim()));
    read.map_err(|fault| reader.fail(file.source.clone(), &keys::MAIL_URL_FILE, fault)).ok()
}

/// An address of mail, with a folder from the working folder on.
fn url(cwd: &std::path::Path, text: &str) -> Result<SecretString, Fault> {
    check_url(text).map_err(|bad| {
        Fault::new(bad, "write it like smtp://HOST:PORT, smtps://USER:PASSWORD@HOST or file:FOLDER")
    })?;
    let Some(folder) = text.strip_prefix("file:") else { return Ok(SecretString::from(text)) };
    let folder = super::read::absolute(cwd, folder.strip_prefix("//").unwrap_or(folder))?;
    Ok(SecretString::from(format!("file:{}", folder.display())))
}

fn read_from(reader: &mut Reader<'_>, url: Option<&SecretString>) -> Option<String> {
    let key: &'static Key = &keys::MAIL_FROM;
    if reader.given(key) {
        let parse = |text: &str| {
            text.parse::<lettre::message::Mailbox>().map(|_| text.to_owned()).map_err(|_| {
                let fix = "write it like roster@example.com or Roster <roster@example.com>";
                Fault::new(format!("\"{text}\" is no address"), fix)
            })
        };
        return reader.parse(key, parse, Clone::clone).map(|found| found.value);
    }
    match url.map(|url| url.expose_secret().starts_with("file:")) {
        Some(true) => {
            reader.record(key, Shown::Text(NOBODY.to_owned()), Source::Default);
            Some(NOBODY.to_owned())
        }
        Some(false) => {
            let fix = format!(
                "set it to the address that mail comes from (in roster.toml or as {})",
                key.variable()
            );
            reader.fail(Source::Default, key, Fault::new("is needed to send mail", fix));
            None
        }
        None => {
            reader.record(key, Shown::Unset, Source::Default);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Flags, Problems};

    fn load(env: &[(&str, &str)]) -> Result<Config, Problems> {
        let env = env.iter().map(|(name, value)| (format!("ROSTER_MAIL__{name}"), (*value).to_owned()));
        Config::load(&Flags::default(), env, std::path::Path::new("/nowhere"))
    }

    #[test]
    fn mail_is_set_up_by_an_address_and_whom_it_comes_from() {
        assert_eq!(load(&[]).unwrap().mail, None);
        let folder = load(&[("URL", "file:mails")]).unwrap().mail.unwrap();
        assert_eq!((folder.shown().as_str(), folder.from.as_str()), ("into /nowhere/mails", NOBODY));
        let told = load(&[("URL", "file:mails"), ("ALERTS_TO", "ops@example.com, Cs@example.com")]).unwrap();
        let told: Vec<String> = told.mail.unwrap().alerts_to.iter().map(ToString::to_string).collect();
        assert_eq!(told, ["ops@example.com", "Cs@example.com"]);
        let secret = "smtps://roster:hunter2@mail.example.com";
        let server = load(&[("URL", secret), ("FROM", "Roster <roster@example.com>")]).unwrap();
        let shown = format!("{:?}{}", server.settings(), server.mail.as_ref().unwrap().shown());
        assert!(!shown.contains("hunter2") && !format!("{server:?}").contains("hunter2"), "{shown}");
        assert!(shown.ends_with("by smtps://mail.example.com"), "{shown}");
        for (env, told) in [
            (vec![("URL", "smtp://mail.example.com")], "is needed to send mail"),
            (vec![("URL", "mail.example.com")], "is no address of a mail server"),
            (vec![("URL", "http://mail.example.com")], "is no address of a mail server"),
            (vec![("URL", "file:")], "names no folder"),
            (vec![("URL", "file:x"), ("FROM", "nobody")], "is no address"),
            (vec![("URL", "file:x"), ("URL_FILE", "y")], "is given beside mail.url"),
            (vec![("URL", "file:x"), ("ALERTS_TO", "ops")], "\"ops\" is no address"),
            (vec![("URL", "file:x"), ("CA_FILE", "ca.pem")], "goes only with a mail server"),
            (
                vec![("URL", "smtp://mail.example.com?tls=yes"), ("FROM", "r@example.com")],
                "ends with what is not known",
            ),
            (
                vec![("URL", "smtp://mail.example.com"), ("FROM", "r@example.com"), ("CA_FILE", "ca.pem")],
                "/nowhere/ca.pem cannot be read",
            ),
            (vec![("ALERTS_TO", "ops@example.com")], "no mail is set up"),
            (vec![("CA_FILE", "ca.pem")], "mail.ca_file): names the authority of a mail server"),
        ] {
            let problems = load(&env).unwrap_err().to_string();
            assert!(problems.contains(told), "{problems}");
        }
    }
}
