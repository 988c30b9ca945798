//! `Lines`: standard output, which blocks when nobody reads it, in a thread of its own.

use std::io::{self, IsTerminal, Write, stdout};
use std::thread;

use cache_core::{Error, ErrorKind, Result};
use tokio::sync::{mpsc, oneshot};

/// Standard output. A reader that stops reading holds up who waits for a line, and nothing else: whoever runs goes on, and
/// signals are heard.
#[derive(Debug)]
pub(crate) struct Lines {
    queue: mpsc::Sender<Line>,
    is_terminal: bool,
}

/// What is to be written, and who waits for it.
type Line = (Vec<u8>, oneshot::Sender<io::Result<()>>);

impl Lines {
    /// Starts the thread. Nobody waits for its end: it may be writing when the process ends.
    ///
    /// # Errors
    /// `Internal` when no thread can be started.
    pub(crate) fn open() -> Result<Self> {
        let (queue, mut lines) = mpsc::channel::<Line>(1);
        let writing = move || {
            while let Some((text, told)) = lines.blocking_recv() {
                drop(told.send(write(&text)));
            }
        };
        let failed = |error: io::Error| Error::new(ErrorKind::Internal, "no thread can be started").with_source(error);
        thread::Builder::new().name("lines".to_owned()).spawn(writing).map_err(failed)?;
        Ok(Self { queue, is_terminal: stdout().is_terminal() })
    }

    /// Whether people read it as it comes.
    pub(crate) fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Waits until `text` is written. Cancelling it leaves it to be written when somebody reads.
    pub(crate) async fn write(&self, text: Vec<u8>) -> io::Result<()> {
        let (told, written) = oneshot::channel();
        let ended = || io::Error::other("the thread that writes has ended");
        self.queue.send((text, told)).await.map_err(|_| ended())?;
        written.await.map_err(|_| ended())?
    }
}

/// Writes to standard output, and flushes.
pub(crate) fn write(text: &[u8]) -> io::Result<()> {
    let mut out = stdout().lock();
    out.write_all(text).and_then(|()| out.flush())
}
