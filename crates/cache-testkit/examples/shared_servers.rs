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

use cache_testkit::servers::{SeaweedFs, Server, free_port, program};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// How long a server may take to start.
const LIMIT: Duration = Duration::from_secs(30);

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
    let s3 = SeaweedFs::start(folder.path())?;
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
