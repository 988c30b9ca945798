//! Replies of Redis: whatever a server says, a read is an entry that was put under that key, nothing, or an error.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use cache_core::{Backend, Key, KeyPrefix, ManualClock, Result, Timestamp};
use cache_redis::{RedisBackend, RedisOptions};
use futures_util::StreamExt;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::record::seal_envelope;
use crate::server::Redis;
use crate::{Verdict, runtime};

static REDIS: LazyLock<Redis> = LazyLock::new(Redis::new);

/// Where the envelope begins, and the checksum of the body ends.
const FRONT: usize = 40;
/// What the front repeats of the meta: its stamp, and its end.
const STAMP: std::ops::Range<usize> = 8..16;
const END: std::ops::Range<usize> = 16..24;
/// The head is a multiple of this long.
const ROOM: usize = 64;
/// How often a reply may begin something that holds others.
const MOST_NESTED: usize = 16;
/// The most entries that are listed.
const MOST: usize = 10;

/// The first byte says what is asked and how it is answered, the rest is the answer.
pub(super) fn body(input: &[u8]) -> Verdict {
    let Some((&how, reply)) = input.split_first() else { return Verdict::Refused };
    // The library reads what is nested on the stack, however deep: docs/security.md says so.
    if reply.iter().filter(|byte| b"*%~>|".contains(byte)).count() > MOST_NESTED {
        return Verdict::Refused;
    }
    let key = Key::of("film").build().expect("a key");
    runtime::connected(async {
        let record = if how % 8 == 0 { sealed(&key, reply) } else { reply.to_vec() };
        match how % 8 {
            0 | 1 => REDIS.has(&record),
            _ => REDIS.says(reply),
        }
        let options = RedisOptions::single("127.0.0.1", REDIS.port).connections(1);
        let options = options.clock(Arc::new(ManualClock::new(Timestamp::from_millis(1_000))));
        let options = options.command_timeout(Duration::from_millis(200));
        let backend = RedisBackend::open(options).await.expect("a server that lets in");
        ask(&backend, &key, how, &record).await.unwrap_or_default().into()
    })
}

/// Whether what is asked is answered as if it made sense, by a server that has `record` where it is asked for one.
async fn ask(backend: &RedisBackend, key: &Key, how: u8, record: &[u8]) -> Result<bool> {
    let other = Key::of("other").build()?;
    Ok(match how % 8 {
        0 | 1 => {
            let (meta, entry) = (backend.stat(key).await?, backend.get(key).await?);
            if let Some(entry) = &entry {
                assert_eq!(meta.as_ref(), Some(&entry.meta), "one key, two metas");
                assert_eq!(sealed(key, record), record, "a record that does not verify");
                let (stamp, end) = (entry.meta.stamp.as_u64(), entry.meta.expires().as_millis());
                assert_eq!((&record[STAMP], &record[END]), (&stamp.to_be_bytes()[..], &end.to_be_bytes()[..]));
                assert!(record.ends_with(&entry.body), "a body that was not there");
                assert_eq!(
                    (backend.stat(&other).await?, backend.get(&other).await?),
                    (None, None),
                    "one record, two keys"
                );
                let mut damaged = record.to_vec();
                damaged[FRONT - 1] ^= 1;
                REDIS.has(&damaged);
                assert_eq!(backend.get(key).await?, None, "a body that does not verify");
            }
            entry.is_some()
        }
        2 => backend.get(key).await?.is_some(),
        3 => backend.stat(key).await?.is_some(),
        4 => {
            let answers = backend.get_many(&[key.clone(), other]).await;
            assert_eq!(answers.len(), 2, "an answer for each key");
            answers.into_iter().all(|got| got.is_ok())
        }
        5 => backend.remove(key).await?,
        6 => backend.usage().await.is_ok(),
        _ => backend.scan(&KeyPrefix::all()).take(MOST).all(async |found| found.is_ok()).await,
    })
}

/// `reply` as a record of `key` whose checksums hold.
fn sealed(key: &Key, reply: &[u8]) -> Vec<u8> {
    let mut record = reply.to_vec();
    let Some(&[e0, e1, e2, e3]) = record.get(24..).and_then(<[u8]>::first_chunk) else { return record };
    let end = FRONT.saturating_add(u32::from_be_bytes([e0, e1, e2, e3]) as usize);
    if let Some(envelope) = record.get_mut(FRONT..end) {
        seal_envelope(envelope);
        let head = end.next_multiple_of(ROOM).min(record.len());
        let body = &record[head..];
        let (len, sum) = ((body.len() as u32).to_be_bytes(), xxh3_64_with_seed(body, key.hash64()).to_be_bytes());
        record[28..32].copy_from_slice(&len);
        record[32..40].copy_from_slice(&sum);
    }
    record
}
