//! A blob whose digest is known: what is kept in the end is that, or nothing is kept.

use std::sync::Arc;

use bytes::Bytes;
use cache_blob::{BlobError, HttpClient, HttpOptions, HttpSource};
use cache_core::Backend;
use cache_testkit::eventually;
use sha2::{Digest, Sha256};

use crate::http_origin::{Answer, HttpOrigin};
use crate::origin::bytes;
use crate::support::{LIMIT, MIB, collect, key, memory, read, small};

fn all() -> Bytes {
    bytes(1, 0, MIB + 5)
}

/// An origin that tells this digest in this header.
async fn origin(header: Option<String>) -> HttpOrigin {
    let answer = move |_: &_| {
        let mut answer = Answer::part(&all(), 0, "\"a\"");
        if let Some(header) = &header {
            answer.head = answer.head.replacen("\r\n", &format!("\r\n{header}\r\n"), 1);
        }
        answer
    };
    HttpOrigin::start(answer).await
}

fn source(origin: &HttpOrigin) -> HttpSource {
    HttpSource::new(&HttpClient::new(HttpOptions::new()).unwrap(), &origin.url("film")).unwrap()
}

#[tokio::test]
async fn a_whole_of_another_digest_is_dropped_and_its_readers_are_told() {
    let wrong = "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:";
    let (telling, silent) = (origin(Some(format!("repr-digest: {wrong}"))).await, origin(None).await);
    for source in [source(&telling), source(&silent).sha256([7; 32])] {
        let backend = Arc::new(memory(8 * MIB));
        let reader = small(backend.clone()).build().unwrap().open(&key(), source).await.unwrap();
        // What was given before the end could not be known to be wrong.
        drop(collect(reader.read_range(..)).await);
        let told = || async { matches!(read(&reader, 0, 10).await, Err(BlobError::Changed { .. })) };
        assert!(eventually(LIMIT, told).await, "its readers are told");
        assert!(eventually(LIMIT, || async { backend.usage().await.unwrap().entries == 0 }).await, "it is dropped");
    }
}

#[tokio::test]
async fn a_whole_of_the_digest_that_was_told_is_sealed() {
    let origin = origin(None).await;
    let backend = Arc::new(memory(8 * MIB));
    let source = source(&origin).sha256(Sha256::digest(all()).into());
    let reader = small(backend.clone()).build().unwrap().open(&key(), source).await.unwrap();
    assert!(collect(reader.read_range(..)).await.unwrap() == all());
    let manifest = async || backend.get(&key()).await.unwrap().unwrap().body.len();
    assert!(eventually(LIMIT, || async { manifest().await > 17 * 16 }).await, "it has 17 digests");
    assert_eq!(read(&reader, 0, 10).await.unwrap(), all().slice(..10));
}
