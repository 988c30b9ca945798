//! `Answer`: what the server says to one request.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

use super::site::Site;
use super::support::{Home, Server};

/// What the server says to one request.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// In lower case, a line for each header.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// All that `stream` still says.
    pub(crate) fn read(stream: &mut TcpStream) -> Self {
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
        let head = String::from_utf8_lossy(&answer[..end]).into_owned();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        let lines: Vec<String> = head
            .lines()
            .map(|line| {
                let (name, value) = line.split_once(": ").unwrap_or((line, ""));
                format!("{}: {value}", name.to_ascii_lowercase())
            })
            .collect();
        Self { status, head: lines.join("\n"), body: answer[end + 4..].to_vec() }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Sends `head`, a request without its headers for the host and the connection, and `body`.
pub(crate) fn send(server: &Server, head: &str, body: &str) -> Answer {
    let mut stream = TcpStream::connect(server.address).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_mins(1))).expect("a limit");
    let (start, rest) = head.split_once("\r\n").unwrap_or((head, ""));
    let len = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    let rest = if rest.is_empty() { String::new() } else { format!("{rest}\r\n") };
    write!(stream, "{start} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{rest}{len}\r\n{body}").expect("sent");
    Answer::read(&mut stream)
}

pub(crate) fn get(server: &Server, target: &str) -> Answer {
    send(server, &format!("GET {target}"), "")
}

pub(crate) fn post(server: &Server, target: &str, body: &Value) -> Answer {
    send(server, &format!("POST {target}\r\nContent-Type: application/json"), &body.to_string())
}

/// A server with these providers, that reaches the sites of tests.
pub(crate) fn serving(home: &Home, providers: &str, variables: &[(&str, &str)]) -> Server {
    std::fs::write(home.path("c.toml"), providers).expect("a file");
    let mut command = home.reelcache();
    command.args(["--config", "c.toml", "serve", "--listen", "127.0.0.1:0"]).envs(variables.iter().copied());
    Server::start_command(command.args(["--reach", "anywhere", "--reach-ports", "1-65535"]))
}

/// A provider of the kind `internet-archive` at `site`, as the configuration says it.
pub(crate) fn archive(name: &str, site: &Site) -> String {
    format!("[providers.{name}]\nkind = \"internet-archive\"\nbase_url = \"{}\"\n", site.url(""))
}

/// An add-on at `site`, as the configuration says it.
pub(crate) fn addon(name: &str, site: &Site) -> String {
    format!("[providers.{name}]\nkind = \"stremio\"\nurl = \"{}\"\n", site.url("/manifest.json"))
}

/// `text` as it stands in a query.
pub(crate) fn escaped(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
