//! `cargo xtask torture`: what has to hold whatever goes wrong, tried for as long as it is given.

mod file;
mod sim;

use crate::failure::Failure;

/// Runs the torture that the first argument names.
pub(crate) fn command(args: &[String]) -> Result<(), Failure> {
    match args.split_first().map(|(name, rest)| (name.as_str(), rest)) {
        Some(("file", rest)) => file::command(rest),
        Some(("sim", rest)) => sim::command(rest),
        _ => Err(Failure::usage("`torture` takes what to torture: `file` or `sim`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_refused() {
        assert!(command(&["nowhere".to_owned()]).is_err());
        assert!(command(&[]).is_err());
    }
}
