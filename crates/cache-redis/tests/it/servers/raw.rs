//! `Raw`: a connection that says to a server what the backend never would.

use std::io::{self, BufRead, BufReader, Error, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

/// A connection that asks one thing after the other.
#[derive(Debug)]
pub(crate) struct Raw(BufReader<TcpStream>);

/// What a server says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Said {
    Nothing,
    Text(Vec<u8>),
    Number(i64),
    Many(Vec<Said>),
    Refused(String),
}

impl Raw {
    pub(crate) fn connect(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Whether the server is ready for commands.
    pub(crate) fn answers(&mut self) -> bool {
        match self.try_ask(&[b"PING"]) {
            Ok(Said::Refused(reply)) => reply.starts_with("NOAUTH"),
            answer => answer.is_ok(),
        }
    }

    /// Asks, and fails when there is no answer or an error.
    pub(crate) fn ask(&mut self, parts: &[&[u8]]) -> Said {
        match self.try_ask(parts).unwrap() {
            Said::Refused(reply) => panic!("{}: {reply}", String::from_utf8_lossy(parts[0])),
            said => said,
        }
    }

    /// As [`ask`](Self::ask), in words.
    pub(crate) fn say(&mut self, words: &str) -> Said {
        self.ask(&words.split_whitespace().map(str::as_bytes).collect::<Vec<_>>())
    }

    pub(crate) fn try_ask(&mut self, parts: &[&[u8]]) -> io::Result<Said> {
        let mut request = format!("*{}\r\n", parts.len()).into_bytes();
        for part in parts {
            request.extend(format!("${}\r\n", part.len()).bytes());
            request.extend_from_slice(part);
            request.extend(b"\r\n");
        }
        self.0.get_mut().write_all(&request)?;
        self.read()
    }

    fn read(&mut self) -> io::Result<Said> {
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        let line = line.trim_end();
        let number = || line[1..].parse::<i64>().map_err(Error::other);
        Ok(match line.as_bytes().first() {
            Some(b'+') => Said::Text(line.as_bytes()[1..].to_vec()),
            Some(b'-') => Said::Refused(line[1..].to_owned()),
            Some(b':') => Said::Number(number()?),
            Some(b'$') if number()? < 0 => Said::Nothing,
            Some(b'$') => {
                let mut text = vec![0; usize::try_from(number()?).map_err(Error::other)? + 2];
                self.0.read_exact(&mut text)?;
                text.truncate(text.len() - 2);
                Said::Text(text)
            }
            Some(b'*') => {
                let mut many = Vec::new();
                for _ in 0..number()?.max(0) {
                    many.push(self.read()?);
                }
                Said::Many(many)
            }
            _ => return Err(Error::other(format!("a reply of {line:?}"))),
        })
    }
}

impl Said {
    pub(crate) fn text(&self) -> String {
        let Self::Text(text) = self else { panic!("no text: {self:?}") };
        String::from_utf8_lossy(text).into_owned()
    }
}
