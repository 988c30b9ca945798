//! `cargo xtask torture file`: a cache directory broken in every way that is known, row by row.

use crate::failure::Failure;
use crate::{process, workspace};

/// Runs it with what `args` ask for: everything at the quick pace unless they say otherwise.
pub(super) fn command(args: &[String]) -> Result<(), Failure> {
    let mut run = workspace::cargo(&["run", "--release", "-p", "cache-file", "--example", "torture", "--"]);
    process::run(run.args(settings(args)?))
}

/// The settings in `args`: a pace, and names with their values.
fn settings(args: &[String]) -> Result<&[String], Failure> {
    let mut words = args.iter().map(String::as_str);
    while let Some(word) = words.next() {
        match word {
            "--quick" | "--full" => {}
            "--seed" => {
                let number = words.next().filter(|value| value.parse::<u64>().is_ok());
                number.ok_or_else(|| Failure::usage("`--seed` takes a number"))?;
            }
            "--row" | "--dir" => {
                words.next().ok_or_else(|| Failure::usage(format!("`{word}` takes a name")))?;
            }
            _ => return Err(Failure::usage(format!("`torture file` does not know `{word}`"))),
        }
    }
    Ok(args)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paces_and_settings_with_values_are_understood() {
        let takes = |words: &str| settings(&words.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).is_ok();
        assert!(takes("") && takes("--quick") && takes("--full --row f3 --row f4 --seed 7"));
        assert!(!takes("--seed") && !takes("--seed one") && !takes("--row") && !takes("--rounds 1"));
    }
}
