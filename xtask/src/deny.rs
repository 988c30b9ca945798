//! `cargo xtask deny`: what `deny.toml` says about the dependency tree.

use std::path::Path;
use std::process::Command;

use crate::failure::Failure;
use crate::{process, workspace};

/// The release of cargo-deny that `deny.toml` is written for.
const VERSION: &str = "0.20.2";

/// Checks licences, bans and sources; advisories, which are fetched from the network, only when asked for.
pub(crate) fn command(args: &[String]) -> Result<(), Failure> {
    let mut checks = vec!["licenses", "bans", "sources"];
    match args {
        [] => {}
        [flag] if flag == "--advisories" => checks.push("advisories"),
        _ => return Err(Failure::usage("`deny` takes `--advisories` or nothing")),
    }
    let folder = workspace::tools_folder();
    let program = folder.join("bin/cargo-deny");
    if !program.exists() {
        install(&folder)?;
    }
    let mut deny = Command::new(program);
    process::run(deny.arg("check").args(checks).current_dir(workspace::root()))
}

fn install(folder: &Path) -> Result<(), Failure> {
    eprintln!("installing cargo-deny {VERSION} into {} (takes minutes, once) ...", folder.display());
    let mut install = workspace::cargo(&["install", "--quiet", "--locked", "--version", VERSION, "--root"]);
    process::run(install.arg(folder).arg("cargo-deny"))
}
