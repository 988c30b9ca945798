//! `Store`: records under a prefix, over a link.

mod gather;
mod many;
mod names;
mod pages;
mod read;
mod survey;
mod sweep;
mod usual;
mod write;

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use cache_core::{Key, Result, Timestamp};

use crate::link::{Link, Repeat, Script};
use crate::options::RedisOptions;

use self::gather::Gather;
use self::many::Told;
pub(crate) use self::names::Names;
use self::pages::Place;
use self::usual::Usual;
use self::write::Puts;

/// Calls under way at once from which on others are gathered.
const CROWD: usize = 24;

/// Records under a prefix.
pub(crate) struct Store {
    options: RedisOptions,
    link: Arc<Link>,
    names: Names,
    scripts: Scripts,
    /// Values that did not verify.
    corrupt: AtomicU64,
    /// Numbers of staged records, from a start that no other process has.
    staged: AtomicU64,
    /// Reads under way.
    reads: Gather<Key, Told>,
    /// Puts under way over what is there, by lane, so that those of one key keep their order.
    puts: Box<[Puts]>,
    /// Whether records are short.
    short: Usual,
    /// Whether puts find nothing in their way.
    absent: Usual,
    /// Records that sweeps have dropped.
    expired: AtomicU64,
    /// Where the next sweep goes on.
    swept_until: Mutex<Option<Place>>,
}

/// What the server does in one step.
struct Scripts {
    lengths: Script,
    put: Script,
    put_staged: Script,
    renew: Script,
    remove: Script,
    drop: Script,
}

impl Store {
    pub(crate) async fn open(options: RedisOptions) -> Result<Self> {
        options.validate()?;
        let link = Arc::new(Link::open(&options).await?);
        let connections = options.connections;
        Ok(Self {
            link,
            names: Names::new(&options.prefix),
            options,
            scripts: Scripts {
                lengths: Script::new(include_str!("scripts/lengths.lua"), Repeat::Once),
                put: Script::new(include_str!("scripts/put.lua"), Repeat::Once),
                put_staged: Script::new(include_str!("scripts/put_staged.lua"), Repeat::Once),
                renew: Script::new(include_str!("scripts/renew.lua"), Repeat::Never),
                remove: Script::new(include_str!("scripts/remove.lua"), Repeat::Never),
                drop: Script::new(include_str!("scripts/drop.lua"), Repeat::Never),
            },
            corrupt: AtomicU64::new(0),
            staged: AtomicU64::new(RandomState::new().hash_one(0)),
            reads: Gather::new(CROWD, connections),
            puts: (0..connections).map(|_| Gather::new(CROWD / 2, 1)).collect(),
            short: Usual::new(),
            absent: Usual::new(),
            expired: AtomicU64::new(0),
            swept_until: Mutex::new(None),
        })
    }

    pub(crate) fn options(&self) -> &RedisOptions {
        &self.options
    }

    pub(crate) fn link(&self) -> Arc<Link> {
        self.link.clone()
    }

    pub(crate) async fn close(&self) {
        self.link.close().await;
    }

    fn now(&self) -> Timestamp {
        self.options.clock.now()
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("options", &self.options).field("link", &self.link).finish_non_exhaustive()
    }
}
