//! `Output`: where a stage puts what it computes.

mod sink;
mod spill;
mod tally;

use std::fmt;
use std::marker::PhantomData;

use bytes::Bytes;
use cache_core::Result;

use sink::Facts;
pub(crate) use sink::{Job, Piece, Sink, ends, overlap};
pub(crate) use spill::Spill;
pub(crate) use tally::Tally;

use crate::{BodyRef, Kind, Segment};

/// Where a stage puts what it computes: bodies as they come, then the value of their segment, and so on.
///
/// Bodies are gathered into bundles of at most 2 MiB, so a stage that hands them on at once needs no memory for them.
pub struct Output<'a, K> {
    sink: &'a mut Sink,
    kind: PhantomData<fn(K)>,
}

/// Whether a stage is to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a stage that goes on after it has given enough computes what nobody wants"]
pub enum Next {
    /// There are segments to be computed.
    Go,
    /// Everything that is wanted has been given: return.
    Enough,
}

impl<'a, K: Kind> Output<'a, K> {
    pub(crate) fn new(sink: &'a mut Sink) -> Self {
        Self { sink, kind: PhantomData }
    }

    /// Keeps `body` for the segment whose [`part`](Self::part) comes next; the name to put into its value.
    ///
    /// # Errors
    /// `TooLarge` for a body of more than 64 MiB.
    pub async fn body(&mut self, body: Bytes) -> Result<BodyRef> {
        self.sink.body(body).await
    }

    /// Gives the value of `segment`, which is complete with this: from here on it is in the cache, if a tier took it.
    ///
    /// # Errors
    /// When the source was changed since it was fingerprinted; when it is not the turn of this segment: they are
    /// given in the order of [`Work::segments`](crate::Work::segments), each once; and when the value refers to another
    /// [`body`](Self::body) than those given for it.
    pub async fn part(&mut self, segment: Segment, value: &K) -> Result<Next> {
        let facts = Facts { count: value.count(), times: value.times(), bodies: value.bodies() };
        self.sink.part(segment, facts, value).await
    }
}

impl<K> fmt::Debug for Output<'_, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Output").field(&self.sink).finish()
    }
}
