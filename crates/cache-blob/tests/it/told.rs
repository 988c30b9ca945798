//! `Told`: a source of some bytes that tells a digest of them, right or not.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cache_blob::{ByteStream, Description, Result, Source, Version};
use futures_util::stream::{self, StreamExt};

use crate::support::pass;

/// Gives `body` and tells `sha256`, all under one strong validator.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) body: Bytes,
    pub(crate) sha256: Option<[u8; 32]>,
    /// Before each piece.
    pub(crate) pause: Duration,
    pub(crate) fetches: Arc<AtomicU64>,
}

impl Told {
    pub(crate) fn new(body: Bytes, sha256: Option<[u8; 32]>) -> Self {
        Self { body, sha256, pause: Duration::ZERO, fetches: Arc::default() }
    }
}

#[async_trait]
impl Source for Told {
    fn origin(&self) -> Arc<str> {
        Arc::from("told")
    }

    async fn describe(&self) -> Result<Description> {
        let described = Description::new().len(self.body.len() as u64).validator("\"a\"").ranges();
        Ok(match self.sha256 {
            Some(sha256) => described.sha256(sha256),
            None => described,
        })
    }

    async fn fetch(&self, offset: u64, _: &Version) -> Result<ByteStream> {
        self.fetches.fetch_add(1, Ordering::SeqCst);
        let (rest, pause) = (self.body.slice(offset as usize..), self.pause);
        let pieces = stream::unfold(rest, move |mut rest| async move {
            if !pause.is_zero() {
                pass(pause).await;
            }
            let piece = rest.split_to(rest.len().min(16 << 10));
            (!piece.is_empty()).then_some((Ok(piece), rest))
        });
        Ok(pieces.boxed())
    }
}
