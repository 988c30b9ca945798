//! The examples that promise something, run as anybody would run them.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod bot;
mod custom_backend;
mod custom_kind;
mod custom_policy;
mod link_cache;
mod pipeline;
mod provider;

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// What the example `name` prints with `args` when `input` is typed.
fn printed(name: &str, args: &[&str], input: &str) -> String {
    let mut example = Command::new(built(name));
    let mut child = example.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Cargo builds examples along with tests, beside the folder that tests are in.
fn built(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.ancestors().nth(2).unwrap().join("examples").join(name);
    assert!(path.exists(), "build the examples first: cargo build -p examples --examples");
    path
}
