//! `roster completions` and `roster man`: what a shell and a reader of manuals need, made from the command line itself.

use std::path::{Path, PathBuf};

use clap::{CommandFactory, ValueEnum};
use clap_complete::generate;
use clap_mangen::{Man, generate_to};

use crate::args::Cli;
use crate::failure::Failure;
use crate::output::text;

/// Shells that are helped.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Shell {
    /// For `~/.local/share/bash-completion/completions/roster`.
    Bash,
    /// For a file `_roster` in a folder of `$fpath`.
    Zsh,
    /// For `~/.config/fish/completions/roster.fish`.
    Fish,
}

/// Prints the completions of a shell.
pub fn completions(shell: Shell) -> Result<(), Failure> {
    let (mut command, mut made) = (Cli::command(), Vec::new());
    match shell {
        Shell::Bash => generate(clap_complete::Shell::Bash, &mut command, "roster", &mut made),
        Shell::Zsh => generate(clap_complete::Shell::Zsh, &mut command, "roster", &mut made),
        Shell::Fish => generate(clap_complete::Shell::Fish, &mut command, "roster", &mut made),
    }
    text(&String::from_utf8_lossy(&made))
}

/// Prints the manual page, or writes one for each command into a folder.
pub fn man(folder: Option<PathBuf>) -> Result<(), Failure> {
    if let Some(folder) = folder {
        return write(&folder).map_err(|error| {
            Failure::Failed(format!("the pages cannot be written to {}: {error}", folder.display()))
        });
    }
    let mut made = Vec::new();
    let rendered = Man::new(Cli::command()).render(&mut made);
    rendered.map_err(|error| Failure::Failed(format!("the page cannot be made: {error}")))?;
    text(&String::from_utf8_lossy(&made))
}

fn write(folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    generate_to(Cli::command(), folder)
}
