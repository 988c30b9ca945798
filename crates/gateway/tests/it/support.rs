//! Clips made with ffmpeg, and the binary in a directory of its own.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A directory with a cache and clips, removed at the end.
pub(crate) struct Home {
    dir: TempDir,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("a temporary directory") }
    }

    pub(crate) fn path(&self, name: impl AsRef<OsStr>) -> PathBuf {
        self.dir.path().join(name.as_ref())
    }

    /// The binary, with its cache in this directory.
    pub(crate) fn reelcache(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_reelcache"));
        self.set_up(&mut command);
        command.env("REELCACHE_DIR", self.path("cache"));
        command.current_dir(self.dir.path());
        command
    }

    /// Has `command` see no variable of ours but those that a test sets, and no configuration but that of this directory.
    pub(crate) fn set_up(&self, command: &mut Command) {
        let is_ours = |name: &str| ["CACHE_", "REELCACHE_"].iter().any(|prefix| name.starts_with(prefix));
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(is_ours)) {
            command.env_remove(name);
        }
        command.env("XDG_CONFIG_HOME", self.path("config"));
    }

    pub(crate) fn process(&self, video: &Path) -> Output {
        self.reelcache().arg("process").arg(video).output().expect("the binary runs")
    }

    /// Waits for a file with a line in it; the line.
    pub(crate) fn wait_for(&self, name: &str) -> String {
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            match std::fs::read_to_string(self.path(name)) {
                Ok(text) if text.ends_with('\n') => return text.trim().to_owned(),
                _ => assert!(Instant::now() < end, "{name} does not appear"),
            }
            std::thread::yield_now();
        }
    }

    /// Makes a clip of `seconds` with one keyframe a second.
    pub(crate) fn clip(&self, name: impl AsRef<OsStr>, seconds: u32) -> PathBuf {
        self.clip_of(name, &["-f", "lavfi", "-i", &format!("testsrc=duration={seconds}:size=320x180:rate=10")])
    }

    /// Makes a clip from the given ffmpeg inputs.
    pub(crate) fn clip_of(&self, name: impl AsRef<OsStr>, inputs: &[&str]) -> PathBuf {
        let path = self.path(name);
        // Made under a plain name: ffmpeg gives characters of an output name meanings of its own.
        let plain = self.path("made.mp4");
        let made = Command::new("ffmpeg")
            .args(["-v", "error", "-y"])
            .args(inputs)
            .args(["-g", "10", "-pix_fmt", "yuv420p", "-fflags", "+bitexact"])
            .arg(&plain)
            .output()
            .expect("ffmpeg runs: `cargo xtask test` installs it");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        std::fs::rename(plain, &path).expect("a rename");
        path
    }
}

/// Has `child` told to end when it has begun to write to `unread`, which takes no more than a pipe holds until it has ended.
pub(crate) fn ends_at_a_signal_while_unread(child: &mut Child, mut unread: impl Read) {
    unread.read_exact(&mut [0]).expect("a beginning");
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().expect("kill").success());
    assert_eq!(end_of(child).code(), Some(143));
    let mut rest = Vec::new();
    unread.read_to_end(&mut rest).expect("the rest");
    assert!(rest.len() < 200_000, "it fits into a pipe: {}", rest.len());
}

/// How `child` ends, which it is to do soon.
pub(crate) fn end_of(child: &mut Child) -> ExitStatus {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(status) = child.try_wait().expect("a child") {
            return status;
        }
        if Instant::now() > end {
            child.kill().expect("a child");
            panic!("it does not end");
        }
        std::thread::yield_now();
    }
}

/// A running server, killed when dropped.
pub(crate) struct Server {
    pub(crate) child: Child,
    output: BufReader<ChildStdout>,
    pub(crate) address: SocketAddr,
}

impl Server {
    pub(crate) fn start(home: &Home) -> Self {
        Self::start_in(home, &home.path("cache"))
    }

    /// One that plays links of this machine, too.
    pub(crate) fn start_reaching_anywhere(home: &Home) -> Self {
        Self::start_with(home, &home.path("cache"), &["--reach", "anywhere", "--reach-ports", "1-65535"])
    }

    pub(crate) fn start_in(home: &Home, cache: &Path) -> Self {
        Self::start_with(home, cache, &[])
    }

    pub(crate) fn start_with(home: &Home, cache: &Path, args: &[&str]) -> Self {
        let mut command = home.reelcache();
        command.env("REELCACHE_DIR", cache).args(["serve", "--listen", "127.0.0.1:0"]).args(args);
        Self::start_command(&mut command)
    }

    /// One that plays links of this machine and takes its configuration from variables.
    pub(crate) fn start_with_variables(home: &Home, variables: &[(&str, &str)]) -> Self {
        let mut command = home.reelcache();
        command.envs(variables.iter().copied()).args(["serve", "--listen", "127.0.0.1:0"]);
        Self::start_command(command.args(["--reach", "anywhere", "--reach-ports", "1-65535"]))
    }

    pub(crate) fn start_command(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the server starts");
        let mut output = BufReader::new(child.stdout.take().expect("its output"));
        let mut line = String::new();
        output.read_line(&mut line).expect("the line that names the address");
        let address = line.split(['/', ' ']).find_map(|word| word.parse().ok()).expect("an address");
        Self { child, output, address }
    }

    pub(crate) fn ask(&self, path: &str, host: &str) -> String {
        let mut stream = TcpStream::connect(self.address).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a limit");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer
    }

    /// The figures, as the server tells them.
    pub(crate) fn figures(&self) -> serde_json::Value {
        let answer = self.ask("/api/cache-stats", "localhost");
        serde_json::from_str(answer.split_once("\r\n\r\n").expect("a body").1).expect("JSON")
    }

    /// How many entries each tier holds, the nearest first.
    pub(crate) fn entries(&self) -> Vec<u64> {
        let tiers = self.figures()["tiers"].as_array().expect("tiers").clone();
        tiers.iter().map(|tier| tier["usage"]["entries"].as_u64().expect("a number")).collect()
    }

    /// Plays a link; the status of the answer.
    pub(crate) fn play(&self, url: &str) -> u16 {
        let mut stream = TcpStream::connect(self.address).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a limit");
        write!(stream, "GET /play?url={url} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .expect("a request");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        String::from_utf8_lossy(&answer[..12])
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .expect("a status")
    }

    pub(crate) fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status().expect("kill runs");
        assert!(sent.success());
    }

    /// Sends `signal`; the exit code and what was printed after the first line.
    pub(crate) fn stop(mut self, signal: &str) -> (Option<i32>, String) {
        self.signal(signal);
        let status = self.child.wait().expect("the server ends");
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).expect("its output");
        (status.code(), rest)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Fails only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The origin that the table shows for `stage`, in the `nth` table.
pub(crate) fn origin(output: &Output, stage: &str, nth: usize) -> String {
    let text = stdout(output);
    let row = text.lines().filter(|line| line.split_whitespace().next() == Some(stage)).nth(nth);
    let row = row.unwrap_or_else(|| panic!("no row {stage} in {text}\n{}", stderr(output)));
    row.split_whitespace().nth(1).expect("an origin").to_owned()
}
