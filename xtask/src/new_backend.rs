//! `cargo xtask new-backend`: a crate for a new kind of storage, complete but for what its functions do.

mod manifest;
#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::{process, workspace};

/// The files of a backend crate. `NAME` stands for its name, `TYPE` for that in types, `CRATE` for that in paths, and
/// `MODULE` for that of a module.
const FILES: [(&str, &str); 7] = [
    ("Cargo.toml", include_str!("new_backend/template/Cargo.toml.in")),
    ("src/lib.rs", include_str!("new_backend/template/lib.rs.in")),
    ("src/backend.rs", include_str!("new_backend/template/backend.rs.in")),
    ("src/config.rs", include_str!("new_backend/template/config.rs.in")),
    ("src/error.rs", include_str!("new_backend/template/error.rs.in")),
    ("tests/it/main.rs", include_str!("new_backend/template/main.rs.in")),
    ("tests/it/conformance.rs", include_str!("new_backend/template/conformance.rs.in")),
];
/// Where members have their dependencies from, and where they have their place among the layers.
const ROOT_MANIFEST: &str = "Cargo.toml";
const LAYERS: &str = "xtask/src/tidy/layers.rs";
/// The crates of this project that a new one is built from: cargo takes no two of one name.
const BUILT_FROM: [&str; 2] = ["core", "testkit"];
/// Longest name, so that no line of a template gets too long.
const MAX_NAME: usize = 24;

/// Makes the crate that `args` names: in this workspace, or in a folder outside of it.
pub(crate) fn command(args: &[String]) -> Result<(), Failure> {
    let root = workspace::root();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [name] => {
            let folder = inside(&root, &Name::parse(name)?)?;
            format(&folder)?;
            println!(
                "{} is a member of the workspace. See that it compiles, then fill in src/backend.rs:",
                folder.display()
            );
            println!("  cargo test -p cache-{name}");
        }
        [name, "--at", folder] | ["--at", folder, name] => {
            let folder = outside(&root, &Name::parse(name)?, Path::new(folder))?;
            format(&folder)?;
            println!("{} is a crate of its own. See that it compiles, then fill in src/backend.rs:", folder.display());
            println!("  cd {} && cargo test", folder.display());
        }
        _ => return Err(Failure::usage("`new-backend` takes the NAME of the backend, and perhaps `--at FOLDER`")),
    }
    println!("docs/writing-a-backend.md goes through the functions one by one.");
    Ok(())
}

/// What a backend is called.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Name(String);

impl Name {
    fn parse(text: &str) -> Result<Self, Failure> {
        let name = text.strip_prefix("cache-").unwrap_or(text);
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let is_name = name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.chars().all(is_plain)
            && !name.ends_with('-')
            && !name.contains("--")
            && name.len() <= MAX_NAME;
        if BUILT_FROM.contains(&name) {
            let rule = "the new crate would be built from the one of that name: choose another";
            return Err(Failure::usage(format!("`{text}` is no name of a backend: {rule}")));
        }
        if is_name {
            return Ok(Self(name.to_owned()));
        }
        let rule = format!("at most {MAX_NAME} lower-case letters, digits and single dashes, a letter first");
        Err(Failure::usage(format!("`{text}` is no name of a backend: {rule}")))
    }

    /// As in `JsonDirBackend`.
    fn in_types(&self) -> String {
        let capital = |word: &str| word[..1].to_ascii_uppercase() + &word[1..];
        self.0.split('-').map(capital).collect()
    }

    /// As in `cache_json_dir`.
    fn in_paths(&self) -> String {
        self.0.replace('-', "_")
    }

    /// The template with every name in its place, in one pass: a name may spell a placeholder.
    fn fill(&self, template: &str) -> String {
        let places = [
            ("MODULE", format!("{}_backend", self.in_paths())),
            ("CRATE", self.in_paths()),
            ("TYPE", self.in_types()),
            ("NAME", self.0.clone()),
        ];
        let mut filled = String::with_capacity(template.len());
        let mut rest = template;
        let next = |rest: &str| {
            let found = places.iter().filter_map(|(place, name)| Some((rest.find(place)?, place.len(), name)));
            found.min_by_key(|(at, ..)| *at)
        };
        while let Some((at, len, name)) = next(rest) {
            filled.push_str(&rest[..at]);
            filled.push_str(name);
            rest = &rest[at + len..];
        }
        filled + rest
    }
}

/// Makes a member of the workspace at `root`; its folder.
fn inside(root: &Path, name: &Name) -> Result<PathBuf, Failure> {
    let folder = root.join("crates").join(format!("cache-{}", name.0));
    let edits = [
        (ROOT_MANIFEST, manifest::with_dependency as fn(&str, &str) -> Option<String>),
        (LAYERS, manifest::with_layer),
    ];
    let mut edited = Vec::new();
    for (file, edit) in edits {
        let path = root.join(file);
        let text = fs::read_to_string(&path).map_err(|error| told(&path, &error))?;
        let text =
            edit(&text, &name.0).ok_or_else(|| Failure::new(format!("{file} has no place for cache-{}", name.0)))?;
        edited.push((path, text));
    }
    write_crate(&folder, name, str::to_owned)?;
    for (path, text) in edited {
        fs::write(&path, text).map_err(|error| told(&path, &error))?;
    }
    Ok(folder)
}

/// Makes a crate at `folder` that stands alone, built from the crates of the workspace at `root`; its folder.
fn outside(root: &Path, name: &Name, folder: &Path) -> Result<PathBuf, Failure> {
    let path = root.join(ROOT_MANIFEST);
    let text = fs::read_to_string(&path).map_err(|error| told(&path, &error))?;
    let root = fs::canonicalize(root).map_err(|error| told(root, &error))?;
    write_crate(folder, name, |manifest| manifest::alone(manifest, &text, &root))?;
    Ok(folder.to_owned())
}

fn write_crate(folder: &Path, name: &Name, manifest: impl Fn(&str) -> String) -> Result<(), Failure> {
    if folder.exists() {
        return Err(Failure::new(format!("{} is there already: choose another name", folder.display())));
    }
    for (file, template) in FILES {
        let path = folder.join(file);
        let text = if file == "Cargo.toml" { manifest(&name.fill(template)) } else { name.fill(template) };
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent).and_then(|()| fs::write(&path, text)).map_err(|error| told(&path, &error))?;
    }
    Ok(())
}

/// Wraps what a long name made too long.
fn format(folder: &Path) -> Result<(), Failure> {
    let mut command = std::process::Command::new("rustfmt");
    command.args(["--edition", "2024", "--config-path"]).arg(workspace::root());
    for (file, _) in FILES.iter().filter(|(file, _)| *file != "Cargo.toml") {
        command.arg(folder.join(file));
    }
    process::capture(&mut command).map(drop)
}

fn told(path: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("{}: {error}", path.display()))
}
