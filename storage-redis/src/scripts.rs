//! The scripts. All that use more than one key of a home begin with `apply.lua`, which finishes what is half done
//! before anything else is.

use redis::Script;

macro_rules! script {
    ($($part:literal),+) => {
        Script::new(concat!($(include_str!(concat!("lua/", $part, ".lua")), "\n"),+))
    };
}

/// The parts of the script of a commit.
#[cfg(test)]
pub(crate) const COMMIT_PARTS: [&str; 4] = [
    include_str!("lua/apply.lua"),
    include_str!("lua/write.lua"),
    include_str!("lua/sha256.lua"),
    include_str!("lua/commit.lua"),
];

/// All of them.
#[derive(Debug)]
pub(crate) struct Scripts {
    pub(crate) commit: Script,
    pub(crate) read: Script,
    pub(crate) page: Script,
    pub(crate) count: Script,
    pub(crate) log: Script,
    pub(crate) dump: Script,
    pub(crate) rewrite: Script,
    pub(crate) forget: Script,
    pub(crate) presence: Script,
    pub(crate) settle: Script,
}

impl Scripts {
    pub(crate) fn new() -> Self {
        Self {
            commit: script!("apply", "write", "sha256", "commit"),
            read: script!("read"),
            page: script!("apply", "page"),
            count: script!("apply", "count"),
            log: script!("apply", "log"),
            dump: script!("apply", "dump"),
            rewrite: script!("apply", "write", "rewrite"),
            forget: script!("apply", "write", "forget"),
            presence: script!("presence"),
            settle: script!("apply", "settle"),
        }
    }

    pub(crate) const fn all(&self) -> [&Script; 10] {
        [
            &self.commit,
            &self.read,
            &self.page,
            &self.count,
            &self.log,
            &self.dump,
            &self.rewrite,
            &self.forget,
            &self.presence,
            &self.settle,
        ]
    }
}
