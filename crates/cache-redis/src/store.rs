//! `Store`: records under a prefix, over a link.

mod many;
mod names;
mod pages;
mod read;
mod survey;
mod sweep;
mod write;

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use cache_core::{Result, Timestamp};

use crate::link::{Link, Repeat, Script};
use crate::options::RedisOptions;

pub(crate) use self::names::Names;
use self::pages::Place;

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
    /// Records that sweeps have dropped.
    expired: AtomicU64,
    /// Where the next sweep goes on.
    swept_until: Mutex<Option<Place>>,
}

/// What the server does in one step.
struct Scripts {
    get_many: Script,
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
        Ok(Self {
            link,
            names: Names::new(&options.prefix),
            options,
            scripts: Scripts {
                get_many: Script::new(include_str!("scripts/get_many.lua"), Repeat::Once),
                put: Script::new(include_str!("scripts/put.lua"), Repeat::Once),
                put_staged: Script::new(include_str!("scripts/put_staged.lua"), Repeat::Once),
                renew: Script::new(include_str!("scripts/renew.lua"), Repeat::Never),
                remove: Script::new(include_str!("scripts/remove.lua"), Repeat::Never),
                drop: Script::new(include_str!("scripts/drop.lua"), Repeat::Never),
            },
            corrupt: AtomicU64::new(0),
            staged: AtomicU64::new(RandomState::new().hash_one(0)),
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
