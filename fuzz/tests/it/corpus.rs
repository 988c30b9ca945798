//! The corpus: what is in it, and that the bodies hold for it.

use std::fs;
use std::path::{Path, PathBuf};

use fuzz::{ALL, Target, Verdict};

/// The most bytes of all corpora together: they are part of the repository.
const MOST: u64 = 1 << 20;

fn folder(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target)
}

/// The seeds of a target by their names, in the order of these.
pub(crate) fn seeds(target: &Target) -> Vec<(String, Vec<u8>)> {
    let files = fs::read_dir(folder(target.name())).unwrap();
    let mut seeds: Vec<_> = files
        .map(|file| {
            let file = file.unwrap();
            (file.file_name().into_string().unwrap(), fs::read(file.path()).unwrap())
        })
        .collect();
    seeds.sort();
    seeds
}

pub(crate) fn check(target: &Target) {
    let (mut accepted, mut refused) = (0, 0);
    for (name, seed) in seeds(target) {
        println!("{name}");
        match target.run(&seed) {
            Verdict::Accepted => accepted += 1,
            Verdict::Refused => refused += 1,
        }
    }
    // A corpus that is all refused shows nothing but the first check.
    assert!(accepted >= 3 && refused >= 1, "{accepted} seeds are accepted, {refused} refused");
}

#[test]
fn the_corpus_is_small_and_all_of_it_is_some_targets() {
    let mut bytes = 0;
    for folder in fs::read_dir(folder("")).unwrap() {
        let folder = folder.unwrap();
        let name = folder.file_name().into_string().unwrap();
        assert!(ALL.iter().any(|target| target.name() == name), "{name} is no target");
        bytes += fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum::<u64>();
    }
    assert!(bytes < MOST, "{bytes} bytes");
}

#[test]
fn every_target_has_a_binary() {
    let files = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("targets")).unwrap();
    let mut names: Vec<_> = files.map(|file| file.unwrap().path().file_stem().unwrap().to_owned()).collect();
    names.sort();
    assert!(names.iter().eq(ALL.iter().map(|target| target.name())), "{names:?}");
}
