//! `Kind`: what the value of an artifact is, whoever computes it.

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{BodyRef, Segment, Span};

/// The value of an artifact: keyframes, a transcript, or a kind of your own.
///
/// It is stored per [`Segment`] of the source, as MessagePack, and put together again when it is read. Pictures, sound
/// and other bulk do not belong into it: hand them to [`Output::body`](crate::Output::body) and keep the [`BodyRef`].
///
/// ```
/// # use pipeline::{Kind, Segment, Span};
/// # use serde::{Deserialize, Serialize};
/// /// Where the picture is black, in microseconds.
/// #[derive(Debug, Clone, Serialize, Deserialize)]
/// struct Blacks(Vec<(i64, i64)>);
///
/// impl Kind for Blacks {
///     const NAME: &'static str = "blacks";
///     const SCHEMA: u32 = 1;
///
///     fn join(parts: Vec<(Segment, Self)>) -> Self {
///         Self(parts.into_iter().flat_map(|(_, part)| part.0).collect())
///     }
///
///     fn within(&self, span: Span) -> Self {
///         Self(self.0.iter().copied().filter(|&(start, end)| span.overlaps(Span::new(start, end))).collect())
///     }
/// }
/// ```
pub trait Kind: Serialize + DeserializeOwned + Clone + Debug + Send + Sync + 'static {
    /// Its name: a part of the keys, and what people call it. Lower case, without spaces.
    const NAME: &'static str;
    /// The version of this type. Raise it whenever a stored value would mean something else: artifacts of another
    /// version are not found.
    const SCHEMA: u32;
    /// The media type of its bodies, e.g. `"image/jpeg"`. Tiers are chosen, and compression is, by it.
    const BODIES: &'static str = "application/octet-stream";
    /// Whether parts tell of what the parts next to them tell of, too: then it takes a [`join`](Self::join) to know how
    /// many things there are, and parts are decoded to count them.
    const OVERLAPS: bool = false;

    /// The value of several segments, given in the order of time, each once; some may be missing in between. The same
    /// parts always give the same value.
    fn join(parts: Vec<(Segment, Self)>) -> Self;

    /// What of it lies in `span`. `value.within(a).within(b)` is `value.within(b)` where `b` lies in `a`.
    #[must_use]
    fn within(&self, span: Span) -> Self;

    /// How many things it consists of that [`Selection::most`](crate::Selection::most) counts.
    fn count(&self) -> u64 {
        1
    }

    /// Leaves the first `most` of the things that [`count`](Self::count) counts.
    fn truncate(&mut self, most: u64) {
        let _ = most;
    }

    /// The bodies that it refers to, in order.
    fn bodies(&self) -> Vec<BodyRef> {
        Vec::new()
    }

    /// The times of its bodies in microseconds, one for each and in their order, where each belongs to one instant.
    /// Of a [`divisible`](crate::Recipe::divisible) stage, bodies that were evicted are computed again by themselves.
    fn times(&self) -> Vec<i64> {
        Vec::new()
    }
}
