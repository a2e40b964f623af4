//! `roster config`: what is set, where that comes from, and what is wrong with it.

use clap::Subcommand;

use crate::args::Global;
use crate::config::{environment, show};
use crate::failure::Failure;
use crate::output::Printer;
use crate::session::{load_config, working_folder};

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print every problem of the configuration; writes nothing.
    Check,
    /// Print the settings in effect with their sources, without secrets.
    Show,
}

/// Does it.
pub fn run(command: &Command, global: &Global) -> Result<(), Failure> {
    let out = Printer::new(global.output);
    match command {
        Command::Show => {
            let config = load_config(global)?;
            out.say(&show::table(&config), &show::to_json(&config))
        }
        Command::Check => {
            let check = show::check(&global.flags(), environment(), &working_folder()?);
            out.say(&check.text(), &check.to_json())?;
            if check.is_ok() { Ok(()) } else { Err(Failure::Said) }
        }
    }
}
