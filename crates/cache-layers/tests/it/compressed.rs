//! `Compressed`: callers see what they put, the backend inside holds less of it.

use std::sync::Arc;

use bytes::Bytes;
use cache_core::{Backend, Entry, ErrorKind, Key, KeyPrefix, Stamp};
use cache_layers::{Algorithm, Compressed};
use cache_mem::MemBackend;
use cache_testkit::{Fault, Faulty, NaiveModel, Operation, Plan, Rng, entry};
use futures_util::{FutureExt, TryStreamExt};
use proptest::prelude::*;

use crate::kit::{clock, faulty, key, kind, kinds};

type Layer = Compressed<Arc<Faulty<NaiveModel>>>;

fn layer() -> (Arc<Faulty<NaiveModel>>, Layer) {
    let inner = faulty();
    (inner.clone(), Compressed::new(inner))
}

/// An entry of `content_type` whose body compresses well.
fn typed(content_type: Option<&str>, len: usize) -> Entry {
    let mut entry = entry(1, "la la la ".repeat(len.div_ceil(9)).into_bytes());
    entry.body.truncate(len);
    entry.meta.content_type = content_type.map(Arc::from);
    entry
}

/// Bytes that no algorithm makes shorter.
fn noise(len: usize) -> Bytes {
    let mut rng = Rng::new(7);
    (0..len).map(|_| rng.next_u64() as u8).collect()
}

async fn kept(inner: &Faulty<NaiveModel>, key: &Key) -> Entry {
    inner.inner().get(key).await.unwrap().unwrap()
}

#[tokio::test]
async fn text_is_kept_with_zstd_and_what_is_unknown_with_lz4() {
    let (inner, layer) = layer();
    let cases = [
        (Some("text/vtt"), "rlc-zstd"),
        (Some("application/json; charset=utf-8"), "rlc-zstd"),
        (Some("application/msgpack"), "rlc-lz4"),
        (None, "rlc-lz4"),
    ];
    for (content_type, mark) in cases {
        let entry = typed(content_type, 9_000);
        layer.put(&key("a"), entry.clone()).await.unwrap();
        let stored = kept(&inner, &key("a")).await;
        assert_eq!(stored.meta.codec.as_deref(), Some(mark), "{content_type:?}");
        assert!(stored.len() < entry.len() / 10, "{content_type:?}: {}", stored.len());
        assert_eq!(layer.get(&key("a")).await.unwrap(), Some(entry));
    }
}

#[tokio::test]
async fn packed_media_short_bodies_and_noise_are_kept_as_they_are() {
    let (inner, layer) = layer();
    let mut entries: Vec<Entry> = ["image/jpeg", "video/mp4", "audio/ogg", "application/zip", "font/woff2"]
        .map(|content_type| typed(Some(content_type), 9_000))
        .into();
    entries.push(typed(Some("text/plain"), 511));
    entries.push(Entry::new(typed(Some("text/plain"), 0).meta, noise(9_000)));
    for entry in entries {
        layer.put(&key("a"), entry.clone()).await.unwrap();
        assert_eq!(kept(&inner, &key("a")).await, entry);
        assert_eq!(layer.get(&key("a")).await.unwrap(), Some(entry));
    }
}

#[tokio::test]
async fn an_entry_that_was_put_without_the_layer_stays_readable() {
    let (inner, layer) = layer();
    let mut old = typed(Some("text/plain"), 9_000);
    old.meta.codec = Some("msgpack".into());
    inner.put(&key("a"), old.clone()).await.unwrap();
    assert_eq!(layer.get(&key("a")).await.unwrap(), Some(old.clone()));
    assert_eq!(layer.stat(&key("a")).await.unwrap(), Some(old.meta));
}

#[tokio::test]
async fn a_flipped_byte_is_corrupt_in_its_place_of_a_batch() {
    let (inner, layer) = layer();
    inner.set_plan(Plan::new().nth(Operation::Put, 2, Fault::Corrupt));
    let keys = ["a", "b", "c"].map(key);
    for key in &keys {
        layer.put(key, typed(Some("text/plain"), 9_000)).await.unwrap();
    }
    assert_eq!(kinds(layer.get_many(&keys).await), [None, Some(ErrorKind::Corrupt), None]);
    let error = layer.get(&keys[1]).await.unwrap_err();
    assert_eq!((error.kind(), error.key(), error.operation()), (ErrorKind::Corrupt, Some(&keys[1]), Some("get")));
    layer.put(&keys[1], typed(None, 9_000)).await.unwrap();
    assert_eq!(layer.get(&keys[1]).await.unwrap(), Some(typed(None, 9_000)));
}

#[tokio::test]
async fn a_body_that_finds_no_room_compressed_is_too_large_and_changes_nothing() {
    let inner = MemBackend::builder(1 << 20).max_body(4_000).clock(clock()).build();
    let layer = Compressed::new(inner);
    let fits = typed(Some("text/plain"), 100_000);
    layer.put(&key("a"), fits.clone()).await.unwrap();
    for refused in [noise(4_001), noise(100_000)] {
        let refused = Entry::new(fits.meta.clone(), refused);
        assert_eq!(kind(layer.put(&key("a"), refused.clone()).await), Some(ErrorKind::TooLarge));
        let answers = layer.put_many(vec![(key("a"), refused), (key("b"), fits.clone())]).await;
        assert_eq!(kinds(answers), [Some(ErrorKind::TooLarge), None]);
    }
    let media = typed(Some("video/mp4"), 4_001);
    assert_eq!(kind(layer.put(&key("a"), media).await), Some(ErrorKind::TooLarge));
    assert_eq!(layer.get(&key("a")).await.unwrap(), Some(fits));
}

#[tokio::test]
async fn a_renewed_entry_keeps_the_form_of_its_body() {
    for body in [typed(None, 9_000).body, noise(9_000)] {
        let (inner, layer) = layer();
        let old = Entry::new(entry(1, "").meta, body.clone());
        layer.put(&key("a"), old).await.unwrap();
        let len = kept(&inner, &key("a")).await.len();
        for codec in [None, Some("json"), Some("x+rlc-zstd")] {
            let present = layer.stat(&key("a")).await.unwrap().unwrap().stamp;
            let mut meta = entry(present.as_u64() + 1, "").meta;
            meta.codec = codec.map(Arc::from);
            meta.content_type = Some("video/mp4".into());
            assert!(layer.renew(&key("a"), present, meta.clone()).await.unwrap());
            assert_eq!(layer.get(&key("a")).await.unwrap(), Some(Entry::new(meta, body.clone())));
            assert_eq!(kept(&inner, &key("a")).await.len(), len);
        }
        assert!(!layer.renew(&key("a"), Stamp::ZERO, entry(9, "").meta).await.unwrap());
    }
}

#[tokio::test]
async fn a_stored_form_without_its_mark_is_corrupt_and_as_a_body_of_its_own_comes_back() {
    let (inner, layer) = layer();
    layer.put(&key("a"), typed(Some("text/plain"), 9_000)).await.unwrap();
    let mut stored = kept(&inner, &key("a")).await;
    stored.meta.codec = None;
    layer.put(&key("b"), stored.clone()).await.unwrap();
    assert_eq!(layer.get(&key("b")).await.unwrap(), Some(stored.clone()));
    inner.put(&key("a"), stored).await.unwrap();
    assert_eq!(kind(layer.get(&key("a")).await), Some(ErrorKind::Corrupt));
}

#[test]
fn long_bodies_and_batches_leave_the_worker_and_short_ones_do_not() {
    with_one_helper(async {
        let (_, layer) = layer();
        let (short, long) = (typed(None, 8 << 10), typed(None, 64 << 10));
        assert!(!leaves(layer.put(&key("short"), short.clone())).await);
        assert!(leaves(layer.put(&key("long"), long.clone())).await);
        layer.put(&key("long"), long.clone()).await.unwrap();
        assert!(!leaves(layer.get(&key("short"))).await);
        assert!(leaves(layer.get(&key("long"))).await);
        let batch = || (0..8).map(|number| (key(&format!("k:{number}")), short.clone())).collect::<Vec<_>>();
        assert!(leaves(layer.put_many(batch())).await);
        assert_eq!(kinds(layer.put_many(batch()).await), [None; 8]);
        let media = typed(Some("video/mp4"), 1 << 20);
        assert!(!leaves(layer.put(&key("media"), media)).await);
    });
}

#[test]
fn slow_levels_leave_the_worker_from_4_kib_on() {
    with_one_helper(async {
        let slow = Compressed::new(faulty()).level(10);
        let [below, from] = [4_095, 4_096].map(|len| typed(Some("text/plain"), len));
        assert!(!leaves(slow.put(&key("a"), below)).await);
        assert!(leaves(slow.put(&key("a"), from.clone())).await);
        assert!(!leaves(slow.put(&key("a"), typed(None, 4_096))).await, "LZ4 has no levels");
        let fast = Compressed::new(faulty()).level(9);
        assert!(!leaves(fast.put(&key("a"), from)).await);
    });
}

#[test]
fn a_long_frame_leaves_the_worker_whatever_it_declares() {
    with_one_helper(async {
        let (inner, layer) = layer();
        // Half of it compresses.
        let text = Entry::new(typed(Some("text/plain"), 0).meta, [&noise(70_000)[..], &vec![b'x'; 70_000]].concat());
        layer.put(&key("a"), text).await.unwrap();
        let mut stored = kept(&inner, &key("a")).await;
        let mut frame = stored.body.to_vec();
        frame[8..12].fill(0);
        stored.body = frame.into();
        inner.put(&key("a"), stored).await.unwrap();
        assert!(leaves(layer.get(&key("a"))).await);
        assert_eq!(kind(layer.get(&key("a")).await), Some(ErrorKind::Corrupt));
    });
}

#[tokio::test]
async fn either_algorithm_can_be_chosen_and_reads_what_the_other_wrote() {
    let inner = faulty();
    let zstd = Compressed::new(inner.clone()).binary(Algorithm::Zstd).level(19);
    let lz4 = Compressed::new(inner.clone()).text(Algorithm::Lz4);
    for (writer, reader, content_type) in [(&zstd, &lz4, None), (&lz4, &zstd, Some("text/plain"))] {
        let entry = typed(content_type, 9_000);
        writer.put(&key("a"), entry.clone()).await.unwrap();
        assert_eq!(reader.get(&key("a")).await.unwrap(), Some(entry));
    }
}

fn codecs() -> impl Strategy<Value = Option<Arc<str>>> {
    let texts = ["", "msgpack", "json", "rlc-zstd", "rlc-asis", "+rlc-lz4", "x+rlc-zstd", "x+rlc-lz4+rlc-asis", "+"];
    prop::option::of(prop::sample::select(texts.to_vec()).prop_map(Arc::from))
}

fn types() -> impl Strategy<Value = Option<Arc<str>>> {
    let texts = ["text/plain", "application/json", "image/png", "application/octet-stream", "?"];
    prop::option::of(prop::sample::select(texts.to_vec()).prop_map(Arc::from))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the codec, type and body: every method shows the entry as it was put, by either way to put it.
    #[test]
    fn every_entry_comes_back_equal(
        codec in codecs(),
        content_type in types(),
        seed in prop::collection::vec(any::<u8>(), 0..200),
        times in 1_usize..30,
        many in any::<bool>(),
    ) {
        let (_, layer) = layer();
        let mut entry = entry(1, seed.repeat(times));
        entry.meta.codec = codec;
        entry.meta.content_type = content_type;
        let a = key("a");
        let check = async {
            if many {
                layer.put_many(vec![(a.clone(), entry.clone())]).await.remove(0).unwrap();
            } else {
                layer.put(&a, entry.clone()).await.unwrap();
            }
            assert_eq!(layer.get(&a).await.unwrap().as_ref(), Some(&entry));
            assert_eq!(layer.get_many(std::slice::from_ref(&a)).await.remove(0).unwrap().as_ref(), Some(&entry));
            assert_eq!(layer.stat(&a).await.unwrap().as_ref(), Some(&entry.meta));
            let found: Vec<_> = layer.scan(&KeyPrefix::all()).try_collect().await.unwrap();
            assert_eq!(found, [(a.clone(), entry.meta.clone())]);
        };
        check.now_or_never().unwrap();
    }
}

/// Runs `test` on a runtime with one thread for work that blocks.
fn with_one_helper(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).enable_all().build();
    runtime.unwrap().block_on(test);
}

/// Whether `work` waits for the thread of [`with_one_helper`], which is kept busy meanwhile.
async fn leaves(work: impl Future) -> bool {
    let (release, released) = std::sync::mpsc::channel::<()>();
    let busy = tokio::task::spawn_blocking(move || released.recv());
    let waits = work.now_or_never().is_none();
    drop(release);
    assert!(busy.await.unwrap().is_err());
    waits
}
