//! Rules for a member's `Cargo.toml`: versions and lints are decided once, in the root manifest.

use super::finding::Hit;

/// Every dependency takes its version from `[workspace.dependencies]`.
pub(crate) fn dependency_versions(text: &str) -> Vec<Hit> {
    let mut hits = Vec::new();
    let mut in_dependencies = false;
    for (number, line) in (1..).zip(text.lines()) {
        if line.starts_with('[') {
            in_dependencies = line.ends_with("dependencies]");
            if line.contains("dependencies.") {
                hits.push((number, format!("write `{line}` as one line: `name.workspace = true`")));
            }
        } else if in_dependencies && is_setting(line) && !is_inherited(line) {
            hits.push((number, format!("`{line}` does not take its version from the workspace")));
        }
    }
    hits
}

/// The member obeys the lints of the workspace.
pub(crate) fn lints(text: &str) -> Vec<Hit> {
    let mut after_header = text.lines().skip_while(|line| *line != "[lints]").skip(1);
    if after_header.next() == Some("workspace = true") {
        vec![]
    } else {
        vec![(0, "does not inherit the lints: `[lints]`, then `workspace = true`".to_owned())]
    }
}

fn is_setting(line: &str) -> bool {
    !line.trim().is_empty() && !line.starts_with('#')
}

fn is_inherited(line: &str) -> bool {
    let spaceless: String = line.split_whitespace().collect();
    spaceless.contains(".workspace=true") || spaceless.contains("{workspace=true")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inherited_versions_pass() {
        let text = "[package]\nversion = \"1\"\n[dependencies]\na.workspace = true\n\n# why\n\
                    b = { workspace = true, features = [\"x\"] }\n[features]\nx = []\n";
        assert_eq!(dependency_versions(text), []);
    }

    #[test]
    fn a_version_of_its_own_is_found_in_every_kind_of_section() {
        let sections = ["dependencies", "dev-dependencies", "build-dependencies", "target.'cfg(unix)'.dependencies"];
        for section in sections {
            assert_eq!(dependency_versions(&format!("[{section}]\na = \"1\"\n")).len(), 1, "{section}");
        }
        assert_eq!(dependency_versions("[dependencies.a]\nversion = \"1\"\n").len(), 1);
    }

    #[test]
    fn lints_of_its_own_are_found() {
        assert_eq!(lints("[package]\n\n[lints]\nworkspace = true\n"), []);
        assert_eq!(lints("[package]\n").len(), 1);
        assert_eq!(lints("[lints]\nrust.unused = \"allow\"\n").len(), 1);
    }
}
