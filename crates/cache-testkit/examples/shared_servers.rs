//! Runs a command beside servers that all its tests share: where each test is a process of its own, not everyone can
//! wait for a cluster to form.
#![expect(clippy::print_stderr, reason = "a command line tool talks to its user")]

use std::error::Error;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, ExitCode};
use std::thread;
use std::time::{Duration, Instant};

use cache_testkit::servers::{Server, free_port, program};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// How long a server may take to start.
const LIMIT: Duration = Duration::from_secs(30);
/// A port that was free, or the one 10,000 above it, may be taken when the server comes to it.
const ATTEMPTS: usize = 4;
const S3_KEYS: &str = r#"{"identities":[{"name":"t","credentials":[{"accessKey":"AK","secretKey":"SK"}],
    "actions":["Admin","Read","Write","List","Tagging"]}]}"#;

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Outcome<ExitCode> {
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    let (name, args) = words.split_first().ok_or("usage: shared_servers COMMAND [ARGS]")?;
    let folder = tempfile::tempdir()?;
    let started = Instant::now();
    // Kept until the command has ended.
    let (_redis, redis) = start_redis("redis-server", folder.path(), &[])?;
    let (_valkey, valkey) = start_redis("valkey-server", folder.path(), &[])?;
    let (_nodes, cluster) = start_cluster(folder.path())?;
    let (_weed, s3) = s3(folder.path())?;
    eprintln!("servers: redis {redis}, valkey {valkey}, cluster and S3, after {:.1?}", started.elapsed());
    let status = Command::new(name)
        .args(args)
        .env("REELCACHE_TEST_REDIS", format!("redis://127.0.0.1:{redis}"))
        .env("REELCACHE_TEST_VALKEY", format!("redis://127.0.0.1:{valkey}"))
        .env("REELCACHE_TEST_REDIS_CLUSTER", cluster)
        .env("REELCACHE_TEST_S3", s3.url())
        .status()?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}

/// A Redis server that keeps nothing on disk, and its port.
fn start_redis(name: &str, folder: &Path, args: &[&str]) -> Outcome<(Server, u16)> {
    let port = free_port()?;
    let mut command = Command::new(program(name)?);
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
    command.args(["--cluster-config-file", &format!("nodes-{port}"), "--dir"]).arg(folder).args(args);
    let server = Server::start(&command, &folder.join(format!("{name}-{port}.log")))?;
    wait(name, || Ok(ask(port, "PING\r\nQUIT\r\n")?.contains("PONG")))?;
    Ok((server, port))
}

/// Three Redis servers that share the slots, and the URL of them all.
fn start_cluster(folder: &Path) -> Outcome<(Vec<Server>, String)> {
    let args = ["--cluster-enabled", "yes", "--cluster-require-full-coverage", "no"];
    let nodes = (0..3).map(|_| start_redis("redis-server", folder, &args)).collect::<Outcome<Vec<_>>>()?;
    let (servers, ports): (Vec<_>, Vec<_>) = nodes.into_iter().unzip();
    for (number, &port) in ports.iter().enumerate() {
        let (first, last) = (number * 16_384 / 3, (number + 1) * 16_384 / 3 - 1);
        ask(
            port,
            &format!(
                "CLUSTER ADDSLOTSRANGE {first} {last}\r\nCLUSTER SET-CONFIG-EPOCH {}\r\n\
                 CLUSTER MEET 127.0.0.1 {}\r\nQUIT\r\n",
                number + 1,
                ports[0]
            ),
        )?;
    }
    let formed = |port: u16| -> Outcome<bool> {
        let info = ask(port, "CLUSTER INFO\r\nQUIT\r\n")?;
        Ok(["cluster_state:ok", "cluster_known_nodes:3", "cluster_size:3"].iter().all(|line| info.contains(line)))
    };
    for &port in &ports {
        wait("the cluster", || formed(port))?;
    }
    let [first, second, third] = [ports[0], ports[1], ports[2]].map(|port| format!("127.0.0.1:{port}"));
    Ok((servers, format!("redis-cluster://{first}?node={second}&node={third}")))
}

/// Ports of a `SeaweedFS` server.
struct Weed {
    filer: u16,
    s3: u16,
}

/// A `SeaweedFS` server that answers.
fn s3(folder: &Path) -> Outcome<(Server, Weed)> {
    let mut last = "weed was not started".into();
    for attempt in 0..ATTEMPTS {
        let folder = folder.join(format!("weed-{attempt}"));
        std::fs::create_dir(&folder)?;
        let (server, weed) = start_weed(&folder)?;
        match weed.wait() {
            Ok(()) => return Ok((server, weed)),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn start_weed(folder: &Path) -> Outcome<(Server, Weed)> {
    let config = folder.join("s3.json");
    std::fs::write(&config, S3_KEYS)?;
    let [master, volume, filer, s3] = [free_port()?, free_port()?, free_port()?, free_port()?];
    let mut command = Command::new(program("weed")?);
    command.current_dir(folder).arg("server").args(["-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-s3"]);
    command.arg(format!("-dir={}", folder.display())).arg(format!("-s3.config={}", config.display()));
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
    Ok((Server::start(&command, &folder.join("weed.log"))?, Weed { filer, s3 }))
}

impl Weed {
    /// Until there is a bucket, which is a directory to the filer, and who has no key is sent away.
    fn wait(&self) -> Outcome<()> {
        let http = |port: u16, line: &str| {
            ask(port, &format!("{line} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"))
        };
        wait("weed", || {
            let made = http(self.filer, "POST /buckets/bucket/")?;
            let is_there = made.starts_with("HTTP/1.1 201") || made.starts_with("HTTP/1.1 409");
            Ok(is_there && http(self.s3, "GET /")?.starts_with("HTTP/1.1 403"))
        })
    }

    fn url(&self) -> String {
        let endpoint = format!("http://127.0.0.1:{}", self.s3);
        format!("s3://bucket/?endpoint={endpoint}&region=us-east-1&access_key_id=AK&secret_access_key=SK")
    }
}

/// What is answered to `said` until the other side ends the connection.
fn ask(port: u16, said: &str) -> Outcome<String> {
    let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&addr, Duration::from_millis(500))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(said.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// Until `is_ready`; while a server starts, refusals are to be expected.
fn wait(what: &str, is_ready: impl Fn() -> Outcome<bool>) -> Outcome<()> {
    let start = Instant::now();
    while !is_ready().unwrap_or(false) {
        if start.elapsed() > LIMIT {
            return Err(format!("{what} does not start within {LIMIT:?}").into());
        }
        thread::park_timeout(Duration::from_millis(20));
    }
    Ok(())
}
