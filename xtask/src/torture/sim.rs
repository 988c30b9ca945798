//! `cargo xtask torture sim`: a simulated fleet in virtual time, seed after seed.

use crate::failure::Failure;
use crate::{process, workspace};

/// Runs it with what `args` ask for, built so that a seed decides everything: Tokio takes a seed for its own choices only
/// then. That build has a directory of its own, so that it does not replace the usual one.
pub(super) fn command(args: &[String]) -> Result<(), Failure> {
    let mut run = workspace::cargo(&["run", "--release", "-p", "cache-tiered", "--example", "sim"]);
    run.env("RUSTFLAGS", "--cfg tokio_unstable")
        .arg("--target-dir")
        .arg(workspace::target_folder().join("sim"))
        .arg("--");
    process::run(run.args(settings(args)?))
}

/// The settings in `args`: each a name with its number.
fn settings(args: &[String]) -> Result<&[String], Failure> {
    let mut words = args.iter().map(String::as_str);
    while let Some(word) = words.next() {
        if !matches!(word, "--seeds" | "--seed" | "--from" | "--log" | "--threads") {
            return Err(Failure::usage(format!("`torture sim` does not know `{word}`")));
        }
        let number = words.next().filter(|value| value.parse::<u64>().is_ok());
        number.ok_or_else(|| Failure::usage(format!("`{word}` takes a number")))?;
    }
    Ok(args)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_settings_with_numbers_are_understood() {
        let takes = |words: &str| settings(&words.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).is_ok();
        assert!(takes("") && takes("--seeds 7 --from 3") && takes("--seed 1"));
        assert!(!takes("--seed") && !takes("--seed one") && !takes("--rounds 1"));
    }
}
