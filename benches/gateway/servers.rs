//! The servers that are measured, each a process of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cache_testkit::servers::{accepts, free_port};
use tempfile::TempDir;

/// Where `cargo xtask bench` says the binary is. The binary itself refuses it: it knows all variables that begin like its own.
const VARIABLE: &str = "REELCACHE_BIN";

/// A process, ended when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Process {
    /// Starts a program that prints its address in a first line.
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("a server");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("its output")).read_line(&mut line).expect("a line");
        let address = line.split(['/', ' ', '\n']).find_map(|word| word.parse().ok());
        Self { child, address: address.unwrap_or_else(|| panic!("no address in {line:?}")) }
    }

    /// Where `path` is on it.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Memory that is its own and resident, in bytes.
    pub(crate) fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("a process");
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("a figure");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
    }

    /// The body of the answer to a GET.
    pub(crate) fn get(&self, path: &str) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.address).expect("a connection");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").expect("a request");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        assert!(
            answer.starts_with(b"HTTP/1.1 200"),
            "{path}: {}",
            String::from_utf8_lossy(&answer[..answer.len().min(400)])
        );
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
        answer.split_off(end + 4)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A server that is killed leaves its workers behind, so it is asked first. What fails has ended already.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let end = Instant::now() + Duration::from_secs(2);
        while Instant::now() < end && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder with a film and with what the servers keep.
#[derive(Debug)]
pub(crate) struct Home {
    dir: TempDir,
}

impl Home {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(dir.path().join("files")).expect("a folder");
        std::fs::write(dir.path().join("body.json"), "{}").expect("a file");
        Self { dir }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a film of `len` bytes that no two parts of are alike.
    pub(crate) fn film(&self, len: u64) -> PathBuf {
        let path = self.path("files/film.mp4");
        let mut file = std::io::BufWriter::new(std::fs::File::create(&path).expect("a file"));
        let mut state = 88_172_645_463_325_252_u64;
        for _ in 0..len / 8 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            file.write_all(&state.to_le_bytes()).expect("room");
        }
        file.flush().expect("room");
        path
    }

    /// The site, with `body` at `/constant`.
    pub(crate) fn site(&self, body: &[u8]) -> Process {
        std::fs::write(self.path("body.json"), body).expect("a file");
        let program = std::env::current_exe().expect("this program");
        let mut command = Command::new(program);
        Process::start(command.arg(super::site::COMMAND).arg(self.path("files")).arg(self.path("body.json")))
    }

    /// The binary, with `site` as its provider `films`.
    pub(crate) fn reelcache(&self, site: &Process, variables: &[(&str, &str)]) -> Result<Process, String> {
        let binary = std::env::var_os(VARIABLE);
        let binary =
            binary.ok_or_else(|| format!("{VARIABLE} does not say where the binary is: `cargo xtask bench` does"))?;
        let config = self.path("config.toml");
        let table = format!("[providers.films]\nkind = \"internet-archive\"\nbase_url = \"{}\"\n", site.url(""));
        std::fs::write(&config, table).map_err(|error| error.to_string())?;
        let mut command = Command::new(binary);
        command.env_remove(VARIABLE).env("REELCACHE_DIR", self.path("cache")).envs(variables.iter().copied());
        command.arg("--config").arg(config).args(["serve", "--listen", "127.0.0.1:0", "--reach", "anywhere"]);
        Ok(Process::start(command.args(["--reach-ports", "1-65535"])))
    }

    /// nginx with two workers: `/files/` is the folder, `/cached/` what `site` has at `/`, kept by `proxy_cache`.
    pub(crate) fn nginx(&self, site: &Process) -> Process {
        let port = free_port().expect("a port");
        let here = self.dir.path().display();
        let config = format!(
            "worker_processes 2; daemon off; pid {here}/nginx.pid; error_log stderr crit;
             events {{ worker_connections 12000; }}
             http {{
               access_log off; sendfile on; tcp_nodelay on; keepalive_requests 1000000000; types {{ video/mp4 mp4; }}
               client_body_temp_path {here}/body; proxy_temp_path {here}/proxy; fastcgi_temp_path {here}/fastcgi;
               uwsgi_temp_path {here}/uwsgi; scgi_temp_path {here}/scgi;
               proxy_cache_path {here}/nginx-cache keys_zone=kept:10m;
               server {{
                 listen 127.0.0.1:{port};
                 location /files/ {{ root {here}; }}
                 location /cached/ {{ proxy_pass {}/; proxy_cache kept; proxy_cache_valid 200 1h; }}
               }}
             }}",
            site.url("")
        );
        let file = self.path("nginx.conf");
        std::fs::write(&file, config).expect("a file");
        let mut command = Command::new("/usr/sbin/nginx");
        command.arg("-p").arg(Path::new(self.dir.path())).arg("-c").arg(file).arg("-e").arg("stderr");
        let child = command.spawn().expect("nginx runs: `cargo xtask bench gateway` installs it");
        let process = Process { child, address: SocketAddr::from(([127, 0, 0, 1], port)) };
        let end = Instant::now() + Duration::from_secs(10);
        while !accepts(process.address) {
            assert!(Instant::now() < end, "nginx does not listen");
            std::thread::yield_now();
        }
        process
    }
}
