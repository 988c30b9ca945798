//! How much memory the process takes while something is done, on all of its threads.

use parking_lot::Mutex;
use peak_alloc::PeakAlloc;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// One at a time: the heap is that of the process.
static TURN: Mutex<()> = Mutex::new(());

/// What `work` returns, and by how many bytes the heap was larger than before, when it was at its largest.
pub(crate) fn growth_of<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let _turn = TURN.lock();
    let before = HEAP.current_usage();
    HEAP.reset_peak_usage();
    let done = work();
    (done, HEAP.peak_usage().saturating_sub(before))
}
