//! The master key: given, in a file, or made once in the data folder.
//!
//! A generated key is written whole to a private file and then linked to its name, which fails when the name
//! exists. So the name appears with its whole content, and of two processes that start together one makes the
//! key and both use it. Fingerprint and derived keys are the core's work.

use std::ffi::OsString;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::engine::{DecodePaddingMode, general_purpose};
use rand::TryRng;
use rand::rngs::SysRng;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretSlice};

use super::problem::{Fault, Problem};
use super::{Config, MasterKeySource, Source, keys, secret_file};

/// The name of a generated key in the data folder.
pub const FILE_NAME: &str = "master.key";
/// The least length of a key, in bytes.
pub const MIN_BYTES: usize = 32;

const MAKE_ONE: &str = "make one with: openssl rand -base64 32";

/// At least 32 secret bytes; wiped when dropped and hidden in `Debug`.
#[derive(Debug, Clone)]
pub struct MasterKey(SecretSlice<u8>);

impl MasterKey {
    /// The key itself.
    pub fn bytes(&self) -> &[u8] {
        self.0.expose_secret()
    }

    /// From base64, of either alphabet, with or without padding and line breaks.
    pub(super) fn decode(text: &str) -> Result<Self, Fault> {
        let mut compact = Zeroizing::new(String::with_capacity(text.len()));
        compact.extend(text.chars().filter(|c| !c.is_ascii_whitespace()));
        let alphabet = if compact.contains(['-', '_']) { &URL_SAFE } else { &STANDARD };
        let padding = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
        // The decoder's own message would quote a byte of the secret.
        let decoded = GeneralPurpose::new(alphabet, padding).decode(compact.as_bytes());
        let bytes = Zeroizing::new(decoded.map_err(|_| Fault::new("is not base64", MAKE_ONE))?);
        if bytes.len() < MIN_BYTES {
            let problem = format!("is too short: {} bytes, and at least {MIN_BYTES} are needed", bytes.len());
            return Err(Fault::new(problem, MAKE_ONE));
        }
        Ok(Self(bytes.to_vec().into()))
    }
}

/// The master key of this configuration; makes one in the data folder if none was given and none is there.
///
/// # Errors
/// The key, its file or the data folder cannot be used; the problem says what to do.
pub fn resolve(config: &Config) -> Result<MasterKey, Problem> {
    match &config.master_key {
        MasterKeySource::Generated(path) => {
            read_or_make(path).map_err(|fault| generated_problem(path, fault))
        }
        MasterKeySource::Given(_) | MasterKeySource::File(_) => {
            given(&config.master_key, &config.source(&keys::MASTER_KEY_FILE))
        }
    }
}

/// Whether [`resolve`] would find a usable key or make one; writes nothing.
///
/// # Errors
/// As [`resolve`].
pub fn check(config: &Config) -> Result<(), Problem> {
    find(config).map(drop)
}

/// The key that [`resolve`] would find; `None` where it would make one. Writes nothing.
///
/// # Errors
/// As [`resolve`].
pub fn find(config: &Config) -> Result<Option<MasterKey>, Problem> {
    find_at(&config.master_key, &config.source(&keys::MASTER_KEY_FILE))
}

/// The same of a key that is to be in one place, with where the name of its file came from.
pub(super) fn find_at(key: &MasterKeySource, file: &Source) -> Result<Option<MasterKey>, Problem> {
    match key {
        MasterKeySource::Generated(path) => read(path).map_err(|fault| generated_problem(path, fault)),
        MasterKeySource::Given(_) | MasterKeySource::File(_) => given(key, file).map(Some),
    }
}

/// A key that is given was found good when it was read.
fn given(key: &MasterKeySource, file: &Source) -> Result<MasterKey, Problem> {
    let (key, result) = match key {
        MasterKeySource::Given(text) => (&keys::MASTER_KEY, MasterKey::decode(text.expose_secret())),
        MasterKeySource::File(path) | MasterKeySource::Generated(path) => {
            let found = read(path).and_then(|found| found.ok_or_else(|| missing(path)));
            (&keys::MASTER_KEY_FILE, found)
        }
    };
    result.map_err(|fault| Problem::at(file.clone(), key, fault))
}

/// What is said where a store is there and the key that it was made with is not.
pub fn lost(path: &Path) -> String {
    format!(
        "{} is not there, and the store was made with a master key: put that back from its backup, or name it by \
         master_key_file; another opens nothing",
        path.display()
    )
}

fn missing(path: &Path) -> Fault {
    Fault::new(format!("{} does not exist", path.display()), format!("correct the path, or {MAKE_ONE}"))
}

fn generated_problem(path: &Path, fault: Fault) -> Problem {
    // The source is the file: its path need not be said twice.
    let said = fault.problem.strip_prefix(&format!("{} ", path.display())).map(str::to_owned);
    let problem = said.unwrap_or(fault.problem);
    Problem::whole(Source::File(path.to_owned()), Fault { problem, fix: fault.fix })
}

fn read(path: &Path) -> Result<Option<MasterKey>, Fault> {
    let Some(text) = secret_file::read(path)? else {
        return Ok(None);
    };
    let named = |fault: Fault| Fault { problem: format!("{} {}", path.display(), fault.problem), ..fault };
    MasterKey::decode(&text).map(Some).map_err(named)
}

fn read_or_make(path: &Path) -> Result<MasterKey, Fault> {
    if let Some(key) = read(path)? {
        return Ok(key);
    }
    make(path).map_err(|error| {
        let problem = format!("{} cannot be made: {error}", path.display());
        let fix =
            "make that folder writable, set data_dir to another one, or give the key by master_key_file";
        Fault::new(problem, fix)
    })?;
    // Read back in either case: this process or another one made it, and both use what is there.
    read(path)?.ok_or_else(|| missing(path))
}

/// Makes the key file unless another process does it first. The name is on the disk when this returns.
fn make(path: &Path) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    make_folder(folder)?;
    let draft = Draft::write(path)?;
    match std::fs::hard_link(&draft.0, path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
        Ok(()) | Err(_) => {}
    }
    drop(draft);
    sync_folder(folder)
}

/// Makes the folder and those above it for this user alone, and sees to it that they outlast a power cut.
fn make_folder(folder: &Path) -> io::Result<()> {
    let new: Vec<&Path> = folder.ancestors().take_while(|ancestor| !ancestor.exists()).collect();
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    new.iter().filter_map(|made| made.parent()).try_for_each(sync_folder)
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    File::open(folder)?.sync_all()
}

/// A private file with a new key, removed when dropped.
struct Draft(PathBuf);

impl Draft {
    /// Straight from the operating system: a key drawn from an injected, repeatable source would be
    /// worthless.
    fn write(path: &Path) -> io::Result<Self> {
        let mut suffix = [0; 8];
        let mut key = Zeroizing::new([0; MIN_BYTES]);
        SysRng.try_fill_bytes(&mut suffix).map_err(io::Error::other)?;
        SysRng.try_fill_bytes(key.as_mut_slice()).map_err(io::Error::other)?;
        let mut name = OsString::from(path);
        name.push(format!(".{:016x}.new", u64::from_le_bytes(suffix)));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&name)?;
        let draft = Self(name.into());
        let text = Zeroizing::new(general_purpose::STANDARD.encode(key.as_slice()));
        file.write_all(text.as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        Ok(draft)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // A draft left behind holds a key that nobody uses, or a second name of the key, as private as the
        // first.
        std::fs::remove_file(&self.0).ok();
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;
    use std::sync::Barrier;

    use super::*;
    use crate::config::Flags;

    fn config(cwd: &Path, env: &[(&str, &str)]) -> Config {
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Config::load(&Flags::default(), env, cwd).unwrap()
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    fn private(path: &Path, text: &str) {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
    }

    #[test]
    fn a_key_is_base64_of_at_least_32_bytes_in_either_alphabet() {
        let long = general_purpose::STANDARD.encode([251; 33]);
        let wrapped = format!("{}\n{}\n", &long[..20], &long[20..]);
        let cases = [
            (long.as_str(), Ok(33)),
            (wrapped.as_str(), Ok(33)),
            (&general_purpose::URL_SAFE_NO_PAD.encode([251; 32]), Ok(32)),
            (&general_purpose::STANDARD.encode([0; 64]), Ok(64)),
            (
                &general_purpose::STANDARD.encode([1; 31]),
                Err("is too short: 31 bytes, and at least 32 are needed"),
            ),
            ("", Err("is too short: 0 bytes, and at least 32 are needed")),
            ("correct horse battery staple, and so on and so on", Err("is not base64")),
        ];
        for (text, expected) in cases {
            let decoded = MasterKey::decode(text);
            let found = decoded.as_ref().map(|key| key.bytes().len()).map_err(|fault| fault.problem.as_str());
            assert_eq!(found, expected);
            assert!(decoded.is_ok() || decoded.unwrap_err().fix.contains("openssl rand -base64 32"));
        }
    }

    #[test]
    fn a_key_is_made_once_in_private_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path(), &[("ROSTER_DATA_DIR", "a/b")]);
        check(&config).unwrap();
        assert!(!folder.path().join("a").exists(), "checking makes nothing");
        let made = resolve(&config).unwrap();
        let file = folder.path().join("a/b/master.key");
        assert_eq!(made.bytes().len(), MIN_BYTES);
        assert_eq!((mode(&file), mode(&config.data_dir)), (0o600, 0o700));
        assert_eq!(fs::read_dir(&config.data_dir).unwrap().count(), 1, "no draft is left");
        assert_eq!(resolve(&config).unwrap().bytes(), made.bytes());
        let other = tempfile::tempdir().unwrap();
        assert_ne!(resolve(&self::config(other.path(), &[])).unwrap().bytes(), made.bytes());
    }

    #[test]
    fn all_that_start_together_use_one_key() {
        const RACERS: usize = 16;
        for _ in 0..20 {
            let folder = tempfile::tempdir().unwrap();
            let config = config(folder.path(), &[]);
            let start = Barrier::new(RACERS);
            let keys: Vec<MasterKey> = std::thread::scope(|scope| {
                let race = || {
                    start.wait();
                    resolve(&config).unwrap()
                };
                let racers: Vec<_> = (0..RACERS).map(|_| scope.spawn(race)).collect();
                racers.into_iter().map(|racer| racer.join().unwrap()).collect()
            });
            assert!(keys.iter().all(|key| key.bytes() == keys[0].bytes()));
            assert_eq!(fs::read_dir(&config.data_dir).unwrap().count(), 1, "no draft is left");
        }
    }

    #[test]
    fn a_key_that_appears_after_the_look_wins() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        private(&path, &general_purpose::STANDARD.encode([7; 32]));
        make(&path).unwrap();
        assert_eq!(read(&path).unwrap().unwrap().bytes(), [7; 32]);
    }

    #[test]
    fn a_key_file_that_cannot_be_used_is_refused_and_left_alone() {
        let good = general_purpose::STANDARD.encode([7; 32]);
        let cases = [
            (good.as_str(), 0o644, "can be used by other users (mode 0644)", "run: chmod 600 "),
            ("c2hvcnQ=", 0o600, "is too short: 5 bytes", MAKE_ONE),
            ("", 0o600, "is too short: 0 bytes", MAKE_ONE),
            ("not a key!", 0o600, "is not base64", MAKE_ONE),
        ];
        for (text, mode, problem, fix) in cases {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join(FILE_NAME);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let cwd = folder.path();
            let generated = config(cwd, &[("ROSTER_DATA_DIR", ".")]);
            let named = config(cwd, &[("ROSTER_MASTER_KEY_FILE", FILE_NAME)]);
            for (config, key) in [(generated, None), (named, Some("master_key_file"))] {
                let found = resolve(&config).unwrap_err();
                assert_eq!(check(&config).unwrap_err(), found);
                assert_eq!(found.key.as_deref(), key);
                assert!(found.problem.contains(problem) && found.fix.starts_with(fix), "{found}");
                assert!(found.to_string().contains(path.to_str().unwrap()), "{found}");
            }
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }

    #[test]
    fn a_named_file_is_read_and_never_made() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path(), &[("ROSTER_MASTER_KEY_FILE", "key")]);
        let problem = resolve(&config).unwrap_err();
        assert_eq!(problem.source, Source::Environment("ROSTER_MASTER_KEY_FILE".into()));
        assert!(problem.problem.ends_with("does not exist"));
        private(&folder.path().join("key"), &format!("{}\n", general_purpose::STANDARD.encode([9; 40])));
        assert_eq!(resolve(&config).unwrap().bytes(), [9; 40]);
    }

    #[test]
    fn a_data_folder_that_cannot_be_made_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        private(&folder.path().join("file"), "");
        let config = config(folder.path(), &[("ROSTER_DATA_DIR", "file")]);
        let found = resolve(&config).unwrap_err();
        assert!(found.to_string().contains("master.key: cannot be"), "{found}");
    }
}
