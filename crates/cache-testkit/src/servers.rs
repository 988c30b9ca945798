//! Real servers for tests: found, started on free ports, and gone with the test at the latest.

mod seaweed;

use std::fs::{self, OpenOptions};
use std::io::{self, Error, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::LazyLock;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;
use std::{env, thread};

use rustix::process::{Pid, Signal, kill_process};

pub use seaweed::SeaweedFs;

/// The executable called `name`: on the path, or where `cargo xtask servers` has put it.
///
/// # Errors
/// `NotFound`, which names the command that installs it. A test fails with it: a server that is absent is no reason to
/// pass.
pub fn program(name: &str) -> io::Result<PathBuf> {
    let paths = env::var_os("PATH").unwrap_or_default();
    let on_path = env::split_paths(&paths).map(|folder| folder.join(name));
    // Test programs run from somewhere below the target directory.
    let exe = env::current_exe()?;
    let beside = exe.ancestors().map(|folder| folder.join("tools/bin").join(name));
    on_path.chain(beside).find(|file| is_file(file)).ok_or_else(|| {
        let advice = format!("`{name}` is not installed: run `cargo xtask servers`, or put it on the path");
        Error::new(ErrorKind::NotFound, advice)
    })
}

/// A loopback port that nobody listens on now. Somebody else may take it before its user does: start again then.
///
/// Ports are below 45,000, since some servers take a second one that is 10,000 higher.
pub fn free_port() -> io::Result<u16> {
    const TRIES: usize = 1_000;
    let low_enough = |listener: &TcpListener| listener.local_addr().is_ok_and(|addr| addr.port() < 45_000);
    // Those that are too high stay taken meanwhile, so that each try gets another one.
    let mut too_high = Vec::new();
    for _ in 0..TRIES {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        if low_enough(&listener) {
            return listener.local_addr().map(|addr| addr.port());
        }
        too_high.push(listener);
    }
    Err(Error::other(format!("none of {TRIES} free ports is below 45,000")))
}

/// Whether somebody accepts connections at `addr`. Blocks for a moment.
pub fn accepts(addr: SocketAddr) -> bool {
    TcpStream::connect_timeout(&addr, Duration::from_millis(200)).is_ok()
}

/// A server as a child process. It is killed when this is dropped, and when the test's process dies however it dies.
#[derive(Debug)]
pub struct Server {
    child: Child,
    pid: Pid,
}

impl Server {
    /// Starts `command`, which reads nothing, and whose output is appended to the file `log`.
    ///
    /// # Errors
    /// Those of opening the log and of starting a process. Whether the server works is to be waited for.
    pub fn start(command: &Command, log: &Path) -> io::Result<Self> {
        let log = OpenOptions::new().create(true).append(true).open(log)?;
        let mut command = dies_with_us(command);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = KEEPER.spawn(command)?;
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        Ok(Self { pid: pid.ok_or_else(|| Error::other("the child has no process number"))?, child })
    }

    /// The process number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Kills it without a warning (`SIGKILL`) and waits until it is gone.
    pub fn kill(&mut self) -> io::Result<ExitStatus> {
        self.child.kill()?;
        self.child.wait()
    }

    /// Asks it to end (`SIGTERM`) and waits until it is gone, however long that takes.
    pub fn terminate(&mut self) -> io::Result<ExitStatus> {
        kill_process(self.pid, Signal::TERM)?;
        self.child.wait()
    }

    /// Stops it in its tracks (`SIGSTOP`): its connections stay open and nothing answers.
    pub fn pause(&self) -> io::Result<()> {
        kill_process(self.pid, Signal::STOP).map_err(Error::from)
    }

    /// Lets a paused one go on (`SIGCONT`).
    pub fn resume(&self) -> io::Result<()> {
        kill_process(self.pid, Signal::CONT).map_err(Error::from)
    }

    /// Its exit status, if it has ended.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself, which is as good.
        let _ = self.kill();
    }
}

/// The kernel ends a child when the *thread* that started it ends: so one thread starts them all, and never ends.
struct Keeper(Sender<Order>);

/// A command to start, and where the child goes.
type Order = (Command, Sender<io::Result<Child>>);

static KEEPER: LazyLock<Keeper> = LazyLock::new(|| {
    let (orders, received) = channel::<Order>();
    thread::spawn(move || {
        for (mut command, answer) in received {
            // Who asked may have given up.
            let _ = answer.send(command.spawn());
        }
    });
    Keeper(orders)
});

impl Keeper {
    fn spawn(&self, command: Command) -> io::Result<Child> {
        let gone = || Error::other("the thread that starts servers has ended");
        let (answer, answered) = channel();
        self.0.send((command, answer)).map_err(|_| gone())?;
        answered.recv().map_err(|_| gone())?
    }
}

/// `command`, started by a program that has the kernel kill it when we die.
fn dies_with_us(command: &Command) -> Command {
    let mut wrapped = match program("setpriv") {
        Ok(setpriv) => {
            let mut wrapped = Command::new(setpriv);
            wrapped.args(["--pdeathsig", "KILL", "--"]).arg(command.get_program());
            wrapped
        }
        // Then a test that is killed leaves its servers behind, as everywhere but on Linux.
        Err(_) => Command::new(command.get_program()),
    };
    wrapped.args(command.get_args());
    if let Some(folder) = command.get_current_dir() {
        wrapped.current_dir(folder);
    }
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => wrapped.env(name, value),
            None => wrapped.env_remove(name),
        };
    }
    wrapped
}

fn is_file(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| meta.is_file())
}
