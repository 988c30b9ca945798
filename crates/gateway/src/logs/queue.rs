//! `Queue`: lines on their way to standard error, which blocks when nobody reads it.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;
use tracing_subscriber::fmt::MakeWriter;

/// Lines that wait to be written; beyond them, they are counted and left out.
const MOST: usize = 1_024;
/// How long an end waits for the lines before it.
const LIMIT: Duration = Duration::from_secs(1);

/// Lines on their way to a place, written by a thread of its own: whoever does not read them holds nobody up. Cloning
/// shares it.
#[derive(Debug, Clone)]
pub(super) struct Queue {
    lines: SyncSender<Line>,
    lost: Arc<AtomicU64>,
}

enum Line {
    Text(Vec<u8>),
    /// Whoever waits is told that all before it is written.
    Mark(Box<dyn FnOnce() + Send>),
}

impl Queue {
    /// Lines on their way to `place`. Nobody waits for the end of the thread: it may be writing when the process ends.
    ///
    /// # Errors
    /// When no thread can be started.
    pub(super) fn to(place: impl Write + Send + 'static) -> io::Result<Self> {
        let (lines, waiting) = sync_channel(MOST);
        let lost = Arc::new(AtomicU64::new(0));
        let missed = lost.clone();
        thread::Builder::new().name("log".to_owned()).spawn(move || write_all(place, &waiting, &missed))?;
        Ok(Self { lines, lost })
    }

    /// Waits until what was told so far is written, and no longer than a second. Blocks.
    pub(super) fn settle(&self) {
        let (told, written) = sync_channel(1);
        if self.mark(move || _ = told.try_send(())) {
            // Late or lost, the end does not wait for it.
            _ = written.recv_timeout(LIMIT);
        }
    }

    /// Waits until what was told so far is written.
    pub(super) async fn written(&self) {
        let (told, written) = oneshot::channel();
        if self.mark(move || _ = told.send(())) {
            _ = written.await;
        }
    }

    /// Has `tell` called when all before it is written. Not, where there is no room for it: nobody reads.
    fn mark(&self, tell: impl FnOnce() + Send + 'static) -> bool {
        self.lines.try_send(Line::Mark(Box::new(tell))).is_ok()
    }

    /// A line, with its end, or several.
    pub(super) fn put(&self, line: Vec<u8>) {
        if let Err(TrySendError::Full(_)) = self.lines.try_send(Line::Text(line)) {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Writes what comes. A place that is gone takes nothing, which is nothing to whoever goes on.
fn write_all(mut place: impl Write, waiting: &Receiver<Line>, missed: &AtomicU64) {
    for line in waiting {
        let written = match line {
            Line::Text(text) => place.write_all(&text),
            Line::Mark(tell) => {
                tell();
                Ok(())
            }
        };
        let lost = missed.swap(0, Ordering::Relaxed);
        if lost > 0 && written.is_ok() {
            _ = writeln!(place, "reelcache: {lost} lines of the log are left out: nobody read them in time");
        }
    }
}

impl Write for Queue {
    /// An event is written at once, as one line.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.put(line.to_vec());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Queue {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use parking_lot::Mutex;

    use super::*;

    /// What takes a line at a time, when it is let.
    #[derive(Debug, Clone)]
    struct Slow {
        lets: Arc<Mutex<Receiver<()>>>,
        told: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Slow {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            // An end of the test lets everything.
            _ = self.lets.lock().recv();
            self.told.lock().extend_from_slice(text);
            Ok(text.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_nobody_reads_holds_nobody_up_and_is_counted() {
        let (let_go, lets) = sync_channel(0);
        let slow = Slow { lets: Arc::new(Mutex::new(lets)), told: Arc::default() };
        let mut queue = Queue::to(slow.clone()).unwrap();
        for number in 0..3_000 {
            queue.write_all(format!("line {number}\n").as_bytes()).unwrap();
        }
        queue.settle();
        drop(let_go);
        let end = Instant::now() + Duration::from_secs(30);
        let (written, lost) = loop {
            queue.settle();
            let told = String::from_utf8(slow.told.lock().clone()).unwrap();
            let (lines, others): (Vec<&str>, Vec<&str>) = told.lines().partition(|line| line.starts_with("line "));
            let lost: usize = others.iter().filter_map(|line| line.split(' ').nth(1)?.parse::<usize>().ok()).sum();
            if lines.len() + lost == 3_000 {
                break (lines.len(), lost);
            }
            assert!(Instant::now() < end, "{} lines and {others:?}", lines.len());
            thread::yield_now();
        };
        assert!((MOST..=MOST + 1).contains(&written), "{written} are written and {lost} left out");
    }
}
