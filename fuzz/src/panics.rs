//! Panics that were seen, also those that somebody caught.

use std::panic::{self, PanicHookInfo};
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};

static SEEN: AtomicU64 = AtomicU64::new(0);

/// Counts panics from here on.
pub(crate) fn watch() {
    static WATCHING: Once = Once::new();
    WATCHING.call_once(|| {
        let told = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !is_expected(info) {
                SEEN.fetch_add(1, Ordering::Relaxed);
                told(info);
            }
        }));
    });
}

/// How many there were.
pub(crate) fn seen() -> u64 {
    SEEN.load(Ordering::Relaxed)
}

/// Of numbers that do not fit, the libraries that read torrents panic where arithmetic is checked. Its caller is prepared.
fn is_expected(info: &PanicHookInfo<'_>) -> bool {
    info.location().is_some_and(|place| ["/librqbit", "/atoi-"].iter().any(|library| place.file().contains(library)))
}
