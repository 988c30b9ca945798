//! Entries in tiers that others write to: only what was signed with a key that is known is believed.

use std::path::Path;
use std::process::Output;

use super::support::{Home, origin, stderr, stdout};

const OURS: &str = "0123456789abcdef0123456789abcdef";
const THEIRS: &str = "another-key-that-is-not-known-here";

/// Runs over an object store that is a directory.
fn process(home: &Home, clip: &Path, variables: &[(&str, &str)]) -> Output {
    let url = format!("file://{}", home.path("objects").display());
    let mut command = home.reelcache();
    command.args(["--tiers", "s3", "--s3", &url, "process"]).arg(clip).envs(variables.iter().copied());
    let run = command.output().expect("the binary runs");
    assert!(run.status.success(), "{}", stderr(&run));
    run
}

fn found(home: &Home, clip: &Path, variables: &[(&str, &str)]) -> String {
    origin(&process(home, clip, variables), "keyframes", 0)
}

#[test]
fn trust_25_what_others_wrote_into_a_shared_tier_is_not_believed() {
    let home = Home::new();
    let clip = home.clip("clip.mp4", 1);
    for (others, theirs) in [("no key", &[][..]), ("another key", &[("CACHE_SIGNING_KEY", THEIRS)])] {
        assert_eq!(found(&home, &clip, theirs), "loaded", "{others}");
        assert_eq!(found(&home, &clip, theirs), "s3", "{others}");
        let ours = [("CACHE_SIGNING_KEY", OURS)];
        assert_eq!(found(&home, &clip, &ours), "loaded", "of {others}");
        assert_eq!(found(&home, &clip, &ours), "s3", "our own");
        std::fs::remove_dir_all(home.path("objects")).unwrap();
    }
}

#[test]
fn trust_25_what_a_former_key_signed_is_believed_while_it_is_named() {
    let home = Home::new();
    let clip = home.clip("clip.mp4", 1);
    assert_eq!(found(&home, &clip, &[("CACHE_SIGNING_KEY", THEIRS)]), "loaded");
    let moved = [("CACHE_SIGNING_KEY", OURS), ("CACHE_FORMER_SIGNING_KEYS", THEIRS)];
    assert_eq!(found(&home, &clip, &moved), "s3");
    assert_eq!(found(&home, &clip, &moved[..1]), "loaded");
}

#[test]
fn a_signing_key_comes_from_a_file_and_is_shown_nowhere() {
    let home = Home::new();
    let clip = home.clip("clip.mp4", 1);
    std::fs::write(home.path("key"), format!("{OURS}\n")).unwrap();
    let file = home.path("key").display().to_string();
    assert_eq!(found(&home, &clip, &[("CACHE_SIGNING_KEY_FILE", &file)]), "loaded");
    assert_eq!(found(&home, &clip, &[("CACHE_SIGNING_KEY", OURS)]), "s3");
    let variables = [("CACHE_SIGNING_KEY", OURS), ("CACHE_FORMER_SIGNING_KEYS", THEIRS)];
    let shown = home.reelcache().envs(variables).args(["config", "--explain"]).output().unwrap();
    let shown = format!("{}{}", stdout(&shown), stderr(&shown));
    assert!(shown.contains("signing_key = \"***\"") && shown.contains("former_signing_keys = [\"***\"]"), "{shown}");
    assert!(!shown.contains(OURS) && !shown.contains(THEIRS), "{shown}");
}

#[test]
fn keys_that_make_no_sense_are_usage_errors_that_do_not_show_them() {
    let home = Home::new();
    let many = [THEIRS; 9].join(",");
    let cases: [(&[(&str, &str)], &str); 4] = [
        (&[("CACHE_SIGNING_KEY", "hush")], "16"),
        (&[("CACHE_FORMER_SIGNING_KEYS", THEIRS)], "cache.signing_key"),
        (&[("CACHE_SIGNING_KEY", OURS), ("CACHE_FORMER_SIGNING_KEYS", "hush")], "16"),
        (&[("CACHE_SIGNING_KEY", OURS), ("CACHE_FORMER_SIGNING_KEYS", &many)], "more than 8"),
    ];
    for (variables, named) in cases {
        let run = home.reelcache().envs(variables.iter().copied()).arg("config").output().unwrap();
        let told = stderr(&run);
        assert!(run.status.code() == Some(2) && told.contains(named), "{variables:?}: {told}");
        assert!(!told.contains("hush") && !told.contains(THEIRS), "{told}");
    }
}
