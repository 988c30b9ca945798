//! Rules: many keys are answered in their order, wherever their entries are, and others of the runtime have their turns
//! meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cache_core::{Backend, Key};
use tokio::task::yield_now;

use crate::support::{entry, fill, key, mixed, open};

#[tokio::test]
async fn entries_in_the_index_in_memory_and_on_disk_are_answered_in_the_order_of_their_keys() {
    let dir = tempfile::tempdir().unwrap();
    let backend = open(dir.path()).await;
    fill(&backend, 200).await;
    // Longer than what is read where the caller runs.
    for number in (0..200).step_by(9) {
        backend.put(&key(number), entry(1_000, 200_000)).await.unwrap();
    }
    let keys: Vec<Key> = (0..250).map(key).collect();
    let answers = backend.get_many(&keys).await;
    assert_eq!(answers.len(), keys.len());
    for (number, answer) in answers.into_iter().enumerate() {
        let put = if number % 9 == 0 { entry(1_000, 200_000) } else { mixed(number) };
        assert_eq!(answer.unwrap(), Some(put).filter(|_| number < 200), "key {number}");
    }
}

#[tokio::test]
async fn others_have_their_turns_while_thousands_of_keys_are_answered() {
    let dir = tempfile::tempdir().unwrap();
    let backend = open(dir.path()).await;
    for number in 0..1_000 {
        backend.put(&key(number), entry(1, 3_000)).await.unwrap();
    }
    let turns = Arc::new(AtomicUsize::new(0));
    let counted = turns.clone();
    let other = tokio::spawn(async move {
        loop {
            counted.fetch_add(1, Ordering::Relaxed);
            yield_now().await;
        }
    });
    let keys: Vec<Key> = (0..1_000).map(key).collect();
    let answers = backend.get_many(&keys).await;
    other.abort();
    assert!(answers.into_iter().all(|answer| answer.unwrap().is_some()));
    assert!(turns.load(Ordering::Relaxed) >= 30, "{turns:?} turns");
}
