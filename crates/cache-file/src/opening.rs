//! `Opening`: the mark of an opening under way, from which the next one learns where it ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tracing::warn;

use crate::dir::Layout;
use crate::fs::{FsFile, OpenMode};

/// Openings in a row that may end anywhere before the index is suspected.
const PATIENCE: u32 = 5;
/// Steps that are noted one by one; then one in [`STRIDE`] is.
const EXACT: u64 = 1024;
const STRIDE: u64 = 64;
/// A digit, then twice a line feed and the place of an end in hexadecimal digits, and a line feed.
const LEN: usize = 1 + 2 * 17 + 1;
/// Where the place of this opening begins.
const PLACE: u64 = 1 + 17 + 1;

/// An opening of the index, marked in the directory while it is under way.
///
/// The index library can end the process over a damaged file, and does so again at the same step. A process that was
/// killed ends anywhere. So the mark holds the last step of this opening and of the one before.
#[derive(Debug)]
pub(crate) struct Opening {
    /// Whether earlier ones ended so that the index must not be opened.
    pub(crate) suspect: bool,
    layout: Option<Layout>,
    file: Option<Arc<dyn FsFile>>,
    steps: AtomicU64,
    over: AtomicBool,
}

/// What a mark says of the openings before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark {
    count: u32,
    /// Last steps of the last opening but one, and of the last. 0 before the first step.
    places: [u64; 2],
}

impl Opening {
    /// Marks the beginning of an opening.
    pub(crate) fn begin(layout: &Layout) -> Arc<Self> {
        let path = layout.opening();
        let found = layout.fs.open(&path, OpenMode::Existing);
        let before = found.as_ref().map_or(Mark { count: 0, places: [0; 2] }, |file| Mark::read(&**file));
        let suspect = before.is_suspicious();
        let next = if suspect { Mark { count: 1, places: [0; 2] } } else { before.next() };
        let file = found.or_else(|_| layout.fs.open(&path, OpenMode::Create));
        let marked = file.and_then(|file| file.write_at(&next.text(), 0).map(|()| file));
        let file = marked.inspect_err(|error| warn!(%error, "the opening is not marked")).ok();
        Arc::new(Self { suspect, layout: Some(layout.clone()), file, steps: AtomicU64::new(0), over: false.into() })
    }

    /// One that nobody marks: of a new index.
    pub(crate) fn unmarked() -> Arc<Self> {
        Arc::new(Self { suspect: false, layout: None, file: None, steps: AtomicU64::new(0), over: true.into() })
    }

    /// Notes that the library goes on to its next input or output.
    pub(crate) fn step(&self) {
        if self.over.load(Ordering::Relaxed) {
            return;
        }
        let step = self.steps.fetch_add(1, Ordering::Relaxed) + 1;
        if (step <= EXACT || step.is_multiple_of(STRIDE))
            && let Some(file) = &self.file
        {
            // Not to know the place makes kills look like damage at worst.
            let _ = file.write_at(format!("{step:016x}").as_bytes(), PLACE);
        }
    }

    /// Notes that the opening has come to its end.
    pub(crate) fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
        let Some(layout) = &self.layout else { return };
        let Err(error) = layout.fs.delete(&layout.opening()) else { return };
        if error.kind() == std::io::ErrorKind::NotFound {
            return;
        }
        if self.file.as_ref().is_none_or(|file| file.write_at(b"0", 0).is_err()) {
            warn!(%error, "the mark of an opening stays");
        }
    }
}

impl Mark {
    /// What is not there was not written by an opening that was killed just then.
    fn read(file: &dyn FsFile) -> Self {
        let mut text = [0; LEN];
        let len = file.len().map_or(0, |len| len.min(LEN as u64)) as usize;
        let text = file.read_at(&mut text[..len], 0).map_or(&[][..], |()| &text[..len]);
        let digit = text.first().filter(|digit| digit.is_ascii_digit());
        let count = digit.map_or(1, |digit| u32::from(digit - b'0'));
        let place = |at| text.get(at..at + 16).and_then(|place| std::str::from_utf8(place).ok());
        let places = [2, PLACE as usize].map(|at| place(at).and_then(|place| u64::from_str_radix(place, 16).ok()));
        Self { count, places: places.map(Option::unwrap_or_default) }
    }

    fn is_suspicious(self) -> bool {
        let [one, other] = self.places;
        self.count >= PATIENCE || (self.count >= 2 && one > 0 && one == other)
    }

    /// The mark of an opening after those that this one counts.
    fn next(self) -> Self {
        Self { count: self.count + 1, places: [if self.count == 0 { 0 } else { self.places[1] }, 0] }
    }

    fn text(self) -> Vec<u8> {
        let [before, now] = self.places;
        format!("{}\n{before:016x}\n{now:016x}\n", self.count).into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_suspected_after_two_ends_at_one_step_or_five_anywhere() {
        let mut mark = Mark { count: 0, places: [0; 2] };
        for step in 1..=PATIENCE {
            assert!(!mark.is_suspicious(), "{mark:?}");
            mark = mark.next();
            mark.places[1] = u64::from(step);
        }
        assert!(mark.is_suspicious());
        let twice = Mark { count: 2, places: [7, 7] };
        assert!(twice.is_suspicious());
        assert!(!Mark { places: [0, 0], ..twice }.is_suspicious(), "nothing had been read");
        assert!(!Mark { count: 1, ..twice }.is_suspicious());
    }

    #[test]
    fn a_mark_has_the_length_that_is_read() {
        assert_eq!(Mark { count: 3, places: [1, u64::MAX] }.text().len(), LEN);
    }
}
