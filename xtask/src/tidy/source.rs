//! Rules for Rust files: one job each, short, nothing left undone.

use super::finding::Hit;

/// More lines than this are more than one job.
const MAX_LINES: usize = 400;

/// Words that must not stand in a source, and why.
const BANNED: &[(&str, &str)] = &[
    ("todo!", "finish it, or leave it out"),
    ("#[ignore", "a test that does not run protects nothing"),
    ("thread::sleep", "wait on a condition"),
    ("time::sleep", "use a paused clock, or wait on a condition"),
];

/// The file says its one job first.
pub(crate) fn opening(text: &str) -> Vec<Hit> {
    let job = text.lines().next().and_then(|line| line.strip_prefix("//!")).map_or("", str::trim);
    if job.is_empty() { vec![(1, "does not open with a `//!` line that names its one job".to_owned())] } else { vec![] }
}

/// The file is short enough to be read in one go.
pub(crate) fn length(text: &str) -> Vec<Hit> {
    let lines = text.lines().count();
    if lines > MAX_LINES { vec![(0, format!("has {lines} lines, at most {MAX_LINES} are one job"))] } else { vec![] }
}

/// Nothing undone, skipped or guessed by time.
pub(crate) fn banned_words(text: &str) -> Vec<Hit> {
    let in_line = |(number, line): (usize, &str)| {
        let found = BANNED.iter().filter(move |(word, _)| line.contains(word));
        found.map(move |(word, reason)| (number, format!("`{word}`: {reason}"))).collect::<Vec<_>>()
    };
    (1..).zip(text.lines()).flat_map(in_line).collect()
}

/// A module's file carries the module's name.
pub(crate) fn file_name(path: &str) -> Vec<Hit> {
    if path.ends_with("/mod.rs") {
        vec![(0, "name it after the module: `foo.rs` beside `foo/`".to_owned())]
    } else {
        vec![]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_its_job_is_found() {
        assert_eq!(opening("//! Keys.\n"), []);
        for text in ["", "//!\n", "// Keys.\n", "\n//! Keys.\n", "use std::fmt;\n"] {
            assert_eq!(opening(text).len(), 1, "{text:?}");
        }
    }

    #[test]
    fn the_first_line_too_many_is_found() {
        assert_eq!(length(&"x\n".repeat(MAX_LINES)), []);
        assert_eq!(length(&"x\n".repeat(MAX_LINES + 1)).len(), 1);
    }

    #[test]
    fn every_banned_word_is_found_on_its_line() {
        for (word, _) in BANNED {
            let hits = banned_words(&format!("fn a() {{\n    {word}(\n}}\n"));
            assert_eq!(hits.iter().map(|hit| hit.0).collect::<Vec<_>>(), [2], "{word}");
        }
    }

    #[test]
    fn a_module_file_without_a_name_is_found() {
        assert_eq!(file_name("src/key.rs"), []);
        assert_eq!(file_name("src/key/mod.rs").len(), 1);
    }
}
