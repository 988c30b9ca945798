//! `SeaweedFs`: a real S3 server with one bucket.

use std::fs;
use std::io::{self, Error, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use super::{Server, free_port, program};

/// How long it may take to start.
const LIMIT: Duration = Duration::from_secs(30);
/// Pause between two looks at it.
const LOOK: Duration = Duration::from_millis(20);
/// A port that was free, or the one 10,000 above it, may be taken when the server comes to it.
const ATTEMPTS: usize = 4;
const KEYS: &str = r#"{"identities":[{"name":"t","credentials":[{"accessKey":"AK","secretKey":"SK"}],
    "actions":["Admin","Read","Write","List","Tagging"]}]}"#;

/// A `SeaweedFS` server on loopback, with a bucket `bucket`; gone when this is dropped.
#[derive(Debug)]
pub struct SeaweedFs {
    _server: Server,
    s3: u16,
}

/// Where a server that starts will listen.
#[derive(Debug, Clone, Copy)]
struct Ports {
    filer: u16,
    s3: u16,
}

impl SeaweedFs {
    /// Starts a server that keeps everything in `folder`, and waits until it answers: some seconds, on the caller's
    /// thread.
    ///
    /// # Errors
    /// The program `weed` is absent, or does not answer within half a minute, four times over; then with what it said
    /// last.
    pub fn start(folder: &Path) -> io::Result<Self> {
        let mut last = Error::other("weed was not started");
        for attempt in 0..ATTEMPTS {
            let folder = folder.join(format!("weed-{attempt}"));
            fs::create_dir(&folder)?;
            let (server, ports) = start(&folder)?;
            if ports.wait() {
                return Ok(Self { _server: server, s3: ports.s3 });
            }
            let said = fs::read_to_string(folder.join("log")).unwrap_or_default();
            last = Error::other(format!("weed does not answer within {LIMIT:?}: {said}"));
        }
        Err(last)
    }

    /// The bucket, with all that it takes to use it: `s3://bucket/?endpoint=...&region=...&access_key_id=...`.
    pub fn url(&self) -> String {
        let endpoint = format!("http://127.0.0.1:{}", self.s3);
        format!("s3://bucket/?endpoint={endpoint}&region=us-east-1&access_key_id=AK&secret_access_key=SK")
    }
}

fn start(folder: &Path) -> io::Result<(Server, Ports)> {
    let keys = folder.join("s3.json");
    fs::write(&keys, KEYS)?;
    let [master, volume, filer, s3] = [free_port()?, free_port()?, free_port()?, free_port()?];
    let mut command = Command::new(program("weed")?);
    command.current_dir(folder).arg("server").args(["-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-s3"]);
    command.arg(format!("-dir={}", folder.display())).arg(format!("-s3.config={}", keys.display()));
    command.arg(format!("-master.port={master}")).arg(format!("-volume.port={volume}"));
    command.arg(format!("-filer.port={filer}")).arg(format!("-s3.port={s3}"));
    command.args(["-master.volumeSizeLimitMB=64", "-volume.max=20", "-s3.iam=false"]);
    // By default it takes fixed ports for more, and tells its makers how it is used.
    command.args(["-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false"]);
    Ok((Server::start(&command, &folder.join("log"))?, Ports { filer, s3 }))
}

impl Ports {
    fn wait(self) -> bool {
        let start = Instant::now();
        while !self.is_ready().unwrap_or(false) {
            if start.elapsed() > LIMIT {
                return false;
            }
            thread::park_timeout(LOOK);
        }
        true
    }

    /// Whether there is a bucket, which is a directory to the filer, and who has no key is sent away.
    fn is_ready(self) -> io::Result<bool> {
        let made = ask(self.filer, "POST /buckets/bucket/")?;
        // A conflict: it is there already.
        let is_there = ["HTTP/1.1 201", "HTTP/1.1 409"].iter().any(|status| made.starts_with(status));
        Ok(is_there && ask(self.s3, "GET /")?.starts_with("HTTP/1.1 403"))
    }
}

fn ask(port: u16, request: &str) -> io::Result<String> {
    let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&addr, Duration::from_millis(500))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(stream, "{request} HTTP/1.1\r\nHost: {addr}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
