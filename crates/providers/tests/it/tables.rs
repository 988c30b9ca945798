//! Providers from configuration.

use std::collections::BTreeMap;
use std::time::Duration;

use cache_core::{Error, ErrorKind};
use providers::{Provider, ProviderTable, Registry, TableError};
use serde_json::json;

use crate::kit::{Bed, fetch};

fn table(table: serde_json::Value) -> ProviderTable {
    serde_json::from_value(table).unwrap()
}

fn wrong(value: serde_json::Value) -> Error {
    table(value).provider("films", &fetch()).unwrap_err()
}

#[tokio::test]
async fn a_registry_is_made_from_tables() {
    let tables: BTreeMap<String, ProviderTable> = serde_json::from_value(json!({
        "archive": {"kind": "internet-archive", "lifetime_seconds": 86400},
        "commons": {"kind": "commons", "base_url": "https://commons.example.org"},
        "framatube": {"kind": "peertube", "base_url": "https://framatube.org", "accounts": {
            "family": {"password": "secret"}, "me": {"token": "secret"}}},
        "sepia": {"kind": "sepia"},
        "shows": {"kind": "podcast"},
        "addon": {"kind": "stremio", "url": "https://addon.example.org/secret/manifest.json"},
    }))
    .unwrap();
    assert!(!format!("{tables:?}").contains("secret"));
    let bed = Bed::new();
    let builder = Registry::builder(bed.tiers.clone()).tables(tables, &fetch()).unwrap();
    let registry = builder.default("commons").build().unwrap();
    let names: Vec<_> = registry.names().collect();
    assert_eq!(names, ["commons", "addon", "archive", "framatube", "sepia", "shows"]);
    assert!(!format!("{registry:?}").contains("secret"));
}

#[test]
fn options_of_the_cache_are_those_of_the_table() {
    let options = json!({"kind": "sepia", "lifetime_seconds": 5, "empty_seconds": 6, "partial_seconds": 7, "deadline_seconds": 8,
        "at_once": 9});
    let (provider, options) = table(options).provider("films", &fetch()).unwrap();
    assert_eq!(provider.name(), "films");
    assert_eq!(options.lifetime, cache_core::ttl(Duration::from_secs(5)));
    assert_eq!(options.empty, cache_core::ttl(Duration::from_secs(6)));
    assert_eq!(options.partial, cache_core::ttl(Duration::from_secs(7)));
    assert_eq!((options.deadline, options.at_once), (Duration::from_secs(8), 9));
}

#[test]
fn an_unknown_kind_is_an_error_that_lists_the_known_ones() {
    let error = wrong(json!({"kind": "netflix"}));
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(
        error.to_string().contains("take one of internet-archive, peertube, sepia, commons, podcast, stremio"),
        "{error}"
    );
    assert!(matches!(TableError::of(&error), Some(TableError::UnknownKind { known, .. }) if known.len() == 6));
}

#[test]
fn an_unknown_option_is_an_error_that_lists_the_known_ones() {
    let error = wrong(json!({"kind": "commons", "baseurl": "https://example.org"}));
    assert_eq!(
        error.to_string(),
        "the provider films has no option \"baseurl\": it has lifetime_seconds, empty_seconds, partial_seconds, \
         deadline_seconds, at_once, base_url"
    );
    assert!(matches!(TableError::of(&error), Some(TableError::UnknownOption { .. })));
}

#[test]
fn an_option_that_is_missing_or_wrong_is_named_and_not_shown() {
    for (value, option) in [
        (json!({"kind": "peertube"}), "base_url"),
        (json!({"kind": "stremio"}), "url"),
        (json!({"kind": "stremio", "url": "secret"}), "url"),
        (json!({"kind": "stremio", "url": "https://x.org/manifest.json?token=secret"}), "url"),
        (json!({"kind": "commons", "base_url": "ftp://secret"}), "base_url"),
        (json!({"kind": "commons", "base_url": 7}), "base_url"),
        (json!({"kind": "sepia", "lifetime_seconds": "secret"}), "lifetime_seconds"),
        (json!({"kind": "sepia", "at_once": 0}), "at_once"),
        (json!({"kind": "peertube", "base_url": "https://x.org", "accounts": {"a": {"tokn": "secret"}}}), "accounts"),
        (json!({"kind": "peertube", "base_url": "https://x.org", "accounts": {"a": {}}}), "accounts"),
        (json!({"kind": "peertube", "base_url": "https://x.org", "accounts": ["secret"]}), "accounts"),
    ] {
        let error = wrong(value.clone());
        let found = TableError::of(&error);
        assert!(
            matches!(found, Some(TableError::WrongOption { option: named, .. }) if named == option),
            "{value}: {error}"
        );
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    }
}
