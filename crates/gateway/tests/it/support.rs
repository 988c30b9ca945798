//! Clips made with ffmpeg, and the binary in a directory of its own.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
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
        command.env("REELCACHE_DIR", self.path("cache")).current_dir(self.dir.path());
        command
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
        let mut child = home
            .reelcache()
            .env("REELCACHE_DIR", cache)
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the server starts");
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

    /// Sends `signal`; the exit code and what was printed after the first line.
    pub(crate) fn stop(mut self, signal: &str) -> (Option<i32>, String) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status().expect("kill runs");
        assert!(sent.success());
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
