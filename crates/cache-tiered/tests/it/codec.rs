//! A value read back equals the value loaded.

use std::collections::BTreeMap;
use std::fmt::Debug;

use cache_mem::MemBackend;
use cache_tiered::{Cache, Codec, Origin, Tiered};
use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::kit::key;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Song {
    title: String,
    seconds: f64,
    plays: u64,
    offset: i64,
    cover: Option<Vec<u8>>,
    chapters: BTreeMap<String, (f32, bool)>,
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Kind {
    Unit,
    New(char),
    Tuple(u8, i16),
    Struct { parts: Vec<Kind>, note: Option<String> },
}

fn kind() -> impl Strategy<Value = Kind> {
    let leaf = prop_oneof![
        Just(Kind::Unit),
        any::<char>().prop_map(Kind::New),
        any::<(u8, i16)>().prop_map(|(left, right)| Kind::Tuple(left, right)),
    ];
    leaf.prop_recursive(4, 16, 4, |inner| {
        (prop::collection::vec(inner, 0..4), any::<Option<String>>())
            .prop_map(|(parts, note)| Kind::Struct { parts, note })
    })
}

fn finite() -> impl Strategy<Value = f64> {
    any::<f64>().prop_filter("a number that is finite", |number| number.is_finite())
}

fn song() -> impl Strategy<Value = Song> {
    let chapters = prop::collection::btree_map(any::<String>(), (-1e30_f32..1e30, any::<bool>()), 0..4);
    (any::<String>(), finite(), any::<u64>(), any::<i64>(), any::<Option<Vec<u8>>>(), chapters, kind()).prop_map(
        |(title, seconds, plays, offset, cover, chapters, kind)| Song {
            title,
            seconds,
            plays,
            offset,
            cover,
            chapters,
            kind,
        },
    )
}

/// Loads a value, then reads it back through its bytes.
fn comes_back<V>(value: &V) -> Result<(), TestCaseError>
where
    V: Serialize + DeserializeOwned + Clone + PartialEq + Debug + Send + Sync + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for codec in [Codec::MessagePack, Codec::Json] {
            let cache = Cache::<V>::builder("values").near(0).codec(codec).backend(MemBackend::new(1 << 20)).build();
            let cache = cache.unwrap();
            let loaded = value.clone();
            let first = cache.get_or_load(&key("a"), |_| async { Ok::<_, String>(loaded) }).await.unwrap();
            prop_assert_eq!(&*first.value, value);
            while cache.stats().running > 0 {
                tokio::task::yield_now().await;
            }
            let again = cache.get_or_load(&key("a"), |_| async { Err::<V, _>("must not run") }).await.unwrap();
            prop_assert_eq!(again.origin, Origin::Tier { index: 0, name: "memory".into() });
            prop_assert_eq!(&*again.value, value);
        }
        Ok(())
    })
}

#[tokio::test]
async fn a_value_of_another_type_under_the_same_key_is_a_miss_and_counted() {
    #[derive(Serialize, Deserialize)]
    struct Before(u64, u64);
    #[derive(Debug, Serialize, Deserialize)]
    struct After {
        len: u64,
        ttl: u64,
    }
    let tiers = Tiered::builder().tier(MemBackend::new(1 << 20)).build().unwrap();
    let before = Cache::<Before>::builder("values").tiers(tiers.clone()).build().unwrap();
    before.put(&key("a"), Before(1, 2)).await.unwrap();
    let after = Cache::<After>::builder("values").tiers(tiers.clone()).build().unwrap();
    assert!(after.get(&key("a")).await.unwrap().is_none());
    let list = Cache::<Vec<u8>>::builder("values").tiers(tiers.clone()).build().unwrap();
    assert!(list.get(&key("a")).await.unwrap().is_none());
    assert_eq!((after.stats().undecodable, list.stats().undecodable), (1, 1));
    let versioned = Cache::<Before>::builder("values").schema(1).tiers(tiers.clone()).build().unwrap();
    assert!(versioned.get(&key("a")).await.unwrap().is_none());
    let again = Cache::<Before>::builder("values").tiers(tiers).build().unwrap();
    assert_eq!(again.get(&key("a")).await.unwrap().map(|hit| hit.value.1), Some(2));
}

proptest! {
    #[test]
    fn a_struct_comes_back_equal(song in song()) {
        comes_back(&song)?;
    }

    #[test]
    fn an_enum_comes_back_equal(kind in kind()) {
        comes_back(&kind)?;
    }

    #[test]
    fn bytes_come_back_equal(bytes in any::<Vec<u8>>()) {
        comes_back(&bytes)?;
    }

    #[test]
    fn scalars_and_tuples_come_back_equal(value in any::<(u8, i32, bool, Option<char>, ())>(), number in finite()) {
        comes_back(&value)?;
        comes_back(&number)?;
    }

    #[test]
    fn texts_come_back_equal(texts in any::<Vec<Option<String>>>()) {
        comes_back(&texts)?;
    }
}
