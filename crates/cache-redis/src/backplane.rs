//! `RedisBackplane`: marks told over one stream on the server.

mod place;
mod subscription;

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use cache_core::{Backplane, Error, ErrorKind, Heard, Mark, Position, Result};
use futures_util::stream::BoxStream;

use self::place::Place;
use self::subscription::Subscription;
use crate::link::{Link, Repeat, Script};
use crate::options::RedisOptions;

/// Marks told over one stream on the server, the newest of which it remembers.
///
/// Each subscription has a connection of its own, to every node of a cluster one, and asks every half command timeout
/// whether there is more; it reads no further than 128 marks ahead.
#[derive(Debug)]
pub(crate) struct RedisBackplane {
    link: Arc<Link>,
    log: Arc<Log>,
}

/// The stream, and what is needed to find and read it.
struct Log {
    options: RedisOptions,
    name: Bytes,
    script: Script,
    /// Where tags come from: a number, hashed by a chance of this process.
    chance: RandomState,
    tags: AtomicU64,
}

impl RedisBackplane {
    pub(crate) fn new(link: Arc<Link>, name: Bytes, options: RedisOptions) -> Self {
        // To tell a mark twice does no harm.
        let script = Script::new(include_str!("scripts/backplane.lua"), Repeat::Once);
        let log = Log { options, name, script, chance: RandomState::new(), tags: AtomicU64::new(0) };
        Self { link, log: Arc::new(log) }
    }
}

#[async_trait]
impl Backplane for RedisBackplane {
    async fn publish(&self, mark: &Mark) -> Result<()> {
        let told = async {
            let mark = encode(mark)?;
            self.log.add(&self.link, Some(mark)).await
        };
        told.await.map(drop).map_err(|error| self.log.named("publish", error))
    }

    fn subscribe(&self, after: Option<Position>) -> BoxStream<'static, Result<Heard>> {
        Subscription::new(&self.link, self.log.clone(), after.as_ref().and_then(Place::of)).into_stream()
    }
}

impl Log {
    /// Adds `mark`, or makes sure that there is an entry; where the newest is.
    async fn add(&self, link: &Link, mark: Option<Bytes>) -> Result<Place> {
        let tag = self.chance.hash_one(self.tags.fetch_add(1, Ordering::Relaxed));
        let keep = self.options.backplane_marks.to_string();
        let args = [Some(place::written(tag)), Some(keep.into()), mark];
        // One lane: what is told after something else is heard after it.
        let name = std::slice::from_ref(&self.name);
        let reply = link.run_on(&self.script, 0, name, args.into_iter().flatten().collect()).await?;
        Place::answered(reply)
    }

    fn named(&self, operation: &'static str, error: Error) -> Error {
        error.with_backend(self.options.name.clone()).with_operation(operation)
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("name", &self.name).finish_non_exhaustive()
    }
}

fn encode(mark: &Mark) -> Result<Bytes> {
    let encoded = rmp_serde::to_vec_named(mark);
    encoded.map(Bytes::from).map_err(|error| {
        Error::new(ErrorKind::Internal, "a mark cannot be encoded: please report this").with_source(error)
    })
}
