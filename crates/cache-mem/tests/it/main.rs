//! Rules of the memory tier: the typed cache and the backend over it.

mod backend;
mod backend_conformance;
mod cache_edges;
mod cache_hostile;
mod cache_laws;
mod cache_reentrance;
mod cache_shards;
mod fills;
mod stress;

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use proptest::prelude::ProptestConfig;

/// At least ten thousand cases; the environment may ask for more. Failures print their minimal input.
fn laws() -> ProptestConfig {
    let asked = ProptestConfig::default();
    ProptestConfig { cases: asked.cases.max(10_000), failure_persistence: None, ..asked }
}

/// Runs `work` on a thread of its own and fails when it is not done within a minute: a deadlock.
fn without_deadlock(work: impl FnOnce() + Send + 'static) {
    let (done, finished) = mpsc::channel();
    let worker = thread::spawn(move || {
        work();
        done.send(()).ok();
    });
    let answer = finished.recv_timeout(Duration::from_mins(1));
    assert_ne!(answer, Err(mpsc::RecvTimeoutError::Timeout), "deadlock");
    if let Err(panic) = worker.join() {
        std::panic::resume_unwind(panic);
    }
}
