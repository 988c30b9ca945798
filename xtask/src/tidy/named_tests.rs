//! Rule for pages that answer for promises: a test that they name is there.

use super::finding::Finding;
use super::tree::File;

/// Pages whose code spans `CRATE::MODULE::TEST` name tests.
const PAGES: &[&str] = &["docs/seed-coverage.md", "docs/security.md"];

/// Named tests that no source of their crate has.
pub(crate) fn check(files: &[File]) -> Vec<Finding> {
    let pages = files.iter().filter(|file| PAGES.contains(&file.path.as_str()));
    pages.flat_map(|page| missing(page, files)).collect()
}

fn missing(page: &File, files: &[File]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (line, text) in (1..).zip(page.text.lines()) {
        for name in text.split('`').skip(1).step_by(2).filter(|span| is_test(span)) {
            if !is_there(name, files) {
                let message = format!("names the test `{name}`, which is not there");
                findings.push(Finding { line, ..Finding::new("named-tests", &page.path, message) });
            }
        }
    }
    findings
}

fn is_test(span: &str) -> bool {
    span.contains("::") && span.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-:".contains(c))
}

fn is_there(name: &str, files: &[File]) -> bool {
    let parts: Vec<&str> = name.split("::").collect();
    let [owner, modules @ .., test] = parts.as_slice() else { return false };
    let (home, head) = (format!("crates/{owner}/"), format!("fn {test}("));
    files.iter().any(|File { path, text }| {
        let is_ours = path.starts_with(&home) || path.starts_with(&format!("{owner}/"));
        let source = path.strip_suffix(".rs").filter(|_| is_ours);
        source.is_some_and(|source| modules.last().is_none_or(|module| source.ends_with(*module)))
            && text.contains(&head)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(page: &str) -> Vec<String> {
        let file = |path: &str, text: &str| File { path: path.to_owned(), text: text.to_owned() };
        let files = [
            file("docs/security.md", page),
            file("crates/gateway/tests/it/play.rs", "#[test]\nfn it_plays() {}\n"),
            file("examples/tests/it/bot.rs", "#[test]\nfn it_sings() {}\n"),
        ];
        check(&files).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn tests_that_are_there_pass() {
        assert_eq!(
            found("`gateway::play::it_plays` and `examples::bot::it_sings` and `std::fmt` of `Key::of`").len(),
            1
        );
        assert_eq!(found("`gateway::play::it_plays`, `x`, `GET /play`, `Key::of`"), Vec::<String>::new());
    }

    #[test]
    fn a_test_that_is_gone_is_found_on_its_line() {
        for name in
            ["gateway::play::it_stops", "gateway::bot::it_plays", "providers::play::it_plays", "gateway::it_sings"]
        {
            let found = found(&format!("\n`{name}`\n"));
            assert!(found.len() == 1 && found[0].starts_with("docs/security.md:2:"), "{name}: {found:?}");
        }
    }
}
