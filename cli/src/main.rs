//! The `roster` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    roster_cli::main()
}
