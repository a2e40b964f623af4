//! A private pgbouncer in session mode, before any database of one server.

use std::net::TcpStream;

use super::{Folder, Process, free_port, program};

/// A pooler.
#[derive(Debug)]
pub struct Pgbouncer {
    // Dropped before the folder.
    _process: Process,
    _folder: Folder,
    port: u16,
}

impl Pgbouncer {
    /// One before the server that these words of a connection string name: `host=… port=… user=… password=…`.
    ///
    /// # Panics
    /// Where it is not installed, or does not start.
    pub fn before(server: &str) -> Self {
        let (folder, port) = (Folder::new(), free_port());
        // What `docs/STORAGE.md` says to configure, and nothing more than a test needs.
        folder.write(
            "pgbouncer.ini",
            &format!(
                "[databases]\n* = {server}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
                 unix_socket_dir =\nauth_type = any\npool_mode = session\n\
                 ignore_startup_parameters = extra_float_digits\n"
            ),
        );
        let mut command = folder.command(&program("pgbouncer", "pgbouncer"));
        command.arg("pgbouncer.ini");
        let process = Process::start(&folder, command, || TcpStream::connect(("127.0.0.1", port)).is_ok());
        let process = process.unwrap_or_else(|| panic!("pgbouncer does not start:\n{}", folder.said()));
        Self { _process: process, _folder: folder, port }
    }

    /// The address of a database behind it.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://roster@127.0.0.1:{}/{database}", self.port)
    }
}
