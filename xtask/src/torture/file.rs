//! `cargo xtask torture file`: a process killed while it writes, again and again.

use crate::failure::Failure;
use crate::{process, workspace};

/// A minute's worth: what every test run includes.
const QUICK: &[(&str, &str)] = &[("--rounds", "10"), ("--entries", "5000")];

/// What a release has to survive.
const FULL: &[(&str, &str)] = &[("--rounds", "200"), ("--entries", "100000")];

/// Runs it with what `args` ask for.
pub(super) fn command(args: &[String]) -> Result<(), Failure> {
    let mut run = workspace::cargo(&["run", "--release", "-p", "cache-file", "--example", "torture", "--"]);
    process::run(run.args(settings(args)?))
}

/// The settings in `args`, completed from `--full`, or from `--quick` when neither is there.
fn settings(args: &[String]) -> Result<Vec<&str>, Failure> {
    let mut preset = QUICK;
    let mut settings = Vec::new();
    let mut words = args.iter().map(String::as_str);
    while let Some(word) = words.next() {
        match word {
            "--quick" => preset = QUICK,
            "--full" => preset = FULL,
            "--rounds" | "--entries" | "--seed" => {
                let value = words.next().ok_or_else(|| Failure::usage(format!("`{word}` takes a number")))?;
                settings.extend([word, value]);
            }
            _ => return Err(Failure::usage(format!("`torture file` does not know `{word}`"))),
        }
    }
    for (name, value) in preset {
        if !settings.contains(name) {
            settings.extend([name, value]);
        }
    }
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings_of(words: &str) -> Result<String, Failure> {
        let args: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        settings(&args).map(|settings| settings.join(" "))
    }

    #[test]
    fn the_quick_slice_is_the_default() {
        assert_eq!(settings_of("").unwrap(), "--rounds 10 --entries 5000");
        assert_eq!(settings_of("--full").unwrap(), "--rounds 200 --entries 100000");
    }

    #[test]
    fn a_setting_wins_over_the_preset() {
        assert_eq!(settings_of("--full --entries 7 --seed 1").unwrap(), "--entries 7 --seed 1 --rounds 200");
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        assert!(settings_of("--round 1").is_err());
        assert!(settings_of("--seed").is_err());
    }
}
