//! A private Redis that writes down each command before it answers.
#![expect(clippy::unwrap_used, reason = "a test whose server does not start has failed")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::{Folder, Process, free_port, program};

/// What makes it lose nothing that it has answered.
const DURABLE: [&str; 8] =
    ["--appendonly", "yes", "--appendfsync", "always", "--save", "", "--maxmemory-policy", "noeviction"];

/// A server that the test may do anything to.
#[derive(Debug)]
pub struct Redis {
    // Dropped before the folder.
    process: Option<Process>,
    folder: Folder,
    program: PathBuf,
    port: u16,
}

impl Redis {
    /// A new one, started with these further arguments, such as `--appendfsync everysec`; the last word counts.
    ///
    /// # Panics
    /// Where it is not installed, or does not start.
    pub fn with(arguments: &[&str]) -> Self {
        Self::of(Folder::new(), arguments)
    }

    /// The same in a folder.
    ///
    /// # Panics
    /// Where it is not installed, or does not start.
    pub fn of(folder: Folder, arguments: &[&str]) -> Self {
        let program = program("redis-server", "redis-server");
        let mut server = Self { process: None, folder, program, port: free_port() };
        server.start(arguments);
        server
    }

    /// Its folder; the data is there.
    pub const fn folder(&self) -> &Folder {
        &self.folder
    }

    /// What it answers to a command without arguments that would have to be quoted.
    ///
    /// # Panics
    /// Where it does not answer.
    pub fn told(&self, command: &str) -> String {
        let mut stream = TcpStream::connect(self.address()).unwrap();
        stream.write_all(format!("{command}\r\nQUIT\r\n").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Where it listens.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("redis://{}", self.address())
    }

    /// Starts it, again too, on the same port and data, and waits until it answers.
    ///
    /// # Panics
    /// Where it does not start.
    pub fn start(&mut self, arguments: &[&str]) {
        let process = Process::start(&self.folder, self.command(arguments), || self.answers());
        assert!(process.is_some(), "Redis does not start:\n{}", self.folder.said());
        self.process = process;
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.folder.command(&self.program);
        command.args(["--bind", "127.0.0.1", "--port", &self.port.to_string()]);
        command.args(["--dir", self.folder.path().to_str().unwrap()]).args(DURABLE).args(arguments);
        command
    }

    /// One that still loads its data answers, but not this.
    fn answers(&self) -> bool {
        let asked = TcpStream::connect(self.address()).and_then(|mut stream| {
            stream.set_read_timeout(Some(Duration::from_secs(5)))?;
            stream.write_all(b"PING\r\n")?;
            let mut answer = [0; 5];
            stream.read_exact(&mut answer)?;
            Ok(answer)
        });
        asked.is_ok_and(|answer| &answer == b"+PONG")
    }
}
