//! A server of its own for a test, and the least HTTP that it takes to talk to it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStderr, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::place::Place;

/// How long an answer is awaited: longer than a server lets a request take, so that what fails is its answer.
const PATIENCE: Duration = Duration::from_secs(40);

/// `roster serve` on a free port. Killed when it goes out of scope.
pub struct Server {
    child: Child,
    pub address: String,
    stderr: Option<BufReader<ChildStderr>>,
}

impl Server {
    /// Starts one and waits until it listens.
    pub fn start(place: &Place) -> Self {
        Self::start_with(place, "--log-level warn")
    }

    /// Starts one with flags and waits until it listens.
    pub fn start_with(place: &Place, flags: &str) -> Self {
        Self::start_amid(place, &[], flags)
    }

    /// The same with settings in the environment.
    pub fn start_amid(place: &Place, environment: &[(&str, &str)], flags: &str) -> Self {
        let mut command = place.command();
        command.envs(environment.iter().copied());
        command.args(["serve", "--listen", "127.0.0.1:0"]).args(flags.split_whitespace());
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        stderr.read_line(&mut line).unwrap();
        let address = line.trim().rsplit("http://").next().unwrap().to_owned();
        assert!(line.contains("listens on http://127.0.0.1:"), "{line}");
        Self { child, address, stderr: Some(stderr) }
    }

    /// Starts one that says everything as JSON and waits until it listens; what it has said by then.
    pub fn start_saying_json(place: &Place) -> (Self, String) {
        let mut command = place.command();
        command.args(["serve", "--listen", "127.0.0.1:0", "--log-format", "json", "--log-level", "trace"]);
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        let address = loop {
            let begun = said.len();
            assert!(stderr.read_line(&mut said).unwrap() > 0, "it ended: {said}");
            let line: Value = serde_json::from_str(&said[begun..]).unwrap();
            if let Some(address) = line["address"].as_str() {
                break address.strip_prefix("http://").unwrap().to_owned();
            }
        };
        (Self { child, address, stderr: Some(stderr) }, said)
    }

    /// The next line that it says.
    pub fn next_line(&mut self) -> String {
        let mut line = String::new();
        self.stderr.as_mut().unwrap().read_line(&mut line).unwrap();
        line
    }

    /// From now on nobody reads what it says.
    pub fn stop_listening_to_it(&mut self) {
        self.stderr = None;
    }

    /// A connection of its own, on which some text was sent.
    pub fn connect(&self, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        stream
    }

    /// A POST of which the server has read the head and awaits the body.
    pub fn begin(&self, path: &str, key: &str, length: usize) -> TcpStream {
        let mut stream = self.connect(&format!(
            "POST {path} HTTP/1.1\r\nHost: roster.test\r\nConnection: close\r\nAuthorization: Bearer {key}\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\nExpect: 100-continue\r\n\r\n"
        ));
        let mut go_on = [0; 25];
        stream.read_exact(&mut go_on).unwrap();
        assert_eq!(std::str::from_utf8(&go_on).unwrap(), "HTTP/1.1 100 Continue\r\n\r\n");
        stream
    }

    /// One request on a connection of its own, which must be answered: the status and the body.
    pub fn call(&self, method: &str, path: &str, key: &str, body: Option<&Value>) -> (u16, Value) {
        self.try_call(method, path, &format!("Authorization: Bearer {key}\r\n"), body).unwrap()
    }

    /// The same with header lines of its own; an error if the connection breaks.
    pub fn try_call(
        &self,
        method: &str,
        path: &str,
        headers: &str,
        body: Option<&Value>,
    ) -> std::io::Result<(u16, Value)> {
        call_at(&self.address, method, path, headers, body)
    }

    /// Sends a signal by name.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = std::process::Command::new("kill").args(["-s", name, &pid]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for the end; the exit status and what was said on stderr meanwhile.
    pub fn end(mut self) -> (Option<i32>, String) {
        let until = Instant::now() + Duration::from_secs(20);
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status.code();
            }
            assert!(Instant::now() < until, "the server does not end");
            std::thread::sleep(Duration::from_millis(20));
        };
        let mut said = String::new();
        if let Some(stderr) = &mut self.stderr {
            stderr.read_to_string(&mut said).unwrap();
        }
        (status, said)
    }

    /// Ends it at once, as `kill -9` does.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// One request to an address, on a connection of its own; an error if the connection breaks.
pub fn call_at(
    address: &str,
    method: &str,
    path: &str,
    headers: &str,
    body: Option<&Value>,
) -> std::io::Result<(u16, Value)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let body = body.map(Value::to_string).unwrap_or_default();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: roster.test\r\nConnection: close\r\n{headers}\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let broken = || std::io::Error::other(format!("half an answer: {text:?}"));
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(broken)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(broken)?;
    if !body.is_empty() && serde_json::from_str::<Value>(body).is_err() {
        return Err(broken());
    }
    Ok((status, serde_json::from_str(body).unwrap_or(Value::Null)))
}
