//! `Prefixed`: each user sees the keys below the own prefix and no others.

use std::sync::Arc;

use cache_core::{Backend, Error, ErrorKind, Key, KeyPrefix, Meta, Result};
use cache_layers::Prefixed;
use cache_testkit::{Fault, Plan, entry};
use futures_util::TryStreamExt;

use crate::kit::{faulty, key, kinds};

async fn keys_of(backend: &impl Backend, prefix: &KeyPrefix) -> Vec<String> {
    let found: Result<Vec<(Key, Meta)>> = backend.scan(prefix).try_collect().await;
    let mut keys: Vec<String> = found.unwrap().iter().map(|(key, _)| key.to_string()).collect();
    keys.sort();
    keys
}

#[tokio::test]
async fn users_of_one_backend_do_not_see_each_other() {
    let shared = faulty();
    let alice = Prefixed::new(shared.clone(), key("alice"));
    let bob = Prefixed::new(shared.clone(), key("bob"));
    alice.put(&key("video:1"), entry(1, "of alice")).await.unwrap();
    bob.put(&key("video:1"), entry(1, "of bob")).await.unwrap();
    for foreign in ["alice", "alice:p=1", "alicex:video", "video"] {
        shared.put(&key(foreign), entry(1, "foreign")).await.unwrap();
    }
    assert_eq!(alice.get(&key("video:1")).await.unwrap(), Some(entry(1, "of alice")));
    assert_eq!(keys_of(&alice, &KeyPrefix::all()).await, ["video:1"]);
    assert_eq!(keys_of(&alice, &KeyPrefix::below(&key("video"))).await, ["video:1"]);
    assert_eq!(keys_of(&alice, &KeyPrefix::below(&key("vid"))).await, [""; 0]);
    assert!(alice.remove(&key("video:1")).await.unwrap());
    assert!(bob.stat(&key("video:1")).await.unwrap().is_some());
    assert!(shared.stat(&key("bob:video:1")).await.unwrap().is_some());
}

#[tokio::test]
async fn a_key_that_is_too_long_below_the_prefix_is_invalid_and_the_rest_of_its_batch_is_not() {
    let layer = Prefixed::new(faulty(), key("alice"));
    let longest = key(&"k".repeat(Key::MAX_BYTES - "alice:".len()));
    let longer = key(&"k".repeat(Key::MAX_BYTES - "alice:".len() + 1));
    let keys = [longest, longer.clone(), key("short")];
    let puts = layer.put_many(keys.iter().map(|key| (key.clone(), entry(1, "x"))).collect()).await;
    assert_eq!(kinds(puts), [None, Some(ErrorKind::Invalid), None]);
    let gets = layer.get_many(&keys).await;
    assert_eq!(gets[0].as_ref().unwrap(), &Some(entry(1, "x")));
    assert_eq!(gets[1].as_ref().unwrap_err().key(), Some(&longer));
    assert_eq!(gets[2].as_ref().unwrap(), &Some(entry(1, "x")));
    assert_eq!(keys_of(&layer, &KeyPrefix::below(&longer)).await, [""; 0]);
}

#[tokio::test]
async fn errors_name_the_key_that_the_caller_knows() {
    let inner = faulty();
    let layer = Prefixed::new(Arc::clone(&inner), key("alice"));
    inner.set_plan(Plan::new().all(Fault::Fail(ErrorKind::Unavailable)));
    let a = key("a");
    let errors: Vec<Error> = vec![
        layer.get(&a).await.unwrap_err(),
        layer.put(&a, entry(1, "x")).await.unwrap_err(),
        layer.get_many(std::slice::from_ref(&a)).await.remove(0).unwrap_err(),
    ];
    assert!(errors.iter().all(|error| error.key() == Some(&a)), "{errors:?}");
}
