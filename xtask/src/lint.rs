//! `cargo xtask lint`: everything that can be said about the code without running it.

use crate::failure::Failure;
use crate::plan::{self, OnFailure, Step};
use crate::{tidy, workspace};

/// Runs every check, also after one has failed.
pub(crate) fn command(args: &[String]) -> Result<(), Failure> {
    if let Some(arg) = args.first() {
        return Err(Failure::usage(format!("`lint` takes no arguments, not `{arg}`")));
    }
    let mut doc = workspace::cargo(&["doc", "--workspace", "--no-deps"]);
    doc.env("RUSTDOCFLAGS", "-D warnings -D rustdoc::broken_intra_doc_links");
    let steps = vec![
        Step::command("fmt", workspace::cargo(&["fmt", "--all", "--check"])),
        Step::new("tidy", || tidy::command(&[])),
        Step::command("clippy", workspace::cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])),
        Step::command("doc", doc),
    ];
    plan::run("lint", steps, OnFailure::GoOn)
}
