//! Rules for any text file: no invisible characters.

use super::finding::Hit;

/// Endings of the files that people edit.
const EDITED: &[&str] = &[".rs", ".md", ".toml", ".yml", ".yaml", ".sh", ".html", ".css", ".js", ".ci/run"];

/// Whether the file at `path` is edited by hand.
pub(crate) fn is_edited(path: &str) -> bool {
    EDITED.iter().any(|ending| path.ends_with(ending))
}

/// White space that cannot be seen: tabs, blanks at the end of a line, a missing or doubled end of file.
pub(crate) fn whitespace(text: &str) -> Vec<Hit> {
    let mut hits = Vec::new();
    for (number, line) in (1..).zip(text.split('\n')) {
        if line.contains('\t') {
            hits.push((number, "a tab".to_owned()));
        }
        if line.ends_with([' ', '\t', '\r']) {
            hits.push((number, "white space at the end of the line".to_owned()));
        }
    }
    if !text.is_empty() && (!text.ends_with('\n') || text.ends_with("\n\n")) {
        hits.push((text.lines().count(), "a file ends with exactly one line break".to_owned()));
    }
    hits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clean_text_passes() {
        assert_eq!(whitespace("a\n\nb\n"), []);
        assert_eq!(whitespace(""), []);
    }

    #[test]
    fn invisible_characters_are_found_on_their_line() {
        for (text, line) in [("a\n\tb\n", 2), ("a \n", 1), ("a\r\n", 1), ("a", 1), ("a\n\n", 2)] {
            assert_eq!(whitespace(text).first().map(|hit| hit.0), Some(line), "{text:?}");
        }
    }

    #[test]
    fn sources_and_scripts_are_edited_and_pictures_are_not() {
        assert!(is_edited("crates/a/src/lib.rs") && is_edited(".ci/run"));
        assert!(!is_edited("docs/picture.svg.gz"));
    }
}
