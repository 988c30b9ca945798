//! Rules: what others keep on the server costs neither memory nor their keys. Each test has a process of its own.

use std::time::Instant;

use cache_core::{Backend, BackendExt, KeyPrefix};
use cache_testkit::{MemoryRise, alone};

use super::support::{count, entry, key, open};
use crate::servers::{Redis, Said};

/// What calls may add to the resident memory at most.
const MEMORY: u64 = 16 << 20;
const FOREIGN: i64 = 1_000_000;
const OURS: u64 = 1_000;

/// Whether this is the process of `test`; in the other one, the test is over.
fn is_alone(test: &str) -> bool {
    let Some(run) = alone(&format!("{}::{test}", module_path!().split_once("::").unwrap().1)).unwrap() else {
        return true;
    };
    let said = String::from_utf8_lossy(&run.stdout);
    println!("{said}");
    assert!(run.status.success(), "{}: {said}{}", run.status, String::from_utf8_lossy(&run.stderr));
    false
}

#[tokio::test]
async fn a_clear_among_a_million_foreign_keys_removes_none_of_them() {
    if !is_alone("a_clear_among_a_million_foreign_keys_removes_none_of_them") {
        return;
    }
    let redis = Redis::start(&[]);
    let (backend, mut raw) = (open(redis.options()).await, redis.raw());
    raw.say(&format!("DEBUG POPULATE {FOREIGN} foreign 10"));
    for number in 0..OURS {
        backend.put(&key(number), entry(number, 1, 10)).await.unwrap();
    }
    let memory = MemoryRise::from_here().unwrap();
    let began = Instant::now();
    assert_eq!(count(&backend).await, OURS as usize);
    let scanned = began.elapsed();
    let began = Instant::now();
    assert_eq!(backend.remove_prefix(&KeyPrefix::all()).await.unwrap(), OURS);
    let (cleared, rise) = (began.elapsed(), memory.bytes().unwrap());
    assert_eq!(raw.say("DBSIZE"), Said::Number(FOREIGN), "keys of others");
    println!("1,000,000 foreign keys: scan {scanned:?}, clear {cleared:?}, memory +{} KiB, 0 removed", rise >> 10);
    assert!(rise < MEMORY, "{rise} bytes");
}

#[tokio::test]
async fn huge_and_damaged_foreign_values_cost_no_memory() {
    if !is_alone("huge_and_damaged_foreign_values_cost_no_memory") {
        return;
    }
    let redis = Redis::start(&[]);
    let (backend, mut raw) = (open(redis.options()).await, redis.raw());
    let name = b"reelcache:test:1";
    backend.get(&key(1)).await.unwrap();
    let memory = MemoryRise::from_here().unwrap();
    raw.ask(&[b"SETRANGE", name, b"500000000", b"x"]);
    assert_eq!(backend.get(&key(1)).await.unwrap(), None);
    // With our magic bytes and lengths of 4 GiB.
    raw.ask(&[b"SETRANGE", name, b"0", &[&b"RLCR\x01v\0\0"[..], &[0xff; 24]].concat()]);
    assert_eq!(backend.get(&key(1)).await.unwrap(), None);
    // One that takes the way of many keys at once.
    assert_eq!(
        backend.get_many(&[key(1), key(2)]).await.into_iter().map(Result::unwrap).collect::<Vec<_>>(),
        [None, None]
    );
    let rise = memory.bytes().unwrap();
    println!("a foreign value of 500 MB under our key: memory +{} KiB", rise >> 10);
    assert!(rise < MEMORY, "{rise} bytes");
}
