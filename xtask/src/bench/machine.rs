//! Where and with what figures were seen.

use std::fs;
use std::process::Command;
use std::thread;

use crate::failure::Failure;
use crate::{process, workspace};

/// The caches that are measured, as their packages are called.
const PEERS: &[&str] =
    &["moka", "mini-moka", "quick_cache", "foyer-memory", "TinyUFO", "foyer", "cacache", "redb", "rusqlite"];

/// A sentence with the day, the commit, the machine, and the versions of compiler and peers.
pub(super) fn seen(quick: bool) -> Result<String, Failure> {
    let day = process::capture(Command::new("date").args(["-u", "+%d %B %Y"]))?;
    let rustc = process::capture(Command::new("rustc").arg("--version").current_dir(workspace::root()))?;
    let rustc = rustc.split_whitespace().nth(1).unwrap_or_default();
    let kernel = process::capture(Command::new("uname").args(["-s", "-r"]))?;
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let lock = fs::read_to_string(workspace::root().join("Cargo.lock")).unwrap_or_default();
    let peers: Vec<String> = PEERS.iter().map(|peer| format!("{peer} {}", version(&lock, peer))).collect();
    Ok(format!(
        "Seen on {}{}, commit {}: {processor}, {processors} processors, {}, rustc {rustc}, {}.",
        day.trim().trim_start_matches('0'),
        if quick { " in a quick run" } else { "" },
        commit(),
        kernel.trim(),
        peers.join(", "),
        processor = processor(&fs::read_to_string("/proc/cpuinfo").unwrap_or_default()),
    ))
}

/// The commit checked out, and whether files differ from it.
fn commit() -> String {
    let mut command = Command::new("git");
    command.args(["describe", "--always", "--dirty", "--abbrev=10", "--exclude=*"]).current_dir(workspace::root());
    process::capture(&mut command).map_or_else(|_| "unknown".to_owned(), |commit| commit.trim().to_owned())
}

fn processor(cpuinfo: &str) -> &str {
    let name = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    name.map_or("unknown processor", |(_, name)| name.trim())
}

/// The version of a package in a `Cargo.lock`.
fn version<'a>(lock: &'a str, package: &str) -> &'a str {
    let name = format!("name = \"{package}\"");
    let mut lines = lock.lines().skip_while(|line| *line != name).skip(1);
    let version = lines.next().and_then(|line| line.strip_prefix("version = \""));
    version.map_or("?", |version| version.trim_end_matches('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_those_of_the_lock_file() {
        let lock = "[[package]]\nname = \"a-b\"\nversion = \"1.2.3\"\n\n[[package]]\nname = \"a\"\nversion = \"4\"\n";
        assert_eq!(["a-b", "a", "b"].map(|name| version(lock, name)), ["1.2.3", "4", "?"]);
    }

    #[test]
    fn every_peer_is_in_the_lock_file() {
        let lock = fs::read_to_string(workspace::root().join("Cargo.lock")).unwrap();
        assert!(PEERS.iter().all(|peer| version(&lock, peer) != "?"));
    }

    #[test]
    fn the_processor_is_named() {
        assert_eq!(processor("vendor_id\t: X\nmodel name\t: Fast 9\n"), "Fast 9");
        assert_eq!(processor(""), "unknown processor");
    }
}
