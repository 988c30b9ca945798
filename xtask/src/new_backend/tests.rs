//! Tests: a new backend is complete, tidy and wired.

use std::process::Command;

use super::*;
use crate::tidy;

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn temporary(what: &str) -> PathBuf {
    let folder = workspace::target_folder().join("new-backend-tests").join(what);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn cargo(folder: &Path, args: &[&str]) -> Command {
    let mut command = process::cargo();
    command.args(args).arg("--manifest-path").arg(folder.join("Cargo.toml"));
    // Below the build folder of the workspace: what both are built from is built once.
    command.env("CARGO_TARGET_DIR", workspace::target_folder());
    command
}

#[test]
fn names_that_cannot_be_crates_are_refused() {
    assert_eq!(name("cache-json-dir"), name("json-dir"));
    assert_eq!((name("json-dir").in_types(), name("json-dir").in_paths()), ("JsonDir".into(), "json_dir".into()));
    for text in
        ["core", "cache-core", "testkit", "", "Json", "1s", "a b", "a--b", "a-", "-a", "../a", "a_b", &"a".repeat(25)]
    {
        assert_eq!(Name::parse(text).unwrap_err().code(), 2, "{text:?}");
    }
}

/// In types this one is `NAME`.
#[test]
fn a_name_that_spells_a_placeholder_is_filled_in_once() {
    let filled = name("n-a-m-e").fill("pub struct TYPEBackend; // cache-NAME, cache_CRATE, MODULE");
    assert_eq!(filled, "pub struct NAMEBackend; // cache-n-a-m-e, cache_n_a_m_e, n_a_m_e_backend");
    let filled = name("t-y-p-e").fill("TYPE NAME");
    assert_eq!(filled, "TYPE t-y-p-e");
}

/// What the crate is built from is what its manifest names.
#[test]
fn the_crates_that_a_new_one_is_built_from_are_known() {
    let ours =
        FILES[0].1.lines().filter_map(|line| line.strip_prefix("cache-")).filter_map(|line| line.split('.').next());
    let ours: Vec<_> = ours.filter(|name| !name.contains("NAME")).collect();
    assert_eq!(ours, BUILT_FROM);
}

#[test]
fn a_crate_that_is_there_is_left_alone() {
    let failure = inside(&workspace::root(), &name("mem")).unwrap_err();
    assert!(failure.to_string().contains("cache-mem"), "{failure}");
}

#[test]
fn every_file_is_tidy() {
    for (file, template) in FILES {
        let hits = tidy::untidiness(&format!("crates/cache-json-dir/{file}"), &name("json-dir").fill(template));
        assert!(hits.is_empty(), "{file}: {hits:?}");
    }
}

#[test]
fn a_new_member_has_its_place_in_the_workspace() {
    let root = temporary("inside");
    for file in [ROOT_MANIFEST, LAYERS] {
        let path = root.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::copy(workspace::root().join(file), path).unwrap();
    }
    let folder = inside(&root, &name("json-dir")).unwrap();
    assert!(folder.join("src/backend.rs").exists());
    let has = |file: &str, line: &str| fs::read_to_string(root.join(file)).unwrap().lines().any(|found| found == line);
    assert!(has(ROOT_MANIFEST, "cache-json-dir = { path = \"crates/cache-json-dir\" }"));
    assert!(has(LAYERS, "    (\"cache-json-dir\", &[\"cache-core\"]),"));
    assert!(inside(&root, &name("json-dir")).is_err(), "twice");
}

/// The slow one: cargo is asked. The longest name shows that no line gets too long.
#[test]
fn a_new_backend_compiles_without_a_warning() {
    let folder = temporary("outside").join("crate");
    outside(&workspace::root(), &name(&"long-name-".repeat(3)[..24].replace("e-", "es")), &folder).unwrap();
    format(&folder).unwrap();
    fs::copy(workspace::root().join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    let clippy = ["clippy", "--offline", "--quiet", "--all-targets"];
    process::run(cargo(&folder, &clippy).args(["--", "-D", "warnings"])).unwrap();
    process::run(cargo(&folder, &["fmt"]).args(["--", "--check", "--config-path"]).arg(workspace::root())).unwrap();
}
