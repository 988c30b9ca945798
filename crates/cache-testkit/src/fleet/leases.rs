//! `LocalLeases`: leases in one process, with faults on command.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cache_core::{Clock, Error, ErrorKind, Key, Lease, Leases, Result, Stamp, Timestamp};
use parking_lot::Mutex;

/// The contract of [`Leases`] within one process, for tests and simulations.
///
/// Leases end on the clock that it is made with; nothing else moves by itself. Tokens are newer than those of all
/// keys before. The processes of a simulated fleet share it in an `Arc`.
#[derive(Debug)]
pub struct LocalLeases {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    held: BTreeMap<Key, Held>,
    newest: Stamp,
    given: u64,
    failing: Option<ErrorKind>,
}

#[derive(Debug)]
struct Held {
    token: Stamp,
    until: Timestamp,
}

impl LocalLeases {
    /// Leases of every key, none taken, that end by `clock`.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, state: Mutex::default() }
    }

    /// Whether somebody holds the lease of `key`.
    pub fn is_held(&self, key: &Key) -> bool {
        let now = self.clock.now();
        self.state.lock().held.get(key).is_some_and(|held| now < held.until)
    }

    /// How many leases have been given, stolen ones included.
    pub fn given(&self) -> u64 {
        self.state.lock().given
    }

    /// Fault: every lease ends. Their holders learn it when they renew.
    pub fn expire_all(&self) {
        self.state.lock().held.clear();
    }

    /// Fault: takes the lease of `key` for `span`, whoever holds it.
    pub fn steal(&self, key: &Key, span: Duration) -> Lease {
        self.state.lock().give(key, Stamp::ZERO, self.clock.now().after(span))
    }

    /// Fault: every call fails with `kind` until [`heal`](Self::heal). Leases go on and end in time.
    pub fn fail(&self, kind: ErrorKind) {
        self.state.lock().failing = Some(kind);
    }

    /// Ends the failing.
    pub fn heal(&self) {
        self.state.lock().failing = None;
    }

    fn with<T>(&self, operation: &'static str, key: &Key, work: impl FnOnce(&mut State, Timestamp) -> T) -> Result<T> {
        let now = self.clock.now();
        let mut state = self.state.lock();
        if let Some(kind) = state.failing {
            let error = Error::new(kind, "a planned fault").with_backend("local leases");
            return Err(error.with_operation(operation).with_key(key));
        }
        state.held.retain(|_, held| now < held.until);
        Ok(work(&mut state, now))
    }
}

#[async_trait]
impl Leases for LocalLeases {
    async fn take(&self, key: &Key, at_least: Stamp, span: Duration) -> Result<Option<Lease>> {
        self.with("take", key, |state, now| {
            let free = !state.held.contains_key(key);
            free.then(|| state.give(key, at_least, now.after(span)))
        })
    }

    async fn renew(&self, lease: &Lease, span: Duration) -> Result<bool> {
        self.with("renew", &lease.key, |state, now| match state.held.get_mut(&lease.key) {
            Some(held) if held.token == lease.token => {
                held.until = now.after(span);
                true
            }
            _ => false,
        })
    }

    async fn release(&self, lease: &Lease) -> Result<bool> {
        self.with("release", &lease.key, |state, _| {
            let held = state.held.get(&lease.key).is_some_and(|held| held.token == lease.token);
            held && state.held.remove(&lease.key).is_some()
        })
    }
}

impl State {
    fn give(&mut self, key: &Key, at_least: Stamp, until: Timestamp) -> Lease {
        let next = Stamp::from_u64(self.newest.as_u64().saturating_add(1));
        let token = next.max(at_least);
        self.newest = token;
        self.given += 1;
        self.held.insert(key.clone(), Held { token, until });
        Lease::new(key.clone(), token)
    }
}
