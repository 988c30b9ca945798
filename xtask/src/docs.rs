//! `cargo xtask docs`: the pages that are made from the code.

use crate::failure::Failure;
use crate::plan::{self, OnFailure, Step};
use crate::workspace;

/// Writes them.
pub(crate) fn command(args: &[String]) -> Result<(), Failure> {
    if let Some(arg) = args.first() {
        return Err(Failure::usage(format!("`docs` takes no arguments, not `{arg}`")));
    }
    // The test that compares the page writes it instead.
    let mut page = workspace::cargo(&["test", "-q", "-p", "gateway", "--lib", "configuration_page"]);
    page.env("REELCACHE_WRITE_DOCS", "1");
    plan::run("docs", vec![Step::command("docs/configuration.md", page)], OnFailure::GoOn)
}
