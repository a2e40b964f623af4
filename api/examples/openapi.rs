//! Prints the `OpenAPI` document.

use std::io::Write;

fn main() -> std::io::Result<()> {
    let document = roster_api::openapi::document();
    writeln!(std::io::stdout().lock(), "{document:#}")
}
