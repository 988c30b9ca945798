//! Rule for Markdown files: a relative link leads to a file that is there.

use super::finding::Hit;

/// Relative links of the page `path` for which `is_there` (asked with a path relative to the workspace) says no.
pub(crate) fn dead_links(path: &str, text: &str, is_there: impl Fn(&str) -> bool) -> Vec<Hit> {
    let mut hits = Vec::new();
    let mut in_code = false;
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        let targets = if in_code { Vec::new() } else { targets(line) };
        for target in targets.into_iter().filter(|target| is_relative(target)) {
            match resolve(path, target) {
                Some(file) if is_there(&file) => {}
                _ => hits.push((number, format!("links to `{target}`, which is not there"))),
            }
        }
    }
    hits
}

/// What `[text](target)`, `[text](target "title")` and `[text]: target` point at, code spans left out.
fn targets(line: &str) -> Vec<&str> {
    let prose = line.split('`').step_by(2);
    let inline = prose.flat_map(|part| part.split("](").skip(1)).filter_map(|rest| rest.split([')', ' ']).next());
    let definition = line.strip_prefix('[').and_then(|rest| rest.split_once("]: ")).map(|(_, target)| target.trim());
    inline.chain(definition).collect()
}

fn is_relative(target: &str) -> bool {
    !target.is_empty() && !target.starts_with('#') && !target.contains("://") && !target.starts_with("mailto:")
}

/// `target` as seen from the workspace; nothing when it leads out of it.
fn resolve(page: &str, target: &str) -> Option<String> {
    let target = target.split('#').next().unwrap_or(target);
    let folder = page.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(target.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dead(text: &str) -> Vec<Hit> {
        dead_links("docs/page.md", text, |path| path == "docs/there.md" || path == "README.md")
    }

    #[test]
    fn links_to_files_that_are_there_pass() {
        assert_eq!(dead("[a](there.md) [b](../README.md#top) [c](./there.md \"title\")\n[d]: there.md\n"), []);
    }

    #[test]
    fn other_addresses_are_not_files() {
        assert_eq!(dead("[a](https://example.org/x) [b](#top) [c](mailto:a@example.org)\n"), []);
    }

    #[test]
    fn a_missing_file_is_found_on_its_line() {
        for text in ["\n[a](gone.md)\n", "\n[a]: gone.md\n", "\n[a](README.md)\n", "\n[a](../../README.md)\n"] {
            assert_eq!(dead(text).iter().map(|hit| hit.0).collect::<Vec<_>>(), [2], "{text:?}");
        }
    }

    #[test]
    fn code_holds_no_links() {
        assert_eq!(dead("`x[a](gone.md)`\n```\n[a](gone.md)\n```\n"), []);
    }
}
