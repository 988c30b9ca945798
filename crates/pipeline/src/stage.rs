//! `Stage`: what computes a kind of artifact.

mod any;
mod recipe;

use std::fmt::Debug;

use async_trait::async_trait;
use cache_core::Result;

pub use any::{AnyStage, KindFacts};
pub(crate) use recipe::File;
pub use recipe::{Pass, Program, Recipe, Resource};

use crate::{Kind, Output, Work};

/// What computes a kind of artifact, with its parameters: a configured stage.
///
/// Several stages may compute one kind. Stages share artifacts exactly when their [`Recipe`]s are equal.
#[async_trait]
pub trait Stage: Debug + Send + Sync + 'static {
    /// What it computes.
    type Kind: Kind;

    /// Everything that decides what comes out, the source itself excepted, and how the work is to be done.
    fn recipe(&self) -> Recipe;

    /// Computes the segments of `work`, in order, and gives each to `out` with [`Output::part`] as soon as it is
    /// complete: it is kept from then on, whatever becomes of the rest.
    ///
    /// It runs in a task of its own, which is dropped when nobody waits for it any more; programs that it started must
    /// end with it. It must not block the thread for long.
    ///
    /// # Errors
    /// What went wrong, with the source: the parts given before stay, nothing else is kept. A source that this stage
    /// can never work on is [`ErrorKind::Invalid`](cache_core::ErrorKind::Invalid).
    async fn compute(&self, work: &Work, out: &mut Output<'_, Self::Kind>) -> Result<()>;
}
