//! `Out`: standard output of a command, whole texts at a time.

use std::io::{self, Write};

use cache_core::{Error, ErrorKind, Result};
use serde::Serialize;

use crate::lines::Lines;

/// Standard output, whole texts at a time. A reader that is gone has seen enough: the command ends well. One that stops
/// reading holds up the command, which hears signals all the same.
pub(super) struct Out {
    lines: Lines,
    pub(super) is_gone: bool,
}

impl Out {
    /// # Errors
    /// `Internal` when no thread can be started.
    pub(super) fn open() -> Result<Self> {
        Ok(Self { lines: Lines::open()?, is_gone: false })
    }

    /// Waits until what `write` writes is written and flushed. Cancelling it leaves it to be written when somebody reads.
    ///
    /// # Errors
    /// `Unavailable` when it cannot be written, other than for a reader that is gone.
    pub(super) async fn write(&mut self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
        let mut text = Vec::new();
        let written = match write(&mut text) {
            Ok(()) => self.lines.write(text).await,
            Err(error) => Err(error),
        };
        match written {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.is_gone = true;
                Ok(())
            }
            Err(error) => Err(Error::new(ErrorKind::Unavailable, format!("cannot write the result: {error}"))),
            Ok(()) => Ok(()),
        }
    }

    /// Writes one line of JSON, as [`write`](Self::write) does.
    pub(super) async fn json(&mut self, value: &impl Serialize) -> Result<()> {
        self.json_lines(std::slice::from_ref(value)).await
    }

    /// Writes a line of JSON for each value, as [`write`](Self::write) does.
    pub(super) async fn json_lines(&mut self, values: &[impl Serialize]) -> Result<()> {
        self.write(|out| {
            for value in values {
                serde_json::to_writer(&mut *out, value)?;
                writeln!(out)?;
            }
            Ok(())
        })
        .await
    }
}
