//! Providers by name.

use cache_core::{DAY, ErrorKind, HOUR, ttl};
use providers::{CacheOptions, Provider, Registry, UnknownProvider};

use crate::kit::{Bed, Fake, request};

#[tokio::test]
async fn an_unknown_provider_is_an_error_that_lists_the_known_ones() {
    let bed = Bed::new();
    let registry = Registry::builder(bed.tiers.clone())
        .provider(Fake::new("archive"))
        .provider(Fake::new("peertube"))
        .default("peertube")
        .build()
        .unwrap();
    let error = registry.get("nowhere").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(error.to_string(), "there is no provider \"nowhere\": take one of peertube, archive");
    let unknown = UnknownProvider::of(&error).unwrap();
    assert_eq!((unknown.name.as_str(), unknown.known.len()), ("nowhere", 2));
    assert_eq!(registry.get_or_default(None).unwrap().name(), "peertube");
    assert_eq!(registry.get_or_default(Some("archive")).unwrap().name(), "archive");
    let empty = Registry::builder(bed.tiers.clone()).build().unwrap();
    assert_eq!(empty.get_or_default(None).unwrap_err().kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn two_providers_of_one_name_and_a_default_that_is_absent_are_refused() {
    let bed = Bed::new();
    let twice = Registry::builder(bed.tiers.clone()).provider(Fake::new("a")).provider(Fake::new("a"));
    assert_eq!(twice.build().unwrap_err().kind(), ErrorKind::Invalid);
    let absent = Registry::builder(bed.tiers.clone()).provider(Fake::new("a")).default("b");
    assert!(UnknownProvider::of(&absent.build().unwrap_err()).is_some());
}

#[tokio::test]
async fn each_provider_has_its_own_options_and_its_own_links() {
    let bed = Bed::new();
    let (hour, day) = (Fake::new("hour"), Fake::new("day"));
    let registry = Registry::builder(bed.tiers.clone())
        .provider(hour.clone())
        .provider_with(day.clone(), CacheOptions::default().lifetime(ttl(DAY)))
        .build()
        .unwrap();
    let page = request("https://example.org/a");
    for _ in 0..2 {
        for provider in registry.providers() {
            provider.get(&page).await.unwrap();
        }
        bed.clock.advance(HOUR);
    }
    assert_eq!((hour.loads(), day.loads()), (2, 1));
    registry.close().await.unwrap();
}
