//! Where this workspace is, and what cargo says about it.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use cargo_metadata::{Metadata, MetadataCommand};

use crate::failure::Failure;
use crate::process;

/// The folder of the root manifest.
pub(crate) fn root() -> PathBuf {
    // Asked when running, not when compiling: a target directory may be shared by several checkouts.
    let manifest_folder = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let root = manifest_folder.and_then(|folder| folder.parent().map(PathBuf::from));
    root.unwrap_or_else(|| PathBuf::from("."))
}

/// A cargo command that runs in the root folder.
pub(crate) fn cargo(args: &[&str]) -> Command {
    let mut command = process::cargo();
    command.args(args).current_dir(root());
    command
}

/// Every package in the tree, as built on this platform: what building fetched is enough to answer.
pub(crate) fn metadata() -> Result<Metadata, Failure> {
    let mut command = MetadataCommand::new();
    command.manifest_path(root().join("Cargo.toml"));
    command.other_options(["--locked".to_owned(), "--filter-platform".to_owned(), host()?]);
    command.exec().map_err(|error| Failure::new(format!("cargo metadata: {error}")))
}

/// Tools that are built for this workspace alone live here.
pub(crate) fn tools_folder() -> PathBuf {
    target_folder().join("tools")
}

/// Where builds go.
pub(crate) fn target_folder() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |folder| root().join(folder))
}

/// The platform that we build on and for.
pub(crate) fn host() -> Result<String, Failure> {
    let version = process::capture(Command::new("rustc").arg("-vV").current_dir(root()))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| Failure::new("`rustc -vV` names no host"))
}
