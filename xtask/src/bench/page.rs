//! docs/benchmarks.md: each suite has a section between two markers, and writes nothing else.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::workspace;

/// The page, and the folder of its plots.
const PAGE: &str = "docs/benchmarks.md";
const PLOTS: &str = "docs/benchmarks";

/// Where benchmarks leave their reports.
pub(super) fn reports_folder() -> PathBuf {
    workspace::target_folder().join("bench-reports")
}

/// Puts `text` into the section of `suite`, and its plots beside the page.
pub(super) fn write(suite: &str, text: &str) -> Result<(), Failure> {
    let path = workspace::root().join(PAGE);
    let told = |error: io::Error| Failure::new(format!("writing {}: {error}", path.display()));
    let page = fs::read_to_string(&path).map_err(told)?;
    let page = spliced(&page, suite, text)
        .ok_or_else(|| Failure::new(format!("{PAGE} lacks `{}` or `{}`", begin(suite), end(suite))))?;
    fs::write(&path, page).map_err(told)?;
    copy_plots(&reports_folder(), &workspace::root().join(PLOTS), text).map_err(told)
}

/// The page with another text in the section of `suite`; nothing if it has none.
fn spliced(page: &str, suite: &str, text: &str) -> Option<String> {
    let (before, rest) = page.split_once(&begin(suite))?;
    let (_, after) = rest.split_once(&end(suite))?;
    Some(format!("{before}{}\n\n{}\n\n{}{after}", begin(suite), text.trim(), end(suite)))
}

fn begin(suite: &str) -> String {
    format!("<!-- {suite}: written by `cargo xtask bench {suite}` -->")
}

fn end(suite: &str) -> String {
    format!("<!-- {suite}: end -->")
}

/// Copies the plots that `text` shows.
fn copy_plots(from: &Path, to: &Path, text: &str) -> io::Result<()> {
    fs::create_dir_all(to)?;
    let links = text.split("](benchmarks/").skip(1).filter_map(|rest| rest.split(')').next());
    for file in links {
        fs::copy(from.join(file), to.join(file))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_section_of_the_suite_changes() {
        let page = format!("a\n{}\nold\n{}\nb\n{}\n{}\n", begin("x"), end("x"), begin("y"), end("y"));
        let page = spliced(&page, "x", "new\n").unwrap();
        let want = format!("a\n{}\n\nnew\n\n{}\nb\n{}\n{}\n", begin("x"), end("x"), begin("y"), end("y"));
        assert_eq!(page, want);
        assert_eq!(spliced(&page, "x", "new"), Some(page));
    }

    #[test]
    fn a_page_without_the_section_is_not_touched() {
        assert_eq!(spliced("a page\n", "x", "new"), None);
        assert_eq!(spliced(&begin("x"), "x", "new"), None);
    }

    #[test]
    fn the_page_has_a_section_for_each_suite() {
        let page = fs::read_to_string(workspace::root().join(PAGE)).unwrap();
        for suite in super::super::SUITES {
            assert!(spliced(&page, suite.name, "").is_some(), "{}", suite.name);
        }
    }
}
