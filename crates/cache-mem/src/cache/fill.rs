//! One initialiser for each key that is being filled.

use std::borrow::Borrow;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;
use std::thread::{self, ThreadId};

use parking_lot::{Condvar, Mutex};

use super::shard::Shard;
use super::{MemCache, Terms};

/// The keys of a shard that are being filled, under its lock: as many as there are threads that do so, so that a list
/// is enough. A fill that is no longer listed is out of date: nobody joins it, and what it makes is not held.
pub(super) struct Fills<K, V>(Vec<Arc<Fill<K, V>>>);

pub(super) struct Fill<K, V> {
    key: K,
    thread: ThreadId,
    outcome: Mutex<Outcome<V>>,
    ended: Condvar,
}

enum Outcome<V> {
    Pending,
    Filled(V),
    /// The initialiser failed or panicked: somebody else's turn.
    Abandoned,
}

/// What a caller who found nothing does.
enum Turn<'a, K: Eq, V> {
    /// There is a value after all.
    Hit(V),
    Lead(Lead<'a, K, V>),
    Wait(Arc<Fill<K, V>>),
    /// The caller is within an initialiser of the same key, for which waiting would never end.
    Nested(Arc<Fill<K, V>>),
}

/// The duty to end a fill; without an [`end`](Self::end) it is abandoned when dropped.
struct Lead<'a, K: Eq, V> {
    shard: &'a Shard<K, V>,
    fill: Arc<Fill<K, V>>,
}

impl<K: Hash + Eq, V: Clone, S: BuildHasher> MemCache<K, V, S> {
    /// The value of `key`, counted as a hit, or else that of `init`, offered with the weigher's weight, never to expire.
    ///
    /// See [`get_or_try_insert_with`](Self::get_or_try_insert_with).
    pub fn get_or_insert_with<Q>(&self, key: &Q, init: impl FnOnce() -> V) -> V
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let Ok(value) = self.get_or_try_insert_with(key, || Ok::<_, std::convert::Infallible>((init(), Terms::new())));
        value
    }

    /// The value of `key`, counted as a hit, or else that of `init`, offered on the terms it returns with it.
    ///
    /// Of all callers who find nothing at once, one runs its `init`; the others block until it is done, and share its
    /// value, admitted or not. When it fails or panics, one of the others runs its own. It runs outside the locks and may
    /// use the cache: asked for the same key on the same thread, the inner call runs its own `init`.
    ///
    /// What is inserted, removed or cleared while an `init` runs is newer than what that makes: a value there is then is
    /// the answer, and the one made is not held. Callers who come after that do not wait for it either, but run their own
    /// `init`; those who waited already share the answer.
    ///
    /// # Deadlocks
    /// An `init` is recognised by its thread alone. It must not wait for another thread that asks for the same key, and
    /// two threads must not wait for each other's keys: they wait for ever.
    ///
    /// # Errors
    /// That of `init`, when this caller was the one to run it.
    pub fn get_or_try_insert_with<Q, E>(&self, key: &Q, init: impl FnOnce() -> Result<(V, Terms), E>) -> Result<V, E>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        loop {
            if let Some(value) = self.get(key) {
                return Ok(value);
            }
            match self.join(key) {
                Turn::Hit(value) => return Ok(value),
                Turn::Lead(lead) => {
                    let (value, terms) = init()?;
                    let value = self.settle(key.to_owned(), value, terms, &lead.fill);
                    lead.end(value.clone());
                    return Ok(value);
                }
                Turn::Nested(fill) => {
                    let (value, terms) = init()?;
                    return Ok(self.settle(key.to_owned(), value, terms, &fill));
                }
                Turn::Wait(fill) => {
                    if let Some(value) = fill.wait() {
                        return Ok(value);
                    }
                }
            }
        }
    }

    /// The turn of a caller who found nothing, decided with nothing in between.
    fn join<Q>(&self, key: &Q) -> Turn<'_, K, V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let thread = thread::current().id();
        let hash = self.hash(key);
        let (shard, mut state) = self.lock(hash);
        // Somebody may have been done since the look.
        if let Some(value) = state.catalog.get_if(hash, key, |expires| self.is_ahead(expires)) {
            return Turn::Hit(value.clone());
        }
        if let Some(fill) = state.fills.0.iter().find(|fill| fill.key.borrow() == key) {
            return if fill.thread == thread { Turn::Nested(fill.clone()) } else { Turn::Wait(fill.clone()) };
        }
        let (outcome, ended) = (Mutex::new(Outcome::Pending), Condvar::new());
        let fill = Arc::new(Fill { key: key.to_owned(), thread, outcome, ended });
        state.fills.0.push(fill.clone());
        Turn::Lead(Lead { shard, fill })
    }

    /// Inserts what `fill` made, unless it is out of date or there is a value; the one there is then. Nobody joins the
    /// fill from then on.
    fn settle(&self, key: K, value: V, terms: Terms, fill: &Arc<Fill<K, V>>) -> V {
        let mut found = None;
        self.offer(key, value.clone(), terms, |state, offer, now| {
            let is_current = state.fills.end(fill);
            found = state.catalog.peek(offer.hash, &offer.key, now).cloned();
            is_current && found.is_none()
        });
        found.unwrap_or(value)
    }
}

impl<K: Eq, V> Fills<K, V> {
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    /// Makes the fill of `key` that runs, if any, one that is out of date.
    #[inline]
    pub(super) fn outdate<Q: Eq + ?Sized>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
    {
        // Who leads a fill has it too: this drops no key and no value under the lock.
        if !self.0.is_empty() {
            self.0.retain(|fill| fill.key.borrow() != key);
        }
    }

    pub(super) fn outdate_all(&mut self) {
        self.0.clear();
    }

    /// Takes `fill` off the list; whether it was up to date.
    fn end(&mut self, fill: &Arc<Fill<K, V>>) -> bool {
        let at = self.0.iter().position(|other| Arc::ptr_eq(other, fill));
        at.map(|at| self.0.swap_remove(at)).is_some()
    }
}

impl<K, V: Clone> Fill<K, V> {
    /// Blocks until the key is filled; none if that was abandoned.
    fn wait(&self) -> Option<V> {
        let mut outcome = self.outcome.lock();
        self.ended.wait_while(&mut outcome, |outcome| matches!(outcome, Outcome::Pending));
        match &*outcome {
            Outcome::Filled(value) => Some(value.clone()),
            _ => None,
        }
    }
}

impl<K: Eq, V> Lead<'_, K, V> {
    fn end(self, value: V) {
        *self.fill.outcome.lock() = Outcome::Filled(value);
    }
}

impl<K: Eq, V> Drop for Lead<'_, K, V> {
    fn drop(&mut self) {
        if matches!(*self.fill.outcome.lock(), Outcome::Pending) {
            self.shard.write().fills.end(&self.fill);
            *self.fill.outcome.lock() = Outcome::Abandoned;
        }
        self.fill.ended.notify_all();
    }
}
