//! One initialiser for each key that is being filled.

use std::borrow::Borrow;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;
use std::thread::{self, ThreadId};

use parking_lot::{Condvar, Mutex};

use super::{MemCache, Terms};

/// The keys of a shard that are being filled: as many as there are threads that do so, so that a list is enough.
pub(super) struct Fills<K, V>(Mutex<Vec<Arc<Fill<K, V>>>>);

struct Fill<K, V> {
    key: K,
    thread: ThreadId,
    state: Mutex<State<V>>,
    ended: Condvar,
}

enum State<V> {
    Running,
    Filled(V),
    /// The initialiser failed or panicked: somebody else's turn.
    Abandoned,
}

/// What a caller who found nothing does.
enum Turn<'a, K, V> {
    Lead(Lead<'a, K, V>),
    Wait(Arc<Fill<K, V>>),
    /// The caller is within an initialiser of the same key, for which waiting would never end.
    Nested,
}

/// The right to fill a key; without an [`end`](Self::end) it is abandoned when dropped.
struct Lead<'a, K, V> {
    fills: &'a Fills<K, V>,
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
    /// use the cache: asked for the same key, the inner call runs its own `init`. Two threads whose initialisers wait for
    /// each other's keys wait for ever. A value that was inserted meanwhile wins, and is the answer.
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
            let (shard, _) = self.place(key);
            let lead = match shard.fills.join(key) {
                Turn::Lead(lead) => Some(lead),
                Turn::Nested => None,
                Turn::Wait(fill) => match fill.wait() {
                    Some(value) => return Ok(value),
                    None => continue,
                },
            };
            // Somebody may have been done between the look and the turn.
            if let Some(value) = self.get(key) {
                return Ok(value);
            }
            let (value, terms) = init()?;
            let value = self.settle(key.to_owned(), value, terms);
            if let Some(lead) = lead {
                lead.end(value.clone());
            }
            return Ok(value);
        }
    }

    /// Inserts unless there is a value; the one there is then.
    fn settle(&self, key: K, value: V, terms: Terms) -> V {
        let mut found = None;
        self.insert_if(key, value.clone(), terms, |present| {
            found = present.cloned();
            found.is_none()
        });
        found.unwrap_or(value)
    }
}

impl<K, V> Fills<K, V> {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    fn join<Q: Eq + ToOwned<Owned = K> + ?Sized>(&self, key: &Q) -> Turn<'_, K, V>
    where
        K: Borrow<Q>,
    {
        let thread = thread::current().id();
        let mut fills = self.0.lock();
        if let Some(fill) = fills.iter().find(|fill| fill.key.borrow() == key) {
            return if fill.thread == thread { Turn::Nested } else { Turn::Wait(fill.clone()) };
        }
        let (state, ended) = (Mutex::new(State::Running), Condvar::new());
        let fill = Arc::new(Fill { key: key.to_owned(), thread, state, ended });
        fills.push(fill.clone());
        Turn::Lead(Lead { fills: self, fill })
    }
}

impl<K, V: Clone> Fill<K, V> {
    /// Blocks until the key is filled; none if that was abandoned.
    fn wait(&self) -> Option<V> {
        let mut state = self.state.lock();
        self.ended.wait_while(&mut state, |state| matches!(state, State::Running));
        match &*state {
            State::Filled(value) => Some(value.clone()),
            _ => None,
        }
    }
}

impl<K, V> Lead<'_, K, V> {
    fn end(self, value: V) {
        *self.fill.state.lock() = State::Filled(value);
    }
}

impl<K, V> Drop for Lead<'_, K, V> {
    fn drop(&mut self) {
        self.fills.0.lock().retain(|fill| !Arc::ptr_eq(fill, &self.fill));
        let mut state = self.fill.state.lock();
        if matches!(*state, State::Running) {
            *state = State::Abandoned;
        }
        drop(state);
        self.fill.ended.notify_all();
    }
}
