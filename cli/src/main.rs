//! The `roster` binary.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// Requests and imports allocate much and briefly; imports took a fifth more time with the C library's.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    roster_cli::main()
}
