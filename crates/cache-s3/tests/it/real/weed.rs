//! `SeaweedFS`: found in the environment, or started once for all tests of this process.

use std::env;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Error, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use cache_testkit::eventually;
use cache_testkit::servers::{Server, free_port, program};
use tokio::sync::OnceCell;

/// Names a server with a bucket by an URL with all its options, for runs where each test is a process of its own.
const VARIABLE: &str = "REELCACHE_TEST_S3";
const STARTING: Duration = Duration::from_mins(1);
const IDENTITIES: &str = r#"{"identities":[{"name":"t","credentials":[{"accessKey":"AK","secretKey":"SK"}],
    "actions":["Admin","Read","Write","List","Tagging"]}]}"#;

/// The server of this process. Nothing drops it: it ends with the process.
static STARTED: OnceCell<Started> = OnceCell::const_new();

struct Started {
    url: String,
    _server: Server,
    _dir: tempfile::TempDir,
}

/// A URL below a prefix that nobody else uses.
pub(crate) async fn url() -> io::Result<String> {
    let base = match env::var(VARIABLE) {
        Ok(url) => url,
        Err(_) => STARTED.get_or_try_init(start).await?.url.clone(),
    };
    let (place, options) = base.split_once('?').unwrap_or((&base, ""));
    let (place, run) = (place.trim_end_matches('/'), RandomState::new().hash_one(place));
    Ok(format!("{place}/{run:016x}?{options}"))
}

async fn start() -> io::Result<Started> {
    let weed = program("weed")?;
    let dir = tempfile::tempdir()?;
    let config = dir.path().join("s3.json");
    std::fs::write(&config, IDENTITIES)?;
    // Each port means another one as well, 10,000 higher.
    let [master, volume, filer, s3] = [free_port()?, free_port()?, free_port()?, free_port()?];
    let mut command = Command::new(weed);
    command.current_dir(dir.path()).arg("server").args(["-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-s3"]);
    command.arg(format!("-dir={}", dir.path().display())).arg(format!("-s3.config={}", config.display()));
    command.arg(format!("-master.port={master}")).arg(format!("-volume.port={volume}"));
    command.arg(format!("-filer.port={filer}")).arg(format!("-s3.port={s3}"));
    command.args([
        "-master.volumeSizeLimitMB=64",
        "-volume.max=20",
        "-s3.iam=false",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-master.telemetry=false",
    ]);
    let log = dir.path().join("log");
    let server = Server::start(&command, &log)?;
    if !eventually(STARTING, || async { make_bucket(filer).unwrap_or(false) && answers(s3) }).await {
        let log = std::fs::read_to_string(&log).unwrap_or_default();
        return Err(Error::other(format!("weed does not start: {log}")));
    }
    let url =
        format!("s3://bucket/?endpoint=http://127.0.0.1:{s3}&region=us-east-1&access_key_id=AK&secret_access_key=SK");
    Ok(Started { url, _server: server, _dir: dir })
}

/// Makes the bucket: to the filer it is a directory.
fn make_bucket(filer: u16) -> io::Result<bool> {
    let answer = ask(filer, "POST /buckets/bucket/")?;
    // A conflict: it is there already.
    Ok(["HTTP/1.1 201", "HTTP/1.1 409"].iter().any(|status| answer.starts_with(status)))
}

/// Whether it answers: who has no key is sent away.
fn answers(s3: u16) -> bool {
    ask(s3, "GET /").is_ok_and(|answer| answer.starts_with("HTTP/1.1 403"))
}

fn ask(port: u16, request: &str) -> io::Result<String> {
    let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut socket = TcpStream::connect_timeout(&addr, Duration::from_millis(500))?;
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(socket, "{request} HTTP/1.1\r\nHost: {addr}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer)?;
    Ok(answer)
}
