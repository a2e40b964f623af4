//! What stands between a client and Roster and gives trouble, as networks and servers do: it is busy, it has had enough, it
//! is not there, and an answer is lost though what it answers was done.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// The trouble so far.
#[derive(Default)]
pub struct Trouble {
    /// Requests that came.
    asked: AtomicUsize,
    /// Those for which Roster was not there.
    absent: AtomicUsize,
    /// Those whose answer was lost.
    lost: AtomicUsize,
}

impl Trouble {
    /// Whether there was each kind of it.
    pub fn is_complete(&self) -> bool {
        self.asked.load(Ordering::SeqCst) > 4 && self.was_absent() && self.lost.load(Ordering::SeqCst) > 0
    }

    /// Whether Roster was not there for a request.
    pub fn was_absent(&self) -> bool {
        self.absent.load(Ordering::SeqCst) > 0
    }

    /// What there was.
    pub fn said(&self) -> String {
        let count = |of: &AtomicUsize| of.load(Ordering::SeqCst);
        let [asked, absent, lost] = [&self.asked, &self.absent, &self.lost].map(count);
        format!("{asked} requests, {absent} of them while Roster was away, {lost} whose answer was lost")
    }

    fn answer(&self, request: &[u8], port: u16) -> io::Result<Vec<u8>> {
        match self.asked.fetch_add(1, Ordering::SeqCst) {
            0 => return Ok(refusal("503 Service Unavailable")),
            1 => return Ok(refusal("429 Too Many Requests")),
            _ => {}
        }
        let Ok(mut roster) = TcpStream::connect(("127.0.0.1", port)) else {
            self.absent.fetch_add(1, Ordering::SeqCst);
            return Err(io::ErrorKind::ConnectionReset.into());
        };
        roster.write_all(request)?;
        let answer = message(&mut BufReader::new(roster))?;
        if self.lost.fetch_add(1, Ordering::SeqCst) == 0 {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        Ok(answer)
    }
}

/// Starts one in front of a port, for as long as this program runs. Its own port.
pub fn start(port: u16) -> io::Result<(u16, Arc<Trouble>)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let own = listener.local_addr()?.port();
    let trouble = Arc::new(Trouble::default());
    let shared = Arc::clone(&trouble);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let trouble = Arc::clone(&shared);
            // A client that hangs up has its reasons.
            thread::spawn(move || serve(stream, &trouble, port).ok());
        }
    });
    Ok((own, trouble))
}

fn serve(stream: TcpStream, trouble: &Trouble, port: u16) -> io::Result<()> {
    let mut answers = stream.try_clone()?;
    let mut requests = BufReader::new(stream);
    loop {
        let request = message(&mut requests)?;
        answers.write_all(&trouble.answer(&request, port)?)?;
    }
}

/// A request or an answer: its head, and as much of a body as that says.
fn message(from: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let begun = head.len();
        if from.read_line(&mut head)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let line = head[begun..].to_ascii_lowercase();
        if line.trim().is_empty() {
            break;
        }
        if let Some(said) = line.strip_prefix("content-length:") {
            length = said.trim().parse().map_err(|_| io::ErrorKind::InvalidData)?;
        }
    }
    let mut body = vec![0; length];
    from.read_exact(&mut body)?;
    Ok([head.as_bytes(), &body].concat())
}

fn refusal(status: &str) -> Vec<u8> {
    let body = "{\"code\":\"busy\",\"message\":\"Later.\"}";
    format!(
        "HTTP/1.1 {status}\r\nRetry-After: 1\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_read_as_far_as_it_says() {
        let text = b"POST / HTTP/1.1\r\nContent-LENGTH: 3\r\n\r\nabcGET / HTTP/1.1\r\n\r\n".as_slice();
        let mut from = BufReader::new(text);
        assert!(message(&mut from).unwrap().ends_with(b"\r\n\r\nabc"));
        assert!(message(&mut from).unwrap().starts_with(b"GET"));
        assert!(message(&mut from).is_err(), "there is nothing more");
    }
}
