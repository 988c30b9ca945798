//! A test in a process of its own, and what memory it takes there.

use std::io;
use std::process::{Command, Output};

/// Tells a child that it is one.
const CHILD: &str = "CACHE_TESTKIT_ALONE";

/// Runs the test called `test`, by its full path in its binary, in a process of its own; its output. `None` in that
/// process, which then does the work. Blocks until the process has ended.
///
/// For what is counted by process, as memory is: other tests of the binary run at the same time.
///
/// # Errors
/// Those of starting a process.
pub fn alone(test: &str) -> io::Result<Option<Output>> {
    if std::env::var_os(CHILD).is_some() {
        return Ok(None);
    }
    let mut child = Command::new(std::env::current_exe()?);
    child.args(["--exact", test, "--nocapture"]).env(CHILD, "yes").output().map(Some)
}

/// How far the resident memory of this process rises at its highest. Linux only.
#[derive(Debug)]
pub struct MemoryRise(u64);

impl MemoryRise {
    /// Counts from here on.
    ///
    /// # Errors
    /// Those of `/proc`.
    pub fn from_here() -> io::Result<Self> {
        // Sets the highest mark back.
        std::fs::write("/proc/self/clear_refs", "5")?;
        Ok(Self(status("VmRSS:")?))
    }

    /// In bytes, so far.
    ///
    /// # Errors
    /// Those of `/proc`.
    pub fn bytes(&self) -> io::Result<u64> {
        Ok(status("VmHWM:")?.saturating_sub(self.0))
    }
}

fn status(name: &str) -> io::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let kib = status.split_once(name).and_then(|(_, rest)| rest.split_whitespace().next()?.parse::<u64>().ok());
    kib.map(|kib| kib << 10).ok_or_else(|| io::Error::other(format!("no {name} in /proc/self/status")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rise_is_that_of_the_highest_mark() {
        if let Some(run) = alone("alone::tests::a_rise_is_that_of_the_highest_mark").unwrap() {
            assert!(run.status.success(), "{run:?}");
            return;
        }
        let memory = MemoryRise::from_here().unwrap();
        let held = vec![7_u8; 32 << 20];
        drop(std::hint::black_box(held));
        assert!((30 << 20..40 << 20).contains(&memory.bytes().unwrap()), "{memory:?}");
    }
}
