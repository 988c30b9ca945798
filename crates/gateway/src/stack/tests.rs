//! What tiers are given, and in which form they keep it.

use cache_core::{Clock, DAY, Entry, HOUR, Key, Lifetime, Meta, Stamp, SystemClock, ttl};
use pipeline::{Description, Descriptions, Transcript, Utterance, Word};
use serde::Serialize;

use super::*;
use crate::tiers::TierList;

fn cache(dir: &Path, tiers: TierList, compression: bool) -> Cache {
    Cache { dir: Some(dir.to_owned()), tiers, compression, ..Cache::default() }
}

async fn open(dir: &Path, tiers: TierList, compression: bool) -> Stack {
    Plan::of(&cache(dir, tiers, compression)).unwrap().open().await.unwrap()
}

fn key(name: &str) -> Key {
    Key::of(name).build().unwrap()
}

fn entry(content_type: &str, body: Vec<u8>) -> Entry {
    let mut meta = Meta::new(Stamp::from_u64(1), SystemClock::new().now()).with_lifetime(ttl(DAY));
    meta.content_type = Some(content_type.into());
    Entry::new(meta, body)
}

/// Bytes that no algorithm makes shorter.
fn noise(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().finalize_xof().fill(&mut bytes);
    bytes
}

#[tokio::test]
async fn pictures_go_to_the_large_tiers_and_tables_to_all() {
    let dir = tempfile::tempdir().unwrap();
    let stack = open(dir.path(), TierList::from([TierKind::Memory, TierKind::File]), true).await;
    stack.tiers.put(&key("frame"), entry("image/jpeg", noise(1_000))).await.unwrap();
    stack.tiers.put(&key("table"), entry("application/msgpack", noise(200_000))).await.unwrap();
    let memory = &stack.parts[0].backend;
    assert!(memory.get(&key("frame")).await.unwrap().is_none());
    assert!(memory.get(&key("table")).await.unwrap().is_some());
    for name in ["frame", "table"] {
        assert!(stack.parts[1].backend.get(&key(name)).await.unwrap().is_some(), "{name}");
    }
    stack.tiers.close().await.unwrap();
}

#[tokio::test]
async fn memory_alone_takes_pictures_too() {
    let dir = tempfile::tempdir().unwrap();
    let stack = open(dir.path(), TierList::from(TierKind::Memory), true).await;
    stack.tiers.put(&key("frame"), entry("image/jpeg", noise(1_000))).await.unwrap();
    assert!(stack.tiers.get(&key("frame")).await.unwrap().is_some());
}

#[tokio::test]
async fn what_was_compressed_is_read_without_compression_and_the_other_way_round() {
    for kind in [TierKind::File, TierKind::Sqlite] {
        let dir = tempfile::tempdir().unwrap();
        let body = "one line of JSON after the other ".repeat(100).into_bytes();
        for (name, compression) in [("first", true), ("second", false)] {
            let stack = open(dir.path(), TierList::from(kind), compression).await;
            stack.tiers.put(&key(name), entry("application/json", body.clone())).await.unwrap();
            stack.tiers.close().await.unwrap();
        }
        for compression in [true, false] {
            let stack = open(dir.path(), TierList::from(kind), compression).await;
            for name in ["first", "second"] {
                let found = stack.tiers.get(&key(name)).await.unwrap().unwrap();
                assert_eq!((&found.body[..], found.meta.codec), (&body[..], None), "{kind} {name} {compression}");
            }
            stack.tiers.close().await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_renewal_reaches_the_stored_form_with_the_deadline_that_counts() {
    let tier: Arc<dyn Backend> = Arc::new(MemBackend::new(1 << 20));
    let layered = layered(TierKind::File, tier.clone(), true, Longest::new(Some(HOUR)));
    let made = SystemClock::new().now();
    let meta = Meta::new(Stamp::from_u64(1), made).with_lifetime(Lifetime::FOREVER);
    let body = "text ".repeat(1_000);
    layered.put(&key("a"), Entry::new(meta.clone(), body.clone())).await.unwrap();
    assert!(tier.get(&key("a")).await.unwrap().unwrap().len() < 1_000, "it is compressed");
    let mut later = meta;
    (later.created, later.stamp) = (made.after(HOUR / 2), Stamp::from_u64(2));
    assert!(layered.renew(&key("a"), Stamp::from_u64(1), later).await.unwrap());
    assert_eq!(tier.stat(&key("a")).await.unwrap().unwrap().expires(), made.after(HOUR / 2 + HOUR));
    let found = layered.get(&key("a")).await.unwrap().unwrap();
    assert_eq!((&found.body[..], found.meta.expires()), (body.as_bytes(), made.after(HOUR / 2 + HOUR)));
}

/// A transcript of five minutes and descriptions of a minute, of the words of this file.
fn told() -> (Transcript, Descriptions) {
    let words: Vec<&str> = include_str!("tests.rs").split_whitespace().collect();
    let said = |(at, words): (i64, &[&str])| {
        let word = |(n, text): (i64, &&str)| Word {
            start_ms: at * 5_000 + n * 317,
            end_ms: at * 5_000 + n * 317 + 211,
            text: (*text).to_owned(),
            confidence: Some(0.875),
        };
        let timed = (0..).zip(words).map(word).collect();
        let (start_ms, end_ms) = (at * 5_000, at * 5_000 + 4_900);
        Utterance { start_ms, end_ms, text: words.join(" "), words: timed, confidence: None }
    };
    let segments = (0..60).zip(words.chunks(12)).map(said).collect();
    let seen = |(at, words): (i64, &[&str])| Description { pts_us: at * 5_000_000, text: words.join(" ") };
    let descriptions = (0..12).zip(words.chunks(16)).map(seen).collect();
    let transcript = Transcript { language: Some("en".to_owned()), start_ms: 0, end_ms: 300_000, segments };
    (transcript, Descriptions { descriptions })
}

fn packed(value: &impl Serialize) -> Vec<u8> {
    // As long as what is stored: arrays in the place of maps.
    serde_json::to_vec(value).unwrap()
}

/// Ratios by kind, as the file tier keeps them: `cargo test -p gateway ratios -- --nocapture` prints them.
#[tokio::test]
async fn ratios_by_kind_are_those_of_the_type() {
    let (transcript, descriptions) = told();
    let cases = [
        ("frames", "image/jpeg", noise(80_000), 1.0..1.01),
        ("transcript", "application/json", packed(&transcript), 3.0..100.0),
        ("descriptions", "application/msgpack", packed(&descriptions), 1.2..100.0),
        ("embeddings", "application/octet-stream", noise(92_160), 1.0..1.01),
    ];
    for (kind, content_type, body, expected) in cases {
        let tier: Arc<dyn Backend> = Arc::new(MemBackend::new(1 << 20));
        let layered = layered(TierKind::File, tier.clone(), true, Longest::new(None));
        let before = body.len();
        layered.put(&key(kind), entry(content_type, body.clone())).await.unwrap();
        let after = tier.get(&key(kind)).await.unwrap().unwrap().body.len();
        let ratio = before as f64 / after as f64;
        println!("{kind}: {before} bytes of {content_type} are kept in {after}, {ratio:.2} to 1");
        assert!(expected.contains(&ratio), "{kind}: {ratio}");
        assert_eq!(layered.get(&key(kind)).await.unwrap().unwrap().body, body, "{kind}");
    }
}
