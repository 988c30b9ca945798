//! The tests that docs/behaviour.md names.

use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn every_test_that_the_page_on_behaviour_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = fs::read_to_string(root.join("docs/behaviour.md")).unwrap();
    let sources: String = sources(&root.join("crates")).iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let rows: Vec<_> = page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| situation")).collect();
    assert!(rows.len() > 20, "the table was not found");
    for row in rows {
        let named = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        for name in named.split(", ").map(|name| name.trim_matches('`')) {
            assert!(sources.contains(&format!("fn {name}(")), "no test {name}");
        }
    }
}

/// All Rust files below `dir`.
fn sources(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let below = |path: PathBuf| match path.is_dir() {
        true if path.ends_with("target") => Vec::new(),
        true => sources(&path),
        false if path.extension().is_some_and(|extension| extension == "rs") => vec![path],
        false => Vec::new(),
    };
    entries.flat_map(below).collect()
}
