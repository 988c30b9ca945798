//! `Signed`: what others wrote is not believed.

use std::sync::Arc;

use bytes::Bytes;
use cache_core::{Backend, DAY, Entry, ErrorKind, Key, KeyPrefix, Role, Stamp};
use cache_layers::{Compressed, Signed, SigningKey};
use cache_testkit::{Faulty, NaiveModel, entry};
use futures_util::TryStreamExt;

use crate::kit::{faulty, key, kind};

type Inner = Arc<Faulty<NaiveModel>>;

/// What somebody who may write to the backend makes of a signed entry.
type Forgery = (&'static str, fn(&mut Entry));

const OF_META: &[Forgery] = &[
    ("a newer stamp", |entry| entry.meta.stamp = newest()),
    ("a later end", |entry| entry.meta.fresh_until = entry.meta.created.after(DAY)),
    ("another schema", |entry| entry.meta.schema = 2),
    ("another tag", |entry| entry.meta.tags = Arc::new(["songs".into()])),
    ("another role", |entry| entry.meta.role = Role::Tombstone),
    ("another codec", |entry| recode(entry, |codec| codec.replace("msgpack", "json"))),
    ("no codec of its own", |entry| recode(entry, |codec| codec.replace("msgpack+", ""))),
    ("another digit", |entry| recode(entry, |codec| other_digit(&codec))),
    ("a digit less", |entry| recode(entry, |codec| codec[..codec.len() - 1].to_owned())),
    ("a digit more", |entry| recode(entry, |codec| format!("{codec}0"))),
    ("digits that are none", |entry| recode(entry, |_| format!("rls1-{}", "\u{e9}".repeat(64)))),
    ("no seal", |entry| entry.meta.codec = Some("msgpack".into())),
    ("no codec", |entry| entry.meta.codec = None),
];

const OF_BODY: &[Forgery] = &[
    ("another body", |entry| entry.body = Bytes::from_static(b"the links of another page")),
    ("no body", |entry| entry.body = Bytes::new()),
];

fn newest() -> Stamp {
    entry(u64::from(u32::MAX), "").meta.stamp
}

fn recode(entry: &mut Entry, change: impl FnOnce(String) -> String) {
    let codec = entry.meta.codec.as_deref().unwrap().to_owned();
    entry.meta.codec = Some(change(codec).into());
}

fn other_digit(codec: &str) -> String {
    let (rest, last) = codec.split_at(codec.len() - 1);
    format!("{rest}{}", if last == "0" { "1" } else { "0" })
}

fn secret(text: &str) -> SigningKey {
    SigningKey::of(text.as_bytes()).unwrap()
}

fn layer() -> (Inner, Signed<Inner>) {
    let inner = faulty();
    (inner.clone(), Signed::new(inner, secret("0123456789abcdef")))
}

fn value() -> Entry {
    let mut entry = entry(5, "the links of a page");
    entry.meta.codec = Some("msgpack".into());
    entry.meta.tags = Arc::new(["films".into()]);
    entry
}

/// A layer over a backend where somebody has changed the entry of `key`.
async fn forged(key: &Key, forge: fn(&mut Entry)) -> (Inner, Signed<Inner>, Entry) {
    let (inner, layer) = layer();
    layer.put(key, value()).await.unwrap();
    let mut entry = inner.inner().get(key).await.unwrap().unwrap();
    forge(&mut entry);
    inner.remove(key).await.unwrap();
    inner.put(key, entry.clone()).await.unwrap();
    (inner, layer, entry)
}

/// What was forged has left, was counted once, and is in nobody's way.
async fn has_left(key: &Key, (inner, layer): (&Inner, &Signed<Inner>), what: &str) {
    assert_eq!(inner.inner().get(key).await.unwrap(), None, "{what}");
    assert_eq!(layer.usage().await.unwrap().corrupt, 1, "{what}");
    layer.put(key, value()).await.unwrap();
    assert_eq!(layer.get(key).await.unwrap(), Some(value()), "{what}");
}

#[tokio::test]
async fn a_forged_entry_is_absent_for_reads_of_bodies_and_leaves() {
    let key = key("page:a");
    for (what, forge) in OF_META.iter().chain(OF_BODY) {
        let (inner, layer, _) = forged(&key, *forge).await;
        assert_eq!(layer.get(&key).await.unwrap(), None, "{what}");
        has_left(&key, (&inner, &layer), what).await;

        let (inner, layer, _) = forged(&key, *forge).await;
        let found = layer.get_many(std::slice::from_ref(&key)).await.remove(0);
        assert_eq!(found.unwrap(), None, "{what}");
        has_left(&key, (&inner, &layer), what).await;
    }
}

#[tokio::test]
async fn a_forged_meta_is_absent_for_reads_of_metas_and_leaves() {
    let key = key("page:a");
    for (what, forge) in OF_META {
        let (inner, layer, _) = forged(&key, *forge).await;
        let found: Vec<_> = layer.scan(&KeyPrefix::all()).try_collect().await.unwrap();
        assert_eq!(found, [], "{what}");
        assert_eq!(layer.stat(&key).await.unwrap(), None, "{what}");
        has_left(&key, (&inner, &layer), what).await;

        let (inner, layer, entry) = forged(&key, *forge).await;
        let mut meta = value().meta;
        meta.stamp = newest();
        meta.role = entry.meta.role;
        assert!(!layer.renew(&key, entry.meta.stamp, meta).await.unwrap(), "{what}");
        has_left(&key, (&inner, &layer), what).await;
    }
}

#[tokio::test]
async fn an_entry_is_good_for_its_own_key_alone() {
    let (inner, layer) = layer();
    layer.put(&key("page:a"), value()).await.unwrap();
    let moved = inner.inner().get(&key("page:a")).await.unwrap().unwrap();
    inner.put(&key("page:b"), moved).await.unwrap();
    assert_eq!(layer.get(&key("page:b")).await.unwrap(), None);
    assert_eq!(layer.get(&key("page:a")).await.unwrap(), Some(value()));
}

#[tokio::test]
async fn a_renewed_entry_is_signed_anew() {
    let (inner, layer) = layer();
    layer.put(&key("a"), value()).await.unwrap();
    let mut meta = value().meta;
    meta.stamp = newest();
    meta.codec = None;
    assert!(layer.renew(&key("a"), value().meta.stamp, meta.clone()).await.unwrap());
    assert_eq!(layer.get(&key("a")).await.unwrap(), Some(Entry::new(meta, value().body)));
    assert_eq!(inner.inner().get(&key("a")).await.unwrap().unwrap().body, value().body, "bodies stay as they are");
}

#[tokio::test]
async fn another_secret_is_believed_only_where_it_is_accepted() {
    let (inner, old) = layer();
    old.put(&key("a"), value()).await.unwrap();
    let rotated = || Signed::new(inner.clone(), secret("fedcba9876543210"));
    let new = rotated().accept(secret("0123456789abcdef"));
    assert_eq!(new.get(&key("a")).await.unwrap(), Some(value()));
    new.put(&key("b"), value()).await.unwrap();
    assert_eq!(rotated().get(&key("b")).await.unwrap(), Some(value()), "what is put has the new one");
    assert_eq!(rotated().get(&key("a")).await.unwrap(), None);
}

#[tokio::test]
async fn long_bodies_and_layers_around_it_change_nothing() {
    let (_, inner) = layer();
    let layer = Compressed::new(Signed::new(inner, secret("a second signature")));
    let long = Entry::new(value().meta, "la la la ".repeat(100_000));
    layer.put(&key("a"), long.clone()).await.unwrap();
    assert_eq!(layer.get(&key("a")).await.unwrap(), Some(long));
}

#[test]
fn a_secret_that_is_short_is_refused_and_none_is_shown() {
    assert_eq!(kind(SigningKey::of(b"0123456789abcde")), Some(ErrorKind::Invalid));
    assert_eq!(format!("{:?}", secret("0123456789abcdef")), "SigningKey(..)");
    assert!(!format!("{:?}", layer().1).contains("48, 49"));
}
