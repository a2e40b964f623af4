//! A certificate authority of the test's own, by the program `openssl`, 1.1 or newer; `cargo xtask test` sees to it.

use std::path::Path;
use std::process::Command;

const NEW_KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";

fn openssl(folder: &Path, line: &str) {
    let mut command = Command::new("openssl");
    command.current_dir(folder).args(line.split_whitespace());
    let ran = command.output().unwrap_or_else(|error| panic!("openssl: {error}: apt-get install openssl"));
    assert!(ran.status.success(), "{line}: {}", String::from_utf8_lossy(&ran.stderr));
}

/// An authority: `NAME.key` and `NAME.crt`.
///
/// # Panics
/// Where `openssl` cannot make it.
pub fn authority(folder: &Path, name: &str) {
    openssl(
        folder,
        &format!("req -x509 {NEW_KEY} -days 3650 -subj /CN={name} -keyout {name}.key -out {name}.crt"),
    );
}

/// A certificate for `localhost` that the authority `ours` has signed: `made.key` and `made.crt`.
///
/// # Panics
/// Where `openssl` cannot make it, or that authority is not there.
pub fn certified(folder: &Path) {
    openssl(folder, &format!("req -new {NEW_KEY} -subj /CN=localhost -keyout made.key -out made.csr"));
    std::fs::write(folder.join("san"), "subjectAltName = DNS:localhost\nbasicConstraints = CA:FALSE\n")
        .unwrap();
    openssl(
        folder,
        "x509 -req -in made.csr -CA ours.crt -CAkey ours.key -CAcreateserial -days 3650 -extfile san -out made.crt",
    );
}
