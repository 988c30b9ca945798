//! Rule for the dependency tree: every crate comes under a licence that `deny.toml` allows.

use super::finding::Finding;
use super::graph::Graph;

/// Crates none of whose licences is among `allowed`.
pub(crate) fn check(graph: &Graph, allowed: &[&str]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, this) in &graph.crates {
        for licence in &this.licences {
            match licence {
                None => findings.push(Finding::new("licences", name, "names no licence")),
                Some(licence) if !permits(licence, allowed) => {
                    findings.push(Finding::new("licences", name, format!("`{licence}` is not allowed by deny.toml")));
                }
                Some(_) => {}
            }
        }
    }
    findings
}

/// The licences that a `deny.toml` allows: the strings in the list `allow` of its section `[licenses]`.
pub(crate) fn allowed(deny_toml: &str) -> Vec<&str> {
    let section = deny_toml.split("\n[licenses]").nth(1).unwrap_or_default();
    let list = section.split("\nallow = [").nth(1).unwrap_or_default();
    let list = list.split(']').next().unwrap_or_default();
    list.split('"').skip(1).step_by(2).collect()
}

/// Whether a licence expression (SPDX, or the older `A/B`) can be met with `allowed` licences alone. An expression that
/// cannot be understood permits nothing.
fn permits(expression: &str, allowed: &[&str]) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut parser = Parser { words: &words, allowed };
    parser.any().is_some_and(|permitted| permitted && parser.words.is_empty())
}

/// Reads words from the left; every method answers whether what it read is permitted, or nothing if it makes no sense.
struct Parser<'a> {
    words: &'a [&'a str],
    allowed: &'a [&'a str],
}

impl Parser<'_> {
    fn any(&mut self) -> Option<bool> {
        let mut permitted = self.all()?;
        while self.take("OR") {
            permitted |= self.all()?;
        }
        Some(permitted)
    }

    fn all(&mut self) -> Option<bool> {
        let mut permitted = self.one()?;
        while self.take("AND") {
            permitted &= self.one()?;
        }
        Some(permitted)
    }

    fn one(&mut self) -> Option<bool> {
        if self.take("(") {
            let permitted = self.any()?;
            return self.take(")").then_some(permitted);
        }
        let (&licence, rest) = self.words.split_first()?;
        self.words = rest;
        if self.take("WITH") {
            let (&exception, rest) = self.words.split_first()?;
            self.words = rest;
            return Some(self.allowed.contains(&format!("{licence} WITH {exception}").as_str()));
        }
        Some(self.allowed.contains(&licence))
    }

    fn take(&mut self, word: &str) -> bool {
        let is_next = self.words.first() == Some(&word);
        self.words = &self.words[usize::from(is_next)..];
        is_next
    }
}

#[cfg(test)]
mod tests {
    use super::super::graph::Crate;
    use super::*;

    const ALLOWED: &[&str] = &["MIT", "Zlib", "Apache-2.0 WITH LLVM-exception"];

    #[test]
    fn expressions_that_can_be_met_are_permitted() {
        for expression in ["MIT", "MIT OR GPL-3.0", "GPL-3.0/MIT", "(GPL-3.0 OR MIT) AND Zlib", "MIT AND Zlib OR X"] {
            assert!(permits(expression, ALLOWED), "{expression}");
        }
        assert!(permits("GPL-3.0 OR Apache-2.0 WITH LLVM-exception", ALLOWED));
    }

    #[test]
    fn expressions_that_cannot_be_met_are_not() {
        for expression in ["GPL-3.0", "MIT AND GPL-3.0", "(MIT OR Zlib) AND X", "Apache-2.0", "Apache-2.0 WITH X"] {
            assert!(!permits(expression, ALLOWED), "{expression}");
        }
    }

    #[test]
    fn nonsense_permits_nothing() {
        for expression in ["", "MIT OR", "(MIT", "MIT)", "MIT MIT", "OR MIT", "MIT WITH"] {
            assert!(!permits(expression, ALLOWED), "{expression:?}");
        }
    }

    #[test]
    fn a_crate_without_a_fitting_licence_is_found() {
        let with = |licence: Option<&str>| {
            let this = Crate { licences: [licence.map(str::to_owned)].into(), ..Crate::default() };
            Graph { crates: [("a".to_owned(), this)].into() }
        };
        assert_eq!(check(&with(Some("MIT")), ALLOWED), []);
        assert_eq!(check(&with(Some("GPL-3.0")), ALLOWED).len(), 1);
        assert_eq!(check(&with(None), ALLOWED).len(), 1);
    }

    #[test]
    fn the_list_is_read_from_its_own_section() {
        let text = "[graph]\n[bans]\nallow = [\n    \"a\",\n]\n[licenses]\nallow = [\n    \"MIT\",\n    \"Zlib\",\n]\n";
        assert_eq!(allowed(text), ["MIT", "Zlib"]);
        assert!(allowed("[bans]\nallow = [\"a\"]\n").is_empty());
    }
}
