//! Programs that the tests need: found, installed, or named.

use std::process::Command;

use crate::failure::Failure;
use crate::process;

/// Patience for one package manager run, in seconds; a hanging mirror must not hang a build.
const APT_PATIENCE: &str = "600";

/// A program that some test starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tool {
    pub(crate) program: &'static str,
    pub(crate) debian_package: &'static str,
    pub(crate) why: &'static str,
}

/// Everything that the tests need beside the toolchain.
pub(crate) const FOR_TESTS: &[Tool] = &[
    Tool { program: "ffmpeg", debian_package: "ffmpeg", why: "makes test clips and extracts keyframes" },
    Tool { program: "ffprobe", debian_package: "ffmpeg", why: "reads what is in a clip" },
    Tool { program: "flite", debian_package: "flite", why: "says what is to be transcribed" },
    Tool { program: "tesseract", debian_package: "tesseract-ocr", why: "reads text in frames" },
    Tool { program: "mpv", debian_package: "mpv", why: "plays a link" },
    Tool { program: "chromium", debian_package: "chromium", why: "plays a link in a page" },
    Tool { program: "chromedriver", debian_package: "chromium-driver", why: "uses the dashboard as people do" },
];

/// What the benchmarks of the binary need.
pub(crate) const FOR_BENCHES: &[Tool] = &[
    Tool { program: "wrk", debian_package: "wrk", why: "asks as fast as a server answers" },
    Tool { program: "nginx", debian_package: "nginx-light", why: "is what the binary is measured against" },
];

/// Makes sure that every one of `tools` is on the path: installs what is missing where that is allowed, otherwise
/// fails with the command to run.
pub(crate) fn ensure(tools: &[Tool]) -> Result<(), Failure> {
    let missing = missing(tools, |program| process::find(program).is_some());
    if missing.is_empty() {
        return Ok(());
    }
    for tool in &missing {
        eprintln!("missing: {} ({})", tool.program, tool.why);
    }
    let packages = packages(&missing);
    if !may_install() {
        return Err(Failure::new(format!("install what is missing with:\n  {}", advice(&packages))));
    }
    install(&packages)?;
    match self::missing(&missing, |program| process::find(program).is_some()).first() {
        None => Ok(()),
        Some(tool) => Err(Failure::new(format!(
            "`{}` is still not on the path after installing the package {}",
            tool.program, tool.debian_package
        ))),
    }
}

/// Makes sure that the tests of a full disk can mount one, in a namespace of their own.
pub(crate) fn ensure_mounts() -> Result<(), Failure> {
    let probe = process::capture(Command::new("unshare").args(["--map-root-user", "--mount", "true"]));
    probe.map(drop).map_err(|_| {
        Failure::new(
            "`unshare --map-root-user --mount` fails: tests of a full disk mount a small one. \
             Run as root, allow user namespaces, or install util-linux",
        )
    })
}

fn missing(tools: &[Tool], is_there: impl Fn(&str) -> bool) -> Vec<Tool> {
    tools.iter().filter(|tool| !is_there(tool.program)).copied().collect()
}

fn packages(tools: &[Tool]) -> Vec<&'static str> {
    let mut packages: Vec<_> = tools.iter().map(|tool| tool.debian_package).collect();
    packages.sort_unstable();
    packages.dedup();
    packages
}

fn advice(packages: &[&str]) -> String {
    let packages = packages.join(" ");
    format!("sudo apt-get update && sudo apt-get install -y --no-install-recommends {packages}")
}

fn may_install() -> bool {
    let is_root = || process::capture(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    process::find("apt-get").is_some() && is_root()
}

fn install(packages: &[&str]) -> Result<(), Failure> {
    eprintln!("installing {} with apt-get ...", packages.join(", "));
    let told = |failure: Failure| failure.during("installing what the tests need");
    process::capture(apt_get().arg("update")).map_err(told)?;
    let mut install = apt_get();
    install.args(["install", "-y", "--no-install-recommends"]).args(packages);
    process::capture(&mut install).map_err(told)?;
    Ok(())
}

fn apt_get() -> Command {
    let mut command = Command::new("timeout");
    command.args([APT_PATIENCE, "apt-get", "-q"]);
    // Another run of apt may hold the lock, and a mirror may stumble once.
    command.args(["-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=3"]);
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_absent_programs_are_missing() {
        let missing = missing(FOR_TESTS, |program| program == "ffmpeg");
        assert!(!missing.iter().any(|tool| tool.program == "ffmpeg"));
        assert_eq!(missing.len(), FOR_TESTS.len() - 1);
    }

    #[test]
    fn a_package_that_carries_two_programs_is_installed_once() {
        assert_eq!(packages(FOR_TESTS), ["chromium", "chromium-driver", "ffmpeg", "flite", "mpv", "tesseract-ocr"]);
    }

    #[test]
    fn the_advice_is_a_command_to_paste() {
        assert!(advice(&["a", "b"]).ends_with("apt-get install -y --no-install-recommends a b"));
    }
}
