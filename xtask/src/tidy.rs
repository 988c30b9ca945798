//! `cargo xtask tidy`: the rules of the house that no compiler checks.

mod exceptions;
mod finding;
mod graph;
mod layers;
mod licences;
mod links;
mod manifest;
mod named_tests;
mod source;
mod text;
mod tree;

use std::ffi::OsStr;
use std::path::Path;

use cargo_metadata::Metadata;

use self::exceptions::EXCEPTIONS;
use self::finding::Finding;
use self::graph::Graph;
use self::tree::File;
use crate::failure::Failure;
use crate::workspace;

/// Files that every copy of this workspace carries.
const REQUIRED: &[&str] = &["LICENSE-MIT", "LICENSE-APACHE", "deny.toml"];

/// Prints everything that breaks a rule, and fails if there is anything.
pub(crate) fn command(args: &[String]) -> Result<(), Failure> {
    if let Some(arg) = args.first() {
        return Err(Failure::usage(format!("`tidy` takes no arguments, not `{arg}`")));
    }
    let findings = check(&workspace::metadata()?)?;
    for finding in &findings {
        eprintln!("{finding}");
    }
    match findings.len() {
        0 => Ok(()),
        count => Err(Failure::new(format!("tidy found {count} broken rule(s); CONTRIBUTING.md gives the reasons"))),
    }
}

/// Everything in the workspace that breaks a rule, ordered by place.
fn check(metadata: &Metadata) -> Result<Vec<Finding>, Failure> {
    let root = metadata.workspace_root.as_std_path();
    let files = tree::files(root).map_err(|error| Failure::new(format!("reading {}: {error}", root.display())))?;
    let mut findings = in_files(&files, root);
    findings.extend(in_graph(&Graph::of(metadata), &files));
    let mut findings = exceptions::apply(findings, EXCEPTIONS);
    findings.sort();
    Ok(findings)
}

fn in_files(files: &[File], root: &Path) -> Vec<Finding> {
    let mut findings: Vec<Finding> = files.iter().flat_map(|file| in_file(file, root)).collect();
    let missing = REQUIRED.iter().filter(|required| !files.iter().any(|file| file.path == **required));
    findings.extend(missing.map(|path| Finding::new("required", path, "is missing")));
    findings.extend(named_tests::check(files));
    findings
}

fn in_file(File { path, text }: &File, root: &Path) -> Vec<Finding> {
    let extension = Path::new(path).extension().and_then(OsStr::to_str);
    let mut hits = Vec::new();
    if text::is_edited(path) {
        hits.push(("white-space", text::whitespace(text)));
    }
    if extension == Some("rs") {
        hits.push(("opening", source::opening(text)));
        hits.push(("length", source::length(text)));
        hits.push(("banned-words", source::banned_words(text)));
        hits.push(("file-name", source::file_name(path)));
    }
    if extension == Some("md") {
        hits.push(("links", links::dead_links(path, text, |target| root.join(target).exists())));
    }
    if path.ends_with("/Cargo.toml") {
        hits.push(("versions", manifest::dependency_versions(text)));
        hits.push(("lints", manifest::lints(text)));
    }
    hits.into_iter().flat_map(|(rule, hits)| Finding::all(rule, path, hits)).collect()
}

/// What is wrong with one file that is not there yet.
#[cfg(test)]
pub(crate) fn untidiness(path: &str, text: &str) -> Vec<String> {
    let file = File { path: path.to_owned(), text: text.to_owned() };
    in_file(&file, &workspace::root()).iter().map(ToString::to_string).collect()
}

fn in_graph(graph: &Graph, files: &[File]) -> Vec<Finding> {
    let deny_toml = files.iter().find(|file| file.path == "deny.toml");
    let allowed = deny_toml.map(|file| licences::allowed(&file.text)).unwrap_or_default();
    [layers::check(graph), licences::check(graph, &allowed)].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_workspace_is_tidy() {
        let findings = check(&workspace::metadata().unwrap()).unwrap();
        let shown: Vec<String> = findings.iter().map(ToString::to_string).collect();
        assert!(shown.is_empty(), "{}", shown.join("\n"));
    }

    #[test]
    fn every_rule_of_its_kind_sees_a_file() {
        let untidy = |path: &str, text: &str| {
            let file = File { path: path.to_owned(), text: text.to_owned() };
            in_file(&file, Path::new("/nowhere")).into_iter().map(|finding| finding.rule).collect::<Vec<_>>()
        };
        assert_eq!(untidy("a/mod.rs", "fn a() {} "), ["white-space", "white-space", "opening", "file-name"]);
        assert_eq!(untidy("a.md", "[a](b.md)\n"), ["links"]);
        assert_eq!(untidy("a/Cargo.toml", "[dependencies]\na = \"1\"\n"), ["versions", "lints"]);
    }

    #[test]
    fn a_missing_licence_file_is_found() {
        assert_eq!(in_files(&[], Path::new("/nowhere")).len(), REQUIRED.len());
    }
}
