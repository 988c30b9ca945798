//! Providers from configuration.

use std::collections::BTreeMap;
use std::time::Duration;

use cache_core::{Error, ErrorKind};
use providers::{Provider, ProviderTable, Registry, TableError};
use serde_json::json;

use crate::kit::{Bed, fake_yt_dlp, fetch};

fn table(table: serde_json::Value) -> ProviderTable {
    serde_json::from_value(table).unwrap()
}

async fn wrong(value: serde_json::Value) -> Error {
    table(value).provider("films", &fetch()).await.unwrap_err()
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
        "films": {"kind": "html", "hosts": ["films.example.org"], "page": {"row": "video", "link": "@src"}},
        "songs": {"kind": "yt-dlp", "program": fake_yt_dlp(), "arguments": ["--proxy", "secret"], "search": "ytsearch",
            "processes": 3, "time_limit_seconds": 60},
    }))
    .unwrap();
    assert!(!format!("{tables:?}").contains("secret"));
    let bed = Bed::new();
    let builder = Registry::builder(bed.tiers.clone()).tables(tables, &fetch()).await.unwrap();
    let registry = builder.default("commons").build().unwrap();
    let names: Vec<_> = registry.names().collect();
    assert_eq!(names, ["commons", "addon", "archive", "films", "framatube", "sepia", "shows", "songs"]);
    assert!(!format!("{registry:?}").contains("secret"));
}

#[tokio::test]
async fn options_of_the_cache_are_those_of_the_table() {
    let options = json!({"kind": "sepia", "lifetime_seconds": 5, "empty_seconds": 6, "partial_seconds": 7, "deadline_seconds": 8,
        "at_once": 9});
    let (provider, options) = table(options).provider("films", &fetch()).await.unwrap();
    assert_eq!(provider.name(), "films");
    assert_eq!(options.lifetime, cache_core::ttl(Duration::from_secs(5)));
    assert_eq!(options.empty, cache_core::ttl(Duration::from_secs(6)));
    assert_eq!(options.partial, cache_core::ttl(Duration::from_secs(7)));
    assert_eq!((options.deadline, options.at_once), (Duration::from_secs(8), 9));
}

#[tokio::test]
async fn an_unknown_kind_is_an_error_that_lists_the_known_ones() {
    let error = wrong(json!({"kind": "netflix"})).await;
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(
        error
            .to_string()
            .contains("take one of internet-archive, peertube, sepia, commons, podcast, stremio, html, yt-dlp"),
        "{error}"
    );
    assert!(matches!(TableError::of(&error), Some(TableError::UnknownKind { known, .. }) if known.len() == 8));
}

#[tokio::test]
async fn an_unknown_option_is_an_error_that_lists_the_known_ones() {
    let error = wrong(json!({"kind": "commons", "baseurl": "https://example.org"})).await;
    assert_eq!(
        error.to_string(),
        "the provider films has no option \"baseurl\": it has lifetime_seconds, empty_seconds, partial_seconds, \
         deadline_seconds, at_once, base_url"
    );
    assert!(matches!(TableError::of(&error), Some(TableError::UnknownOption { .. })));
}

#[tokio::test]
async fn an_option_that_is_missing_or_wrong_is_named_and_not_shown() {
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
        (json!({"kind": "html"}), "page"),
        (json!({"kind": "html", "page": {"row": "a", "link": "@href", "title": {"a": "secret"}}}), "page"),
        (json!({"kind": "html", "page": {"row": "secret[[", "link": "@href"}}), "page.row"),
        (json!({"kind": "html", "page": {"row": "a", "link": "@href"}}), "hosts"),
        (json!({"kind": "yt-dlp", "arguments": "secret"}), "arguments"),
        (json!({"kind": "yt-dlp", "search": "--secret"}), "search"),
        (json!({"kind": "yt-dlp", "processes": 0}), "processes"),
    ] {
        let error = wrong(value.clone()).await;
        let found = TableError::of(&error);
        assert!(
            matches!(found, Some(TableError::WrongOption { option: named, .. }) if named == option),
            "{value}: {error}"
        );
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    }
}

#[test]
fn a_table_tells_at_which_ports_it_is_asked() {
    let site = table(json!({"kind": "html", "hosts": ["films.example:8081", "[::1]:8082", "plain.example"],
        "search": {"url": "http://films.example:8080/find?at={query}:9"}, "landmark": "none"}));
    assert_eq!(site.ports(), [8081, 8082, 8080]);
    assert!(table(json!({"kind": "podcast", "base_url": "https://films.example", "at_once": 3})).ports().is_empty());
}
