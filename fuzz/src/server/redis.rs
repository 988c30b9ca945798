//! `Redis`: a server of Redis that answers what is asked about entries with the input, and the rest as one should.

use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::Arc;

use parking_lot::Mutex;

use super::listen;

/// Commands about entries.
const ABOUT_ENTRIES: [&str; 9] = ["GETRANGE", "EVAL", "EVALSHA", "MGET", "GET", "SET", "SCAN", "DBSIZE", "MEMORY"];
const HELLO: &str = "%3\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$6\r\n7.0.15\r\n$5\r\nproto\r\n:3\r\n";
const INFO: &str = "$43\r\n# Server\r\nredis_version:7.0.15\r\nrun_id:1f\r\n\r\n";

/// A server of Redis that answers what is asked about entries with the input.
#[derive(Debug)]
pub(crate) struct Redis {
    pub(crate) port: u16,
    reply: Arc<Mutex<Reply>>,
}

#[derive(Debug, Default)]
struct Reply {
    bytes: Vec<u8>,
    /// Whether nothing comes behind it.
    is_last: bool,
}

impl Redis {
    pub(crate) fn new() -> Self {
        let reply = Arc::<Mutex<Reply>>::default();
        let given = reply.clone();
        Self { port: listen(move |stream| serve(stream, &given)), reply }
    }

    /// Answers with these bytes, whatever they are, and hangs up.
    pub(crate) fn says(&self, bytes: &[u8]) {
        *self.reply.lock() = Reply { bytes: bytes.to_vec(), is_last: true };
    }

    /// Answers with a string of these bytes.
    pub(crate) fn has(&self, bytes: &[u8]) {
        let bytes = [format!("${}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat();
        *self.reply.lock() = Reply { bytes, is_last: false };
    }
}

fn serve(stream: TcpStream, given: &Mutex<Reply>) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    while let Some(command) = command(&mut stream)? {
        if ABOUT_ENTRIES.contains(&&*command) {
            let (bytes, is_last) = {
                let given = given.lock();
                (given.bytes.clone(), given.is_last)
            };
            stream.get_mut().write_all(&bytes)?;
            if is_last {
                return Ok(());
            }
            continue;
        }
        let answer = match &*command {
            "HELLO" => HELLO,
            "INFO" => INFO,
            "CLIENT" => ":7\r\n",
            "PING" => "+PONG\r\n",
            _ => "+OK\r\n",
        };
        stream.get_mut().write_all(answer.as_bytes())?;
    }
    Ok(())
}

/// The name of the next command; none at the end.
fn command(stream: &mut impl BufRead) -> io::Result<Option<String>> {
    let (mut name, mut line) = (None, String::new());
    if stream.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let Some(words) = line.strip_prefix('*') else {
        // The first one comes as words.
        return Ok(line.split_whitespace().next().map(str::to_owned));
    };
    for _ in 0..number(words)? {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let len = number(line.trim_start_matches('$'))?;
        let mut word = vec![0; len + 2];
        stream.read_exact(&mut word)?;
        word.truncate(len);
        name.get_or_insert_with(|| String::from_utf8_lossy(&word).to_ascii_uppercase());
    }
    Ok(name)
}

/// The number in a line.
fn number(line: &str) -> io::Result<usize> {
    line.trim_end().parse().map_err(io::Error::other)
}
