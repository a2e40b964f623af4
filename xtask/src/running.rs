//! A server process, and whether it answers.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server process, ended when this is dropped.
pub struct Running {
    pub port: u16,
    child: Child,
}

impl Running {
    /// One that has been started.
    pub const fn of(child: Child, port: u16) -> Self {
        Self { port, child }
    }

    /// Starts one; back once it is ready for requests.
    pub fn start(command: &mut Command, port: u16) -> Result<Self> {
        let mut running = Self::of(command.spawn().context("the server cannot be started")?, port);
        let begun = Instant::now();
        while !running.answers() {
            if let Some(status) = running.child.try_wait()? {
                bail!("the server ended at once ({status})");
            }
            if begun.elapsed() > PATIENCE {
                bail!("the server does not answer");
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(running)
    }

    fn answers(&self) -> bool {
        let address = SocketAddr::from(([127, 0, 0, 1], self.port));
        let ask = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect(address)?;
            stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        };
        ask().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
    }

    /// The most memory that it has had, in MiB.
    pub fn memory_mib(&self) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
        let kib: f64 = line.trim().trim_end_matches(" kB").trim().parse()?;
        Ok(kib / 1024.0)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _ended = self.child.wait();
    }
}
