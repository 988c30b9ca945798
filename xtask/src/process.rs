//! Subprocesses: found on the path, started, their failures told honestly.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::Failure;

/// Runs `command` with our own output streams.
pub(crate) fn run(command: &mut Command) -> Result<(), Failure> {
    let line = shown(command);
    eprintln!("$ {line}");
    let status = command.status().map_err(|error| Failure::not_started(&line, &error))?;
    if status.success() { Ok(()) } else { Err(Failure::of_child(&line, status)) }
}

/// Runs `command` and returns what it wrote to standard output; both streams are shown only when it fails.
pub(crate) fn capture(command: &mut Command) -> Result<String, Failure> {
    let line = shown(command);
    let output = command.output().map_err(|error| Failure::not_started(&line, &error))?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(stdout);
    }
    eprint!("{stdout}{}", String::from_utf8_lossy(&output.stderr));
    Err(Failure::of_child(&line, output.status))
}

/// The cargo that started us, so that one toolchain does everything.
pub(crate) fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")))
}

/// First executable file called `program` on `PATH`.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    find_in(env::split_paths(&path), program)
}

fn find_in(folders: impl Iterator<Item = PathBuf>, program: &str) -> Option<PathBuf> {
    folders.map(|folder| folder.join(program)).find(|file| is_executable(file))
}

fn is_executable(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str());
    let mut words = vec![name.to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|arg| arg.to_string_lossy().into_owned()));
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_not_found() {
        assert_eq!(find("no-such-program-anywhere"), None);
    }

    #[test]
    fn a_file_that_cannot_be_executed_is_not_a_program() {
        let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        assert_eq!(find_in([here].into_iter(), "Cargo.toml"), None);
    }

    #[test]
    fn the_exit_code_of_a_subprocess_is_passed_on() {
        let failure = run(Command::new("sh").args(["-c", "exit 42"])).unwrap_err();
        assert_eq!(failure.code(), 42);
    }

    #[test]
    fn a_program_that_does_not_exist_is_named() {
        let failure = run(&mut Command::new("no-such-program-anywhere")).unwrap_err();
        assert!(failure.to_string().contains("no-such-program-anywhere"), "{failure}");
    }
}
