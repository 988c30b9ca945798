//! What benchmarks are asked for.

use std::path::PathBuf;

use benches::options::{Effort, Options};

fn parsed(words: &[&str]) -> Result<Options, String> {
    Options::parse(words.iter().map(|&word| word.to_owned()))
}

#[test]
fn cargo_says_when_it_benchmarks() {
    assert_eq!(parsed(&[]).unwrap().effort, Effort::Try);
    assert_eq!(parsed(&["--bench"]).unwrap().effort, Effort::Full);
    assert_eq!(parsed(&["--quick", "--bench"]).unwrap().effort, Effort::Quick);
}

#[test]
fn every_trace_is_kept() {
    let options = parsed(&["--trace", "a", "--out", "b", "--trace", "c", "--policy", "lru", "--large"]).unwrap();
    assert_eq!(options.traces, ["a", "c"].map(PathBuf::from));
    assert_eq!((options.folder, options.policy, options.large), (Some("b".into()), Some("lru".to_owned()), true));
}

#[test]
fn nonsense_is_named() {
    assert!(parsed(&["--dance"]).unwrap_err().contains("--dance"));
    assert!(parsed(&["--bench", "--trace"]).unwrap_err().contains("--trace wants a value"));
}
