//! `AnyStage`: a stage of whatever kind, so that stages of different kinds can be inputs and run together.

use std::fmt::Debug;

use async_trait::async_trait;
use cache_core::Result;

use super::{Recipe, Stage};
use crate::output::Sink;
use crate::{Kind, Output, Segment, Span, Work};

/// A stage of whatever kind. Every [`Stage`] is one: an `Arc<S>` becomes an `Arc<dyn AnyStage>` by itself.
#[async_trait]
#[expect(private_interfaces, reason = "implemented here, for every stage, and nowhere else")]
pub trait AnyStage: Debug + Send + Sync + sealed::Sealed {
    /// What it computes.
    fn kind(&self) -> KindFacts;

    /// Its [`Stage::recipe`].
    fn plan(&self) -> Recipe;

    /// Whether `part` is one of its kind.
    #[doc(hidden)]
    fn reads(&self, part: &[u8]) -> bool;

    /// How many things in `span` these parts have together, given in order; `None` where each tells that by itself.
    #[doc(hidden)]
    fn things(&self, parts: &[(Segment, &[u8])], span: Span) -> Option<u64>;

    #[doc(hidden)]
    async fn compute_into(&self, work: &Work, sink: &mut Sink) -> Result<()>;
}

/// What is known of a kind at run time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct KindFacts {
    /// Its name.
    pub name: &'static str,
    /// The version of its type.
    pub schema: u32,
    /// The media type of its bodies.
    pub bodies: &'static str,
}

impl KindFacts {
    /// Those of `K`.
    pub const fn of<K: Kind>() -> Self {
        Self { name: K::NAME, schema: K::SCHEMA, bodies: K::BODIES }
    }
}

mod sealed {
    pub trait Sealed {}
    impl<S: super::Stage> Sealed for S {}
}

#[async_trait]
#[expect(private_interfaces, reason = "the method that has it is not for callers")]
impl<S: Stage> AnyStage for S {
    fn kind(&self) -> KindFacts {
        KindFacts::of::<S::Kind>()
    }

    fn plan(&self) -> Recipe {
        self.recipe()
    }

    fn reads(&self, part: &[u8]) -> bool {
        crate::part::value::<S::Kind>(part).is_some()
    }

    fn things(&self, parts: &[(Segment, &[u8])], span: Span) -> Option<u64> {
        let read = |(segment, part): &(Segment, &[u8])| Some((*segment, crate::part::value(part)?));
        S::Kind::OVERLAPS.then(|| S::Kind::join(parts.iter().filter_map(read).collect()).within(span).count())
    }

    async fn compute_into(&self, work: &Work, sink: &mut Sink) -> Result<()> {
        self.compute(work, &mut Output::new(sink)).await
    }
}
