//! `Place`: an entry of the stream, known by its id and its tag, on one run of a server; and what stands there.

use bytes::Bytes;
use cache_core::{Mark, Position, Result};
use serde::Deserialize;

use crate::error::unexpected;
use crate::link::Reply;

/// An entry of the stream, and the run of the server that is read.
///
/// The id says where to read on, the tag that it is this very entry: a stream that was lost and begun anew, or continued
/// by a replica that was behind, may use the id again. When reader and server are equally far behind, only the run tells
/// that the server may have told more before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) id: Id,
    tag: u64,
    /// The first 16 digits of the server's name for its run; zero where it may not be asked.
    run: u64,
}

/// The id of an entry: the server's milliseconds and a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Id(u64, u64);

/// An entry as it was read.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) at: Place,
    /// The tag of the entry before it.
    before: Option<u64>,
    /// Nothing where the stream begins.
    mark: Bytes,
}

impl Place {
    pub(super) fn of(position: &Position) -> Option<Self> {
        let mut parts = position.as_str().splitn(3, '.');
        let (id, tag, run) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Self { id: Id::read(id)?, tag: read(tag)?, run: read(run)? })
    }

    pub(super) fn position(self) -> Position {
        Position::new(format!("{}.{:016x}.{:x}", self.id.written(), self.tag, self.run))
    }

    /// What the script answers.
    pub(super) fn answered(reply: Reply) -> Result<Self> {
        let mut parts = reply.many()?.into_iter();
        let mut next = || parts.next().ok_or_else(unexpected).and_then(Reply::bytes);
        let (id, tag, run) = (next()?, next()?, next()?);
        Self::of_parts(&id, &tag, &run).ok_or_else(unexpected)
    }

    /// Whether the server is the one that it was, since it was started.
    pub(super) fn is_of_run_of(self, other: Self) -> bool {
        self.run == other.run
    }

    /// The same entry, read from the server that has told `other`.
    pub(super) fn on_run_of(self, other: Self) -> Self {
        Self { run: other.run, ..self }
    }

    fn of_parts(id: &[u8], tag: &[u8], run: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8;
        Some(Self { id: Id::read(text(id).ok()?)?, tag: read(text(tag).ok()?)?, run: read(text(run).ok()?)? })
    }
}

impl Id {
    fn read(text: &str) -> Option<Self> {
        let (millis, number) = text.split_once('-')?;
        Some(Self(millis.parse().ok()?, number.parse().ok()?))
    }

    pub(super) fn written(self) -> String {
        format!("{}-{}", self.0, self.1)
    }
}

impl Told {
    /// Whether nothing was told between `place` and this.
    pub(super) fn follows(&self, place: Place) -> bool {
        self.before == Some(place.tag)
    }

    /// The mark; `None` for one in a form that nobody here knows.
    pub(super) fn mark(&self) -> Option<Mark> {
        let mut decoder = rmp_serde::Deserializer::from_read_ref(&self.mark[..]);
        // Far more than a mark has: a stack is not endless, and others may write to the stream.
        decoder.set_max_depth(16);
        Mark::deserialize(&mut decoder).ok()
    }
}

/// The entries in the reply to `XREAD`; `None` in place of what is none of ours.
///
/// # Errors
/// `Unavailable` when it is no such reply.
pub(super) fn entries(reply: Reply) -> Result<Vec<Option<Told>>> {
    if matches!(reply, Reply::Nothing) {
        return Ok(Vec::new());
    }
    let stream = reply.many()?.into_iter().nth(1).ok_or_else(unexpected)?;
    stream.many()?.into_iter().map(entry).collect()
}

/// A tag as it is written.
pub(super) fn written(tag: u64) -> Bytes {
    format!("{tag:016x}").into()
}

fn read(tag: &str) -> Option<u64> {
    u64::from_str_radix(tag, 16).ok()
}

fn entry(reply: Reply) -> Result<Option<Told>> {
    let mut parts = reply.many()?.into_iter();
    let id = parts.next().ok_or_else(unexpected)?.bytes()?;
    let fields = parts.next().ok_or_else(unexpected)?.many()?;
    let fields: Vec<Bytes> = fields.into_iter().map(Reply::bytes).collect::<Result<_>>()?;
    let [t, tag, p, before, r, run, m, mark] = &fields[..] else { return Ok(None) };
    if (&**t, &**p, &**r, &**m) != (b"t", b"p", b"r", b"m") {
        return Ok(None);
    }
    let before = std::str::from_utf8(before).ok().and_then(read);
    Ok(Place::of_parts(&id, tag, run).map(|at| Told { at, before, mark: mark.clone() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_the_place_that_it_was_made_from() {
        let place = Place { id: Id(1_700_000_000_000, 7), tag: u64::MAX, run: 0x0123_4567_89ab_cdef };
        assert_eq!(Place::of(&place.position()), Some(place));
        for other in ["", "7", "7-1", "7-1.", "7-1.1", "7-1.1.", "7-1.xyz.1", "7-1.1.1.1", "a-b.1.1", "-.1.1"] {
            assert_eq!(Place::of(&Position::new(other)), None, "{other}");
        }
    }

    #[test]
    fn ids_are_ordered_as_numbers() {
        assert!(Id(9, 10) > Id(9, 9) && Id(10, 0) > Id(9, 10));
    }

    #[test]
    fn what_is_none_of_ours_has_no_place() {
        let bytes = |text: &'static str| Reply::Bytes(Bytes::from_static(text.as_bytes()));
        let of = |fields: &[&'static str]| {
            entry(Reply::Many(vec![bytes("7-1"), Reply::Many(fields.iter().copied().map(bytes).collect())])).unwrap()
        };
        assert!(of(&["t", "1f", "p", "", "r", "2", "m", ""]).is_some_and(|told| told.before.is_none()));
        let others = [
            &["a", "b"][..],
            &["t", "zz", "p", "", "r", "2", "m", ""],
            &["t", "1", "p", "", "r", "zz", "m", ""],
            &["t", "1", "x", "", "r", "2", "m", ""],
            &["t", "1", "p", "", "m", ""],
            &[],
        ];
        for fields in others {
            assert!(of(fields).is_none(), "{fields:?}");
        }
    }
}
