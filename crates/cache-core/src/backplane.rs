//! `Backplane`: how the processes of a fleet tell each other what is out of date.

use std::fmt::{self, Debug};
use std::sync::Arc;

use async_trait::async_trait;
use futures_core::stream::BoxStream;

use crate::{Mark, Result};

/// A place in the sequence of marks on a backplane, in the backplane's own form.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Position(Arc<str>);

impl Position {
    /// The position that the backplane calls `text`.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// What the backplane calls it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a subscriber hears.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Heard {
    /// A mark, and where to go on after it.
    Mark(Mark, Position),
    /// Marks may have been lost before this position, or the subscription has just begun: whatever was copied into
    /// this process may be out of date.
    Gap(Position),
}

/// How the processes of a fleet tell each other what is out of date: a power that a shared backend may have.
///
/// Writes and invalidations are told, fills are not: a value that was loaded replaces nothing that anyone may rely
/// on. Who published a mark may hear it, too.
#[async_trait]
pub trait Backplane: Debug + Send + Sync + 'static {
    /// Tells every subscriber. Dropping the future leaves it told or not.
    async fn publish(&self, mark: &Mark) -> Result<()>;

    /// What is told after `position`, or from now on without one. A subscription without a position, and one whose
    /// position is no longer known, begin with a [`Heard::Gap`]: from there on nothing is missed.
    ///
    /// The stream ends after an error; who wants to go on subscribes anew from the last position.
    fn subscribe(&self, after: Option<Position>) -> BoxStream<'static, Result<Heard>>;
}
