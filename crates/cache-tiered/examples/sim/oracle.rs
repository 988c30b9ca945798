//! `Oracle`: a naive model that knows all that was made, written and invalidated, and checks every answer.

mod check;
mod durable;
mod facts;
mod loads;
mod state;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use cache_core::{BackendInfo, Entry, Heard, Key, Mark, Selector, Stamp};
use parking_lot::Mutex;

pub(crate) use facts::{Asked, End, Life, Made, Way};
pub(crate) use loads::Loading;
pub(crate) use state::{Eye, State};

use super::weather::Fate;

/// The name of the cache, which begins all keys in the tiers.
pub(crate) const CACHE: &str = "sim";

/// Shared by all who act in a world.
#[derive(Clone)]
pub(crate) struct Oracle(Arc<Mutex<State>>);

impl fmt::Debug for Oracle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Oracle").finish_non_exhaustive()
    }
}

impl Oracle {
    pub(crate) fn new(state: State) -> Self {
        Self(Arc::new(Mutex::new(state)))
    }

    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.0.lock())
    }

    pub(crate) fn note(&self, key: Option<&str>, text: &str) {
        self.with(|state| state.journal.note(key, text));
    }

    pub(crate) fn count(&self, what: &'static str) {
        self.with(|state| state.journal.count(what));
    }

    pub(crate) fn violation(&self, key: Option<&str>, text: &str) {
        self.with(|state| state.journal.violation(key, text));
    }

    /// A fault strikes a call.
    pub(crate) fn fault(&self, line: &str, operation: &'static str, key: &str, fate: Fate) {
        self.with(|state| {
            state.journal.count(fate.name());
            // Names of marks are random.
            let shown = if key.starts_with("~marks") { "~marks" } else { key };
            state.journal.note(own_key(key).as_deref(), &format!("{line}: {operation} {shown}: {}", fate.name()));
            if matches!(operation, "take" | "release") || (operation == "renew" && line.ends_with("leases")) {
                state.lease_trouble = Some(state.elapsed());
            }
            if fate == Fate::Corrupt {
                state.forget_expected(own_key(key).as_deref());
            }
        });
    }

    /// An entry has reached a tier.
    pub(crate) fn stored(&self, info: &BackendInfo, line: &str, key: &Key, entry: &Entry) {
        self.with(|state| state.stored(info, line, key, entry));
    }

    /// An entry has a new stamp in a tier.
    pub(crate) fn restamped(&self, line: &str, key: &Key, from: Stamp, to: Stamp) {
        self.with(|state| {
            let own = own_key(key.as_str());
            state.journal.note(own.as_deref(), &format!("{line}: {key} of stamp {from:?} has {to:?}"));
            for value in state.values.values_mut().filter(|value| Some(&value.key) == own.as_ref()) {
                if value.known_stamps.contains(&from) && !value.known_stamps.contains(&to) {
                    value.stamps.push(to);
                    value.known_stamps.push(to);
                }
            }
        });
    }

    /// A key has left a tier.
    pub(crate) fn removed(&self, line: &str, key: &Key, there: bool) {
        if there && let Some(own) = own_key(key.as_str()) {
            self.with(|state| {
                state.journal.note(Some(&own), &format!("{line}: {key} is removed"));
                if line.ends_with("shared") {
                    state.leaves_shared(Some(&own));
                }
            });
        }
    }

    /// A mark is on the backplane.
    pub(crate) fn published(&self, node: usize, mark: &Mark) {
        self.with(|state| state.published(node, mark));
    }

    /// A node has taken in what it has heard.
    pub(crate) fn taken_in(&self, node: usize, life: u64, heard: &Heard) {
        self.with(|state| state.taken_in(node, life, heard));
    }
}

/// The key as callers give it.
pub(crate) fn own_key(stored: &str) -> Option<String> {
    stored.strip_prefix(CACHE)?.strip_prefix(':').map(str::to_owned)
}

/// What the selector of a mark means to callers of the cache.
pub(crate) fn own_selector(stored: &Selector, known: &Selector) -> bool {
    let root = Key::parse(CACHE);
    root.and_then(|root| known.below(&root)).is_ok_and(|below| below == *stored)
}

/// A span as seconds, for the journal.
pub(crate) fn seconds(span: Duration) -> String {
    format!("{}.{:03}s", span.as_secs(), span.subsec_millis())
}

/// The number of the value with this text.
pub(crate) fn number(text: &str) -> Option<u64> {
    check::parse(text).map(|(number, _)| number)
}
