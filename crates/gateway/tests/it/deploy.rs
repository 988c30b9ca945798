//! What docs/deploy says is what the program knows.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use serde_json::json;

use super::origin::Origin;
use super::site::{Page, Site};
use super::support::{Home, stderr, stdout};
use super::web::{archive, escaped, get, serving};

fn docs(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name)
}

fn read(name: &str) -> String {
    let file = docs(name);
    fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// Assignments of settings, as `NAME=VALUE` or `NAME: VALUE`, in a file that is no program.
fn variables(text: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
        for word in line.split_whitespace().map(|word| word.trim_start_matches("Environment=")) {
            let is_setting = word.starts_with("CACHE_") || word.starts_with("REELCACHE_");
            let Some((name, rest)) = word.split_once(['=', ':']).filter(|_| is_setting) else { continue };
            let value = if rest.is_empty() { line.split_once(": ").map_or("", |(_, value)| value) } else { rest };
            found.insert(name.to_owned(), value.trim_matches('"').to_owned());
        }
    }
    found
}

#[test]
fn its_configuration_is_taken() {
    let home = Home::new();
    let config = docs("deploy/config.toml");
    let run = home.reelcache().arg("--config").arg(config).args(["config", "--explain"]).output().unwrap();
    assert!(run.status.success(), "{}", stderr(&run));
    assert!(stdout(&run).contains("drain = \"20s\"  # file "), "{}", stdout(&run));
}

#[test]
fn the_variables_of_its_unit_image_and_nodes_are_settings() {
    for (file, least) in [("deploy/reelcache.service", 2), ("deploy/Dockerfile", 2), ("deploy/compose.yaml", 7)] {
        let home = Home::new();
        fs::write(home.path("token"), "0123456789abcdef\n").unwrap();
        let found = variables(&read(file));
        assert!(found.len() >= least, "{file}: {found:?}");
        let mut command = home.reelcache();
        // An address beyond loopback wants a token, which is not the image's to have.
        command.env("REELCACHE_ADMIN_TOKEN_FILE", home.path("token"));
        for (name, value) in found {
            match name.as_str() {
                "REELCACHE_ADMIN_TOKEN_FILE" => assert_eq!(value, "%d/admin-token", "{file}"),
                "REELCACHE_ADMIN_TOKEN" => assert!(value.starts_with("${REELCACHE_ADMIN_TOKEN:?"), "{file}"),
                _ => drop(command.env(name, value)),
            }
        }
        let run = command.arg("config").output().unwrap();
        assert!(run.status.success(), "{file}: {}", stderr(&run));
    }
}

/// What watches a server by its metrics.
const WATCHING: [&str; 2] = ["deploy/grafana.json", "deploy/alerts.yaml"];

/// The metrics that `file` names, without the endings that parts of histograms have.
fn metrics(file: &str) -> BTreeSet<String> {
    let text = read(file);
    let words = text.split(|c: char| !c.is_ascii_lowercase() && c != '_').filter(|word| word.starts_with("reelcache_"));
    words.map(|word| word.strip_suffix("_bucket").unwrap_or(word).to_owned()).collect()
}

#[test]
fn every_metric_of_its_dashboard_and_rules_is_told_by_a_server_with_the_labels_that_they_name() {
    let (home, site, film) = (Home::new(), Site::new(), Origin::of(vec![7; 100_000]));
    let item = json!({ "metadata": { "title": "a" }, "files": [{ "name": "a.mp4", "format": "h.264" }] });
    site.says("/metadata/a", Page::json(&item));
    let server = serving(&home, &archive("films", &site), &[]);
    assert_eq!(get(&server, &format!("/get-videos?url={}", escaped("https://archive.org/details/a"))).status, 200);
    assert_eq!(server.play(&film.url("/a.mp4")), 200);
    let told = String::from_utf8(get(&server, "/metrics").body).unwrap();
    for file in WATCHING {
        for metric in metrics(file) {
            assert!(told.contains(&format!("\n# TYPE {metric} ")), "{file}: {metric} is not among\n{told}");
        }
        let text = read(file);
        let chosen = text.split(['{', ',']).filter_map(|part| {
            let (label, value) = part.trim().split_once('=')?;
            let value = value.trim_start_matches(['~', '\\']).trim_start_matches('"');
            Some((label.to_owned(), value.split(['"', '\\']).next()?.to_owned()))
        });
        for (label, value) in chosen.filter(|(label, _)| matches!(label.as_str(), "reason" | "result" | "operation")) {
            for value in value.split('|') {
                assert!(told.contains(&format!("{label}=\"{value}\"")), "{file}: {label}={value} is not among\n{told}");
            }
        }
    }
}

#[test]
fn every_metric_of_its_dashboard_and_rules_is_one_of_the_list() {
    let listed = read("metrics.md");
    for file in WATCHING {
        let named = metrics(file);
        assert!(named.len() >= 6, "{file} names {named:?}");
        for metric in named {
            assert!(listed.contains(&format!("`{metric}`")), "{file}: {metric}");
        }
    }
    serde_json::from_str::<serde_json::Value>(&read("deploy/grafana.json")).unwrap();
}
