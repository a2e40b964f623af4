//! Just enough of the Redis protocol (RESP2) to set a server up and ask how it is.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// A connection to a server.
pub struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    /// `patience` is how long the connection, and then each answer, may take.
    pub fn connect(at: SocketAddr, patience: Duration) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&at, patience)?;
        stream.set_read_timeout(Some(patience))?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// Sends a command whose answer is one text or number.
    pub fn ask(&mut self, words: &[&str]) -> Result<String> {
        self.stream.get_mut().write_all(&encode(words))?;
        decode(&mut self.stream).with_context(|| words.join(" "))
    }
}

fn encode(words: &[&str]) -> Vec<u8> {
    let texts: Vec<String> = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len())).collect();
    format!("*{}\r\n{}", words.len(), texts.concat()).into_bytes()
}

fn decode(stream: &mut impl BufRead) -> Result<String> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    let line = line.trim_end();
    match line.split_at_checked(1) {
        Some(("+" | ":", answer)) => Ok(answer.to_owned()),
        Some(("-", error)) => bail!("{error}"),
        Some(("$", length)) => {
            let mut text = vec![0; length.parse().context("there is no such thing")?];
            stream.read_exact(&mut text)?;
            stream.read_exact(&mut [0; 2])?;
            Ok(String::from_utf8_lossy(&text).into_owned())
        }
        _ => bail!("not an answer: {line:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_lists_of_texts() {
        assert_eq!(encode(&["PING", "é"]), "*2\r\n$4\r\nPING\r\n$2\r\né\r\n".as_bytes());
    }

    #[test]
    fn answers_are_read_one_by_one() {
        let mut sent = "+OK\r\n:12\r\n$7\r\na:1\r\nb\n\r\n-ERR no\r\n$-1\r\n".as_bytes();
        assert_eq!(decode(&mut sent).unwrap(), "OK");
        assert_eq!(decode(&mut sent).unwrap(), "12");
        assert_eq!(decode(&mut sent).unwrap(), "a:1\r\nb\n");
        assert_eq!(decode(&mut sent).unwrap_err().to_string(), "ERR no");
        assert!(decode(&mut sent).is_err(), "nothing is there");
        assert!(decode(&mut sent).is_err(), "the connection has ended");
    }
}
